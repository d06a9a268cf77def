//! The write path of an action, with a crash, an error, a lost answer or a power cut at every one of its system
//! calls in turn: no torn object, no result that points at nothing, and the next run completes to the same bytes.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::SystemTime;

use serde_json::{Map, json};

use crate::event::Progress;
use crate::exec::{Failure, Job, Runner, execute};
use crate::executor::Cancel;
use crate::faults::{self, Disk, Fault, files_below};
use crate::file_index::modified_nanos;
use crate::holder::Holder;
use crate::key::Preimage;
use crate::lease::{EXPIRY, Lease};
use crate::record::{self, Request, RequestFile, RequestInput, RequestOutput};
use crate::store::Store;
use crate::verify::verify;
use crate::{Digest, Key, sys};

const EIO: i32 = 5;
const ENOENT: i32 = 2;
const EEXIST: i32 = 17;
const ENOSPC: i32 = 28;

/// Two outputs of a known text, one of them a measurement, through the watched layer.
struct Writer;

impl Runner for Writer {
    fn run(
        &self,
        job: &Job,
        _: &mut dyn FnMut(Progress),
    ) -> Result<BTreeMap<String, String>, Failure> {
        for name in ["data", "losses"] {
            let path = job.output(name);
            let text = format!("{name} of {}", job.params["seed"]).repeat(100);
            let written = (|| {
                let mut file = sys::create(&path)?;
                sys::write(&mut file, &path, text.as_bytes())
            })();
            written.map_err(|error: std::io::Error| Failure::new(error.to_string()))?;
        }
        Ok(BTreeMap::new())
    }
}

fn request(seed: u64) -> Request {
    let params = json!({ "seed": seed }).as_object().cloned().unwrap_or_default();
    let preimage = Preimage {
        kind: "write",
        version: 1,
        params: &params,
        inputs: &[],
        outputs: &["data", "losses"],
    };
    let key = preimage.key().expect("encodable");
    let output = |name: &str, keep| RequestOutput { name: name.into(), keep };
    Request {
        key,
        kind: "write".into(),
        version: 1,
        params: Map::clone(&params),
        inputs: vec![],
        outputs: vec![output("data", false), output("losses", true)],
        target: "write".into(),
        advice: serde_json::Map::new(),
    }
}

/// What a run does for one action, from an empty folder to its result.
fn attempt(root: &Path, seed: u64) -> Result<(), String> {
    let store = Store::open(root).map_err(|error| error.to_string())?;
    let request = request(seed);
    store.put_request(&request).map_err(|error| error.to_string())?;
    let done =
        execute(&store, request.key, &Writer, "test", false, &mut |_| {}, &Cancel::default());
    done.map(|_| ()).map_err(|error| error.to_string())
}

/// Leases of processes that died with the machine: in the test that process is this one, and lives on. A torn one
/// has expired by the time the machine is on again.
pub(crate) fn bury(root: &Path) {
    for path in [root.join("leases"), root.join("runs")].iter().flat_map(|path| files_below(path)) {
        match record::decode::<Holder>(&fs::read(&path).expect("read")) {
            Ok(mut holder) => {
                holder.process_start += 1;
                fs::write(&path, record::encode(&holder).expect("encoded")).expect("written");
            }
            Err(_) => {
                let file = fs::OpenOptions::new().append(true).open(&path).expect("opened");
                file.set_modified(SystemTime::now() - 2 * EXPIRY).expect("aged");
            }
        }
    }
}

/// What must hold after whatever happened: whoever is said to be done is, and nothing is torn.
fn check(root: &Path, key: Key, said_done: bool, context: &str) {
    if !root.join("format").exists() {
        assert!(!said_done, "{context}");
        return;
    }
    let store = Store::open(root).expect("opened");
    let result = store.result(key).expect("read");
    assert!(result.is_some() || !said_done, "done without a result, {context}");
    for output in result.iter().flat_map(|result| &result.outputs) {
        let whole = store.check_object(output.digest).expect("read");
        assert!(whole, "a result points at nothing: {}, {context}", output.name);
    }
    for (name, path) in store.list("objects").expect("listed") {
        let (digest, _) = Digest::of_file(&path).expect("read");
        assert_eq!(name, digest.to_hex(), "a torn object, {context}");
    }
}

/// Digests of a run that nothing disturbs.
fn undisturbed(seed: u64) -> Vec<String> {
    let folder = faults::folder();
    let root = folder.path().join("store");
    attempt(&root, seed).expect("nothing is in its way");
    objects(&root)
}

fn objects(root: &Path) -> Vec<String> {
    let store = Store::open(root).expect("opened");
    store.list("objects").expect("listed").into_iter().map(|(name, _)| name).collect()
}

/// One attempt with `fault` at the `number`-th call, then `after`, then a run in peace; false once the path has
/// fewer calls.
fn disturbed(number: usize, fault: Fault, after: &mut dyn FnMut(&Disk)) -> bool {
    let folder = faults::folder();
    let root = folder.path().join("store");
    let disk = faults::watch(&root);
    disk.set(number, fault);
    let ended = attempt(&root, 7);
    let calls = disk.last_calls();
    let happened = disk.mend();
    after(&disk);
    drop(disk);
    let context = format!("{fault:?} at call {number}, which ended {ended:?}:\n{calls}");
    let key = request(7).key;
    check(&root, key, ended.is_ok(), &context);
    bury(&root);
    attempt(&root, 7).unwrap_or_else(|error| panic!("{error} after {context}"));
    check(&root, key, true, &context);
    assert_eq!(objects(&root), undisturbed(7), "{context}");
    let store = Store::open(&root).expect("opened");
    let found = verify(&store, false, &mut |_| {}).expect("read");
    assert_eq!(found.problems, Vec::<String>::new(), "{context}");
    happened
}

/// Every call in turn; gives how many there are.
fn at_every_call(fault: Fault, after: &mut dyn FnMut(&Disk)) -> usize {
    let mut number = 1;
    while disturbed(number, fault, after) {
        number += 1;
        assert!(number < 1000, "the write path does not end");
    }
    number - 1
}

#[test]
fn a_crash_between_any_two_calls() {
    let calls = at_every_call(Fault::Crash, &mut |_| {});
    assert!(calls > 40, "only {calls} calls: the layer does not see the write path");
}

#[test]
fn a_crash_within_any_call() {
    at_every_call(Fault::CrashWithin, &mut |_| {});
}

#[test]
fn an_error_of_any_call() {
    for number in [ENOSPC, EIO] {
        at_every_call(Fault::Error(number), &mut |_| {});
    }
}

/// On NFS a call can be done and yet fail: its answer was lost, and what was repeated found it done.
#[test]
fn a_lost_answer_of_any_call() {
    for number in [EIO, ENOENT, EEXIST] {
        at_every_call(Fault::AnswerLost(number), &mut |_| {});
    }
}

/// Each name and each file's bytes that were not synced come back or not, by chance; all and none too.
#[test]
fn a_power_cut_between_any_two_calls() {
    at_every_call(Fault::Crash, &mut |disk| disk.power_cut(|| true));
    for seed in 1..=4_u64 {
        let mut state = seed;
        let mut coin = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            state >> 40 & 1 == 1
        };
        at_every_call(Fault::Crash, &mut |disk| disk.power_cut(&mut coin));
    }
}

/// What was said to be done before the power went is done after it.
#[test]
fn what_is_done_survives_a_power_cut() {
    let folder = faults::folder();
    let root = folder.path().join("store");
    let disk = faults::watch(&root);
    attempt(&root, 7).expect("nothing is in its way");
    disk.power_cut(|| true);
    drop(disk);
    check(&root, request(7).key, true, "a power cut after the end");
    assert_eq!(objects(&root), undisturbed(7));
}

/// The layer must be able to find what it looks for: without syncs, a power cut takes what was done.
#[test]
fn the_power_cut_of_the_tests_takes_what_was_not_synced() {
    let folder = faults::folder();
    let root = folder.path().join("store");
    let disk = faults::watch(&root);
    let store = Store::open(&root).expect("opened");
    store.put_request(&request(7)).expect("put");
    assert!(store.request_path(request(7).key).exists());
    disk.power_cut(|| true);
    assert!(!store.request_path(request(7).key).exists(), "requests are not durable");
    assert!(root.join("format").exists(), "the format is");
}

/// A file that another machine replaced is read again (`ESTALE`, on NFS), and nothing fails for it.
#[test]
fn a_stale_handle_is_tried_again() {
    let folder = faults::folder();
    let root = folder.path().join("store");
    attempt(&root, 7).expect("nothing is in its way");
    let disk = faults::watch(&root);
    let store = Store::open(&root).expect("opened");
    disk.set(1, Fault::Error(116));
    assert!(store.result(request(7).key).expect("read again").is_some());
    assert!(disk.mend(), "it was met");
}

/// Another run that asks for an action under way does not touch the log that it writes.
#[test]
fn the_log_of_an_action_under_way_is_left_alone() {
    let folder = faults::folder();
    let store = Store::open(&folder.path().join("store")).expect("opened");
    let request = request(7);
    store.put_request(&request).expect("put");
    let log = store.log_path(request.key);
    crate::files::write(&log, b"so far").expect("written");
    let (lease, me) = (store.lease_path(request.key), Holder::this_process("write"));
    let held = Lease::acquire(&lease, &me).expect("io").expect("free");
    let again =
        || execute(&store, request.key, &Writer, "test", false, &mut |_| {}, &Cancel::default());
    assert!(again().is_err(), "it is held");
    assert_eq!(fs::read(&log).expect("read"), b"so far");
    drop(held);
    again().expect("it runs");
    assert_eq!(fs::read(&log).expect("read"), b"", "of an earlier try");
}

/// An input edited within the grain of its time stamp, while the action read it.
#[test]
fn an_edit_that_the_time_stamp_hides_is_found() {
    let folder = faults::folder();
    let store = Store::open(&folder.path().join("store")).expect("opened");
    let file = folder.path().join("text");
    fs::write(&file, "old").expect("written");
    let modified = fs::metadata(&file).and_then(|file| file.modified()).expect("a time");
    let mut request = request(7);
    request.inputs.push(RequestInput {
        role: "source".into(),
        digest: Digest::of(b"old"),
        attributes: Map::new(),
        name: None,
        file: Some(RequestFile {
            path: file.clone(),
            bytes: 3,
            modified_nanos: modified_nanos(&fs::metadata(&file).expect("there")),
        }),
    });
    request.key = crate::exec::key_of(&request).expect("encodable");
    store.put_request(&request).expect("put");
    fs::write(&file, "new").expect("edited");
    let open = fs::OpenOptions::new().append(true).open(&file).expect("opened");
    open.set_modified(modified).expect("as if in the same instant");
    let ended =
        execute(&store, request.key, &Writer, "test", false, &mut |_| {}, &Cancel::default());
    assert!(ended.is_err_and(|error| error.to_string().contains("changed while it was read")));
    assert!(store.result(request.key).expect("read").is_none());
}
