//! AutoScale's published DDO experiment through the laws of mixtures: the same parameters and the same optimum.

use std::path::Path;

use mixmake_fit::mixing::{
    Bounds, FitOptions, Goal, GoalKind, LawName, Note, Observations, Over, Problem, Proof, Row,
    fit, optimise,
};

/// Order of the published lists.
const DOMAINS: [&str; 7] =
    ["common-crawl", "github", "books", "wikipedia", "c4", "stackexchange", "arxiv"];
pub const A: [f64; 7] = [
    2.6658731959,
    6.6161755919,
    2.6736027595,
    2.4631072680,
    2.5183840995,
    2.8899578930,
    3.3191739234,
];
pub const B: [f64; 7] = [
    1.2492023890,
    1.4360012484,
    1.5362602612,
    1.8287307259,
    1.1858721474,
    1.9536275988,
    1.9266710006,
];
const OPTIMUM: [f64; 7] =
    [1.62475352, 0.2, 1.27415166, 1.17979573, 1.85189980, 0.63716376, 0.23223551];

fn table() -> Option<Observations> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/ddo_gpt2large_1p2B.csv");
    let Ok(text) = std::fs::read_to_string(&path) else {
        eprintln!("skipped: {} is not on this machine", path.display());
        return None;
    };
    let rows = text.lines().skip(1).filter(|line| line.contains(',')).map(|line| {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |text: &str| text.trim().parse::<f64>().expect("a number");
        let losses: Vec<f64> = fields[2..9].iter().map(|text| number(text).ln()).collect();
        let mut amounts = [1.2e9 / 7.0; 7];
        if let Some(domain) = DOMAINS.iter().position(|domain| *domain == fields[0]) {
            amounts[domain] *= number(fields[1]);
        }
        Row::from_amounts(format!("{} x{}", fields[0], fields[1]), &amounts, &losses)
    });
    let names = DOMAINS.map(str::to_owned).to_vec();
    Some(Observations::new(names.clone(), names, rows.collect()).expect("a usable table"))
}

#[test]
fn the_published_parameters_and_optimum() {
    let Some(table) = table() else { return };
    let goal = Goal::new(GoalKind::MeanPerplexity);
    let options = FitOptions { over: Over::Goal, goal: goal.clone(), ..FitOptions::default() };
    let fit = fit(&table, LawName::Ddo, &options).expect("a fit");
    let value = |name: &str, domain: &str| {
        let named = |p: &&mixmake_fit::mixing::Parameter| {
            p.name == name && p.domain.as_deref() == Some(domain)
        };
        fit.targets[0].parameters.iter().find(named).expect("a parameter").value
    };
    for (j, domain) in DOMAINS.iter().enumerate() {
        assert!((value("a", domain) / A[j] - 1.0).abs() < 1e-8, "{domain} {}", value("a", domain));
        assert!((value("b", domain) / B[j] - 1.0).abs() < 1e-8, "{domain} {}", value("b", domain));
    }
    assert_eq!(fit.notes.iter().filter(|n| matches!(n, Note::Saturated { .. })).count(), 1);
    let problem = Problem {
        goal,
        bounds: Bounds::free(7).with_floor(0.2 / 7.0),
        tokens: Some(1.2e9),
        size: None,
    };
    let found = optimise(&fit, &problem).expect("an optimum");
    assert!(matches!(found.proof, Proof::Convex { kkt_residual } if kkt_residual < 1e-9));
    for (name, weight) in found.domains.iter().zip(&found.weights) {
        let place = DOMAINS.iter().position(|domain| domain == name).expect("a domain");
        assert!((weight * 7.0 - OPTIMUM[place]).abs() < 1e-7, "{name} {}", weight * 7.0);
    }
    assert!((found.gain - 1.63).abs() < 0.01, "{}", found.gain);
}
