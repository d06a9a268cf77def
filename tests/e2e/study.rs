//! The study that most tests start from: three languages in three formats, DDO at two scales, a
//! prediction, two trainings and the report. It runs once; tests take copies.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::corpus::{documents, json_lines, parquet, zstd};
use crate::harness::{Workspace, copy_folder};

pub const MANIFEST: &str = r#"# A study.
[corpus]
min-chars = 100
block = "every"
block-chars = 100
held-out = 4
duplicates = "drop"

[domain.alpha]
files = "alpha/*.txt"
min-chars = 101

[domain.beta]
files = "beta/*.jsonl.zst"

[domain.gamma]
files = "gamma/*.parquet"
train = false

[tokenizer]
train = "bpe"
vocabulary = 300

[model.tiny]
architecture = "gpt2"
layers = 1
hidden = 16
heads = 2
context = 32

[recipe.quick]
model = "tiny"
learning-rate = 3e-3
batch-tokens = 256
evaluations = 2

[ddo.small]
recipe = "quick"
tokens = "2k"
factors = [2, "1/2"]

[ddo.medium]
recipe = "quick"
tokens = "4k"
factors = [2, "1/2"]

[autoscale.large]
from = ["small", "medium"]
tokens = "6k"

[train.uniform]
mixture = "uniform"
recipe = "quick"
tokens = "6k"

[train.predicted]
mixture = "autoscale.large"
recipe = "quick"
tokens = "6k"

[report]
title = "Languages"
trains = ["predicted", "uniform"]
baseline = "uniform"
"#;

/// Letters of each language.
pub const LETTERS: [(&str, &str); 3] =
    [("alpha", "aeioubcd"), ("beta", "fghjklmnou"), ("gamma", "pqrstvwxyz")];

/// The three languages: 40 plain files, two `.jsonl.zst` files of 20 documents, one Parquet file.
pub fn write_corpora(workspace: &Workspace) {
    let [alpha, beta, gamma] = LETTERS.map(|(_, letters)| documents(letters, 40));
    for (index, text) in alpha.iter().enumerate() {
        workspace.write(&format!("alpha/{index:02}.txt"), text);
    }
    workspace.write("beta/0.jsonl.zst", zstd(json_lines(&beta[..20])));
    workspace.write("beta/1.jsonl.zst", zstd(json_lines(&beta[20..])));
    workspace.write("gamma/0.parquet", parquet(&gamma));
}

/// The study, not run.
pub fn fresh() -> Workspace {
    let workspace = Workspace::with_manifest(MANIFEST);
    write_corpora(&workspace);
    workspace
}

/// A copy of the study, run with `-j 2`, in a place of its own: its first run there finds all
/// results, and then the workspace remembers them.
pub fn built() -> Workspace {
    let copy = Workspace::copy_of(original());
    let outcome = copy.run(&[]);
    outcome.ran_exactly(&[]);
    copy
}

/// The folder of the one run; read it only.
pub fn original() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let place = Path::new(env!("CARGO_TARGET_TMPDIR"));
        clear_leftovers(place);
        let workspace = fresh();
        workspace.run(&["-j", "2"]);
        let folder = place.join(format!("{PREFIX}{}", std::process::id()));
        copy_folder(&workspace.folder, &folder, &["out"]);
        folder
    })
}

const PREFIX: &str = "e2e-study-";

/// A static is never dropped: the folders of earlier test processes are removed by the next one.
fn clear_leftovers(place: &Path) {
    for entry in fs::read_dir(place).expect("listed").filter_map(Result::ok) {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(process) = name.strip_prefix(PREFIX) else { continue };
        if !Path::new("/proc").join(process).exists() {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}
