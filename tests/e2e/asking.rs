//! The asking verbs: what each says of a study that is built, changed, broken or running, in the width that
//! there is.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::harness::{Outcome, Workspace, eventually};
use crate::study;

/// Runs the binary as if its terminal had that many columns.
fn narrow(workspace: &Workspace, columns: usize, arguments: &[&str]) -> String {
    let mut command = workspace.command(arguments);
    command.env("COLUMNS", columns.to_string());
    Outcome::of(command.output().expect("started")).expect(0).stdout
}

#[track_caller]
fn fits(text: &str, columns: usize, lines: usize) {
    let widest = text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    assert!(widest <= columns, "{widest} columns:\n{text}");
    assert!(text.lines().count() <= lines, "{} lines:\n{text}", text.lines().count());
}

#[test]
fn why_leads_from_a_target_to_the_field_with_both_values_and_its_place() {
    let workspace = study::built();
    workspace.edit("min-chars = 101", "min-chars = 120");
    let said = narrow(&workspace, 80, &["why", "train/uniform"]);
    fits(&said, 80, 8);
    assert!(
        said.contains("train/uniform would run, unless what it reads comes out as before"),
        "{said}"
    );
    assert!(said.contains("domain.alpha.min-chars: 101 -> 120 (mixmake.toml:11)"), "{said}");
    let way: String = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(way.contains("samples/alpha -> tokenizer -> train/uniform"), "{said}");

    let answer = workspace.mixmake(&["why", "--json", "train/uniform"]).expect(0).json();
    assert_eq!(answer[0]["state"], "waits");
    let cause = &answer[0]["causes"][0]["cause"];
    assert_eq!(
        (&cause["what"], &cause["field"], &cause["old"], &cause["new"], &cause["place"]),
        (
            &"field".into(),
            &"domain.alpha.min-chars".into(),
            &"101".into(),
            &"120".into(),
            &"mixmake.toml:11".into()
        )
    );

    // On the command line, the place is the flag.
    let said = narrow(&workspace, 200, &["why", "report", "--set", "report.title=Words"]);
    assert!(said.contains("report.title: Languages -> Words (--set 1)"), "{said}");
}

#[test]
fn why_says_what_changed_about_files() {
    let workspace = study::built();
    workspace.write("alpha/07.txt", "other words altogether");
    let said = narrow(&workspace, 200, &["why", "documents/alpha"]);
    let line = said.lines().nth(1).expect("a cause");
    assert!(
        line.contains("alpha/07.txt changed: ") && line.contains(" -> 22 B, written 20"),
        "{said}"
    );
    assert!(line.contains(", digest "), "{said}");

    workspace.write("alpha/99.txt", "more words");
    fs::rename(workspace.path("alpha/08.txt"), workspace.path("alpha/80.txt")).expect("moved");
    fs::remove_file(workspace.path("alpha/09.txt")).expect("removed");
    let said = narrow(&workspace, 200, &["why", "documents/alpha"]);
    for words in [
        "4 files of documents/alpha: 1 changed, 1 new, 1 gone, 1 moved:",
        "alpha/08.txt is now alpha/80.txt, with the same bytes",
        "alpha/99.txt is new: 10 B",
        "alpha/09.txt is gone",
    ] {
        assert!(said.contains(words), "no `{words}` in\n{said}");
    }
}

#[test]
fn why_not_says_since_when_on_what_and_what_was_cut_off() {
    let workspace = study::built();
    let said = narrow(&workspace, 80, &["why", "train/uniform"]);
    fits(&said, 80, 8);
    assert!(said.contains("train/uniform is up to date: made "), "{said}");
    assert!(said.contains("nothing it depends on changed since:"), "{said}");
    assert!(said.contains("43 files") && said.contains("3 of shards"), "{said}");

    // A filter that filters nothing more: other key, the same samples.
    let lengths = fs::read_dir(workspace.path("alpha")).expect("listed");
    let shortest =
        lengths.map(|entry| entry.expect("listed").metadata().expect("stat").len()).min();
    assert!(shortest.expect("files") > 102);
    workspace.edit("min-chars = 101", "min-chars = 102");
    workspace.run(&[]).ran_exactly(&["documents/alpha", "samples/alpha"]);
    let said = narrow(&workspace, 200, &["why", "train/uniform"]);
    assert!(
        said.contains("cut off: domain.alpha.min-chars: 101 -> 102 (mixmake.toml:11)"),
        "{said}"
    );
    assert!(said.contains("samples/alpha was made again and gave the same bytes"), "{said}");
    let answer = workspace.mixmake(&["why", "--json", "train/uniform"]).expect(0).json();
    let way = answer[0]["cut-off"][0]["way"].to_string();
    assert!(way.contains("samples/alpha"), "{way}");
}

#[test]
fn why_without_a_target_is_one_paragraph_a_cause() {
    let workspace = study::built();
    workspace.edit("min-chars = 101", "min-chars = 120");
    workspace.edit("title = \"Languages\"", "title = \"Tongues\"");
    workspace.write("beta/0.jsonl.zst", crate::corpus::zstd("{\"text\": \"short\"}\n"));
    let said = narrow(&workspace, 80, &["why"]);
    fits(&said, 80, 24);
    assert!(said.contains("2 reasons") || said.contains("3 reasons"), "{said}");
    assert!(said.contains("domain.alpha.min-chars: 101 -> 120"), "{said}");
    assert!(said.contains("beta/0.jsonl.zst changed"), "{said}");
    assert!(said.contains("runs  documents/alpha"), "{said}");
    let answer = workspace.mixmake(&["why", "--json"]).expect(0).json();
    let first = &answer["causes"][0];
    assert_eq!(first["runs"], serde_json::json!(["documents/alpha", "samples/alpha"]));
    assert!(first["then"].as_array().expect("a list").iter().any(|target| target == "report"));
    // A glob of many is answered the same way, of what those need.
    let said = narrow(&workspace, 80, &["why", "samples/*", "shards/*"]);
    assert!(said.contains("runs  documents/alpha") && !said.contains("report"), "{said}");

    let workspace = study::built();
    let said = narrow(&workspace, 80, &["why"]);
    assert!(
        said.starts_with("nothing would run: 38 actions up to date; the last was made"),
        "{said}"
    );
}

#[test]
fn a_big_study_that_was_never_built_is_short_too() {
    let workspace = study::fresh();
    let said = narrow(&workspace, 80, &["why"]);
    fits(&said, 80, 12);
    assert!(said.contains("never made here before"), "{said}");
}

#[test]
fn plan_gives_causes_and_both_prices() {
    let workspace = study::built();
    let said = narrow(&workspace, 80, &["plan"]);
    assert_eq!(said, "up to date: 38 actions, nothing would run\n");
    workspace.edit("learning-rate = 3e-3", "learning-rate = 2e-3");
    let said = narrow(&workspace, 80, &["plan", "-j", "3"]);
    fits(&said, 80, 40);
    assert!(said.contains("recipe.quick.learning-rate: 0.003 -> 0.002 (m"), "{said}");
    assert!(said.contains(" of work, ") && said.contains(" on the clock with -j 3"), "{said}");
    let answer = workspace.mixmake(&["plan", "--json", "-j", "3"]).expect(0).json();
    let (work, clock) = (&answer["expected-seconds"], &answer["expected-clock-seconds"]);
    let (work, clock) = (work.as_f64().expect("seconds"), clock.as_f64().expect("seconds"));
    assert!(clock > 0.0 && clock <= work && work / clock <= 3.0 + 1e-9, "{work} {clock}");
    workspace.mixmake(&["plan", "--exit-code"]).expect(4);

    // The same, said before the run does anything.
    let outcome = workspace.mixmake(&["run", "ddo/small/base"]).expect(0);
    let outcome =
        outcome.says(&["1 action to run", "because recipe.quick.learning-rate: 0.003 -> 0.002"]);
    let _ = outcome.says(&["(mixmake.toml:33)"]);
}

#[test]
fn asking_makes_no_store() {
    let workspace = study::fresh();
    for question in [
        &["why"][..],
        &["why", "report"],
        &["plan"],
        &["status"],
        &["graph"],
        &["graph", "--format", "svg"],
        &["diff", "mixmake.toml"],
        &["log", "report"],
        &["run", "-n"],
        &["run", "--locked"],
    ] {
        let outcome = workspace.mixmake(question);
        assert!(outcome.code == Some(0) || question.contains(&"--locked"), "{outcome:?}");
        assert!(!workspace.store().exists(), "{question:?} made a store");
    }
}

#[test]
fn globs_and_mistyped_names_work_on_every_verb() {
    let workspace = study::built();
    for verb in ["run", "plan", "status", "why", "graph", "log", "losses"] {
        let outcome = workspace.mixmake(&[verb, "train/*"]).expect(0);
        assert!(verb == "run" || !outcome.stdout.is_empty(), "{verb}");
        workspace
            .mixmake(&[verb, "train/unifrom"])
            .expect(2)
            .says(&["no target matches `train/unifrom`", "`train/uniform`"]);
        workspace
            .mixmake(&[verb, "training/*"])
            .expect(2)
            .says(&["no target matches `training/*`"]);
        workspace.mixmake(&[verb, "train/{a"]).expect(2).says(&["is not a glob"]);
    }
    // As the shell completes it.
    let here = |path: &str| {
        workspace.mixmake(&["why", "--json", path]).expect(0).json()[0]["target"].clone()
    };
    assert_eq!(here("out/train/uniform/losses.json"), "train/uniform");
    assert_eq!(here("out/ddo/small/"), "ddo/small");
}

#[test]
fn status_is_one_screen_also_of_a_failure() {
    let workspace = study::built();
    let said = narrow(&workspace, 80, &["status"]);
    fits(&said, 80, 24);
    assert!(said.starts_with("all 38 targets up to date\n"), "{said}");
    assert!(said.contains("ddo/small") && said.contains("6 of"), "{said}");

    workspace.edit("min-chars = 101", "min-chars = 9000");
    workspace.mixmake(&["run"]).expect(1);
    let said = narrow(&workspace, 80, &["status"]);
    fits(&said, 80, 24);
    assert!(said.contains("1 failed") && said.contains("failed or stopped"), "{said}");
    let rows = workspace.mixmake(&["status", "--json", "samples/alpha"]).expect(0).json();
    assert_eq!(rows[0]["state"], "failed");
    assert!(rows[0]["message"].as_str().is_some_and(|text| !text.is_empty()), "{rows}");
    let said = narrow(&workspace, 200, &["log", "samples/alpha"]);
    assert!(said.contains("failed just now: ") && said.contains("| error: "), "{said}");
    // Made good, it is no failure any more.
    workspace.edit("min-chars = 9000", "min-chars = 101");
    assert!(!narrow(&workspace, 80, &["status"]).contains("failed"));
}

#[test]
fn status_and_log_see_what_another_process_runs() {
    let workspace = study::built();
    workspace.edit("learning-rate = 3e-3", "learning-rate = 4e-3");
    let mut running = workspace.start(&["run", "--json", "-j", "1", "ddo/small/base"]);
    running.wait_for_event(|event| {
        event["event"] == "action-started" && event["target"] == "ddo/small/base"
    });
    eventually("it is seen", || {
        let rows = workspace.mixmake(&["status", "--json", "ddo/small/base"]).expect(0).json();
        let state = &rows[0]["state"];
        assert!(state == "running" || state == "up-to-date" || state == "to-run", "{rows}");
        state == "running" || state == "up-to-date"
    });
    let followed = workspace.mixmake(&["log", "-f", "ddo/small/base"]).expect(0).stdout;
    assert!(followed.starts_with("ddo/small/base "), "{followed}");
    running.wait().expect(0);
    let rows = workspace.mixmake(&["status", "--json", "ddo/small/base"]).expect(0).json();
    assert_eq!(rows[0]["state"], "up-to-date");
}

#[test]
fn the_graph_is_drawn_in_the_colours_of_its_states() {
    let workspace = study::built();
    workspace.edit("title = \"Languages\"", "title = \"Tongues\"");
    let tree = narrow(&workspace, 80, &["graph"]);
    fits(&tree, 80, 200);
    assert!(tree.starts_with("report  to run\n├─ "), "{tree}");
    assert!(tree.contains("(above)"), "{tree}");

    let svg = workspace.mixmake(&["graph", "--format", "svg"]).expect(0).stdout;
    assert_eq!(svg.matches("<title>").count(), 38);
    assert!(svg.contains("37 up to date</text>") && svg.contains("1 to run</text>"), "{svg}");
    assert!(svg.contains("<title>report: to run</title>"), "{svg}");
    let answer = workspace.mixmake(&["graph", "--json", "report"]).expect(0).json();
    let report = answer.as_array().expect("a list").iter().find(|node| node["target"] == "report");
    assert_eq!(report.expect("the report")["state"], "to run");
}

/// Runs git in the study, with an identity of its own.
fn git(workspace: &Workspace, arguments: &[&str]) -> bool {
    let mut command = Command::new("git");
    command.current_dir(&workspace.folder).args(["-c", "user.name=t", "-c", "user.email=t@t"]);
    command.args(["-c", "init.defaultBranch=main"]).args(arguments);
    command.output().is_ok_and(|output| output.status.success())
}

#[test]
fn diff_compares_values_with_a_revision_and_between_manifests() {
    let workspace = study::built();
    if !git(&workspace, &["init"]) {
        return eprintln!("skipped: there is no git here");
    }
    assert!(git(&workspace, &["add", "mixmake.toml", "mixmake.lock"]));
    assert!(git(&workspace, &["commit", "-m", "first"]));
    let said = narrow(&workspace, 80, &["diff", "HEAD"]);
    assert!(said.contains("no difference"), "{said}");

    let before = workspace.read("mixmake.toml");
    workspace.edit("learning-rate = 3e-3", "learning-rate = 1e-3");
    let said = narrow(&workspace, 80, &["diff", "HEAD"]);
    assert!(said.contains("would run in mixmake.toml") && said.contains("ddo/small"), "{said}");
    workspace.run(&["train/uniform"]);
    let said = narrow(&workspace, 80, &["diff", "HEAD"]);
    fits(&said, 80, 40);
    assert!(said.contains("results that differ") && said.contains("perplexity alpha"), "{said}");
    let answer = workspace.mixmake(&["diff", "--json", "HEAD"]).expect(0).json();
    let results = answer["difference"]["results"].as_array().expect("a list");
    let train = results.iter().find(|row| row["target"] == "train/uniform").expect("the training");
    let losses = &train["outputs"].as_array().expect("a list")[0];
    assert_eq!(losses["output"], "losses.json");
    let value = &losses["values"][0];
    assert_eq!((&value["measure"], &value["domain"]), (&"perplexity".into(), &"alpha".into()));
    assert_ne!(value["old"], value["new"]);
    assert!(value["old"].as_f64().is_some_and(|value| value > 1.0), "{value}");

    // Between two files, and when the files of the data changed since the revision.
    workspace.write(
        "before.toml",
        before
            .replace("[train.uniform]", "[train.even]")
            .replace("\"predicted\", \"uniform\"", "\"predicted\", \"even\"")
            .replace("baseline = \"uniform\"", "baseline = \"even\""),
    );
    let said = narrow(&workspace, 80, &["diff", "before.toml", "mixmake.toml"]);
    assert!(said.contains("only in before.toml") && said.contains("train/even"), "{said}");
    workspace.mixmake(&["diff", "nothing"]).expect(2).says(&["neither a file nor a git revision"]);
}

/// On a machine that has never seen the study, before any work.
#[test]
fn locked_finds_a_changed_parameter_with_an_empty_memory() {
    let workspace = study::built();
    fs::remove_dir_all(workspace.store()).expect("removed");
    workspace.edit("learning-rate = 3e-3", "learning-rate = 1e-3");
    let outcome = workspace.run_any(&["--locked"]).expect(4);
    assert!(outcome.ran().is_empty() && outcome.targets("action-started").is_empty());
    let outcome = outcome.says(&["key ddo/small/base: it is made of other parameters"]);
    // What only reads the changed ones is as pinned, if they were.
    assert!(!outcome.stderr.contains("key report"), "{}", outcome.stderr);
    assert!(!outcome.stderr.contains("key samples"), "{}", outcome.stderr);
    assert!(!workspace.store().exists());
    let keys =
        workspace.read("mixmake.lock").lines().filter(|line| line.starts_with("key ")).count();
    assert_eq!(keys, 38);
    let _: Value = workspace.mixmake(&["plan", "--json"]).expect(0).json();
}
