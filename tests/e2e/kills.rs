//! `kill -9` of the whole process group at random instants. 20 kills here; `make soak` runs as many as it is told
//! and prints the figures.

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use crate::corpus::Random;
use crate::harness::{PATIENCE, Workspace};
use crate::small;

/// A number from the environment, as `make soak` gives it.
fn setting(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(otherwise)
}

/// What runs that nothing disturbs give for each version of the text, and how long the first took.
fn undisturbed() -> (Vec<BTreeMap<String, String>>, Duration) {
    let workspace = small::fresh();
    let mut results = Vec::new();
    let started = Instant::now();
    let mut length = Duration::ZERO;
    for version in 0..2 {
        small::write_beta(&workspace, version);
        workspace.run(&[]);
        length = length.max(started.elapsed() / (version as u32 + 1));
        results.push(workspace.results());
    }
    (results, length)
}

/// Objects and results go before each round, so that there is work to be killed in; leases, requests, working
/// folders, marks and memory stay as the kills left them.
fn forget_results(workspace: &Workspace) {
    for kind in ["objects", "results"] {
        let _ = fs::remove_dir_all(workspace.store().join(kind));
    }
}

#[derive(Debug, Default)]
struct Figures {
    runs: usize,
    kills: u64,
    ended_first: usize,
    wrong: usize,
    failed: usize,
    stuck: usize,
    damaged: usize,
}

/// A run that must complete, within patience.
fn complete(workspace: &Workspace, figures: &mut Figures) {
    let mut running = workspace.start(&["run", "-q"]);
    figures.runs += 1;
    if !running.ended_before(Instant::now() + PATIENCE) {
        figures.stuck += 1;
        running.kill_group();
    }
    let outcome = running.wait();
    if outcome.code != Some(0) {
        figures.failed += 1;
        eprintln!("{}", outcome.stderr);
    }
}

#[test]
fn after_every_kill_a_run_completes_to_the_same_digests() {
    let wanted = setting("MIXMAKE_SOAK_KILLS", 20);
    let seed = setting("MIXMAKE_SOAK_SEED", 9);
    let (expected, length) = undisturbed();
    let workspace = small::fresh();
    let mut random = Random::new(seed);
    let mut figures = Figures::default();
    let started = Instant::now();
    while figures.kills < wanted && figures.runs as u64 <= 20 * wanted {
        let version = random.below(2) as usize;
        small::write_beta(&workspace, version);
        forget_results(&workspace);
        let span = u64::try_from(length.as_micros()).expect("seconds") * 11 / 10;
        let instant = Instant::now() + Duration::from_micros(random.below(span.max(1)));
        let mut running = workspace.start(&["run", "-q"]);
        figures.runs += 1;
        if running.ended_before(instant) {
            figures.ended_first += 1;
        } else {
            figures.kills += 1;
        }
        running.kill_group();
        running.wait();
        complete(&workspace, &mut figures);
        figures.wrong += usize::from(workspace.results() != expected[version]);
        figures.damaged += usize::from(workspace.mixmake(&["verify"]).code != Some(0));
    }
    eprintln!(
        "soak: {} kills in {} runs ({} ended before their kill), seed {seed}, {:.0} s: {} wrong digests, {} runs that \
         did not complete, {} stuck, {} damaged stores",
        figures.kills,
        figures.runs,
        figures.ended_first,
        started.elapsed().as_secs_f64(),
        figures.wrong,
        figures.failed,
        figures.stuck,
        figures.damaged
    );
    let Figures { kills, wrong, failed, stuck, damaged, .. } = figures;
    assert_eq!((wrong, failed, stuck, damaged), (0, 0, 0, 0), "seed {seed}");
    assert_eq!(kills, wanted, "too few runs lasted until their kill");
}
