//! What must enter a key: a table of manifest fields, and for each the targets whose own key it
//! changes. Only planned, never run.

use std::collections::BTreeSet;

use crate::harness::{Workspace, set};
use crate::study;

/// Families of targets, upstream first; a target is of the first whose prefix it has.
const FAMILIES: [&str; 11] = [
    "documents",
    "samples",
    "tokenizer",
    "shards",
    "mixture/ddo",
    "mixture/train",
    "runs",
    "ddo",
    "autoscale",
    "train",
    "report",
];

fn family(target: &str) -> &'static str {
    // `ddo/small/base` is a run of the fit `ddo/small`.
    if target.starts_with("ddo/") && target.matches('/').count() == 2 {
        return "runs";
    }
    let found = FAMILIES.iter().find(|family| target.starts_with(**family));
    found.unwrap_or_else(|| panic!("`{target}` is of no known family"))
}

struct Planned {
    /// Targets whose own key is another: fields of theirs changed, and nothing before them.
    keyed: BTreeSet<String>,
    /// Targets that wait for those.
    waiting: BTreeSet<String>,
}

fn plan(workspace: &Workspace, settings: &str) -> Planned {
    let settings = settings.split(" & ").flat_map(|setting| ["--set", setting]);
    let arguments: Vec<_> = ["plan", "--json"].into_iter().chain(settings).collect();
    let plan = workspace.mixmake(&arguments).expect(0).json();
    let of_state = |state: &str| -> BTreeSet<String> {
        let actions = plan["actions"].as_array().expect("a list").iter();
        let found = actions.filter(|action| action["state"] == state);
        found.map(|action| action["target"].as_str().expect("a name").to_owned()).collect()
    };
    Planned { keyed: of_state("runs"), waiting: of_state("waits") }
}

/// The table: settings, the families whose keys it changes, and those that wait for them.
#[rustfmt::skip]
const FIELDS: [(&str, &[&str], &[&str]); 49] = [
    ("corpus.min-chars=120 & domain.alpha.min-chars=120", &["documents"], BELOW_DOCUMENTS),
    ("corpus.max-chars=9k",              &["documents"], BELOW_DOCUMENTS),
    ("corpus.join=' '",                  &["documents"], BELOW_DOCUMENTS),
    ("corpus.quotes=false",              &["documents"], BELOW_DOCUMENTS),
    ("corpus.block-chars=90",            &["samples"], BELOW_SAMPLES),
    ("corpus.block=first",               &["documents"], BELOW_DOCUMENTS),
    ("corpus.held-out=5",                &["samples"], BELOW_SAMPLES),
    ("corpus.duplicates=keep",           &["samples"], BELOW_SAMPLES),
    ("corpus.duplicates-of=block",       &["samples"], BELOW_SAMPLES),
    ("corpus.near-duplicates=80%",       &["samples"], BELOW_SAMPLES),
    ("corpus.decontaminate=beta/0.jsonl.zst", &["samples"], BELOW_SAMPLES),
    ("corpus.on-error=skip",             &["documents"], BELOW_DOCUMENTS),
    ("corpus.max-documents=30",          &["samples"], BELOW_SAMPLES),
    ("tokenizer.vocabulary=310",         &["tokenizer"], BELOW_TOKENIZER),
    ("tokenizer.min-frequency=3",        &["tokenizer"], BELOW_TOKENIZER),
    ("model.tiny.layers=2",              &["runs", "train"], BELOW_RUNS),
    ("model.tiny.hidden=32",             &["runs", "train"], BELOW_RUNS),
    ("model.tiny.heads=1",               &["runs", "train"], BELOW_RUNS),
    ("model.tiny.dropout=0.1",           &["runs", "train"], BELOW_RUNS),
    ("recipe.quick.learning-rate=1e-3",  &["runs", "train"], BELOW_RUNS),
    ("recipe.quick.schedule=cosine",     &["runs", "train"], BELOW_RUNS),
    ("recipe.quick.warm-up=3",           &["runs", "train"], BELOW_RUNS),
    ("recipe.quick.weight-decay=0.1",    &["runs", "train"], BELOW_RUNS),
    ("recipe.quick.clip=0.5",            &["runs", "train"], BELOW_RUNS),
    ("recipe.quick.batch-tokens=512",    &["runs", "train"], BELOW_RUNS),
    ("recipe.quick.epochs=2",            &["runs", "train"], BELOW_RUNS),
    ("recipe.quick.precision=bf16",      &["runs", "train"], BELOW_RUNS),
    ("recipe.quick.threads=2",           &["runs", "train"], BELOW_RUNS),
    ("recipe.quick.evaluations=3",       &["runs", "train"], BELOW_RUNS),
    ("recipe.quick.seed=2",              &["mixture/ddo", "mixture/train"], &["runs", "ddo", "autoscale", "mixture/train", "train", "report"]),
    ("train.uniform.tokens=5k",          &["mixture/train"], &["train", "report"]),
    ("train.uniform.seed=7",             &["mixture/train"], &["train", "report"]),
    ("ddo.medium.tokens=3k",             &["mixture/ddo"], &["runs", "ddo", "autoscale", "mixture/train", "train", "report"]),
    ("ddo.small.factors=[3, 0.5]",       &["mixture/ddo"], &["runs", "ddo", "autoscale", "mixture/train", "train", "report"]),
    ("ddo.small.total=fixed",            &["mixture/ddo"], &["runs", "ddo", "autoscale", "mixture/train", "train", "report"]),
    ("ddo.small.floor=0.3",              &["ddo"], &["autoscale", "mixture/train", "train", "report"]),
    ("ddo.small.floor.alpha=0.3",        &["ddo"], &["autoscale", "mixture/train", "train", "report"]),
    ("ddo.small.cap.alpha=50%",          &["ddo"], &["autoscale", "mixture/train", "train", "report"]),
    ("ddo.small.cap=2",                  &["ddo"], &["autoscale", "mixture/train", "train", "report"]),
    ("ddo.small.noise=0.01",             &["ddo"], &["autoscale", "mixture/train", "train", "report"]),
    ("ddo.small.draws=10",               &["ddo"], &["autoscale", "mixture/train", "train", "report"]),
    ("ddo.small.level=0.8",              &["ddo"], &["autoscale", "mixture/train", "train", "report"]),
    ("ddo.small.objective=cross-entropy & ddo.medium.objective=cross-entropy", &["ddo"], &["autoscale", "mixture/train", "train", "report"]),
    ("autoscale.large.law=shifted",      &["autoscale"], &["mixture/train", "train", "report"]),
    ("autoscale.large.mode=stepping",    &["autoscale"], &["mixture/train", "train", "report"]),
    ("autoscale.large.tokens=7k",        &["autoscale"], &["mixture/train", "train", "report"]),
    ("report.title=Tongues",             &["report"], &[]),
    ("report.baseline=predicted",        &["report"], &[]),
    ("domain.alpha.origin=a friend",     &[], &[]),
];

const BELOW_DOCUMENTS: &[&str] = &[
    "samples",
    "tokenizer",
    "shards",
    "mixture/ddo",
    "mixture/train",
    "runs",
    "ddo",
    "autoscale",
    "train",
    "report",
];
const BELOW_SAMPLES: &[&str] = &[
    "tokenizer",
    "shards",
    "mixture/ddo",
    "mixture/train",
    "runs",
    "ddo",
    "autoscale",
    "train",
    "report",
];
const BELOW_TOKENIZER: &[&str] =
    &["shards", "mixture/ddo", "mixture/train", "runs", "ddo", "autoscale", "train", "report"];
const BELOW_RUNS: &[&str] = &["ddo", "autoscale", "mixture/train", "train", "report"];

#[test]
fn each_field_changes_its_own_family_and_nothing_upstream() {
    let workspace = study::built();
    let families = |targets: &BTreeSet<String>| -> BTreeSet<String> {
        targets.iter().map(|target| family(target).to_owned()).collect()
    };
    let mut wrong = Vec::new();
    for (setting, keyed, waiting) in FIELDS {
        let planned = plan(&workspace, setting);
        let found = (families(&planned.keyed), families(&planned.waiting));
        if found != (set(keyed), set(waiting)) {
            wrong.push(format!("{setting}:\n  keyed {:?}\n  waiting {:?}", found.0, found.1));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A field of one domain changes the keys of that domain only, and only of the step that needs it.
#[test]
fn a_field_of_one_domain_is_its_own() {
    let workspace = study::built();
    for (setting, expected) in [
        ("domain.beta.min-chars=300", &["documents/beta"][..]),
        ("domain.beta.block=whole", &["samples/beta"]),
        ("domain.beta.held-out=3", &["samples/beta"]),
        ("domain.beta.text=body", &["documents/beta"]),
        ("domain.beta.where={ text = \"x\" }", &["documents/beta"]),
    ] {
        assert_eq!(plan(&workspace, setting).keyed, set(expected), "{setting}");
    }
}

/// What a command line sets, a manifest may say: the same keys.
#[test]
fn set_enters_keys_as_the_manifest_would() {
    let keys = |workspace: &Workspace, arguments: &[&str]| {
        let plan = workspace.mixmake(&[&["plan", "--json"], arguments].concat()).expect(0).json();
        let actions = plan["actions"].as_array().expect("a list").clone();
        actions
            .into_iter()
            .map(|action| (action["target"].clone(), action["key"].clone()))
            .collect::<Vec<_>>()
    };
    let workspace = study::built();
    let set = keys(&workspace, &["--set", "recipe.quick.learning-rate=1e-3"]);
    let before = keys(&workspace, &[]);
    workspace.edit("learning-rate = 3e-3", "learning-rate = 1e-3");
    assert_eq!(keys(&workspace, &[]), set);
    assert_ne!(set, before);
}
