//! `export`, `losses`, `fit` and `predict` on a small manifest of generated text.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const MANIFEST: &str = r#"
[corpus]
format = "plain"
min-chars = 100
block = "first"
block-chars = 1000
held-out = 8
[domain.verse]
files = "verse/*.txt"
[domain.code]
files = "code/*.txt"
[tokenizer]
train = "bpe"
vocabulary = 400
[model.tiny]
architecture = "gpt2"
layers = 1
hidden = 16
heads = 1
context = 32
[recipe.quick]
model = "tiny"
learning-rate = 3e-3
batch-tokens = 512
epochs = 1
evaluations = 2
[ddo.small]
recipe = "quick"
tokens = "4096"
factors = [3, "1/3"]
[ddo.medium]
recipe = "quick"
tokens = "8192"
factors = [3, "1/3"]
[autoscale.large]
from = ["small", "medium"]
tokens = "12k"
[train.uniform]
mixture = "uniform"
recipe = "quick"
tokens = "6144"
"#;

struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let place = Self { folder };
        fs::write(place.path("mixmake.toml"), MANIFEST).expect("the manifest");
        place.corpus("verse", "the cat sat on a mat and saw that a dog ran far from home");
        place.corpus("code", "fn let mut pub struct impl use mod return match self none");
        place
    }

    /// Documents of pseudo-random words: the same in every run of the test.
    fn corpus(&self, name: &str, words: &str) {
        let words: Vec<&str> = words.split(' ').collect();
        fs::create_dir(self.path(name)).expect("a folder");
        let mut state = 7_u64;
        for document in 0..60 {
            let mut word = || {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                format!("{}{}", words[(state >> 33) as usize % words.len()], (state >> 40) % 9)
            };
            let text: Vec<String> = (0..300).map(|_| word()).collect();
            fs::write(self.path(&format!("{name}/{document}.txt")), text.join(" "))
                .expect("a document");
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mixmake"))
            .current_dir(self.folder.path())
            .env_remove("MIXMAKE_STORE")
            .arg("--manifest")
            .arg(self.path("mixmake.toml"))
            .args(arguments)
            .output()
            .expect("the program starts")
    }

    fn text(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {stderr}");
        String::from_utf8(output.stdout).expect("text")
    }

    fn refused(&self, arguments: &[&str], code: i32, expected: &str) {
        let output = self.run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
        assert!(stderr.contains(expected), "no `{expected}` in: {stderr}");
    }
}

fn inode(path: &Path) -> u64 {
    fs::metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).ino()
}

fn numbers<const N: usize>(bytes: &[u8]) -> Vec<u64> {
    let number =
        |chunk: &[u8]| chunk.iter().rev().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    bytes.chunks_exact(N).map(number).collect()
}

/// Tools that want more than the tokens: their files hold the shard's tokens and what else they read.
fn check_made_files(place: &Place) {
    let read = |path: &str| fs::read(place.path(path)).expect(path);
    let tokens = read("out/shards/verse/train.bin");
    let idx = read("out/shards/verse/train.idx");
    let sequences = numbers::<8>(&idx[18..26])[0] as usize;
    let lengths = numbers::<4>(&idx[34..34 + 4 * sequences]);

    place.text(&["export", "--as", "datatrove", "-o", "d", "verse"]);
    assert_eq!(
        inode(&place.path("d/verse/train/000_00000.ds")),
        inode(&place.path("out/shards/verse/train.bin"))
    );
    let mut end = 0;
    let ends: Vec<u64> = lengths
        .iter()
        .map(|length| {
            end += length;
            end
        })
        .collect();
    assert_eq!(numbers::<8>(&read("d/verse/train/000_00000.ds.index")), ends);
    let again = place.run(&["export", "--as", "datatrove", "-o", "d", "verse"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("4 files under d, 0 of them new"));

    place.text(&["export", "--as", "llmc", "-o", "l", "verse"]);
    let file = read("l/verse_train.bin");
    let header = numbers::<4>(&file[..1024]);
    assert_eq!(header[..4], [20240520, 1, tokens.len() as u64 / 2, 0]);
    assert!(file[1024..] == tokens);

    let listed = place.text(&["export", "--as", "olmo", "-o", "o", "verse"]);
    assert_eq!(listed, "o/verse/train.npy\no/verse/held-out.npy\n");
    assert_eq!(read("o/verse/train.npy"), tokens);
}

#[test]
fn shards_are_linked_under_the_names_of_other_tools() {
    let place = Place::new();
    place.refused(&["export", "--as", "megatron", "-o", "m"], 1, "mixmake run shards/");
    place.text(&["run", "shards/*"]);

    let listed = place.text(&["export", "--as", "megatron", "-o", "m"]);
    assert_eq!(listed.lines().count(), 8, "{listed}");
    let bin = place.path("m/verse_train.bin");
    assert_eq!(inode(&bin), inode(&place.path("out/shards/verse/train.bin")), "linked, not copied");
    assert!(fs::read(place.path("m/code_held-out.idx")).expect("an index").starts_with(b"MMIDIDX"));

    // A name without its family is a domain's; a second export changes nothing.
    let listed = place.text(&["export", "--as", "nanogpt", "-o", "n", "verse"]);
    assert_eq!(listed, "n/verse/train.bin\nn/verse/val.bin\n");
    assert_eq!(inode(&place.path("n/verse/train.bin")), inode(&bin));
    let again = place.run(&["export", "--as", "nanogpt", "-o", "n", "verse"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("2 files under n, 0 of them new"));

    check_made_files(&place);

    // Another file is not lost without a word, and nothing is half done.
    fs::create_dir_all(place.path("k/verse")).expect("a folder");
    fs::write(place.path("k/verse/val.bin"), "mine").expect("a file");
    place.refused(&["export", "--as", "nanogpt", "-o", "k"], 2, "`k/verse/val.bin`");
    assert!(!place.path("k/verse/train.bin").exists() && !place.path("k/code").exists());
    place.text(&["export", "--as", "nanogpt", "-o", "k", "--force"]);
    assert_eq!(
        inode(&place.path("k/verse/val.bin")),
        inode(&place.path("out/shards/verse/held-out.bin"))
    );

    place.refused(&["export", "--as", "transformers", "-o", "t"], 1, "mixmake run train/uniform");
    place.refused(&["export", "--as", "transformers", "-o", "t", "shards/*"], 2, "is a training");
}

#[cfg(feature = "train")]
#[test]
fn losses_fits_and_predictions_go_by_name() {
    let place = Place::new();
    let fits: serde_json::Value =
        serde_json::from_str(&place.text(&["fit", "--json"])).expect("one object");
    let names: Vec<_> =
        fits["fits"].as_array().expect("fits").iter().map(|fit| fit["name"].clone()).collect();
    assert_eq!(names, ["ddo/small", "ddo/medium"], "by scale");
    let text = place.text(&["fit", "small"]);
    let rows: Vec<_> = text.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let of = |name: &str| {
        rows.iter().position(|row| *row == name).unwrap_or_else(|| panic!("{name}: {text}"))
    };
    assert!(of("verse") < of("code"), "the manifest's order: {text}");

    let text = place.text(&["predict"]);
    assert!(text.contains("autoscale/large: predicted for 12000 tokens"), "{text}");
    place.refused(&["fit", "none"], 2, "no target matches");

    // Five runs of two held-out sets; the training that has not run is said to be missing.
    let last = place.text(&["losses", "ddo/small", "--last"]);
    assert_eq!(last.lines().count(), 11, "{last}");
    let all = place.run(&["losses", "--last", "-o", "losses.csv"]);
    assert!(String::from_utf8_lossy(&all.stderr).contains("10 of 11 trainings have losses"));
    let table = fs::read_to_string(place.path("losses.csv")).expect("the table");
    let header: Vec<&str> = table.lines().next().unwrap_or_default().split(',').collect();
    for column in ["key", "loss", "mixture-seed", "learning-rate", "tokens:verse", "tokens:code"] {
        assert!(header.contains(&column), "{header:?}");
    }
    assert_eq!(table.lines().count(), 21);
    place.text(&["losses", "--last", "-o", "losses.parquet"]);
    assert!(fs::read(place.path("losses.parquet")).expect("the table").starts_with(b"PAR1"));
    place.refused(&["losses", "-o", "losses.xls"], 2, "`.csv`, `.parquet` or `.json`");

    let listed = place.text(&["export", "--as", "transformers", "-o", "t", "ddo/small/base"]);
    let expected = ["model.safetensors", "config.json", "tokenizer.json"];
    assert_eq!(listed, expected.map(|name| format!("t/ddo/small/base/{name}\n")).concat());
}
