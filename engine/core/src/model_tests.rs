//! The whole engine against a model of a few lines: random graphs, edits, failures, damage, crashes and power cuts. The
//! bytes of every target and the set of actions that ran must agree.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use serde_json::{Map, json};

use crate::action::{Action, Cost, Input, Kind, OutputSpec, Source};
use crate::crash_tests::bury;
use crate::event::Progress;
use crate::exec::{Failure, Job, Runner};
use crate::executor::{Cancel, GRACE, LocalExecutor};
use crate::faults::{self, Fault};
use crate::file_index::{FileFacts, modified_nanos};
use crate::graph::{ActionId, Graph};
use crate::key::{Preimage, ResolvedInput, canonical_order};
use crate::memory::Memory;
use crate::plan::Plan;
use crate::resolve::Build;
use crate::scheduler::{self, RunOptions};
use crate::store::Store;
use crate::{Digest, Key, sys};

const KIND: Kind = Kind { name: "toy", version: 1 };
const OUTPUT: &str = "out";

/// One action of a random graph: which earlier actions and which files it reads, and how much of what it reads
/// shows in its output (the rest is cut off).
#[derive(Debug, Clone)]
struct Spec {
    reads: u8,
    files: u8,
    modulus: u64,
}

#[derive(Debug, Clone)]
enum Step {
    EditFile(usize, u64),
    EditAction(usize, u64),
    /// The action fails from now on, or no longer.
    Break(usize, bool),
    LoseResult(usize),
    LoseObject(usize),
    FlipObject(usize),
    Run(u8, usize),
    /// The process dies, or the power goes, at some call.
    Crash(u8, usize, bool),
}

/// What the output is: a function of all that is in the key, so that the right bytes are known.
fn output(id: usize, value: u64, modulus: u64, inputs: &[Vec<u8>]) -> Vec<u8> {
    let mut inputs = inputs.to_vec();
    inputs.sort();
    let all = Digest::of(format!("{value} {inputs:?}").as_bytes());
    let shown = u64::from(all.as_bytes()[0]) % modulus;
    format!("{id}: {shown}\n").into_bytes()
}

/// Runs toys; breaks those it is told to; remembers which keys it finished.
#[derive(Default)]
struct Toys {
    broken: Mutex<HashSet<usize>>,
    ran: Mutex<Vec<Key>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Runner for Toys {
    fn run(
        &self,
        job: &Job,
        _: &mut dyn FnMut(Progress),
    ) -> Result<BTreeMap<String, String>, Failure> {
        let number = |name: &str| job.params[name].as_u64().unwrap_or(0);
        let (id, path) = (number("id") as usize, job.output(OUTPUT));
        if locked(&self.broken).contains(&id) {
            let _ = fs::write(&path, "half of");
            return Err(Failure::new("broken"));
        }
        let inputs: Vec<_> =
            job.inputs.iter().map(|input| fs::read(&input.path).unwrap_or_default()).collect();
        let bytes = output(id, number("value"), number("modulus"), &inputs);
        let written = (|| sys::write(&mut sys::create(&path)?, &path, &bytes))();
        written.map_err(|error: std::io::Error| Failure::new(error.to_string()))?;
        locked(&self.ran).push(job.key);
        Ok(BTreeMap::new())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bytes {
    Whole,
    Gone,
    Flipped,
}

/// All that should be: files, parameters, results by key, and in what state objects are.
struct Model {
    specs: Vec<Spec>,
    files: Vec<u64>,
    values: Vec<u64>,
    broken: HashSet<usize>,
    results: HashMap<Key, Vec<u8>>,
    objects: HashMap<Digest, Bytes>,
}

/// What a run of the model comes to.
#[derive(Debug, Default)]
struct Expected {
    /// The key and bytes of each action that has them.
    known: BTreeMap<usize, (Key, Vec<u8>)>,
    failed: BTreeSet<usize>,
    ran: Vec<Key>,
}

impl Model {
    fn reads(&self, id: usize) -> impl Iterator<Item = usize> + use<> {
        let reads = self.specs[id].reads;
        (0..id).filter(move |producer| reads >> producer & 1 == 1)
    }

    fn file_reads(&self, id: usize) -> impl Iterator<Item = usize> + use<> {
        let files = self.specs[id].files;
        (0..3).filter(move |file| files >> file & 1 == 1)
    }

    fn params(&self, id: usize) -> Map<String, serde_json::Value> {
        let params =
            json!({ "id": id, "value": self.values[id], "modulus": self.specs[id].modulus });
        params.as_object().cloned().unwrap_or_default()
    }

    fn needed(&self, selected: u8) -> BTreeSet<usize> {
        let mut needed: BTreeSet<_> =
            (0..self.specs.len()).filter(|id| selected >> id & 1 == 1).collect();
        for id in (0..self.specs.len()).rev() {
            if needed.contains(&id) {
                needed.extend(self.reads(id));
            }
        }
        needed
    }

    fn run(&mut self, selected: u8) -> Expected {
        let mut expected = Expected::default();
        for id in self.needed(selected) {
            self.bring(id, selected >> id & 1 == 1, &mut expected);
        }
        expected
    }

    /// Brings an action up to date; `bytes` if its bytes must be there and not only known.
    fn bring(&mut self, id: usize, bytes: bool, expected: &mut Expected) {
        let inputs: Option<Vec<_>> =
            self.reads(id).map(|producer| Some(expected.known.get(&producer)?.1.clone())).collect();
        let Some(mut inputs) = inputs else { return };
        inputs.extend(self.file_reads(id).map(|file| file_text(self.files[file])));
        let key = self.key(id, &inputs);
        let made = output(id, self.values[id], self.specs[id].modulus, &inputs);
        let object = Digest::of(&made);
        let state = self.state(object);
        let has_result = self.results.contains_key(&key);
        if has_result {
            // Of use to what reads from it and is up to date, even if its bytes cannot be had again.
            expected.known.insert(id, (key, made.clone()));
        }
        if !has_result || (bytes && state == Bytes::Gone) {
            if !self.gather(id, expected) {
                return;
            }
            if self.broken.contains(&id) {
                expected.failed.insert(id);
                return;
            }
            expected.ran.push(key);
            self.results.insert(key, made.clone());
            self.objects.insert(object, Bytes::Whole);
        }
        expected.known.insert(id, (key, made));
    }

    fn state(&self, object: Digest) -> Bytes {
        self.objects.get(&object).copied().unwrap_or(Bytes::Gone)
    }

    /// Makes what an action reads whole; whether that went well. Bytes that are gone are missed before it starts, damaged
    /// ones when it reads them: one after the other, in the order of their digests.
    fn gather(&mut self, id: usize, expected: &mut Expected) -> bool {
        loop {
            for producer in self.reads(id) {
                self.bring_bytes(producer, expected);
            }
            if self.reads(id).any(|producer| expected.failed.contains(&producer)) {
                return false;
            }
            let objects = self.reads(id).map(|producer| Digest::of(&expected.known[&producer].1));
            let damaged = objects.filter(|object| self.state(*object) == Bytes::Flipped).min();
            let Some(object) = damaged else { return true };
            self.objects.insert(object, Bytes::Gone);
        }
    }

    /// The bytes of a known action must be there: they are about to be read.
    fn bring_bytes(&mut self, id: usize, expected: &mut Expected) {
        let Some((key, made)) = expected.known.get(&id).cloned() else { return };
        if self.state(Digest::of(&made)) != Bytes::Gone || expected.failed.contains(&id) {
            return;
        }
        if !self.gather(id, expected) || self.broken.contains(&id) {
            expected.failed.insert(id);
            return;
        }
        expected.ran.push(key);
        self.objects.insert(Digest::of(&made), Bytes::Whole);
    }

    fn key(&self, id: usize, inputs: &[Vec<u8>]) -> Key {
        let attributes = Map::new();
        let resolve = |bytes: &Vec<u8>| ResolvedInput {
            role: "source",
            digest: Digest::of(bytes),
            attributes: &attributes,
        };
        let inputs: Vec<_> = inputs.iter().map(resolve).collect();
        let order = canonical_order(&inputs).expect("encodable");
        let sorted: Vec<_> = order.iter().map(|&index| inputs[index]).collect();
        let params = self.params(id);
        let preimage = Preimage {
            kind: KIND.name,
            version: KIND.version,
            params: &params,
            inputs: &sorted,
            outputs: &[OUTPUT],
        };
        preimage.key().expect("encodable")
    }

    fn graph(&self, files: &Path) -> Graph {
        let mut graph = Graph::default();
        for id in 0..self.specs.len() {
            let input = |source| Input { role: "source", source, attributes: Map::new() };
            let mut inputs: Vec<_> = self
                .reads(id)
                .map(|producer| input(Source::Output(ActionId(producer), OUTPUT.into())))
                .collect();
            for file in self.file_reads(id) {
                inputs.push(input(Source::File(graph.file(&files.join(file.to_string())))));
            }
            let action = Action {
                target: format!("toy/{id}"),
                kind: KIND,
                params: self.params(id),
                inputs,
                outputs: vec![OutputSpec::new(OUTPUT)],
                cost: Cost::Light,
                threads: 1,
                pool: None,
                origins: BTreeMap::new(),
            };
            graph.add(action).expect("fits");
        }
        graph
    }

    /// After a crash, what there is decides: which results are there and which objects are whole.
    fn adopt(&mut self, store: &Store, would: &Expected) {
        let right: HashMap<Key, Vec<u8>> = would.known.values().cloned().collect();
        let mut results = HashMap::new();
        for (name, _) in store.list("results").expect("listed") {
            let key: Key = name.parse().expect("a key");
            let Some(result) = store.result(key).expect("read") else { continue };
            let bytes = self.results.get(&key).or_else(|| right.get(&key));
            let bytes = bytes.expect("a result that nobody asked for").clone();
            assert_eq!(result.outputs[0].digest, Digest::of(&bytes), "a wrong result");
            results.insert(key, bytes);
        }
        self.results = results;
        self.objects.clear();
        for (name, path) in store.list("objects").expect("listed") {
            let digest: Digest = name.parse().expect("a digest");
            let whole = Digest::of_file(&path).expect("read").0 == digest;
            self.objects.insert(digest, if whole { Bytes::Whole } else { Bytes::Flipped });
        }
    }
}

fn file_text(version: u64) -> Vec<u8> {
    format!("file, version {version}\n").into_bytes()
}

/// The store and files on disk.
struct World {
    _owner: tempfile::TempDir,
    root: PathBuf,
    files: PathBuf,
    toys: Toys,
}

impl World {
    fn new() -> Self {
        let owner = faults::folder();
        let (root, files) = (owner.path().join("store"), owner.path().join("files"));
        fs::create_dir(&files).expect("made");
        Self { _owner: owner, root, files, toys: Toys::default() }
    }

    fn store(&self) -> Store {
        Store::open(&self.root).expect("opened")
    }

    fn facts(&self, path: &Path) -> Option<FileFacts> {
        let metadata = fs::metadata(path).ok()?;
        let (digest, bytes) = Digest::of_file(path).ok()?;
        Some(FileFacts { digest, bytes, modified_nanos: modified_nanos(&metadata) })
    }

    /// A run as a process of its own would do it; none if it could not end.
    fn run(&self, model: &Model, selected: u8, jobs: usize) -> Option<scheduler::RunOutcome> {
        let store = Store::open(&self.root).ok()?;
        let graph = model.graph(&self.files);
        let files: Vec<_> = graph.files().iter().map(|path| self.facts(path)).collect();
        let build = Build { graph: &graph, store: &store, files: &files };
        let mut memory = Memory::load(&store, Path::new("/m.toml")).ok()?;
        let ids: Vec<_> = graph.ids().filter(|id| selected >> id.0 & 1 == 1).collect();
        let executor = LocalExecutor {
            store: store.clone(),
            runner: &self.toys,
            program: "/none".into(),
            version: "test".into(),
            environment: Vec::new(),
            grace: GRACE,
            idle: Default::default(),
        };
        let options = RunOptions { jobs, keep_going: true, pools: HashMap::new() };
        *locked(&self.toys.broken) = model.broken.clone();
        locked(&self.toys.ran).clear();
        let (cancel, mut observe) = (Cancel::default(), |_| {});
        let plan = Plan::make(&build, &memory, &ids).ok()?;
        scheduler::run(&build, &mut memory, &plan, &executor, &options, &cancel, &mut observe).ok()
    }

    fn compare(&self, outcome: &scheduler::RunOutcome, expected: &Expected, what: &str) {
        let mut ran = locked(&self.toys.ran).clone();
        let mut should = expected.ran.clone();
        ran.sort();
        should.sort();
        assert_eq!(ran, should, "the set of actions that ran, {what}");
        let failed: BTreeSet<_> = outcome.failed.iter().map(|(id, _)| id.0).collect();
        let of_their_own: BTreeSet<_> =
            expected.failed.iter().copied().filter(|id| failed.contains(id)).collect();
        assert_eq!(failed, of_their_own, "failures that the model does not know, {what}");
        assert_eq!(failed.is_empty(), expected.failed.is_empty(), "{what}");
        for (id, (key, bytes)) in &expected.known {
            if expected.failed.contains(id) {
                continue;
            }
            let result = outcome.results[*id].as_ref().unwrap_or_else(|| panic!("{id}, {what}"));
            assert_eq!(result.key, *key, "{id}, {what}");
            assert_eq!(result.outputs[0].digest, Digest::of(bytes), "{id}, {what}");
        }
    }
}

fn flip(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).expect("made writable");
    let mut bytes = fs::read(path).expect("read");
    bytes[0] ^= 1;
    fs::write(path, bytes).expect("written");
}

fn step(world: &World, model: &mut Model, step: &Step, what: &str) {
    let count = model.specs.len();
    let some_key = |model: &Model, index: usize| {
        let mut keys: Vec<_> = model.results.keys().copied().collect();
        keys.sort();
        (!keys.is_empty()).then(|| keys[index % keys.len()])
    };
    match *step {
        Step::EditFile(file, version) => {
            model.files[file] = version;
            fs::write(world.files.join(file.to_string()), file_text(version)).expect("written");
        }
        Step::EditAction(id, value) => model.values[id % count] = value,
        Step::Break(id, true) => {
            model.broken.insert(id % count);
        }
        Step::Break(id, false) => {
            model.broken.remove(&(id % count));
        }
        Step::LoseResult(index) => {
            if let Some(key) = some_key(model, index) {
                fs::remove_file(world.store().result_path(key)).expect("removed");
                model.results.remove(&key);
            }
        }
        Step::LoseObject(index) | Step::FlipObject(index) => {
            let Some(key) = some_key(model, index) else { return };
            let digest = Digest::of(&model.results[&key]);
            let path = world.store().object_path(digest);
            if model.objects.get(&digest) != Some(&Bytes::Whole) {
                return;
            }
            if matches!(step, Step::LoseObject(_)) {
                fs::remove_file(path).expect("removed");
                model.objects.insert(digest, Bytes::Gone);
            } else {
                flip(&path);
                model.objects.insert(digest, Bytes::Flipped);
            }
        }
        Step::Run(selected, jobs) => {
            let expected = model.run(selected);
            let outcome = world.run(model, selected, jobs).expect("nothing is in its way");
            world.compare(&outcome, &expected, what);
        }
        Step::Crash(selected, call, power) => crash(world, model, selected, call, power),
    }
}

fn crash(world: &World, model: &mut Model, selected: u8, call: usize, power: bool) {
    let before = (model.results.clone(), model.objects.clone());
    let would = model.run(selected);
    (model.results, model.objects) = before;
    let disk = faults::watch(&world.root);
    disk.set(call, Fault::Crash);
    let _ = world.run(model, selected, 1);
    disk.mend();
    if power {
        let mut turn = call;
        disk.power_cut(|| {
            turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            turn >> 40 & 1 == 1
        });
    }
    drop(disk);
    bury(&world.root);
    model.adopt(&world.store(), &would);
}

fn specs() -> impl Strategy<Value = Vec<Spec>> {
    let spec = (any::<u8>(), 0u8..8, 1u64..4);
    let spec = spec.prop_map(|(reads, files, modulus)| Spec { reads, files, modulus });
    prop::collection::vec(spec, 1..8)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0usize..3, 0u64..3).prop_map(|(file, version)| Step::EditFile(file, version)),
        3 => (0usize..8, 0u64..3).prop_map(|(id, value)| Step::EditAction(id, value)),
        2 => (0usize..8, any::<bool>()).prop_map(|(id, on)| Step::Break(id, on)),
        1 => (0usize..64).prop_map(Step::LoseResult),
        1 => (0usize..64).prop_map(Step::LoseObject),
        1 => (0usize..64).prop_map(Step::FlipObject),
        6 => (any::<u8>(), 1usize..4).prop_map(|(selected, jobs)| Step::Run(selected, jobs)),
        2 => (any::<u8>(), 1usize..400, any::<bool>())
            .prop_map(|(selected, call, power)| Step::Crash(selected, call, power)),
    ];
    prop::collection::vec(step, 1..14)
}

fn seed() -> RngSeed {
    let given = std::env::var("MIXMAKE_MODEL_SEED").ok().and_then(|seed| seed.parse().ok());
    RngSeed::Fixed(given.unwrap_or(1))
}

fn cases() -> u32 {
    let given = std::env::var("MIXMAKE_MODEL_CASES").ok().and_then(|cases| cases.parse().ok());
    given.unwrap_or(400)
}

impl Model {
    fn new(specs: Vec<Spec>) -> Self {
        Self {
            files: vec![0; 3],
            values: vec![0; specs.len()],
            specs,
            broken: HashSet::new(),
            results: HashMap::new(),
            objects: HashMap::new(),
        }
    }
}

/// How often an input may be damaged again is asked of each, not of all.
#[test]
fn any_number_of_damaged_inputs_are_made_again() {
    let alone = Spec { reads: 0, files: 1, modulus: 1 };
    let mut specs = vec![alone; 6];
    specs.push(Spec { reads: 0b11_1111, files: 0, modulus: 3 });
    let (world, mut model) = (World::new(), Model::new(specs));
    let flips = (0..7).map(Step::FlipObject);
    let steps = [Step::EditFile(0, 0), Step::Run(1 << 6, 1)];
    let steps =
        steps.into_iter().chain(flips).chain([Step::EditAction(6, 1), Step::Run(1 << 6, 1)]);
    for (number, each) in steps.enumerate() {
        step(&world, &mut model, &each, &format!("step {number}, {each:?}"));
    }
    assert_eq!(locked(&world.toys.ran).len(), 7, "all of them");
}

proptest! {
    // The same cases in every test run; `make soak` tries others.
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 4000, rng_seed: seed(), ..ProptestConfig::default() })]

    #[test]
    fn the_engine_does_what_the_model_says(specs in specs(), steps in steps()) {
        let (world, mut model) = (World::new(), Model::new(specs));
        for file in 0..3 {
            step(&world, &mut model, &Step::EditFile(file, 0), "at the start");
        }
        for (number, each) in steps.iter().enumerate() {
            step(&world, &mut model, each, &format!("step {number}, {each:?}"));
        }
        // Whatever happened, with nothing broken any more everything can be had.
        model.broken.clear();
        step(&world, &mut model, &Step::Run(u8::MAX, 2), "at the end");
        let marks = world.store().list("runs").expect("listed");
        // A crash while a dead run's mark is taken away leaves the turn at that, which is `gc`'s.
        let is_turn = |(name, _): &(String, PathBuf)| name.ends_with(".turn");
        prop_assert!(marks.iter().all(is_turn), "marks of ended runs: {marks:?}");
    }
}
