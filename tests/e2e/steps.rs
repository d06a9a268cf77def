//! Steps: commands of the user's own. What runs again and what does not, what a command sees, and
//! what is said when it fails.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::corpus::{documents, json_lines};
use crate::harness::{Workspace, set};

/// Two chains of three; `b-1` forgets all but the first line.
const CHAINS: &str = r#"
[step.a-0]
run = "cat in/a.txt > out"
inputs = "in/a.txt"
outputs = "out"

[step.a-1]
run = "cat step.a-0/out > out"
inputs = "step.a-0/out"
outputs = "out"

[step.a-2]
run = "cat step.a-1/out > out"
inputs = "step.a-1/out"
outputs = "out"

[step.b-2]
run = "cat step.b-1/out > out"
inputs = "step.b-1/*"
outputs = "out"

[step.b-1]
run = "head -n 1 step.b-0/out > out"
inputs = "step.b-0/out"
outputs = "out"

[step.b-0]
run = "cat in/*.txt > out"
inputs = "in/b*.txt"
outputs = "out"
"#;

fn chains() -> Workspace {
    let workspace = Workspace::with_manifest(CHAINS);
    workspace.write("in/a.txt", "a\n");
    workspace.write("in/b.txt", "b\n");
    let all = ["step/a-0", "step/a-1", "step/a-2", "step/b-0", "step/b-1", "step/b-2"];
    workspace.run(&[]).ran_exactly(&all);
    workspace
}

#[test]
fn one_input_changed_runs_its_chain_only() {
    let workspace = chains();
    workspace.run(&[]).ran_exactly(&[]);
    workspace.write("in/a.txt", "other\n");
    let outcome = workspace.run(&[]);
    outcome.ran_exactly(&["step/a-0", "step/a-1", "step/a-2"]);
    assert_eq!(workspace.read("out/step/a-2/out"), "other\n");
}

#[test]
fn the_same_bytes_written_again_run_nothing() {
    let workspace = chains();
    workspace.write("in/a.txt", "a\n");
    let outcome = workspace.run(&[]);
    outcome.ran_exactly(&[]);
}

/// The first action runs, gives what it gave before, and the rest is cut off.
#[test]
fn the_same_output_is_where_it_stops() {
    let workspace = chains();
    workspace.write("in/b.txt", "b\nmore\n");
    let outcome = workspace.run(&[]);
    outcome.ran_exactly(&["step/b-0", "step/b-1"]);
    assert_eq!(outcome.cut_off(), set(&["step/b-2"]));
}

#[test]
fn returning_to_the_old_input_runs_nothing() {
    let workspace = chains();
    let before = workspace.results();
    for text in ["1\n", "2\n"] {
        workspace.write("in/a.txt", text);
        assert_eq!(workspace.run(&[]).ran().len(), 3);
    }
    workspace.write("in/a.txt", "a\n");
    workspace.run(&[]).ran_exactly(&[]);
    assert_eq!(workspace.results(), before);
    assert_eq!(workspace.read("out/step/a-2/out"), "a\n");
}

/// A no-op opens neither an input nor an object: garbage of the same size goes unnoticed in both,
/// where the clock says that nobody wrote.
#[test]
fn a_no_op_reads_no_object() {
    let workspace = chains();
    for shard in fs::read_dir(workspace.store().join("objects")).expect("listed") {
        for object in fs::read_dir(shard.expect("a folder").path()).expect("listed") {
            let object = object.expect("a file").path();
            let garbage = vec![b'?'; fs::metadata(&object).expect("there").len() as usize];
            fs::remove_file(&object).expect("removed");
            fs::write(&object, garbage).expect("written");
        }
    }
    workspace.run(&[]).ran_exactly(&[]);
    // What reads an object finds it out.
    workspace.edit("cat step.a-1/out > out", "cat step.a-1/out > out;");
    let ran = workspace.run(&[]).ran();
    // All of the chain have the same bytes: whichever makes them first makes them for all.
    assert!(ran.contains("step/a-2") && ran.len() > 1, "{ran:?}");
    assert_eq!(workspace.read("out/step/a-2/out"), "a\n");
}

/// A new file that the glob matches is an input like any other, and so is the loss of one.
#[test]
fn files_that_come_and_go() {
    let workspace = chains();
    workspace.write("in/b2.txt", "c\n");
    workspace.run(&[]).ran_exactly(&["step/b-0", "step/b-1"]);
    fs::remove_file(workspace.path("in/b2.txt")).expect("removed");
    workspace.run(&[]).ran_exactly(&[]);
    fs::remove_file(workspace.path("in/b.txt")).expect("removed");
    let outcome = workspace.mixmake(&["run"]).expect(2);
    outcome.says(&["no file matches `./in/b*.txt`", "mixmake.toml", "in/b*.txt"]);
}

#[test]
fn a_step_feeds_a_domain() {
    let manifest = r#"
[step.clean]
run = "grep -v bad raw.jsonl > clean.jsonl; tail -n 5 raw.jsonl > rest.jsonl"
inputs = "raw.jsonl"
outputs = ["clean.jsonl", "rest.jsonl"]

[corpus]
min-chars = 10
held-out = 4

[domain.own]
files = "step.clean/*.jsonl"
exclude = "step.clean/rest*"

[tokenizer]
train = "bpe"
vocabulary = 300
"#;
    let workspace = Workspace::with_manifest(manifest);
    let mut texts = documents("abcdefgh", 30);
    texts.push("bad bad bad bad bad".to_owned());
    workspace.write("raw.jsonl", json_lines(&texts));
    let all = ["step/clean", "documents/own", "samples/own", "tokenizer", "shards/own"];
    workspace.run(&[]).ran_exactly(&all);
    let stats: serde_json::Value =
        serde_json::from_str(&workspace.read("out/samples/own/stats.json")).expect("JSON");
    assert_eq!(stats["rows"], 30, "{stats}");
    // What the command drops changes nothing below it.
    texts.push("another bad one, much longer than the first".to_owned());
    workspace.write("raw.jsonl", json_lines(&texts));
    workspace.edit("; tail -n 5 raw.jsonl", "; head -n 5 raw.jsonl");
    let outcome = workspace.run(&[]);
    outcome.ran_exactly(&["step/clean"]);
}

#[test]
fn a_command_sees_what_is_declared() {
    let manifest = r#"
[step.look]
run = """
ls ../beside > seen
ls >> seen
env | sed 's/=.*//' | grep -v -e PWD -e '^_$' -e SHLVL -e OLDPWD | sort >> seen
echo "$SET $PASSED" >> seen
"""
inputs = ["here.txt", "../beside/*.txt"]
outputs = "seen"
environment = { SET = "one" }
pass-environment = ["PASSED", "UNSET"]
"#;
    let workspace = Workspace::with_manifest(manifest);
    workspace.write("here.txt", "1");
    workspace.write("not-declared.txt", "2");
    workspace.write("../beside/far.txt", "3");
    let run = |passed: &str| {
        let mut command = workspace.command(&["run", "--json"]);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", "/").env("HIDDEN", "x");
        command.env("PASSED", passed);
        crate::harness::Outcome::of(command.output().expect("started")).expect(0)
    };
    run("p").ran_exactly(&["step/look"]);
    let seen = "far.txt\nhere.txt\nseen\nHOME\nLC_ALL\nPASSED\nPATH\nSET\nTZ\none p\n";
    assert_eq!(workspace.read("out/step/look/seen"), seen);
    run("q").ran_exactly(&[]);
    workspace.edit("SET = \"one\"", "SET = \"two\"");
    run("q").ran_exactly(&["step/look"]);
    assert!(workspace.read("out/step/look/seen").ends_with("two q\n"));
}

/// The store's copy is nobody else's file: what a command links must not become read-only.
#[test]
fn a_link_as_output_is_copied() {
    let manifest = r#"
[step.link]
run = "ln -s raw.txt soft; ln -L raw.txt hard || cp raw.txt hard"
inputs = "raw.txt"
outputs = ["soft", "hard"]
"#;
    let workspace = Workspace::with_manifest(manifest);
    workspace.write("raw.txt", "text");
    workspace.run(&[]);
    let metadata = fs::metadata(workspace.path("raw.txt")).expect("there");
    assert_eq!((metadata.nlink(), metadata.mode() & 0o200), (1, 0o200));
    for output in ["soft", "hard"] {
        assert_eq!(workspace.read(&format!("out/step/link/{output}")), "text");
    }
}

#[test]
fn failures_say_what_and_what_to_do() {
    let check = |run: &str, words: &[&str]| {
        let step = format!("[step.odd]\nrun = '{run}'\noutputs = [\"a.txt\", \"b.txt\"]\n");
        let workspace = Workspace::with_manifest(&step);
        workspace.mixmake(&["run"]).expect(1).says(words);
        workspace
    };
    check("exit 3", &["step/odd", "exit status 3", "said nothing"]);
    check("echo working; echo it broke >&2; false", &["exit status 1: it broke"]);
    check("kill -9 $$", &["killed by signal 9"]);
    check("no-such-program", &["exit status 127", "no-such-program"]);
    check("echo $UNSET > a.txt", &["UNSET"]);
    check("false; touch a.txt b.txt", &["exit status 1"]);
    check("touch a.txt c.txt", &["without writing `b.txt`", "it wrote `c.txt`"]);
    check("touch a.txt; mkdir b.txt", &["`b.txt` is not a file"]);
    let workspace = check("echo what it said; exit 1", &["what it said"]);
    let log = workspace.mixmake(&["log", "step/odd"]).expect(0);
    assert!(log.stdout.contains("what it said"), "{}", log.stdout);
    // It runs again once it is mended, and only then.
    workspace.edit("exit 1", "touch a.txt b.txt");
    workspace.run(&[]).ran_exactly(&["step/odd"]);
}

#[test]
fn a_step_must_not_write_over_what_it_reads() {
    let manifest = "[step.same]\nrun = \"true\"\ninputs = \"*.txt\"\noutputs = \"a.txt\"\n";
    let workspace = Workspace::with_manifest(manifest);
    workspace.write("a.txt", "");
    let outcome = workspace.mixmake(&["run"]).expect(2);
    outcome.says(&["reads and writes `a.txt`", "give the output another name"]);
}

#[test]
fn others_go_on_where_one_fails() {
    let workspace = chains();
    workspace.edit("cat step.a-0/out > out", "cat step.a-0/out > out; exit 1");
    workspace.write("in/a.txt", "new\n");
    workspace.write("in/b.txt", "new\n");
    let outcome = workspace.run_any(&["-k"]).expect(1);
    outcome.ran_exactly(&["step/a-0", "step/b-0", "step/b-1", "step/b-2"]);
    assert_eq!(outcome.targets("action-failed"), ["step/a-1"]);
    workspace.edit("cat step.a-0/out > out; exit 1", "cat step.a-0/out > out;");
    workspace.run(&[]).ran_exactly(&["step/a-1", "step/a-2"]);
}

/// A run of a step that sleeps, in the background too, and how many of the two sleep.
fn sleeping(number: u32) -> (Workspace, impl Fn() -> usize) {
    let mark = (1 + number) * 100_000 + std::process::id();
    let manifest = format!(
        "[step.slow]\nrun = \"\"\"\nsleep {mark} &\nsh -c 'sleep {mark}; true'\n\"\"\"\noutputs = \"never\"\n"
    );
    let sleepers = move || {
        let processes = fs::read_dir("/proc").expect("a process table").filter_map(Result::ok);
        let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
        lines.filter(|line| *line == format!("sleep\0{mark}\0").into_bytes()).count()
    };
    (Workspace::with_manifest(&manifest), sleepers)
}

/// The command and what it started in the background end with the run.
#[test]
fn an_interrupted_run_ends_its_commands() {
    let (workspace, sleepers) = sleeping(0);
    let running = workspace.start(&["run", "--json"]);
    crate::harness::eventually("both sleep", || sleepers() == 2);
    running.signal(Signal::TERM);
    let asked = Instant::now();
    let outcome = running.wait().expect(143);
    assert!(asked.elapsed() < Duration::from_secs(60), "{:?}", asked.elapsed());
    assert!(outcome.targets("action-failed").is_empty(), "{}", outcome.stdout);
    crate::harness::eventually("both end", || sleepers() == 0);
}

/// Nobody is left to end them then but the process they run below.
#[test]
fn a_killed_run_ends_its_commands() {
    let (workspace, sleepers) = sleeping(1);
    let running = workspace.start(&["run", "--json"]);
    crate::harness::eventually("both sleep", || sleepers() == 2);
    running.signal(Signal::KILL);
    running.wait();
    crate::harness::eventually("both end", || sleepers() == 0);
}

/// A trace holds each action that ran once, in the Trace Event Format; the summary names the chain.
#[test]
fn a_run_leaves_a_trace() {
    let workspace = chains();
    workspace.write("in/a.txt", "other\n");
    workspace.write("in/b.txt", "b\nmore\n");
    let outcome = workspace.mixmake(&["run", "--trace", "trace.json", "--timings"]).expect(0);
    for words in ["on the clock", "by kind", "critical path", "step/a-2"] {
        assert!(outcome.stdout.contains(words), "no `{words}` in\n{}", outcome.stdout);
    }
    let trace: serde_json::Value =
        serde_json::from_str(&workspace.read("trace.json")).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("a list of events");
    for event in events {
        assert!(event["name"].is_string() && event["pid"].is_u64(), "{event}");
        match event["ph"].as_str().expect("a phase") {
            "X" => assert!(event["ts"].is_u64() && event["dur"].is_u64(), "{event}"),
            "i" => assert!(event["ts"].is_u64() && event["s"] == "p", "{event}"),
            "M" => assert!(event["args"]["name"].is_string(), "{event}"),
            other => panic!("no event of this trace has the phase `{other}`"),
        }
    }
    let of_phase = |phase: &str| {
        let found = events.iter().filter(|event| event["ph"] == phase);
        found.map(|event| event["name"].as_str().expect("a name").to_owned()).collect()
    };
    let ran: std::collections::BTreeSet<String> = of_phase("X");
    assert_eq!(ran, set(&["step/a-0", "step/a-1", "step/a-2", "step/b-0", "step/b-1"]));
    let instants: std::collections::BTreeSet<String> = of_phase("i");
    assert_eq!(instants, set(&["step/b-2: cut off"]));
    // Also of a run that fails, and of one with nothing to do.
    workspace.edit("cat step.a-0/out > out", "false");
    workspace.mixmake(&["run", "--trace", "trace.json"]).expect(1);
    assert!(workspace.read("trace.json").contains("\"failed\""));
    workspace.edit("\"false\"", "\"cat step.a-0/out > out\"");
    let outcome = workspace.mixmake(&["run", "--timings"]).expect(0);
    assert!(outcome.stdout.contains("no action ran"), "{}", outcome.stdout);
}

/// What was hashed once is not hashed again while nobody writes to it.
#[test]
fn a_no_op_hashes_no_input() {
    let workspace = chains();
    for file in ["in/a.txt", "in/b.txt"] {
        let open = fs::OpenOptions::new().append(true).open(workspace.path(file)).expect("opened");
        let past = std::time::SystemTime::now() - Duration::from_secs(100);
        open.set_modified(past).expect("aged");
    }
    let hashed = |expected: &str| {
        let outcome = workspace.mixmake(&["run", "-vv"]).expect(0);
        assert!(outcome.stderr.contains(expected), "no `{expected}` in\n{}", outcome.stderr);
    };
    hashed("2 files, 2 of them hashed");
    hashed("2 files, 0 of them hashed");
    workspace.write("in/a.txt", "a\n");
    hashed("2 files, 1 of them hashed");
}
