//! The store under violence: `kill -9`, flipped bits, lost files, folders that cannot be used.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::corpus::Random;
use crate::harness::{Workspace, files_below};
use crate::study;

const KILLS: usize = 4;

/// Objects and results go before every second round, so that there is work to be killed in, while
/// leases, requests and working folders stay as the kill left them.
#[test]
fn killed_at_any_instant_it_completes_to_the_same_digests() {
    let expected = study::built().results();
    let workspace = study::fresh();
    let mut random = Random::new(9);
    let mut killed = 0;
    // How long a run takes is the machine's; some end before their instant.
    for round in 0.. {
        if killed == KILLS {
            break;
        }
        assert!(
            round < 20 * KILLS,
            "only {killed} runs were killed: the graph has become too small"
        );
        if round % 2 == 0 {
            for kind in ["objects", "results"] {
                let _ = fs::remove_dir_all(workspace.store().join(kind));
            }
        }
        let instant = Instant::now() + Duration::from_millis(random.below(800));
        let mut running = workspace.start(&["run", "-q", "train/uniform"]);
        if !running.ended_before(instant) {
            killed += 1;
        }
        running.kill_group();
        running.wait();
    }
    workspace.run(&["train/uniform"]);
    for (name, digest) in workspace.results() {
        assert_eq!(digest, expected[&name], "{name}");
    }
    workspace.mixmake(&["verify"]).expect(0);
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::set_permissions(path, Permissions::from_mode(0o644)).expect("made writable");
    fs::write(path, bytes).expect("written");
}

/// The object that holds an output, by the lock file.
fn object(workspace: &Workspace, output: &str) -> PathBuf {
    let digest = &workspace.results()[output];
    workspace.store().join("objects").join(&digest[..2]).join(digest)
}

/// The result of a target, by its key.
fn result(workspace: &Workspace, target: &str) -> PathBuf {
    let plan = workspace.mixmake(&["plan", "--json", "--all", target]).expect(0).json();
    let actions = plan["actions"].as_array().expect("a list");
    let action = actions.iter().find(|action| action["target"] == target).expect("planned");
    let key = action["key"].as_str().expect("a key");
    workspace.store().join("results").join(&key[..2]).join(key)
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

#[test]
fn a_flipped_bit_in_an_object_is_found_and_made_again() {
    let workspace = study::built();
    let expected = workspace.results();
    let path = object(&workspace, "shards/alpha/train.bin");
    flip_a_bit(&path);
    let found = workspace.mixmake(&["verify"]).expect(1);
    assert!(found.stdout.contains(&name(&path)), "{}", found.stdout);
    let found = workspace.mixmake(&["verify", "--json"]).expect(1);
    let problems = &found.events()[0]["problems"];
    assert_eq!(problems.as_array().map(Vec::len), Some(1), "{problems}");

    workspace.mixmake(&["verify", "--repair"]).expect(1);
    workspace.run(&["shards/alpha"]).ran_exactly(&["shards/alpha"]);
    assert_eq!(workspace.results(), expected);
    workspace.mixmake(&["verify"]).expect(0);
}

/// Nobody asked `verify`: the run itself finds it where it reads it, and makes it again.
#[test]
fn a_flipped_bit_is_never_trained_on() {
    let workspace = study::built();
    let expected = workspace.results();
    flip_a_bit(&object(&workspace, "shards/alpha/train.bin"));
    workspace.edit("learning-rate = 3e-3", "learning-rate = 2e-3");
    workspace.run(&["train/uniform"]).ran_exactly(&["shards/alpha", "train/uniform"]);
    assert_eq!(workspace.results()["shards/alpha/train.bin"], expected["shards/alpha/train.bin"]);
    workspace.mixmake(&["verify"]).expect(0);
}

/// Nor is it shown: a question that reads an artifact checks it too.
#[test]
fn a_flipped_bit_is_never_shown() {
    let workspace = study::built();
    let expected = workspace.results();
    let losses = object(&workspace, "train/uniform/losses.json");
    flip_a_bit(&losses);
    let said = workspace.mixmake(&["losses", "train/uniform"]);
    assert!(said.code != Some(0) || !said.stdout.contains("train/uniform"), "{}", said.stdout);
    assert!(said.stderr.contains(&name(&losses)), "{}", said.stderr);
    workspace.run(&["train/uniform"]).ran_exactly(&["train/uniform"]);
    assert_eq!(workspace.results(), expected);
    workspace.mixmake(&["losses", "train/uniform"]).expect(0);
}

#[test]
fn a_flipped_bit_in_a_result_is_found_and_made_again() {
    let workspace = study::built();
    let expected = workspace.results();
    let path = result(&workspace, "train/uniform");
    flip_a_bit(&path);
    let found = workspace.mixmake(&["verify"]).expect(1);
    assert!(found.stdout.contains(&name(&path)), "{}", found.stdout);
    workspace.run(&[]).ran_exactly(&["train/uniform"]);
    assert_eq!(workspace.results(), expected);
    workspace.mixmake(&["verify"]).expect(0);
}

#[test]
fn lost_files_are_found_and_made_again() {
    let workspace = study::built();
    let expected = workspace.results();
    let lost = object(&workspace, "train/uniform/losses.json");
    fs::remove_file(&lost).expect("removed");
    let found = workspace.mixmake(&["verify"]).expect(1);
    assert!(found.stdout.contains("`losses.json` of result"), "{}", found.stdout);
    workspace.run(&[]).ran_exactly(&["train/uniform"]);
    workspace.mixmake(&["verify"]).expect(0);

    fs::remove_file(result(&workspace, "mixture/train/uniform")).expect("removed");
    workspace.run(&[]).ran_exactly(&["mixture/train/uniform"]);
    fs::remove_dir_all(workspace.store().join("objects")).expect("removed");
    let plan = workspace.mixmake(&["plan", "train/uniform"]).expect(0).stdout;
    assert!(plan.contains("gone from the store"), "{plan}");
    workspace.run(&["train/uniform"]);
    for (name, digest) in workspace.results() {
        assert_eq!(digest, expected[&name], "{name}");
    }
}

/// A leftover of a crash in the middle of a write is no object.
#[test]
fn half_written_files_are_ignored() {
    let workspace = study::built();
    let path = object(&workspace, "shards/alpha/train.bin");
    fs::write(path.with_file_name(format!(".{}.host-1-1.tmp", name(&path))), "half")
        .expect("written");
    fs::create_dir_all(workspace.store().join("leases")).expect("made");
    workspace.run(&[]).ran_exactly(&[]);
}

#[test]
fn folders_that_are_no_store() {
    let workspace = study::built();
    workspace.write("file", "");
    workspace.write("foreign/format", "mixmake-store 99\n");
    for (store, words) in [
        ("file", "file"),
        ("foreign", "mixmake-store 99"),
        // Nobody may make folders there, not even root.
        ("/proc/self/store", "/proc/self/store"),
    ] {
        workspace.run_any(&["--store", store]).expect(3).says(&["error:", words]);
    }
}

#[test]
fn a_store_that_cannot_be_written() {
    let workspace = study::fresh();
    fs::create_dir_all(workspace.store()).expect("made");
    fs::set_permissions(workspace.store(), Permissions::from_mode(0o555)).expect("set");
    if fs::write(workspace.store().join("probe"), "").is_ok() {
        eprintln!("skipped: this user may write into read-only folders");
        return;
    }
    let outcome = workspace.run_any(&[]).expect(3).says(&["error:", ".mixmake", "permissions"]);
    assert!(outcome.ran().is_empty());
    fs::set_permissions(workspace.store(), Permissions::from_mode(0o755)).expect("reset");
}

#[test]
fn exec_of_what_was_never_requested() {
    let workspace = study::built();
    let results = files_below(&workspace.store().join("results"));
    let unknown = "ab".repeat(32);
    workspace.mixmake(&["exec", &unknown]).expect(1).says(&["no request", &unknown]);
    workspace.mixmake(&["exec", "not-a-key"]).expect(2).says(&["error:", "not-a-key"]);
    assert_eq!(files_below(&workspace.store().join("results")), results);
}
