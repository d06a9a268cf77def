//! The lock file: what is in it, and `--locked`, which fails rather than change it.

use std::fs;

use crate::harness::files_below;
use crate::study;

#[test]
fn it_is_sorted_and_says_nothing_of_this_machine() {
    let workspace = study::built();
    let lock = workspace.read("mixmake.lock");
    let (comments, facts): (Vec<&str>, Vec<&str>) =
        lock.lines().partition(|line| line.starts_with('#'));
    assert_eq!(comments.len(), 1);
    let names: Vec<_> = facts
        .iter()
        .map(|fact| {
            let parts: Vec<_> = fact.splitn(3, ' ').collect();
            let [kind @ ("input" | "key" | "result"), digest, name] = parts[..] else {
                panic!("`{fact}`")
            };
            assert!(
                digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()),
                "`{fact}`"
            );
            assert!(!name.starts_with('/'), "an absolute path: `{fact}`");
            (kind, name)
        })
        .collect();
    assert!(names.is_sorted(), "{names:?}");
    assert_eq!(names.iter().filter(|(kind, _)| *kind == "input").count(), 43);
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    assert!(!lock.contains(&host) && !lock.contains(&*workspace.folder.to_string_lossy()));
}

#[test]
fn without_a_lock_file_it_fails_before_any_work() {
    let workspace = study::fresh();
    let outcome = workspace.mixmake(&["run", "--locked"]).expect(4);
    let outcome = outcome.says(&["--locked", "mixmake.lock"]);
    assert_eq!(outcome.stdout, "");
    assert!(!workspace.path("mixmake.lock").exists());
    assert!(files_below(&workspace.store().join("results")).is_empty());
}

#[test]
fn unchanged_is_success() {
    let workspace = study::built();
    let before =
        fs::metadata(workspace.path("mixmake.lock")).expect("there").modified().expect("a time");
    workspace.run(&["--locked"]).ran_exactly(&[]);
    workspace.run(&["--locked", "train/uniform"]).ran_exactly(&[]);
    let after =
        fs::metadata(workspace.path("mixmake.lock")).expect("there").modified().expect("a time");
    assert_eq!(before, after, "not even rewritten");
}

/// The lock file suffices on another machine: everything is made again, to the pinned digests.
#[test]
fn an_empty_store_is_filled_to_the_pinned_digests() {
    let workspace = study::built();
    fs::remove_dir_all(workspace.store()).expect("removed");
    let ran = workspace.run(&["--locked", "train/uniform"]).ran();
    assert!(ran.contains("train/uniform"), "{ran:?}");
}

#[test]
fn a_changed_input_is_named_and_nothing_runs() {
    let workspace = study::built();
    let lock = workspace.read("mixmake.lock");
    let results = files_below(&workspace.store().join("results"));
    workspace.write("alpha/07.txt", "other words altogether");
    let outcome = workspace.run_any(&["--locked"]).expect(4).says(&["input alpha/07.txt"]);
    assert!(outcome.ran().is_empty());
    assert!(!outcome.stderr.contains("alpha/08.txt"), "{}", outcome.stderr);
    assert_eq!(files_below(&workspace.store().join("results")), results);
    assert_eq!(workspace.read("mixmake.lock"), lock);

    // So is a file that is new, and one that is gone.
    workspace.write("alpha/99.txt", "more words");
    fs::remove_file(workspace.path("alpha/08.txt")).expect("removed");
    let outcome = workspace.run_any(&["--locked"]).expect(4);
    let _ = outcome
        .says(&["input alpha/99.txt is not pinned", "input alpha/08.txt is pinned but not there"]);
}

#[test]
fn a_changed_result_is_named_and_the_lock_stays() {
    let workspace = study::built();
    let lock = workspace.read("mixmake.lock");
    workspace.edit("title = \"Languages\"", "title = \"Tongues\"");
    workspace.run_any(&["--locked"]).expect(4).says(&["key report: report.title: Languages"]);
    assert_eq!(workspace.read("mixmake.lock"), lock);
    workspace.run(&[]);
    assert_ne!(workspace.read("mixmake.lock"), lock);
    workspace.run(&["--locked"]).ran_exactly(&[]);
}

#[test]
fn a_merge_conflict_is_located() {
    let workspace = study::built();
    let lock = workspace.read("mixmake.lock");
    workspace.write("mixmake.lock", lock.replacen('\n', "\n<<<<<<< ours\n", 1));
    workspace.run_any(&[]).expect(2).says(&["mixmake.lock", "line 2"]);
}
