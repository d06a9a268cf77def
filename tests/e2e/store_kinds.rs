//! A flipped bit, and a lost file, of every kind of file that a store has: found by `verify` and named, never
//! believed by a run, and made anew. The kinds are those that a real store holds: a new one fails this test until it
//! has its line in the table.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::harness::{Workspace, copy_folder, files_below};
use crate::study;

/// What becomes of a damaged file of a kind.
struct Kind {
    /// As [`kind_of`] gives it.
    name: &'static str,
    /// `verify` finds it. What it does not find nothing believes: text for people, and what an action under way
    /// has not finished.
    checked: bool,
    /// A run with nothing to do finds it by itself, or does not read it.
    mended_by_run: bool,
}

const KINDS: [Kind; 14] = [
    // Without its version nothing else is believed: refused, with what it should say.
    Kind { name: "format", checked: true, mended_by_run: false },
    Kind { name: "objects", checked: true, mended_by_run: false },
    Kind { name: "results", checked: true, mended_by_run: true },
    Kind { name: "requests", checked: true, mended_by_run: false },
    Kind { name: "kept", checked: true, mended_by_run: false },
    Kind { name: "leases", checked: true, mended_by_run: false },
    Kind { name: "runs", checked: true, mended_by_run: false },
    Kind { name: "state/targets", checked: true, mended_by_run: true },
    Kind { name: "state/wanted", checked: true, mended_by_run: true },
    Kind { name: "state/files", checked: true, mended_by_run: true },
    Kind { name: "state/snapshots", checked: true, mended_by_run: false },
    Kind { name: "state/runs", checked: false, mended_by_run: false },
    Kind { name: "logs", checked: false, mended_by_run: false },
    Kind { name: "work", checked: false, mended_by_run: false },
];

/// The folder it is in, and the file's or the folder's name for what a workspace remembers.
fn kind_of(store: &Path, file: &Path) -> String {
    let below = file.strip_prefix(store).expect("in the store");
    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
    match parts[0].as_ref() {
        "state" => format!("state/{}", parts[2]),
        top => top.to_owned(),
    }
}

/// One file of each kind, of those that hold anything.
fn one_of_each(workspace: &Workspace) -> BTreeMap<String, PathBuf> {
    let store = workspace.store();
    let files = files_below(&store).into_iter();
    let named = files.filter(|path| !name(path).starts_with('.'));
    let filled = named.filter(|path| fs::metadata(path).is_ok_and(|file| file.len() > 0));
    filled.map(|path| (kind_of(&store, &path), path)).collect()
}

fn name(path: &Path) -> String {
    path.file_name().expect("a name").to_string_lossy().into_owned()
}

/// A store after a whole run, a failed one and a killed one, whose leases have expired: every kind is there.
fn lived_in() -> Workspace {
    let workspace = study::built();
    // What the copied store remembers of the folder it came from.
    fs::remove_dir_all(workspace.store().join("state")).expect("removed");
    workspace.run(&[]).ran_exactly(&[]);
    workspace.write("gamma/0.parquet", "no parquet");
    workspace.run_any(&[]).expect(1);
    study::write_corpora(&workspace);
    workspace.edit("learning-rate = 3e-3", "learning-rate = 1e-3");
    let mut running = workspace.start(&["run", "--json", "train/uniform"]);
    running.wait_for_event(|event| {
        event["event"] == "action-started" && event["target"] == "train/uniform"
    });
    crate::harness::eventually("its lease and its folder are there", || {
        let kinds = one_of_each(&workspace);
        kinds.contains_key("leases") && !files_below(&workspace.store().join("leases")).is_empty()
    });
    running.kill_group();
    running.wait();
    workspace.edit("learning-rate = 1e-3", "learning-rate = 3e-3");
    let work = workspace.store().join("work/unfinished/scratch/checkpoint");
    fs::create_dir_all(work.parent().expect("a folder")).expect("made");
    fs::write(work, "half").expect("written");
    workspace
}

fn flip_a_bit(path: &Path) {
    let mut bytes = fs::read(path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::set_permissions(path, Permissions::from_mode(0o644)).expect("made writable");
    fs::write(path, bytes).expect("written");
    // As old as before, and older than any lease lasts.
    let file = fs::OpenOptions::new().append(true).open(path).expect("opened");
    file.set_modified(SystemTime::now() - Duration::from_secs(7200)).expect("aged");
}

#[test]
fn every_kind_of_file_is_checked_and_made_anew() {
    let workspace = lived_in();
    let expected = workspace.results();
    // Put back in its place for each case: a workspace is remembered by its path.
    let original = Workspace::copy_of(&workspace.folder);
    let found: BTreeSet<_> =
        one_of_each(&workspace).into_keys().filter(|kind| kind != "damaged").collect();
    let known: BTreeSet<_> = KINDS.iter().map(|kind| kind.name.to_owned()).collect();
    assert_eq!(found, known, "kinds of files in a store, and those this test knows");
    for kind in &KINDS {
        for deleted in [false, true] {
            fs::remove_dir_all(&workspace.folder).expect("removed");
            copy_folder(&original.folder, &workspace.folder, &[]);
            let path = one_of_each(&workspace)[kind.name].clone();
            let what = format!("{} ({}), deleted: {deleted}", kind.name, path.display());
            if deleted {
                fs::remove_file(&path).expect("removed");
            } else {
                flip_a_bit(&path);
                check_found(&workspace, kind, &path, &what);
            }
            check_made_anew(&workspace, kind, &expected, &what, deleted);
        }
    }
}

/// `verify` names it, where it is of those that anything believes.
fn check_found(workspace: &Workspace, kind: &Kind, path: &Path, what: &str) {
    let said = workspace.mixmake(&["verify"]);
    if kind.name == "format" {
        let said = said.expect(3).says(&["format", "not a store that this version reads"]);
        assert!(said.stderr.contains("mixmake-store 1"), "{what}: no way out in {}", said.stderr);
        return;
    }
    let code = if kind.checked { 1 } else { 0 };
    assert_eq!(said.code, Some(code), "{what}: {}{}", said.stdout, said.stderr);
    assert_eq!(said.stdout.contains(&name(path)), kind.checked, "{what}: {}", said.stdout);
}

fn check_made_anew(
    workspace: &Workspace,
    kind: &Kind,
    expected: &BTreeMap<String, String>,
    what: &str,
    deleted: bool,
) {
    if kind.name == "format" && !deleted {
        fs::write(workspace.store().join("format"), "mixmake-store 1\n").expect("written");
    }
    let ran = workspace.run_any(&[]);
    assert_eq!(ran.code, Some(0), "{what}: {}{}", ran.stdout, ran.stderr);
    assert_eq!(&workspace.results(), expected, "{what}");
    if kind.mended_by_run {
        let said = workspace.mixmake(&["verify"]);
        assert_eq!(said.code, Some(0), "{what}, after a run: {}", said.stdout);
    }
    workspace.mixmake(&["verify", "--repair"]);
    workspace.run(&[]);
    assert_eq!(&workspace.results(), expected, "{what}");
    let said = workspace.mixmake(&["verify"]);
    assert_eq!(said.code, Some(0), "{what}, after repair and a run: {}", said.stdout);
    workspace.run(&[]).ran_exactly(&[]);
}
