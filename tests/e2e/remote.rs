//! Files that are elsewhere: every kind of server, the lock file that pins what was there, `--offline`, and downloads
//! that are killed.

use std::collections::BTreeSet;
use std::fs;

use crate::clouds::{Clouds, SECRETS, commit, undress};
use crate::corpus::{documents, json_lines, parquet};
use crate::harness::{Outcome, Workspace, files_below};
use crate::study::LETTERS;

const CORPUS: &str = r#"
[corpus]
min-chars = 100
block = "every"
block-chars = 100
held-out = 4

[tokenizer]
train = "bpe"
vocabulary = 300
"#;

/// A domain a service, each of the same bytes.
fn everywhere(clouds: &Clouds) -> String {
    let web = clouds.web.url("/data/a%20b/one.jsonl");
    format!(
        r#"{CORPUS}
[domain.here]
files = "here.jsonl"
[domain.web]
files = "{web}"
[domain.s3]
files = "s3://bucket/data/a b/*.jsonl"
[domain.gs]
files = "gs://bucket/data/**/one.jsonl"
[domain.az]
files = "az://bucket/data/a b/one.jsonl"
[domain.hub]
hub = "owner/name"
files = "data/*.jsonl"
"#
    )
}

fn text(letters: &str, count: u64) -> Vec<u8> {
    json_lines(&documents(letters, count)).into_bytes()
}

/// A workspace with every service, which all have the same file and others beside it.
fn fixture() -> (Clouds, Workspace) {
    let clouds = Clouds::start();
    let content = text(LETTERS[0].1, 40);
    for (key, content) in [
        ("data/a b/one.jsonl", content.clone()),
        ("data/a b/other.txt", vec![1]),
        ("data/a b/deeper/two.jsonl", vec![2]),
        ("data/z.jsonl", vec![3]),
        ("other/one.jsonl", vec![4]),
    ] {
        clouds.objects().insert(key.to_owned(), content);
    }
    let files = [
        ("data/one.jsonl", content.clone()),
        ("data/sub/x.jsonl", vec![1]),
        ("README.md", vec![2]),
    ];
    let files = files.map(|(path, content)| (path.to_owned(), content));
    clouds.dataset().commits.push(files.into_iter().collect());
    let workspace = Workspace::with_manifest(&everywhere(&clouds));
    workspace.write("here.jsonl", content);
    (clouds, workspace)
}

fn mixmake(clouds: &Clouds, workspace: &Workspace, arguments: &[&str]) -> Outcome {
    let mut command = workspace.command(arguments);
    Outcome::of(clouds.dress(&mut command).output().expect("started"))
}

fn run(clouds: &Clouds, workspace: &Workspace, arguments: &[&str]) -> Outcome {
    mixmake(clouds, workspace, &[&["run", "--json", "documents/**"], arguments].concat())
}

/// The digest that a lock file has in lines of a kind, by name.
fn pinned(workspace: &Workspace, kind: &str) -> Vec<(String, String)> {
    let lock = workspace.read("mixmake.lock");
    let lines = lock.lines().filter_map(|line| line.strip_prefix(kind)?.strip_prefix(' '));
    let words = lines.map(|line| line.split_once(' ').expect("a value and a name"));
    words.map(|(value, name)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn bytes_have_one_key_wherever_they_come_from() {
    let (clouds, workspace) = fixture();
    let ran = run(&clouds, &workspace, &[]).expect(0).ran();
    let downloads: BTreeSet<_> = ran.iter().filter(|name| name.starts_with("download/")).collect();
    assert_eq!(downloads.len(), 5, "{ran:?}");
    let keys: BTreeSet<_> = pinned(&workspace, "key")
        .into_iter()
        .filter(|(name, _)| name.starts_with("documents/"))
        .collect();
    let different: BTreeSet<_> = keys.iter().map(|(_, key)| key).collect();
    assert_eq!((keys.len(), different.len()), (6, 1), "{keys:?}");
    let remote: Vec<_> = pinned(&workspace, "remote").into_iter().map(|(rest, _)| rest).collect();
    assert_eq!(remote.len(), 5, "{remote:?}");
    let hub = "hf://datasets/owner/name@main";
    assert_eq!(pinned(&workspace, "commit"), [(hub.to_owned(), commit(0))]);
    assert_eq!(
        clouds.read().len(),
        clouds.web.gets(".jsonl").len() + 4 + 1,
        "each once, the hub's by way of its CDN"
    );

    // Nothing is asked again, neither by a run nor by a question, and no server is needed.
    let before = clouds.asked();
    for verb in [&["run", "--json", "documents/**"][..], &["plan"], &["status"], &["why"]] {
        mixmake(&clouds, &workspace, verb).expect(0);
    }
    assert_eq!(clouds.asked(), before);
    drop(clouds);
    let offline = workspace.mixmake(&["run", "--offline", "documents/**"]).expect(0);
    offline.says(&["nothing to do"]);
}

#[test]
fn credentials_go_where_they_belong_and_are_kept_nowhere() {
    let (clouds, workspace) = fixture();
    mixmake(&clouds, &workspace, &["run", "--json", "-vv", "documents/**"]).expect(0);
    for path in files_below(&workspace.folder) {
        let content = fs::read(&path).expect("read");
        for secret in SECRETS {
            let has = content.windows(secret.len()).any(|bytes| bytes == secret.as_bytes());
            assert!(!has, "{} has {secret}", path.display());
        }
    }
    let other = Workspace::with_manifest(&everywhere(&clouds));
    other.write("here.jsonl", text(LETTERS[0].1, 40));
    let mut command = other.command(&["run", "documents/s3", "documents/hub", "documents/az"]);
    clouds.dress(&mut command);
    command.env("AWS_SECRET_ACCESS_KEY", "x").env("AWS_ACCESS_KEY_ID", "wrong");
    command.env_remove("HF_TOKEN").env("AZURE_SKIP_SIGNATURE", "true");
    let refused = Outcome::of(command.output().expect("started")).expect(2);
    refused.says(&["AWS_ACCESS_KEY_ID", "HF_TOKEN", "AZURE_STORAGE_ACCOUNT_KEY", "mixmake.toml:"]);
}

#[test]
fn questions_list_and_download_nothing() {
    let (clouds, workspace) = fixture();
    let plan = mixmake(&clouds, &workspace, &["plan", "--json"]).expect(0).json();
    assert_eq!(plan["download-files"], 5);
    let bytes = 5 * text(LETTERS[0].1, 40).len() as u64;
    assert_eq!(plan["download-bytes"], bytes);
    let said = mixmake(&clouds, &workspace, &["plan"]).expect(0).stdout;
    assert!(said.contains("5 files to download"), "{said}");
    let lists = |(path, _): &(String, Option<usize>)| path.ends_with(".jsonl");
    let read: Vec<_> = clouds.read().into_iter().filter(lists).collect();
    assert_eq!(read, [], "a question reads no content");
    assert!(!workspace.store().exists(), "a question makes no store");
    let offline = mixmake(&clouds, &workspace, &["plan", "--offline"]).expect(0);
    offline.says(&[
        "it is not known which files `s3://bucket/data/a b/*.jsonl` stands for",
        "--offline",
    ]);
    // A server that is down is no reason not to answer.
    let down = clouds.s3.address;
    drop(clouds);
    let mut command = workspace.command(&["status"]);
    undress(&mut command);
    command.env("HF_ENDPOINT", format!("http://{down}")).env("AWS_SKIP_SIGNATURE", "true");
    command.env("AWS_ENDPOINT_URL", format!("http://{down}")).env("AWS_ALLOW_HTTP", "true");
    command.env("GOOGLE_SKIP_SIGNATURE", "true").env("GOOGLE_BASE_URL", format!("http://{down}"));
    command
        .env("GOOGLE_ALLOW_HTTP", "true")
        .env("AZURE_STORAGE_ENDPOINT", format!("http://{down}"));
    command.env("AZURE_STORAGE_ACCOUNT_NAME", "x").env("AZURE_SKIP_SIGNATURE", "true");
    command.env("AZURE_ALLOW_HTTP", "true");
    Outcome::of(command.output().expect("started")).expect(0);
}

#[test]
fn offline_says_what_is_missing() {
    let (clouds, workspace) = fixture();
    run(&clouds, &workspace, &[]).expect(0);
    fs::remove_dir_all(workspace.store()).expect("removed");
    let before = clouds.asked();
    let missing = mixmake(&clouds, &workspace, &["run", "--offline", "documents/**"]).expect(2);
    missing.says(&["domain `gs`: `gs://bucket/data/a b/one.jsonl` is not here", "mixmake.toml:"]);
    let mut command = workspace.command(&["run", "documents/web"]);
    clouds.dress(&mut command).env("MIXMAKE_OFFLINE", "1");
    Outcome::of(command.output().expect("started")).expect(2).says(&["domain `web`"]);
    assert_eq!(clouds.asked(), before, "nobody was asked");
    // What needs nothing from elsewhere runs.
    mixmake(&clouds, &workspace, &["run", "--offline", "documents/here"]).expect(0);
}

#[test]
fn a_killed_download_goes_on() {
    let (clouds, workspace) = fixture();
    let content = text(LETTERS[1].1, 2000);
    clouds.dataset().commits[0].insert("data/one.jsonl".to_owned(), content.clone());
    clouds.stall(true);
    let mut command = workspace.command(&["run", "--json", "documents/hub"]);
    clouds.dress(&mut command);
    let mut running = crate::harness::Running::of(command);
    let half = content.len() as u64 / 2;
    let target = "download/hf/datasets/owner/name@main/data/one.jsonl";
    let part = || {
        files_below(&workspace.store().join("work")).into_iter().find(|path| path.ends_with("part"))
    };
    running.wait_for_event(|event| event["event"] == "action-started" && event["target"] == target);
    crate::harness::eventually("half of it is there", || {
        part().is_some_and(|path| fs::metadata(path).is_ok_and(|file| file.len() == half))
    });
    running.kill_group();
    running.wait();
    clouds.stall(false);
    let events = run(&clouds, &workspace, &["documents/hub"]).expect(0);
    assert!(events.ran().contains(target), "{}", events.stdout);
    let last = clouds.cdn.gets("").pop().expect("asked");
    assert_eq!(last.range().map(|(first, _)| first as u64), Some(half));
    let log = mixmake(&clouds, &workspace, &["log", target]).expect(0);
    assert!(format!("{}{}", log.stdout, log.stderr).contains(&half.to_string()), "{}", log.stdout);
}

#[test]
fn a_branch_that_moves_changes_nothing_before_it_is_asked_for() {
    let (clouds, workspace) = fixture();
    workspace
        .edit("files = \"data/*.jsonl\"", "files = [\"data/*.jsonl\", \"data/sub/*.parquet\"]");
    let row = parquet(&documents(LETTERS[2].1, 40));
    clouds.dataset().commits[0].insert("data/sub/p.parquet".to_owned(), row);
    run(&clouds, &workspace, &["documents/hub"]).expect(0);
    let lock = workspace.read("mixmake.lock");
    // Another file beside, and one of the two with other bytes.
    let mut next = clouds.dataset().commits[0].clone();
    next.insert("data/new.jsonl".to_owned(), text(LETTERS[1].1, 30));
    next.insert("data/sub/p.parquet".to_owned(), parquet(&documents(LETTERS[2].1, 41)));
    clouds.dataset().commits.push(next);
    clouds.dataset().head = 1;
    run(&clouds, &workspace, &["documents/hub"]).expect(0).ran_exactly(&[]);
    assert_eq!(workspace.read("mixmake.lock"), lock);
    // On another machine the pinned commit is read, though the branch is elsewhere.
    let clone = Workspace::with_manifest(&workspace.read("mixmake.toml"));
    clone.write("here.jsonl", workspace.read("here.jsonl"));
    clone.write("mixmake.lock", &lock);
    run(&clouds, &clone, &["documents/hub"]).expect(0);
    assert_eq!(pinned(&clone, "result"), pinned(&workspace, "result"));
    let plan =
        mixmake(&clouds, &workspace, &["plan", "--update-remote", "documents/hub"]).expect(0);
    assert!(plan.stdout.contains("2 files to download"), "{}", plan.stdout);
    let moved =
        mixmake(&clouds, &workspace, &["run", "--json", "--update-remote", "documents/hub"]);
    let downloads: Vec<_> =
        moved.expect(0).ran().into_iter().filter(|name| name.starts_with("download/")).collect();
    let base = "download/hf/datasets/owner/name@main/data";
    assert_eq!(downloads, [format!("{base}/new.jsonl"), format!("{base}/sub/p.parquet")]);
    assert_eq!(pinned(&workspace, "commit")[0].1, commit(1));
    mixmake(&clouds, &workspace, &["run", "--update-remote", "--locked"]).expect(2);
}

#[test]
fn what_is_pinned_and_gone_is_an_error_and_not_another_result() {
    let (clouds, workspace) = fixture();
    run(&clouds, &workspace, &["documents/s3"]).expect(0);
    let clone = || {
        let clone = Workspace::with_manifest(&workspace.read("mixmake.toml"));
        clone.write("here.jsonl", workspace.read("here.jsonl"));
        clone.write("mixmake.lock", workspace.read("mixmake.lock"));
        clone
    };
    mixmake(&clouds, &clone(), &["run", "--locked", "documents/s3"]).expect(0);
    // A file more in the bucket is not what the glob was.
    clouds.objects().insert("data/a b/more.jsonl".to_owned(), text(LETTERS[2].1, 30));
    mixmake(&clouds, &clone(), &["run", "--locked", "documents/s3"]).expect(0);
    // Other bytes under the old name, of the same length and of another.
    let mut other = text(LETTERS[0].1, 40);
    other[30] ^= 1;
    for changed in [other, text(LETTERS[1].1, 40)] {
        clouds.objects().insert("data/a b/one.jsonl".to_owned(), changed);
        for flags in [&["--locked"][..], &[]] {
            let clone = clone();
            let refused = mixmake(&clouds, &clone, &[&["run", "documents/s3"], flags].concat());
            refused.expect(1).says(&[
                "s3://bucket/data/a b/one.jsonl",
                "is not what it was",
                "--update-remote",
            ]);
            assert!(!pinned(&clone, "result").is_empty(), "the lock file stays");
        }
    }
    // A tag that says less than the bytes do: they are the same, so all is well.
    clouds.objects().insert("data/a b/one.jsonl".to_owned(), text(LETTERS[0].1, 40));
    let clone = clone();
    let older = |line: &str| match line.split_once("etag:").zip(line.split_once(" s3://")) {
        Some(((before, _), (_, url))) => format!("{before}etag:older s3://{url}\n"),
        None => format!("{line}\n"),
    };
    let lock: String = clone.read("mixmake.lock").lines().map(older).collect();
    assert!(lock.contains("etag:older"), "{lock}");
    clone.write("mixmake.lock", lock);
    clone.edit(
        "files = \"s3://bucket/data/a b/*.jsonl\"",
        "files = \"s3://bucket/data/a b/one.jsonl\"",
    );
    mixmake(&clouds, &clone, &["run", "documents/s3"]).expect(0);
}

#[test]
fn a_new_pattern_is_asked_for_at_the_pinned_commit() {
    let (clouds, workspace) = fixture();
    run(&clouds, &workspace, &["documents/hub"]).expect(0);
    clouds.dataset().commits.push(Default::default());
    clouds.dataset().head = 1;
    workspace.edit("files = \"data/*.jsonl\"", "files = [\"data/*.jsonl\", \"README.md\"]");
    workspace.edit("min-chars = 100", "min-chars = 1");
    run(&clouds, &workspace, &["documents/hub"]).expect(0);
    assert_eq!(pinned(&workspace, "commit")[0].1, commit(0));
    let none = workspace.read("mixmake.toml").replace("README.md", "nothing*.md");
    workspace.write("mixmake.toml", none);
    let missing = mixmake(&clouds, &workspace, &["run", "documents/hub"]).expect(2);
    missing.says(&["no file matches `hf://datasets/owner/name@main/nothing*.md`", "mixmake.toml:"]);
    let unknown = workspace.read("mixmake.toml").replace("owner/name", "owner/nothing");
    workspace.write("mixmake.toml", unknown);
    mixmake(&clouds, &workspace, &["run", "documents/hub"])
        .expect(2)
        .says(&["there is no", "HF_TOKEN"]);
}

#[test]
fn places_are_named_by_their_urls() {
    let (clouds, workspace) = fixture();
    let url = "s3://bucket/data/a b/one.jsonl";
    let mut content = text(LETTERS[0].1, 40);
    content.extend_from_slice(b"{\"text\": \"short\"}\n");
    clouds.objects().insert("data/a b/one.jsonl".to_owned(), content.clone());
    mixmake(&clouds, &workspace, &["run", "samples/s3", "shards/s3"]).expect(0);
    let dropped = mixmake(&clouds, &workspace, &["dropped", "s3"]).expect(0).stdout;
    assert!(dropped.contains(&format!("{url}:41: min-chars (5)")), "{dropped}");
    let shown = mixmake(&clouds, &workspace, &["show", "s3", "5"]).expect(0).stdout;
    assert!(shown.starts_with(&format!("{url}:")), "{shown}");
    content.extend_from_slice(b"no json\n");
    clouds.objects().insert("data/a b/one.jsonl".to_owned(), content);
    let failed =
        mixmake(&clouds, &workspace, &["run", "--update-remote", "documents/s3"]).expect(1);
    failed.says(&[&format!("{url}:42")]);
    let why = mixmake(&clouds, &workspace, &["why", "documents/s3"]).expect(0).stdout;
    assert!(why.contains(url), "{why}");
}

#[test]
fn evaluation_texts_may_be_elsewhere_and_are_downloaded_once() {
    let (clouds, workspace) = fixture();
    workspace
        .edit("min-chars = 100", "min-chars = 100\ndecontaminate = \"gs://bucket/other/*.jsonl\"");
    let leaked = documents(LETTERS[0].1, 40).swap_remove(3);
    clouds.objects().insert("other/one.jsonl".to_owned(), json_lines(&[leaked]).into_bytes());
    let ran = mixmake(&clouds, &workspace, &["run", "--json", "samples/s3", "samples/hub"])
        .expect(0)
        .ran();
    assert!(ran.contains("download/gs/bucket/other/one.jsonl"), "{ran:?}");
    let dropped =
        mixmake(&clouds, &workspace, &["dropped", "hub", "--rule", "decontaminate"]).expect(0);
    assert!(
        dropped.stdout.contains("hf://datasets/owner/name@main/data/one.jsonl"),
        "{}",
        dropped.stdout
    );
    let reads = clouds.gs.gets("other/one.jsonl").len();
    assert_eq!(reads, 1);
}

#[test]
fn a_tokenizer_may_be_elsewhere() {
    let clouds = Clouds::start();
    let workspace = Workspace::new();
    workspace.write("here.jsonl", text(LETTERS[0].1, 40));
    let manifest = |tokenizer: &str| {
        let corpus = CORPUS.replace("train = \"bpe\"\nvocabulary = 300", tokenizer);
        workspace
            .write("mixmake.toml", format!("{corpus}\n[domain.here]\nfiles = \"here.jsonl\"\n"));
    };
    let run = |arguments: &[&str]| {
        mixmake(&clouds, &workspace, &[&["run", "--json", "shards/here"], arguments].concat())
    };
    manifest("builtin = \"gpt2\"");
    run(&[]).expect(0);
    let key = || pinned(&workspace, "key").into_iter().find(|(name, _)| name == "shards/here");
    let expected = key();
    let json = fs::read(workspace.path("out/tokenizer/tokenizer.json")).expect("built in");
    clouds.objects().insert("models/tokenizer.json".to_owned(), json);

    // The same bytes give the same key, whoever has them.
    for url in
        [clouds.web.url("/models/tokenizer.json"), "s3://bucket/models/tokenizer.json".to_owned()]
    {
        manifest(&format!("file = \"{url}\""));
        let ran = run(&[]).expect(0).ran();
        assert!(ran.iter().all(|name| name.starts_with("download/")), "{ran:?}");
        assert_eq!((ran.len(), key()), (1, expected.clone()));
        assert_eq!(run(&[]).expect(0).ran().len(), 0);
    }

    // What is wrong with it is said of the URL, and where the manifest names it.
    let fails = |arguments: &[&str]| {
        mixmake(&clouds, &workspace, &[&["run", "shards/here"], arguments].concat())
    };
    let url = "s3://bucket/models/other.json";
    clouds.objects().insert("models/other.json".to_owned(), b"no JSON".to_vec());
    manifest(&format!("file = \"{url}\""));
    fails(&[]).expect(1).says(&[&format!("`{url}` is not a tokenizer.json")]);
    manifest("file = \"s3://bucket/models/none.json\"");
    fails(&[]).expect(2).says(&["tokenizer: ", "none.json", "mixmake.toml:"]);
    // Only of those who need it.
    mixmake(&clouds, &workspace, &["status"]).expect(0);
    mixmake(&clouds, &workspace, &["run", "samples/here"]).expect(0);
    clouds.objects().insert("models/none.json".to_owned(), b"{}".to_vec());
    fails(&["--offline"]).expect(2).says(&["none.json", "--offline"]);
}

#[test]
fn garbage_is_what_a_url_was_before_its_last_two_contents() {
    let (clouds, workspace) = fixture();
    let versions: Vec<_> = LETTERS.iter().map(|(_, letters)| text(letters, 40)).collect();
    for (version, content) in versions.iter().enumerate() {
        clouds.objects().insert("data/a b/one.jsonl".to_owned(), content.clone());
        mixmake(&clouds, &workspace, &["run", "--update-remote", "documents/web"]).expect(0);
        mixmake(&clouds, &workspace, &["gc"]).expect(0);
        let objects = files_below(&workspace.store().join("objects"));
        let objects: Vec<_> = objects.iter().map(|path| fs::read(path).expect("read")).collect();
        let there = versions.iter().map(|content| objects.contains(content));
        let expected = [[true, false, false], [true, true, false], [false, true, true]];
        assert_eq!(there.collect::<Vec<_>>(), expected[version]);
    }
    drop(clouds);
    workspace.mixmake(&["run", "--offline", "documents/web"]).expect(0).says(&["nothing to do"]);
}

#[test]
fn file_urls_are_paths() {
    let workspace = Workspace::new();
    workspace.write("here.jsonl", text(LETTERS[0].1, 40));
    let path = workspace.path("*.jsonl").display().to_string();
    workspace
        .write("mixmake.toml", format!("{CORPUS}\n[domain.here]\nfiles = \"file://{path}\"\n"));
    workspace.run(&["documents/here"]).ran_exactly(&["documents/here"]);
    let inputs: Vec<_> = workspace.inputs().into_keys().collect();
    assert!(matches!(&inputs[..], [only] if only.ends_with("/here.jsonl")), "{inputs:?}");
}
