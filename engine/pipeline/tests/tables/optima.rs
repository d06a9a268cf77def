//! Tables of optimal amounts.

use serde_json::Value;

use crate::place::{Place, assert_close, numbers};

#[test]
fn remark_1_step_by_step() {
    let place = Place::new();
    place.write("optima.csv", "tokens,first,second\n200,100,100\n500,300,200\n");
    let arguments = ["predict", "--table", "optima.csv", "--tokens", "600000", "--stepping"];
    let chain = place.json(&arguments)["predictions"][0]["prediction"]["chain"].clone();
    let amounts: Vec<Vec<f64>> =
        chain.as_array().expect("a chain").iter().map(|step| numbers(&step["amounts"])).collect();
    let expected = [
        [900.0, 400.0],
        [2700.0, 800.0],
        [8100.0, 1600.0],
        [24_300.0, 3200.0],
        [72_900.0, 6400.0],
        [218_700.0, 12_800.0],
        [656_100.0, 25_600.0],
    ];
    assert_eq!(amounts, expected);
    let text = place.text(&arguments);
    let rows: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let percents = [[69, 31], [77, 23], [84, 16], [88, 12], [92, 8], [94, 6], [96, 4]];
    for (step, (amounts, percents)) in expected.iter().zip(&percents).enumerate() {
        let number = (step + 1).to_string();
        let of_step: Vec<&Vec<&str>> =
            rows.iter().filter(|row| row.first() == Some(&number.as_str())).collect();
        let [tokens, shares] = of_step[..] else { panic!("step {number}: {text}") };
        assert_eq!(tokens[2..], amounts.map(|amount| amount.to_string()), "{text}");
        let shares: Vec<i64> = shares[2..]
            .iter()
            .map(|share| share.parse::<f64>().expect("a percent").round() as i64)
            .collect();
        assert_eq!(shares, percents, "{text}");
    }
    assert!(text.contains("target 600000: step 7, 681700 tokens"), "{text}");
}

/// The reference code's optima, as multiples of the uniform amount.
const OUTER: &str = "scale,tokens,common-crawl,github,books,wikipedia,c4,stackexchange,arxiv
large,1.2B,1.63121445,.2,1.30180479,1.21425702,1.83266187,.62006189,.2
small,0.3B,1.55818971,.2,1.1645966,1.42333261,1.49550525,.68184781,.47652801
";

#[test]
fn published_predictions() {
    let place = Place::new();
    place.write("optima.csv", OUTER);
    let object = place.json(&["predict", "--table", "optima.csv", "--tokens", "3B,10B"]);
    assert_eq!(object["values"], "multiples of the uniform amount");
    assert_eq!(object["scales"][0]["label"], "small");
    let weights = |object: &Value, place: usize| numbers(&object["predictions"][place]["weights"]);
    let rounded = 0.5001e-4;
    assert_close(
        &weights(&object, 0),
        &[0.2346, 0.0279, 0.1953, 0.1530, 0.2917, 0.0814, 0.0160],
        rounded,
    );
    assert_close(
        &weights(&object, 1),
        &[0.2324, 0.0266, 0.2044, 0.1278, 0.3296, 0.0717, 0.0074],
        rounded,
    );

    let stepping =
        place.json(&["predict", "--table", "optima.csv", "--tokens", "3B,400B", "--stepping"]);
    let first = [0.2342, 0.0274, 0.1995, 0.1421, 0.3080, 0.0773, 0.0115];
    assert_close(&weights(&stepping, 0), &first, rounded);
    let chain =
        stepping["predictions"][1]["prediction"]["chain"].as_array().expect("a chain").clone();
    let totals: Vec<f64> =
        chain.iter().map(|step| step["total"].as_f64().expect("a total") / 1e9).collect();
    assert_close(&totals, &[5.000487, 21.38933, 93.22815, 412.44003], 0.5001e-5);
    let text =
        place.text(&["predict", "--table", "optima.csv", "--tokens", "3B,400B", "--stepping"]);
    assert!(text.contains("5.000487B") && text.contains("412.44B"), "{text}");
    assert!(text.contains("target 3B: step 1") && text.contains("target 400B: step 4"), "{text}");
}

#[test]
fn a_floored_domain_is_carried_when_asked() {
    let place = Place::new();
    place.write("optima.csv", OUTER);
    let object =
        place.json(&["predict", "--table", "optima.csv", "--tokens", "3B", "--floor", "0.2"]);
    let weights = numbers(&object["predictions"][0]["weights"]);
    assert_close(&weights[1..2], &[0.2 / 7.0], 1e-9);
    let notes = object["predictions"][0]["notes"].to_string();
    assert!(notes.contains("`github` is at its floor at every scale and is carried"), "{notes}");
    assert!(notes.contains("`arxiv` is at its floor at 1 of the scales"), "{notes}");
}

#[test]
fn a_scale_below_those_that_were_measured_is_noted() {
    let place = Place::new();
    place.write("optima.csv", "a,b\n100,100\n300,200\n");
    let text = |tokens: &str| place.text(&["predict", "--table", "optima.csv", "--tokens", tokens]);
    let note = "150 tokens are fewer than the 200 of the smallest scale";
    assert!(text("150").contains(note));
    assert!(!text("200").contains("fewer than") && !text("9k").contains("fewer than"));
}

/// The same optima as amounts, weights or multiples predict the same.
#[test]
fn three_ways_to_write_optima() {
    let place = Place::new();
    place.write("amounts.csv", "a,b\n100,100\n300,200\n");
    place.write("weights.csv", "total,a,b\n200,0.5,0.5\n500,0.6,0.4\n");
    place.write("multiples.csv", "total,a,b\n200,1,1\n500,1.2,0.8\n");
    let predict = |name: &str| {
        let object = place.json(&["predict", "--table", name, "--tokens", "9k"]);
        (object["values"].clone(), numbers(&object["predictions"][0]["weights"]))
    };
    let (kind, expected) = predict("amounts.csv");
    assert_eq!(kind, "amounts in tokens");
    for (name, kind) in
        [("weights.csv", "weights"), ("multiples.csv", "multiples of the uniform amount")]
    {
        let (found, weights) = predict(name);
        assert_eq!(found, kind);
        assert_close(&weights, &expected, 1e-12);
    }
}

#[test]
fn bad_tables_of_optima_are_located() {
    let check = |table: &str, flags: &[&str], code: i32, expected: &[&str]| {
        let place = Place::new();
        place.write("optima.csv", table);
        let (found, stderr) =
            place.refused(&[&["predict", "--table", "optima.csv"], flags].concat());
        assert_eq!(found, Some(code), "{table}: {stderr}");
        for expected in expected {
            assert!(stderr.contains(expected), "no `{expected}` in: {stderr}");
        }
    };
    let to = &["--tokens", "9k"];
    let good = "a,b\n100,100\n300,200\n";
    check(good, &[], 2, &["--tokens"]);
    check(good, &["--tokens", "x"], 2, &["--tokens x"]);
    check(good, &["--tokens", "9k", "--floor", "0"], 2, &["--floor 0"]);
    check("a,b\n100,100\n", to, 2, &["two or more"]);
    check("scale,tokens\nx,3\n", to, 2, &["no column of a domain"]);
    check(
        "a,b\n100,\n300,x\n",
        to,
        2,
        &["2 problems", "line 2, column `b`: it is empty", "line 3, column `b`"],
    );
    check("a,b\n100,-1\n300,200\n", to, 2, &["line 2, column `b`: -1 is below 0"]);
    check("a,b\n0,0\n300,200\n", to, 2, &["line 2: every domain has 0"]);
    check("a,b\n100,0\n300,200\n", to, 2, &["`b` has no tokens at scale 0"]);
    check("a,b\n100,100\n100,100\n", to, 2, &["increasing total"]);
    check(
        "tokens,a,b\n200,3,4\n500,300,200\n",
        to,
        2,
        &["line 2: the domains sum to 7", "to 1 (weights) or to 2"],
    );
    check("tokens,a,b\n200,.5,.5\n500,300,200\n", to, 2, &["different things"]);
    check(good, &["--tokens", "400", "--stepping"], 2, &["already reaches"]);
    check("a,b\n400,100\n100,900\n", &["--tokens", "0.001"], 1, &["no prediction"]);
}

/// Losses of a DDO experiment at one scale, as the optima's theorem has them: every domain's part of the loss is a power
/// of its tokens, `k_j (n_j + shift_j)^-b`, the same at every scale; b is one for all, so optima keep their shares.
fn experiment(tokens: f64, shift: f64, seeds: &[f64]) -> String {
    let parts = [("web", 40.0), ("code", 20.0), ("books", 10.0)];
    let loss = |scaled: Option<(usize, f64)>| -> f64 {
        let part = |(place, (_, k)): (usize, &(&str, f64))| {
            let factor =
                scaled.map_or(1.0, |(domain, factor)| if domain == place { factor } else { 1.0 });
            k * (factor * tokens / 3.0 + shift).powf(-0.3)
        };
        2.0 + parts.iter().enumerate().map(part).sum::<f64>()
    };
    let base = seeds.iter().map(|noise| format!(",,{}\n", loss(None) * (1.0 + noise)));
    let base: String = base.collect();
    let runs = (0..3).flat_map(|domain| [0.25, 0.5, 2.0, 4.0].map(|factor| (domain, factor)));
    let runs = runs.map(|(domain, factor)| {
        format!("{},{factor},{}\n", parts[domain].0, loss(Some((domain, factor))))
    });
    format!("domain,factor,loss\n{base}{}", runs.collect::<String>())
}

const EXPERIMENT: [&str; 8] = [
    "--at",
    "300M,1.2B",
    "--tokens",
    "5B",
    "--measure",
    "cross-entropy",
    "--objective",
    "mean-loss",
];

fn predict_experiments(place: &Place, flags: &[&str]) -> Value {
    let tables = ["predict", "--table", "large.csv", "--table", "small.csv"];
    // The tables may come in any order, as their tokens do.
    let at: Vec<&str> = EXPERIMENT
        .iter()
        .map(|flag| if *flag == "300M,1.2B" { "1.2B,300M" } else { flag })
        .collect();
    place.json(&[&tables[..], &at, flags].concat())
}

#[test]
fn tables_of_losses_give_a_prediction() {
    let place = Place::new();
    place.write("small.csv", experiment(3e8, 0.0, &[0.0]));
    place.write("large.csv", experiment(1.2e9, 0.0, &[0.0]));
    let object = predict_experiments(&place, &["--bootstrap", "0"]);
    assert_eq!(object["values"], "optima of DDO");
    assert_eq!(object["scales"].as_array().map(Vec::len), Some(2));
    assert_eq!(object["scales"][0]["label"], "300M");
    // One power for all: shares go as k^(1 / (1 + b)) at every scale. DDO's own law has no amplitude, so its optima
    // are near that, not on it.
    let parts = [40.0_f64, 20.0, 10.0].map(|k| k.powf(1.0 / 1.3));
    let expected = parts.map(|part| part / parts.iter().sum::<f64>());
    assert_close(&numbers(&object["predictions"][0]["weights"]), &expected, 0.03);
    // One table that says the scale of every run is the same.
    let with_tokens = |text: String, tokens: &str| {
        text.lines().skip(1).map(|line| format!("{tokens},{line}\n")).collect::<String>()
    };
    let rows = with_tokens(experiment(3e8, 0.0, &[0.0]), "300M")
        + &with_tokens(experiment(1.2e9, 0.0, &[0.0]), "1.2B");
    place.write("both.csv", format!("tokens,domain,factor,loss\n{rows}"));
    let one = place.json(&[
        "predict",
        "--table",
        "both.csv",
        "--tokens",
        "5B",
        "--measure",
        "cross-entropy",
        "--objective",
        "mean-loss",
        "--bootstrap",
        "0",
    ]);
    assert_eq!(one["predictions"][0]["weights"], object["predictions"][0]["weights"]);
    // Both laws and both modes.
    let shifted = predict_experiments(&place, &["--bootstrap", "0", "--law", "shifted"]);
    assert_eq!(shifted["predictions"][0]["prediction"]["law"], "shifted");
    let stepping = predict_experiments(&place, &["--bootstrap", "0", "--stepping"]);
    let total = stepping["predictions"][0]["prediction"]["predicted"]["total"].as_f64();
    assert!(total.expect("a total") >= 5e9, "{stepping}");
}

/// Noise that repeats show reaches the prediction; without it there is none to carry.
#[test]
fn the_noise_of_losses_reaches_the_prediction() {
    let place = Place::new();
    place.write("small.csv", experiment(3e8, 0.0, &[0.0, 0.001, -0.001, 0.0005]));
    place.write("large.csv", experiment(1.2e9, 0.0, &[0.0, 0.001, -0.001, 0.0005]));
    let object = predict_experiments(&place, &["--bootstrap", "200"]);
    let prediction = &object["predictions"][0];
    let intervals = prediction["intervals"]["weights"].as_array().expect("intervals");
    for (interval, weight) in intervals.iter().zip(numbers(&prediction["weights"])) {
        let [low, high] = ["low", "high"].map(|end| interval[end].as_f64().expect("a number"));
        assert!(low < high && high - low > 1e-3, "{interval}");
        assert!(low - 0.05 < weight && weight < high + 0.05, "{interval} {weight}");
    }
    assert_eq!(object, predict_experiments(&place, &["--bootstrap", "200"]), "seeded");
    let text = place.text(
        &[
            &["predict", "--table", "small.csv", "--table", "large.csv"][..],
            &EXPERIMENT,
            &["--bootstrap", "200"],
        ]
        .concat(),
    );
    assert!(
        text.contains("90 % interval") && text.contains("redrawn fits at every scale"),
        "{text}"
    );
    let without = predict_experiments(&place, &["--bootstrap", "0"]);
    assert!(without["predictions"][0]["intervals"].is_null(), "{without}");
}

#[test]
fn tables_of_losses_that_give_none_are_refused() {
    let place = Place::new();
    place.write("small.csv", experiment(3e8, 0.0, &[0.0]));
    place.write("other.csv", experiment(1.2e9, 0.0, &[0.0]).replace("books", "novels"));
    place.write("optima.csv", OUTER);
    let check = |arguments: &[&str], expected: &[&str]| {
        let (code, stderr) = place.refused(&[&["predict"], arguments].concat());
        assert_eq!(code, Some(2), "{arguments:?}: {stderr}");
        for expected in expected {
            assert!(stderr.contains(expected), "no `{expected}` in: {stderr}");
        }
    };
    let to = ["--tokens", "5B"];
    let with = |more: &[&'static str]| [more, &to[..]].concat();
    check(&with(&["--table", "small.csv"]), &["does not say its scale", "--at"]);
    check(&with(&["--table", "small.csv", "--at", "300M"]), &["two or more"]);
    check(
        &with(&["--table", "small.csv", "--table", "small.csv", "--at", "1M,1M"]),
        &["two scales have 1000000 tokens"],
    );
    check(
        &with(&["--table", "small.csv", "--table", "other.csv", "--at", "1M,2M"]),
        &["is at one scale and not at another"],
    );
    check(&with(&["--table", "small.csv", "--table", "optima.csv"]), &["different kinds"]);
    check(&with(&["--table", "small.csv", "--at", "many"]), &["--at many"]);
    check(&with(&["--table", "optima.csv", "--law", "shifted"]), &["shifts", "--law power"]);
}
