//! `diff`, `why`, `--locked` and stores that are not there, on samples alone: nothing is trained.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

const MANIFEST: &str = r#"
[corpus]
format = "plain"
min-chars = 10
block = "first"
block-chars = 1000
held-out = 4
[domain.verse]
files = "verse/*.txt"
[domain.gone]
files = "gone/*.txt"
[tokenizer]
train = "bpe"
vocabulary = 300
"#;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = Self { folder };
        fs::create_dir(place.path("verse")).expect("a folder");
        for document in 0..20 {
            let text = format!("document {document}: {}", "words ".repeat(20 + document));
            fs::write(place.path(&format!("verse/{document}.txt")), text).expect("a document");
        }
        place.manifest(MANIFEST);
        place
    }

    fn manifest(&self, text: &str) {
        fs::write(self.path("mixmake.toml"), text).expect("the manifest");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What both streams said.
    #[track_caller]
    fn says(&self, arguments: &[&str], code: i32) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_mixmake"))
            .current_dir(self.folder.path())
            .env_remove("MIXMAKE_STORE")
            .args(arguments)
            .output()
            .expect("the program starts");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&text).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {text}");
        text
    }
}

#[test]
fn a_manifest_with_missing_files_is_like_itself() {
    let place = Place::new();
    let said = place.says(&["diff", "mixmake.toml"], 0);
    assert!(said.contains("no difference, in results"), "{said}");

    let other = MANIFEST.replace("vocabulary = 300", "vocabulary = 310");
    fs::write(place.path("other.toml"), other).expect("the other manifest");
    let said = place.says(&["diff", "other.toml"], 0);
    assert!(
        said.contains("would run in mixmake.toml") && said.contains("2 of shards, tokenizer"),
        "{said}"
    );
    assert!(!said.contains("samples"), "{said}");
}

#[test]
fn a_change_that_was_taken_back_is_not_the_last_one() {
    let place = Place::new();
    place.says(&["run", "samples/verse"], 0);
    place.manifest(&MANIFEST.replace("min-chars = 10", "min-chars = 20"));
    place.says(&["run", "samples/verse"], 0);
    let said = place.says(&["why", "documents/verse"], 0);
    assert!(said.contains("10 -> 20") && said.contains("last changed by"), "{said}");
    place.manifest(MANIFEST);
    let said = place.says(&["why", "documents/verse"], 0);
    assert!(said.contains("20 -> 10") && said.contains("is up to date"), "{said}");
}

#[test]
fn locked_refuses_before_any_work_and_leaves_everything() {
    let place = Place::new();
    let locked = ["run", "--locked", "samples/verse"];
    place.says(&["run", "samples/verse"], 0);
    place.says(&locked, 0);
    let lock = fs::read_to_string(place.path("mixmake.lock")).expect("the lock file");
    let shown = || {
        let file = fs::metadata(place.path("out/samples/verse/train.arrow")).expect("shown in out");
        std::os::unix::fs::MetadataExt::ino(&file)
    };
    let before = shown();

    place.manifest(&MANIFEST.replace("min-chars = 10", "min-chars = 200"));
    let said = place.says(&locked, 4);
    assert!(said.contains("min-chars: 10 -> 200") && !said.contains("ran,"), "{said}");
    place.says(&["run", "-n", "--locked", "samples/verse"], 4);
    assert_eq!(shown(), before);

    let named = fs::symlink_metadata(place.path("out/samples/verse/train.arrow"));
    assert!(named.expect("shown").is_file(), "a name of its own, not a link to a digest");

    // What `--set` gives is shown, but not pinned.
    place.manifest(MANIFEST);
    let said = place.says(&["run", "samples/verse", "--set", "corpus.min-chars=150"], 0);
    assert!(said.contains("because of `--set`"), "{said}");
    assert_eq!(fs::read_to_string(place.path("mixmake.lock")).expect("the lock file"), lock);

    // A target that left the manifest is still pinned.
    place.manifest(&MANIFEST.replace("domain.verse", "domain.poems"));
    let said = place.says(&["run", "--locked", "samples/poems"], 4);
    assert!(said.contains("is pinned but not in the manifest"), "{said}");
}

#[test]
fn a_store_that_is_not_there_is_not_made() {
    let place = Place::new();
    for verb in [&["verify"][..], &["gc"], &["gc", "--dry-run"]] {
        let said = place.says(&[&["--store", "typo"], verb].concat(), 2);
        assert!(said.contains("there is no store at `typo`"), "{said}");
    }
    assert!(!place.path("typo").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_text_is_refused_with_its_domain() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let name = std::ffi::OsStr::from_bytes(b"verse/\xff.txt");
    fs::write(place.folder.path().join(name), "a document of some words").expect("a document");
    let said = place.says(&["run", "samples/verse"], 2);
    assert!(said.contains("is not UTF-8") && said.contains("mixmake.toml:9"), "{said}");
}

#[test]
fn an_impossible_training_stops_only_what_needs_it() {
    let place = Place::new();
    fs::create_dir(place.path("gone")).expect("a folder");
    for document in 0..20 {
        let text = format!("text {document}: {}", "letters ".repeat(20 + document));
        fs::write(place.path(&format!("gone/{document}.txt")), text).expect("a document");
    }
    let training = "[model.tiny]\narchitecture = \"gpt2\"\nlayers = 1\nhidden = 16\nheads = 1\n\
        context = 32\n[recipe.quick]\nmodel = \"tiny\"\nlearning-rate = 3e-3\n\
        batch-tokens = 512\n[train.huge]\nmixture = \"uniform\"\nrecipe = \"quick\"\n\
        tokens = \"1B\"\n";
    place.manifest(&format!("{MANIFEST}{training}"));
    let said = place.says(&["run"], 2);
    assert!(said.contains("train/huge"), "{said}");
    // What was built before that was known is pinned and shown.
    let lock = fs::read_to_string(place.path("mixmake.lock")).expect("the lock file");
    assert!(lock.contains(" shards/verse/train.bin\n"), "{lock}");
    assert!(place.path("out/shards/gone/train.bin").exists());

    place.says(&["run", "shards/*"], 0);
    place.says(&["plan", "samples/*"], 0);
    place.says(&["plan", "train/huge"], 2);
}
