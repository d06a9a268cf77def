//! RegMix's 512 runs of a 1M-parameter model (MIT): what the laws make of real losses. Skipped where `../shared` is absent.

use std::path::Path;

use mixmake_fit::mixing::{
    FitOptions, Folds, LawName, Observations, Outcome, Row, choose, cross_validate,
};

/// The table, or `None` with a message where it is not on this machine.
fn table() -> Option<Observations> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/regmix_1m");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let (Some(mixtures), Some(losses)) = (read("mixtures.csv"), read("losses.csv")) else {
        eprintln!("skipped: {} is not on this machine", folder.display());
        return None;
    };
    let header = |text: &str, before: &str, after: &str| -> Vec<String> {
        let names = text.lines().next().unwrap_or("").split(',').skip(1);
        names.map(|name| name.replace(before, "").replace(after, "")).collect()
    };
    let numbers = |line: &str| -> Vec<f64> {
        line.split(',').skip(1).map(|text| text.parse().expect("a number")).collect()
    };
    let domains = header(&mixtures, "train_the_pile_", "");
    let validation = header(&losses, "metric/the_pile_", "_val_loss");
    let rows = mixtures.lines().zip(losses.lines()).skip(1).enumerate().map(|(index, (m, l))| {
        let weights = numbers(m);
        let sum: f64 = weights.iter().sum();
        Row::new(format!("{}", index + 1), weights.iter().map(|w| w / sum).collect(), &numbers(l))
    });
    Some(Observations::new(domains, validation, rows.collect()).expect("a usable table"))
}

#[test]
fn trees_rank_unseen_mixtures() {
    let Some(table) = table() else { return };
    let scored = cross_validate(&table, LawName::Trees, &FitOptions::default(), &Folds::default())
        .expect("scores");
    for target in &scored.targets {
        eprintln!(
            "trees {:20} spearman {:.4} rmse {:.4}",
            target.target,
            target.spearman.unwrap_or(f64::NAN),
            target.rmse
        );
    }
    eprintln!(
        "trees mean spearman {:.4} rmse {:.4}",
        scored.spearman.unwrap_or(f64::NAN),
        scored.rmse
    );
    assert_eq!(scored.targets.len(), 13);
    assert!(scored.spearman >= Some(0.985), "{:?}", scored.spearman);
}

/// `cargo test -p mixmake-fit --release --test regmix -- --nocapture` prints the table of laws.
#[test]
fn laws_are_compared_by_cross_validated_error() {
    let Some(table) = table() else { return };
    let laws = [
        LawName::Exponential,
        LawName::InverseSum,
        LawName::Bimix,
        LawName::LogLinear,
        LawName::Linear,
    ];
    let options = FitOptions { starts: 6, ..FitOptions::default() };
    let choice = choose(&table, &laws, &options, &Folds::default()).expect("a choice");
    for line in &choice.table {
        match &line.outcome {
            Outcome::Scored(s) => eprintln!(
                "{:18} rmse {:.4} mae {:.4} relative {:.4} spearman {:.4} r2 {:.4}",
                line.law.as_str(),
                s.rmse,
                s.mae,
                s.relative_error,
                s.spearman.unwrap_or(f64::NAN),
                s.r2
            ),
            Outcome::Refused(words) => eprintln!("{:18} refused: {words}", line.law.as_str()),
        }
    }
    let place =
        |law: LawName| choice.table.iter().position(|line| line.law == law).expect("a line");
    // Steps of losses in small shares are neither linear nor exponential.
    assert_eq!(choice.best, LawName::InverseSum);
    assert!(place(LawName::Exponential) < place(LawName::Linear));
}
