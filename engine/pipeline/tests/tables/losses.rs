//! Tables of losses.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::place::{Place, assert_close, numbers};

/// What a table's laws really are: a, b, c.
const TRUTH: [(&str, [f64; 3]); 3] =
    [("web", [2.5, 1.2, 0.7]), ("code", [6.0, 1.5, 0.94]), ("books", [2.8, 1.6, 0.85])];

/// Each domain's parameters from the JSON of a fit, as columns a, b, c.
fn laws(fit: &Value) -> [Vec<f64>; 3] {
    let domains = fit["fit"]["domains"].as_array().expect("domains");
    ["a", "b", "c"].map(|name| {
        domains.iter().map(|domain| domain["law"][name].as_f64().unwrap_or(f64::NAN)).collect()
    })
}

/// Losses that follow `TRUTH`: the base run, then every domain at 1/5 and 3; one value column.
fn synthetic_rows() -> Vec<(String, f64, f64)> {
    let base = 20.0;
    let mut rows = vec![(String::new(), 1.0, base)];
    for factor in [0.2_f64, 3.0] {
        for (name, [a, b, _]) in TRUTH {
            // Other domains stay, so the loss moves by this domain's law alone.
            let change = (factor + a).powf(-b) - (1.0 + a).powf(-b);
            rows.push((name.to_owned(), factor, base * (1.0 + change)));
        }
    }
    rows
}

fn csv(rows: &[(String, f64, f64)]) -> String {
    let lines = rows.iter().map(|(domain, factor, value)| format!("{domain},{factor},{value}\n"));
    "domain,factor,loss\n".to_owned() + &lines.collect::<String>()
}

/// The published table, where this checkout has the folder beside it.
fn published() -> Option<PathBuf> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ddo_gpt2large_1p2B.csv");
    if !path.exists() {
        eprintln!("skipped: {} is not there", path.display());
        return None;
    }
    Some(path)
}

const PUBLISHED_NAMES: [&str; 7] =
    ["common-crawl", "github", "books", "wikipedia", "c4", "stackexchange", "arxiv"];
const PUBLISHED_LAWS: [[f64; 7]; 3] = [
    [
        2.6658731959,
        6.6161755919,
        2.6736027595,
        2.4631072680,
        2.5183840995,
        2.8899578930,
        3.3191739234,
    ],
    [
        1.2492023890,
        1.4360012484,
        1.5362602612,
        1.8287307259,
        1.1858721474,
        1.9536275988,
        1.9266710006,
    ],
    [
        0.8026540600,
        0.9458217913,
        0.8645212064,
        0.8968517052,
        0.7750392467,
        0.9296170670,
        0.9403250708,
    ],
];
const PUBLISHED_OPTIMUM: [f64; 7] =
    [1.62475352, 0.2, 1.27415166, 1.17979573, 1.85189980, 0.63716376, 0.23223551];

#[test]
fn the_published_table_gives_the_published_fit() {
    let Some(path) = published() else { return };
    let path = path.to_str().expect("a path of text");
    let place = Place::new();
    let object = place.json(&[
        "fit",
        "--table",
        path,
        "--factors",
        "3,1/5",
        "--floor",
        "0.2",
        "--tokens",
        "1.2B",
    ]);
    let fit = &object["fits"][0];
    assert_eq!(fit["domains"], serde_json::json!(PUBLISHED_NAMES));
    assert_eq!(fit["table"]["columns"], serde_json::json!(["mean"]));
    for (found, expected) in laws(fit).iter().zip(&PUBLISHED_LAWS) {
        assert_close(found, expected, 1e-8);
    }
    assert_close(&numbers(&fit["fit"]["optimum"]["multiples"]), &PUBLISHED_OPTIMUM, 1e-8);
    let gain = fit["fit"]["predicted"]["gain"].as_f64().expect("a gain");
    assert!((gain - 1.63).abs() < 0.005, "{gain}");
    assert!(object.to_string().contains("intervals are not available"), "{object}");
}

/// Floors by domain, as multiples of the base amounts and as shares of all tokens; the others keep DDO's own.
#[test]
fn floors_and_caps_go_by_domain() {
    let Some(path) = published() else { return };
    let place = Place::new();
    let fit = |flags: &[&str]| {
        let plain = ["fit", "--table", path.to_str().expect("text"), "--factors", "3,1/5"];
        let object = place.json(&[&plain[..], flags].concat());
        numbers(&object["fits"][0]["fit"]["optimum"]["multiples"])
    };
    let found = fit(&["--floor", "github=0.5,arxiv=10%", "--cap", "c4=20%"]);
    assert_close(&[found[1], found[6], found[4]], &[0.5, 0.7, 1.4], 1e-9);
    let found = fit(&["--floor", "books=1.5"]);
    assert_close(&[found[1], found[2]], &[0.2, 1.5], 1e-9);
}

#[test]
fn the_published_fit_reads_as_printed() {
    let Some(path) = published() else { return };
    let text = Place::new().text(&["fit", "--table", path.to_str().expect("a path of text")]);
    for (place, name) in PUBLISHED_NAMES.iter().enumerate() {
        let row = text
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {text}"));
        let cells: Vec<f64> = row.split_whitespace().filter_map(|cell| cell.parse().ok()).collect();
        let [a, b, c] = PUBLISHED_LAWS.map(|values| values[place]);
        assert_close(&cells[1..], &[PUBLISHED_OPTIMUM[place], a, b, c], 1.5e-8);
    }
    assert!(
        text.lines().all(|line| line.starts_with("note")
            || line.contains(": DDO over")
            || line.chars().count() <= 90),
        "{text}"
    );
}

/// The seven value columns, the other way of asking for the same mean: equal but for the file's rounding.
#[test]
fn named_columns_are_averaged() {
    let Some(path) = published() else { return };
    let columns = PUBLISHED_NAMES.join(",");
    let object =
        Place::new().json(&["fit", "--table", path.to_str().expect("text"), "--columns", &columns]);
    let fit = &object["fits"][0];
    assert_eq!(fit["table"]["columns"], serde_json::json!(PUBLISHED_NAMES));
    for (found, expected) in laws(fit).iter().zip(&PUBLISHED_LAWS) {
        assert_close(found, expected, 1e-5);
    }
}

#[test]
fn a_known_truth_is_found() {
    let place = Place::new();
    // A blank line is no run.
    place.write("losses.csv", csv(&synthetic_rows()).replacen("\n", "\n\n", 3));
    let object = place.json(&["fit", "--table", "losses.csv"]);
    let fit = &object["fits"][0];
    assert_eq!(fit["domains"], serde_json::json!(["web", "code", "books"]));
    let [a, b, _] = laws(fit);
    assert_close(&a, &TRUTH.map(|(_, [a, _, _])| a), 1e-6);
    assert_close(&b, &TRUTH.map(|(_, [_, b, _])| b), 1e-6);
    let multiples = numbers(&fit["fit"]["optimum"]["multiples"]);
    // At an interior optimum the laws have one slope, as the constructed ones must too.
    let slope = |place: usize| {
        let (_, [a, b, _]) = TRUTH[place];
        b * (multiples[place] + a).powf(-b - 1.0)
    };
    let free: Vec<usize> = (0..3).filter(|&place| multiples[place] > 0.2 + 1e-9).collect();
    assert!(free.len() >= 2, "{multiples:?}");
    assert!(
        free.iter().all(|&place| (slope(place) / slope(free[0]) - 1.0).abs() < 1e-6),
        "{multiples:?}"
    );
    assert_close(&[multiples.iter().sum()], &[3.0], 1e-9);
}

/// Domains and columns go by name: another order of rows and columns gives every domain the same law.
#[test]
fn order_is_of_no_account() {
    let place = Place::new();
    let mut rows = synthetic_rows();
    place.write("one.csv", csv(&rows));
    rows.reverse();
    let lines = rows.iter().map(|(domain, factor, value)| format!("{value},{domain},{factor}\n"));
    place.write("other.csv", "loss,domain,factor\n".to_owned() + &lines.collect::<String>());
    let weights = "books=0.5,web=0.3,code=0.2";
    let by_name = |file: &str| {
        let object = place.json(&["fit", "--table", file, "--weights", weights, "--tokens", "30M"]);
        let fit = object["fits"][0].clone();
        let names = fit["domains"].as_array().expect("domains").clone();
        let mut rows: Vec<(String, f64, f64)> = names
            .iter()
            .zip(numbers(&fit["weights"]).into_iter().zip(numbers(&fit["reference-weights"])))
            .map(|(name, (weight, reference))| {
                (name.as_str().expect("text").to_owned(), weight, reference)
            })
            .collect();
        rows.sort_by(|left, right| left.0.cmp(&right.0));
        rows
    };
    let (one, other) = (by_name("one.csv"), by_name("other.csv"));
    for (one, other) in one.iter().zip(&other) {
        assert_eq!(one.0, other.0);
        assert_close(&[one.1, one.2], &[other.1, other.2], 1e-9);
    }
    assert_close(&one.iter().map(|row| row.2).collect::<Vec<_>>(), &[0.5, 0.2, 0.3], 1e-12);
}

/// The same losses from Parquet, with a factor of another type.
#[test]
fn parquet_is_read() {
    use arrow::array::{Float32Array, Float64Array, RecordBatch, StringArray};
    let place = Place::new();
    let rows = synthetic_rows();
    let domains: StringArray =
        rows.iter().map(|row| (!row.0.is_empty()).then_some(row.0.as_str())).collect();
    let factors: Float32Array = rows.iter().map(|row| Some(row.1 as f32)).collect();
    let values: Float64Array = rows.iter().map(|row| Some(row.2)).collect();
    let batch = RecordBatch::try_from_iter([
        ("domain", std::sync::Arc::new(domains) as arrow::array::ArrayRef),
        ("factor", std::sync::Arc::new(factors)),
        ("loss", std::sync::Arc::new(values)),
    ])
    .expect("a batch");
    let file = fs::File::create(place.folder.path().join("losses.parquet")).expect("a file");
    let mut writer =
        parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
    writer.write(&batch).expect("written");
    writer.close().expect("closed");
    place.write("losses.csv", csv(&rows));
    let weights =
        |file: &str| numbers(&place.json(&["fit", "--table", file])["fits"][0]["weights"]);
    assert_close(&weights("losses.parquet"), &weights("losses.csv"), 1e-6);
}

/// Repeats over seeds give intervals; a run given twice is pointed out.
#[test]
fn repeats_and_identical_rows() {
    let place = Place::new();
    let mut rows = synthetic_rows();
    for (place, (domain, factor, value)) in synthetic_rows().into_iter().enumerate() {
        let sign = if place % 2 == 0 { 1.0 } else { -1.0 };
        rows.push((domain, factor, value * (1.0 + sign * 1e-4)));
    }
    place.write("losses.csv", csv(&rows));
    let text = place.text(&["fit", "--table", "losses.csv"]);
    assert!(text.contains("2 base runs and 12 others") && text.contains("% interval"), "{text}");
    assert!(!text.contains("identical"), "{text}");
    rows.push(rows[2].clone());
    place.write("losses.csv", csv(&rows));
    let text = place.text(&["fit", "--table", "losses.csv"]);
    assert!(text.contains("line 4 and line 16 are identical (`code` at 0.2)"), "{text}");
}

/// A `mean` over other domains than the table's is used, as asked, but said.
#[test]
fn a_stale_mean_is_said() {
    let place = Place::new();
    let lines = synthetic_rows().into_iter().map(|(domain, factor, value)| {
        format!("{domain},{factor},{value},{},{value}\n", value + 2.0)
    });
    place.write(
        "losses.csv",
        "domain,factor,web,code,Mean\n".to_owned() + &lines.collect::<String>(),
    );
    let text = place.text(&["fit", "--table", "losses.csv"]);
    assert!(
        text.contains("column `Mean`") && text.contains("7 of 7 rows it is not the mean"),
        "{text}"
    );
    // Perplexities' mean says nothing of the mean cross-entropy: the columns are used.
    let text = place.text(&["fit", "--table", "losses.csv", "--objective", "cross-entropy"]);
    assert!(text.contains("mean cross-entropy over `web` and `code`"), "{text}");
}

#[test]
fn bad_tables_of_losses_are_located() {
    let check = |table: &str, flags: &[&str], expected: &[&str]| {
        let place = Place::new();
        place.write("losses.csv", table);
        let (code, stderr) = place.refused(&[&["fit", "--table", "losses.csv"], flags].concat());
        assert_eq!(code, Some(2), "{table}: {stderr}");
        for expected in expected {
            assert!(stderr.contains(expected), "no `{expected}` in: {stderr}");
        }
    };
    let good = csv(&synthetic_rows());
    let head = "domain,factor,loss\n,1,20\nweb,0.2,21\n";
    check("", &[], &["losses.csv"]);
    check("domain,factor,loss\n", &[], &["no rows"]);
    check(&good.replace("domain,", "domian,"), &[], &["no column `domain`", "is `domian` it?"]);
    check(&good, &["--columns", "los"], &["no column `los`", "is `loss` it?"]);
    check(&good.replace("factor,loss", "loss,loss"), &[], &["two columns `loss`"]);
    check("domain,factor,seed\n,1,1\nweb,3,1\n", &[], &["no column of values"]);
    check(&format!("{head}web,3,\n"), &[], &["line 4, column `loss`: it is empty"]);
    check(&format!("{head}web,3,NaN\n"), &[], &["line 4, column `loss`: `NaN` is not finite"]);
    check(&format!("{head}web,3,-5\n"), &[], &["line 4, column `loss`: -5 is no perplexity"]);
    check(&format!("{head}web,3,2x\n"), &[], &["line 4, column `loss`: `2x` is no number"]);
    check(&format!("{head}web,,19\n"), &[], &["line 4: domain `web` without a factor"]);
    check(&format!("{head},3,19\n"), &[], &["line 4: a factor of 3 but no domain"]);
    check(
        &format!("{head}web,-3,19\n"),
        &[],
        &["line 4, column `factor`: `-3`: it is neither a number"],
    );
    check(&format!("{head}web,1,20\n"), &[], &["line 4: `web` at factor 1 is the base run"]);
    check("domain,factor,loss\nweb,3,19\n", &[], &["no base run", "empty `domain`"]);
    check("domain,factor,loss\n,1,19\n", &[], &["no row names a domain"]);
    // All rows at once.
    check(
        &format!("{head}web,3,\ncode,,3\n,9,9\n"),
        &[],
        &["3 problems", "line 4,", "line 5:", "line 6:"],
    );
    check(&format!("{head}web,3,19,7,8\n"), &[], &["line 4 has 5 fields, the header 3"]);
    check(&good, &["--factors", "3,1/7"], &["--factors", "the table has 0.2, 3"]);
    check(&good, &["--factors", "3,x"], &["--factors x", "neither a number nor a fraction"]);
    check(&good, &["--tokens", "many"], &["--tokens many", "k, M, B and T"]);
    check(&good, &["--weights", "web=0.5,code=0.2"], &["sum to 0.7"]);
    check(
        &good,
        &["--weights", "web=0.5,cod=0.2,books=0.3"],
        &["no weight for `code`", "is `cod` it?"],
    );
    check(&good, &["--floor", "2"], &["--floor 2", "0 to 1"]);
    check(&good, &["--noise=-1"], &["--noise -1", "at least 0"]);
}

#[test]
fn unreadable_files_are_refused() {
    let place = Place::new();
    let check = |name: &str, expected: &str| {
        let (code, stderr) = place.refused(&["fit", "--table", name]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains(expected) && stderr.contains("help:"), "{stderr}");
    };
    check("absent.csv", "cannot read the table `absent.csv`");
    check(".", "cannot read the table `.`");
    place.write("broken.parquet", b"PAR1 and no more");
    check("broken.parquet", "as Parquet");
    place.write("latin.csv", b"domain,factor,loss\n,1,20\nb\xfccher,3,19\n");
    check("latin.csv", "as CSV: line 3 is not UTF-8");
}

/// Points without a curve identify no law: said, held at the reference, and no failure.
#[test]
fn domains_without_a_law_are_held() {
    let place = Place::new();
    place.write(
        "losses.csv",
        "domain,factor,loss\n,1,20\nweb,0.2,19\nweb,3,21\ncode,0.2,22\ncode,3,19.5\n",
    );
    let text = place.text(&["fit", "--table", "losses.csv"]);
    let web = text.lines().find(|line| line.starts_with("web")).expect("a row of web");
    assert!(web.contains("1.00000000") && web.ends_with("held"), "{text}");
    assert!(text.contains("note: `web` is not identified"), "{text}");
}
