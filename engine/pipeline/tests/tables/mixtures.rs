//! Tables of mixtures: read by roles, fitted by laws, refused with the place of what is wrong.

use std::process::Command;

use serde_json::{Value, json};

use crate::place::{Place, assert_close, numbers};

const DOMAINS: [&str; 3] = ["books", "code", "web"];
/// What the losses really are: c + k exp(t h), a row a validation domain.
const TRUTH: [(f64, f64, [f64; 3]); 3] =
    [(2.0, 1.5, [-2.0, 0.2, -0.4]), (1.0, 1.0, [0.3, -3.0, -0.2]), (2.5, 1.2, [-0.3, 0.1, -1.8])];

/// One run.
#[derive(Clone)]
pub struct Run {
    pub weights: [f64; 3],
    pub losses: [f64; 3],
}

pub fn losses(weights: [f64; 3]) -> [f64; 3] {
    TRUTH.map(|(c, k, t)| c + k * t.iter().zip(&weights).map(|(t, h)| t * h).sum::<f64>().exp())
}

/// Mixtures over the whole simplex, in steps of a sixth: weights with two decimals would not sum to 1.
pub fn runs() -> Vec<Run> {
    let mut runs = Vec::new();
    for books in 0..=6 {
        for code in 0..=(6 - books) {
            let part = |parts: i32| f64::from(parts) / 6.0;
            let weights = [part(books), part(code), part(6 - books - code)];
            runs.push(Run { weights, losses: losses(weights) });
        }
    }
    runs
}

/// A table with the weights as `weight` writes them and losses as `loss` does.
pub fn table(
    header: &str,
    runs: &[Run],
    weight: impl Fn(f64) -> String,
    loss: impl Fn(f64) -> String,
) -> String {
    let lines = runs.iter().map(|run| {
        let cells =
            run.weights.iter().map(|w| weight(*w)).chain(run.losses.iter().map(|l| loss(*l)));
        cells.collect::<Vec<_>>().join(",") + "\n"
    });
    format!("{header}\n{}", lines.collect::<String>())
}

pub const HEADER: &str = "weight_books,weight_code,weight_web,books_loss,code_loss,web_loss";

fn plain() -> String {
    table(HEADER, &runs(), |w| w.to_string(), |l| l.to_string())
}

/// Weights by name, in the order of [`DOMAINS`].
fn weights(answer: &Value) -> Vec<f64> {
    DOMAINS.iter().map(|name| answer["weights"][name].as_f64().expect("a weight")).collect()
}

/// The mixture of least mean loss, by a fine grid.
fn best() -> [f64; 3] {
    const STEPS: i32 = 400;
    let mut best = (f64::INFINITY, [0.0; 3]);
    for books in 0..=STEPS {
        for code in 0..=(STEPS - books) {
            let part = |parts: i32| f64::from(parts) / f64::from(STEPS);
            let weights = [part(books), part(code), part(STEPS - books - code)];
            let mean = losses(weights).iter().sum::<f64>() / 3.0;
            if mean < best.0 {
                best = (mean, weights);
            }
        }
    }
    best.1
}

const QUICK: [&str; 2] = ["--bootstrap", "20"];

pub fn fit<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [&["fit", "--table", "t.csv"], arguments].concat()
}

#[test]
fn a_known_truth_is_found() {
    let place = Place::new();
    place.write("t.csv", plain());
    let answer = place.json(&fit(&["--law", "exponential", "--bootstrap", "20"]));
    assert_close(&weights(&answer), &best(), 0.006);
    assert_eq!(answer["law"]["name"], "exponential");
    let found = numbers(&answer["optimum"]["losses"]);
    let at = weights(&answer);
    assert_close(&found, &losses([at[0], at[1], at[2]]), 1e-4);
    assert_eq!(answer["verdict"], "better");
    // What a program may rely on.
    for key in [
        "source",
        "objective",
        "choice",
        "cross-validation",
        "law",
        "reference",
        "weights",
        "optimum",
        "bounds",
        "at",
        "uncertainty",
        "forecasts",
        "verdict",
        "best-measured",
        "suggestions",
        "notes",
    ] {
        assert!(answer.get(key).is_some(), "no `{key}` in {answer}");
    }
    assert_eq!(answer["source"]["domains"], json!(DOMAINS));
    assert_eq!(answer["source"]["validation"], json!(DOMAINS));
    assert_eq!(answer["source"]["runs"], 28);
    let parameters = answer["law"]["targets"][0]["parameters"].as_array().expect("parameters");
    assert!(parameters.iter().all(|each| each["value"].is_f64()), "{parameters:?}");
    assert_eq!(answer["law"]["targets"][0]["points"].as_array().map(Vec::len), Some(28));
}

#[test]
fn the_best_law_is_chosen_and_all_are_listed() {
    let place = Place::new();
    place.write("t.csv", plain());
    let answer = place.json(&fit(&QUICK));
    let table = answer["choice"]["table"].as_array().expect("laws");
    assert_eq!(table.len(), 9, "{table:?}");
    let rmse = |line: &Value| line["outcome"]["scored"]["rmse"].as_f64().unwrap_or(f64::INFINITY);
    assert!(table.windows(2).all(|pair| rmse(&pair[0]) <= rmse(&pair[1])), "{table:?}");
    assert_eq!(answer["choice"]["best"], table[0]["law"]);
    assert!(rmse(&table[0]) < 1e-3, "{table:?}");
    let text = place.text(&fit(&QUICK));
    for law in
        ["ddo", "exponential", "additive", "inverse-sum", "bimix", "log-linear", "linear", "trees"]
    {
        assert!(text.contains(law), "no {law}: {text}");
    }
    assert!(text.contains("cross-validated errors, 5 folds") && text.contains("taken"), "{text}");
}

/// Weights, percent, amounts and perplexities, with usual or with given names: one answer.
#[test]
fn one_table_written_in_many_ways() {
    let place = Place::new();
    let answer = |text: String, flags: &[&str]| {
        place.write("t.csv", text);
        let flags = [&["--law", "exponential", "--bootstrap", "0"], flags].concat();
        place.json(&fit(&flags))
    };
    let expected = weights(&answer(plain(), &[]));
    let same = |text: String, flags: &[&str]| {
        let found = answer(text, flags);
        assert_eq!(found["source"]["domains"], json!(DOMAINS), "{found}");
        assert_eq!(found["source"]["validation"], json!(DOMAINS), "{found}");
        assert_close(&weights(&found), &expected, 2e-4);
    };
    let (w, l) = (|w: f64| w.to_string(), |l: f64| l.to_string());
    let all = runs();
    same(table("w_books,w_code,w_web,loss_books,loss_code,loss_web", &all, w, l), &[]);
    let metric = "train_books,train_code,train_web,metric/books_val_loss,metric/code_val_loss,metric/web_val_loss";
    same(table(metric, &all, w, l), &[]);
    same(table(HEADER, &all, |w| (100.0 * w).to_string(), l), &[]);
    let perplexities = HEADER.replace("_loss", "_ppl");
    same(table(&perplexities, &all, w, |l| l.exp().to_string()), &[]);
    let amounts = HEADER.replace("weight_", "tokens:");
    same(table(&amounts, &all, |w| format!("{}M", 600.0 * w), l), &[]);
    let odd = "books of mix,code of mix,web of mix,x books y,x code y,x web y";
    let flags = ["--weight-columns", "* of mix", "--loss-columns", "x * y"];
    same(table(odd, &all, w, l), &flags);
    let flags =
        ["--amount-columns", "books of mix,code of mix,web of mix", "--loss-columns", "x * y"];
    let found = answer(table(odd, &all, w, l), &flags);
    assert_eq!(found["source"]["domains"][0], "books of mix");
}

/// Rounded weights are divided by their sum, and that is said.
#[test]
fn rounding_is_no_error() {
    let place = Place::new();
    place.write("t.csv", table(HEADER, &runs(), |w| format!("{w:.3}"), |l| l.to_string()));
    let text = place.text(&fit(&["--law", "linear", "--bootstrap", "0"]));
    assert!(text.contains("sum to 1 only within the rounding"), "{text}");
}

#[test]
fn two_files_are_joined_by_name() {
    let place = Place::new();
    let (mut mixtures, mut scores) = (Vec::new(), Vec::new());
    for (index, run) in runs().iter().enumerate() {
        let [a, b, c] = run.weights;
        mixtures.push(format!("{},{a},{b},{c}\n", index + 1));
        let [a, b, c] = run.losses;
        // Columns in another order too: names join, places do not.
        scores.push(format!("{},{c},{a},{b}\n", index + 1));
    }
    scores.reverse();
    let write = |mixtures: &[String], scores: &[String]| {
        place.write(
            "t.csv",
            format!("index,weight_books,weight_code,weight_web\n{}", mixtures.concat()),
        );
        place.write("l.csv", format!("index,web_loss,books_loss,code_loss\n{}", scores.concat()));
    };
    write(&mixtures, &scores);
    let flags = ["--join", "l.csv", "--law", "exponential", "--bootstrap", "0"];
    let joined = place.json(&fit(&flags));
    let paths = joined["source"]["files"].clone();
    assert_eq!(paths, json!(["t.csv", "l.csv"]));
    place.write("one.csv", plain());
    let one =
        place.json(&["fit", "--table", "one.csv", "--law", "exponential", "--bootstrap", "0"]);
    assert_close(&weights(&joined), &weights(&one), 1e-6);

    write(&mixtures, &scores[2..]);
    let text = place.text(&fit(&flags));
    assert!(text.contains("2 of 28 rows of `t.csv` have no partner"), "{text}");

    let refused = |mixtures: &[String], scores: &[String], flags: &[&str], expected: &[&str]| {
        write(mixtures, scores);
        let (code, stderr) = place.refused(&fit(&[&["--join", "l.csv"], flags].concat()));
        assert_eq!(code, Some(2), "{stderr}");
        for expected in expected {
            assert!(stderr.contains(expected), "no `{expected}` in: {stderr}");
        }
    };
    let twice = [scores.clone(), vec![scores[0].clone()]].concat();
    refused(&mixtures, &twice, &[], &["`l.csv`, line 30, column `index`: 28 stands in line 2 too"]);
    refused(
        &mixtures,
        &[",1,2,3\n".into()],
        &[],
        &["`l.csv`, line 2, column `index`: it is empty"],
    );
    refused(
        &mixtures,
        &["x,1,2,3\n".into()],
        &[],
        &["no row has a `index` that `t.csv` has", "--on"],
    );
    refused(&mixtures, &scores, &["--on", "indx"], &["no column `indx`", "is `index` it?"]);
    refused(
        &mixtures,
        &["1,1,x,3\n".into()],
        &[],
        &["`l.csv`, line 2, column `books_loss`: `x` is no number"],
    );
}

#[test]
fn bad_tables_are_located() {
    let place = Place::new();
    let check = |text: &str, flags: &[&str], expected: &[&str]| {
        place.write("t.csv", text);
        let (code, stderr) = place.refused(&fit(flags));
        assert_eq!(code, Some(2), "{text}: {stderr}");
        for expected in expected {
            assert!(stderr.contains(expected), "no `{expected}` in: {stderr}");
        }
    };
    let head = "weight_a,weight_b,a_loss\n0.5,0.5,3\n";
    check(
        &format!("{head}0.5,0.5,\n"),
        &[],
        &["`t.csv`, line 3, column `a_loss`: it is empty", "--on-blank"],
    );
    check(
        &format!("{head},0.5,3\n"),
        &["--on-blank", "skip-cell"],
        &["line 3, column `weight_a`: it is empty"],
    );
    check(
        &format!("{head}0.5,0.5,-3\n"),
        &[],
        &["line 3, column `a_loss`: -3 is no cross-entropy"],
    );
    check(&format!("{head}0.5,x,3\n"), &[], &["line 3, column `weight_b`"]);
    check(&format!("{head}-0.5,1.5,3\n"), &[], &["line 3, column `weight_a`: -0.5 is below 0"]);
    check(
        &format!("{head}0.5,0.7,3\n"),
        &[],
        &["line 3: the weights sum to 1.2", "--on-sum normalise"],
    );
    check(
        "weight_a,a_loss\n0.5,3\n",
        &[],
        &["no column says what was trained on: `weight_a` alone is no mixture"],
    );
    check("weight_a;weight_b;a_loss\n0,5;0,5;3\n", &[], &["separated by semicolons where commas"]);
    check(&format!("{head}0,0,3\n"), &[], &["line 3: every domain has 0"]);
    check(
        &format!("{head}1e308,1e308,3\n"),
        &["--on-sum", "normalise"],
        &["line 3: its weights have no finite sum"],
    );
    check(&format!("{head}0.5,0.5,1e300\n"), &[], &["column `a_loss`: 1e300 is no cross-entropy"]);
    check(
        &format!("{head}\n0.5,0.5,3\n"),
        &["--on-duplicate", "fail"],
        &["line 2 and line 4 have the same mixture and scale"],
    );
    check("weight_a,weight_b,a_ppl\n0.5,0.5,0.9\n", &[], &["0.9 is no perplexity"]);
    check(
        "a,b,a_loss\n0.5,0.5,3\n",
        &[],
        &["no column says what was trained on", "--weight-columns"],
    );
    check("weight_decay,a_loss\n0.5,3\n", &[], &["no column says what was trained on"]);
    check("weight_a,weight_b\n0.5,0.5\n", &[], &["no column holds losses", "--loss-columns"]);
    check(head, &["--weight-columns", "q_*"], &["--weight-columns q_*", "has no such column"]);
    check(head, &["--weight-columns", "*_*"], &["a pattern has one `*`"]);
    check(head, &["--tokens-column", "tokns"], &["--tokens-column tokns", "has no such column"]);
    check(
        "weight_a,weight_b,a_loss,a_val_loss\n.5,.5,3,3\n",
        &[],
        &["`a_loss` and `a_val_loss` are both about `a`"],
    );
    check(
        "tokens,tokens_a,tokens_b,a_loss\n9,5,5,3\n",
        &[],
        &["line 2: the amounts sum to 10, not to its 9 tokens"],
    );
    // Flags against the table.
    let good = plain();
    check(&good, &["--law", "exponentail"], &["--law exponentail", "is `exponential` it?"]);
    check(&good, &["--importance", "bookz=2"], &["no domain `bookz`; is `books` it?"]);
    check(&good, &["--floor", "boks=5%"], &["no domain `boks`; is `books` it?"]);
    check(&good, &["--floor", "40%"], &["sum", "lower the floors"]);
    check(&good, &["--reference", "books=0.5,code=0.2"], &["--reference", "sum to 0.7"]);
    check(&good, &["--at", "3B"], &["--at", "says nothing of tokens"]);
    check(&good, &["--level", "1.5"], &["--level 1.5"]);
    check(&good, &["--available", "books=3M"], &["--available", "--at"]);
}

/// What may be left out is left out when asked, and said.
#[test]
fn policies_are_followed_and_said() {
    let place = Place::new();
    let says = |extra: &str, flags: &[&str], expected: &str| {
        place.write("t.csv", plain() + extra);
        let text = place.text(&fit(&[&["--law", "linear", "--bootstrap", "0"], flags].concat()));
        assert!(text.contains(expected), "no `{expected}` in: {text}");
    };
    says(
        "0.5,0.5,0,3,,3\n",
        &["--on-blank", "skip-row"],
        "1 row with a blank cell left out, as asked (line 30)",
    );
    says(
        "0.5,0.5,0,3,,3\n",
        &["--on-blank", "skip-cell"],
        "1 row with a blank loss, which alone is left out",
    );
    says(
        "0.5,0.9,0,3,3,3\n",
        &["--on-sum", "skip-row"],
        "1 row with another sum left out, as asked (line 30)",
    );
    says("0.5,0.9,0,3,3,3\n", &["--on-sum", "normalise"], "1 row with another sum divided by it");
    let first = plain().lines().nth(1).expect("a row").to_owned() + "\n";
    says(&first, &[], "line 2 and line 30 hold the same run with the same losses");
    says(&first, &["--on-duplicate", "first"], "1 repeated runs reduced to their first");
    says(&first, &["--on-duplicate", "mean"], "28 runs");
    let commented = plain()
        .lines()
        .enumerate()
        .map(|(at, line)| match at {
            0 => format!("{line},comment\n"),
            _ => format!("{line},x\n"),
        })
        .collect::<String>();
    place.write("t.csv", commented);
    let text = place.text(&fit(&["--law", "linear", "--bootstrap", "0"]));
    assert!(text.contains("not used: column `comment`"), "{text}");
}

/// Few rows identify no law: exit 1, why, and the mixtures that would help.
#[test]
fn rows_that_identify_no_law_are_refused() {
    let place = Place::new();
    place.write("t.csv", plain().lines().take(4).collect::<Vec<_>>().join("\n"));
    let (code, stderr) = place.refused(&fit(&["--law", "additive"]));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(
        stderr.contains("do not identify the `additive` law") && stderr.contains("next 1"),
        "{stderr}"
    );
    let output = place.run(&fit(&["--law", "additive", "--json"]));
    let object: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let details = &object["details"];
    assert!(!details["reasons"].as_array().expect("reasons").is_empty(), "{object}");
    let first = numbers(&details["suggestions"][0]["weights"]);
    assert_close(&[first.iter().sum()], &[1.0], 1e-9);
    // A domain whose share never changes is named.
    let fixed: Vec<Run> = (1..9)
        .map(|step| f64::from(step) / 10.0)
        .map(|code| [0.1, code, 0.9 - code])
        .map(|weights| Run { weights, losses: losses(weights) })
        .collect();
    place.write("t.csv", table(HEADER, &fixed, |w| w.to_string(), |l| l.to_string()));
    let (code, stderr) = place.refused(&fit(&["--law", "exponential"]));
    assert_eq!(code, Some(1), "{stderr}");
    assert!(stderr.contains("`books` has the same weight in every row"), "{stderr}");
}

/// Domains that do not matter: no mixture is better, and the answer says so.
#[test]
fn noise_is_not_sold_as_gain() {
    let place = Place::new();
    let noisy: Vec<Run> = runs()
        .into_iter()
        .enumerate()
        .map(|(row, run)| {
            let noise =
                |k: usize| 0.02 * (((row * 7919 + k * 104_729) % 1009) as f64 / 1009.0 - 0.5);
            Run { losses: [3.0 + noise(1), 3.1 + noise(2), 2.9 + noise(3)], ..run }
        })
        .collect();
    place.write("t.csv", table(HEADER, &noisy, |w| w.to_string(), |l| l.to_string()));
    let flags = fit(&["--law", "linear", "--bootstrap", "200"]);
    assert_eq!(place.json(&flags)["verdict"], "not-better-beyond-noise");
    let text = place.text(&flags);
    assert!(text.contains("not better than the reference beyond noise"), "{text}");
    assert!(text.contains("no better than their mean"), "{text}");
}

#[test]
fn bounds_goals_and_references() {
    let place = Place::new();
    place.write("t.csv", plain());
    let quick = ["--law", "exponential", "--bootstrap", "0"];
    let answer = |flags: &[&str]| place.json(&fit(&[&quick, flags].concat()));
    let found = answer(&["--floor", "web=40%", "--cap", "code=10%"]);
    let [_, code, web] = weights(&found)[..] else { panic!("three weights") };
    assert!(web >= 0.4 - 1e-9 && code <= 0.1 + 1e-9, "{found}");
    assert_eq!(
        found["optimum"]["at-cap"]
            .as_array()
            .or(found["optimum"]["at_cap"].as_array())
            .expect("flags")[1],
        true
    );
    // Only books count.
    let only = answer(&["--importance", "books"]);
    assert!(weights(&only)[0] > 0.9, "{only}");
    let worst = answer(&["--objective", "worst"]);
    assert_eq!(worst["objective"]["goal"]["kind"], "worst-loss");
    let mean = answer(&[]);
    let highest =
        |answer: &Value| numbers(&answer["optimum"]["losses"]).into_iter().fold(0.0, f64::max);
    assert!(highest(&worst) < highest(&mean) - 1e-3, "{worst}");
    let reference = answer(&["--reference", "best"]);
    assert_close(
        &[reference["reference"]["weights"]["web"].as_f64().expect("a weight")],
        &[runs()
            .iter()
            .min_by(|a, b| a.losses.iter().sum::<f64>().total_cmp(&b.losses.iter().sum()))
            .expect("runs")
            .weights[2]],
        1e-9,
    );
    let next = answer(&["--suggest", "3"]);
    assert_eq!(next["suggestions"].as_array().map(Vec::len), Some(3), "{next}");
}

/// Tokens that exist, and how often they may be drawn, cap a share of the total that is asked for.
#[test]
fn scarce_tokens_cap_and_scales_are_forecast() {
    let place = Place::new();
    let lines = [1e8, 2e8, 4e8, 8e8].into_iter().flat_map(|tokens: f64| {
        runs().into_iter().map(move |run| {
            let [a, b, c] = run.weights;
            let [x, y, z] = run.losses.map(|loss| loss + 40.0 * tokens.powf(-0.25));
            format!("{tokens},{a},{b},{c},{x},{y},{z}\n")
        })
    });
    place.write("t.csv", format!("tokens,{HEADER}\n{}", lines.collect::<String>()));
    let flags = ["--law", "exponential", "--bootstrap", "0", "--at", "3.2B"];
    let free = place.json(&fit(&flags));
    // The term in tokens is forecast at a scale that was not trained.
    let expected = |answer: &Value| -> Vec<f64> {
        let at = weights(answer);
        losses([at[0], at[1], at[2]]).map(|loss| loss + 40.0 * 3.2e9_f64.powf(-0.25)).to_vec()
    };
    assert_close(&numbers(&free["optimum"]["losses"]), &expected(&free), 0.01);
    let scarce = [&flags[..], &["--available", "books=160M", "--max-repeats", "4"]].concat();
    let capped = weights(&place.json(&fit(&scarce)));
    assert!(capped[0] <= 0.2 + 1e-9, "{capped:?}");
    let text = place.text(&fit(&scarce));
    assert!(text.contains("3.2B tokens") && text.contains("cap"), "{text}");
}

/// A DDO table is a table of mixtures too.
#[test]
fn other_laws_fit_a_ddo_table() {
    let place = Place::new();
    let mut rows = String::from("domain,factor,books,code,web\n");
    for (domain, factor) in [
        ("", 1.0),
        ("books", 0.2),
        ("books", 3.0),
        ("code", 0.2),
        ("code", 3.0),
        ("web", 0.2),
        ("web", 3.0),
    ] {
        let amounts = DOMAINS.map(|name| if name == domain { factor } else { 1.0 });
        let total: f64 = amounts.iter().sum();
        let [x, y, z] = losses(amounts.map(|amount| amount / total)).map(f64::exp);
        rows += &format!("{domain},{factor},{x},{y},{z}\n");
    }
    place.write("t.csv", rows);
    let answer = place.json(&fit(&["--law", "linear", "--bootstrap", "0", "--tokens", "30M"]));
    assert_eq!(answer["source"]["runs"], 7);
    assert_eq!(answer["at"]["tokens"], 30e6);
    assert_eq!(answer["law"]["targets"][0]["points"].as_array().map(Vec::len), Some(7));
    // What DDO's own law cannot do says what can.
    let (code, stderr) = place.refused(&fit(&["--objective", "worst"]));
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("--law auto"), "{stderr}");
}

/// The same input gives the same bytes on any number of cores: text, JSON and page.
#[test]
fn cores_change_nothing() {
    let place = Place::new();
    place.write("t.csv", plain());
    let output = |threads: &str| {
        let page = format!("page{threads}.html");
        let run = |more: &[&str]| {
            let output = Command::new(env!("CARGO_BIN_EXE_mixmake"))
                .current_dir(place.folder.path())
                .env("RAYON_NUM_THREADS", threads)
                .args(fit(&["--bootstrap", "20", "--suggest", "2"]))
                .args(more)
                .output()
                .expect("the program starts");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            output.stdout
        };
        let json = run(&["--json"]);
        run(&["--page", &page]);
        (json, std::fs::read(place.folder.path().join(page)).expect("a page"))
    };
    let (one, four) = (output("1"), output("4"));
    assert!(one.0 == four.0, "the JSON differs");
    assert!(one.1 == four.1, "the page differs");
}

#[test]
fn the_page_shows_fits_agreement_and_intervals() {
    let place = Place::new();
    place.write("t.csv", plain());
    let text = place.text(&fit(&["--bootstrap", "20", "--suggest", "1", "--page", "fit.html"]));
    assert!(text.contains("page: fit.html"), "{text}");
    let page = std::fs::read_to_string(place.folder.path().join("fit.html")).expect("a page");
    for section in [
        "The mixture",
        "The law over its points",
        "Predicted against observed",
        "The choice of the law",
        "Worth training next",
    ] {
        assert!(page.contains(section), "no {section}");
    }
    for name in DOMAINS {
        assert!(page.contains(&format!("Predicted against observed loss of {name}")), "{name}");
        assert!(page.contains(&format!("The objective along the share of {name}")), "{name}");
    }
    assert!(page.contains("class=\"bar d0\""), "weights have intervals");
    for outside in ["http://", "https://", "<script", "<link", "url("] {
        let found = page.matches(outside).count();
        // The name of SVG's own format is no address that is loaded.
        let own = if outside == "http://" {
            page.matches("http://www.w3.org/2000/svg").count()
        } else {
            0
        };
        assert_eq!(found, own, "{outside}");
    }
    // DDO's fits have a page of their own.
    place.write(
        "ddo.csv",
        "domain,factor,loss\n,1,20\nweb,0.2,22\nweb,3,19\ncode,0.2,21\ncode,3,19.5\n",
    );
    place.text(&["fit", "--table", "ddo.csv", "--page", "ddo.html"]);
    let page = std::fs::read_to_string(place.folder.path().join("ddo.html")).expect("a page");
    assert!(page.contains("DDO fits") && page.contains("DDO fit of web"), "no fits");
}
