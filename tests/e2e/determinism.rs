//! The same bits whatever `-j`: results of fresh stores, trained again from nothing.

use crate::study;

/// One training for one `-j`, against the study's, which ran with two jobs.
#[test]
fn jobs_change_no_result() {
    let expected = study::built().results();
    for jobs in ["1", "4"] {
        let workspace = study::fresh();
        let outcome = workspace.run(&["-j", jobs]);
        assert!(outcome.ran().contains("train/predicted"), "-j {jobs} trained anew");
        assert_eq!(workspace.results(), expected, "-j {jobs}");
    }
    let losses: Vec<_> = expected.keys().filter(|name| name.ends_with("/losses.json")).collect();
    assert_eq!(losses.len(), 12, "ten runs of DDO and two trainings: {losses:?}");
}

/// Two samples of work that share a key run once within one run, too.
#[test]
fn one_key_runs_once() {
    let workspace = study::fresh();
    workspace.edit("[autoscale.large]", "[train.twin]\nmixture = \"uniform\"\nrecipe = \"quick\"\ntokens = \"6k\"\n\n[autoscale.large]");
    let outcome = workspace.run(&["train/uniform", "train/twin", "-j", "2"]);
    let (ran, cut_off) = (outcome.ran(), outcome.cut_off());
    for (one, other) in
        [("train/uniform", "train/twin"), ("mixture/train/uniform", "mixture/train/twin")]
    {
        assert!(ran.contains(one) != ran.contains(other), "one of {one} and {other} ran: {ran:?}");
        assert!(cut_off.contains(one) != cut_off.contains(other), "the other did not: {cut_off:?}");
    }
}
