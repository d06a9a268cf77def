//! The tables themselves, in the order in which a manifest is written.

use super::Preset::{Absent, Required, Value};
use super::{Bounds, Choice, Key, Kind, Preset, Table};

const fn key(name: &'static str, kind: Kind, default: Preset, about: &'static str) -> Key {
    Key { name, kind, default, about }
}

const fn choice(name: &'static str, about: &'static str) -> Choice {
    Choice { name, about }
}

const fn whole(min: u64, max: u64) -> Kind {
    Kind::Count { of: "", min, max }
}

const fn count(of: &'static str, min: u64) -> Kind {
    Kind::Count { of, min, max: COUNT_MAX }
}

/// So that products with epochs, repeats and factors stay far inside 64 bits.
const COUNT_MAX: u64 = 1_000_000_000_000_000;
const U32_MAX: u64 = u32::MAX as u64;

const POSITIVE: Kind =
    Kind::Number(Bounds { min: 0.0, above_min: true, max: f64::INFINITY, below_max: false });
const NOT_NEGATIVE: Kind =
    Kind::Number(Bounds { min: 0.0, above_min: false, max: f64::INFINITY, below_max: false });
const BELOW_ONE: Kind =
    Kind::Number(Bounds { min: 0.0, above_min: false, max: 1.0, below_max: true });

const FLOORS: Kind = Kind::Limits(Bounds { min: 0.0, above_min: false, max: 1.0, below_max: true });

const CAPS: Kind =
    Kind::Limits(Bounds { min: 0.0, above_min: true, max: f64::INFINITY, below_max: false });

const MAX_REPEATS: Key = key(
    "max-repeats",
    whole(1, U32_MAX),
    Value("1"),
    "How often a domain's tokens may be drawn; 1 is sampling without replacement.",
);

const INSIDE_ONE: Kind =
    Kind::Number(Bounds { min: 0.0, above_min: true, max: 1.0, below_max: true });

/// Every table that a manifest may hold.
pub static TABLES: &[Table] = &[
    Table {
        name: "workspace",
        named: false,
        about: "Where things are kept. Never part of a key.",
        keys: WORKSPACE,
    },
    Table {
        name: "runtime",
        named: false,
        about: "How trainings are carried out. Never part of a key: of a result it changes the \
                rounding at most, and receipts name what was used.",
        keys: RUNTIME,
    },
    Table {
        name: "corpus",
        named: false,
        about: "Defaults of every key of `[domain.NAME]` but `files` and `origin`.",
        keys: DOMAIN.split_at(2).1,
    },
    Table {
        name: "step",
        named: true,
        about: "A command of your own. Others read what it writes as `step.NAME/OUTPUT`.",
        keys: STEP,
    },
    Table {
        name: "tokenizer",
        named: false,
        about: "The tokenizer of every domain: one of `file`, `builtin` and `train`.",
        keys: TOKENIZER,
    },
    Table {
        name: "domain",
        named: true,
        about: "One data source. The order of the file is the order of every table and report.",
        keys: DOMAIN,
    },
    Table { name: "model", named: true, about: "A model's shape.", keys: MODEL },
    Table { name: "recipe", named: true, about: "How to train a model.", keys: RECIPE },
    Table {
        name: "mixture",
        named: true,
        about: "Fixed weights of the domains. `uniform` exists without being declared.",
        keys: MIXTURE,
    },
    Table { name: "train", named: true, about: "One training.", keys: TRAIN },
    Table {
        name: "ddo",
        named: true,
        about: "Direct Data Optimization at one scale: one training at the reference mixture, one \
                for every domain and factor, a fit, the optimal weights.",
        keys: DDO,
    },
    Table {
        name: "autoscale",
        named: true,
        about: "The mixture that the optima of two or more scales predict at another.",
        keys: AUTOSCALE,
    },
    Table {
        name: "report",
        named: false,
        about: "The page that compares the trainings.",
        keys: REPORT,
    },
];

const WORKSPACE: &[Key] = &[
    key(
        "store",
        Kind::Text,
        Absent,
        "Folder of the store; `.mixmake` beside the manifest where absent.",
    ),
    key(
        "out",
        Kind::Text,
        Absent,
        "Folder of readable pointers to artifacts; `out` beside the manifest where absent.",
    ),
];

const STEP: &[Key] = &[
    key(
        "run",
        Kind::Text,
        Required,
        "The command, for `sh -e -u`, in a folder that holds its inputs under the names given here.",
    ),
    key(
        "inputs",
        Kind::Texts,
        Value("[]"),
        "What it reads: globs or paths, relative to the manifest, and outputs of steps.",
    ),
    key("outputs", Kind::Texts, Required, "Names of the files that it writes."),
    key(
        "environment",
        Kind::Variables,
        Value("{}"),
        "Environment variables to set; part of the key.",
    ),
    key(
        "pass-environment",
        Kind::Texts,
        Value("[]"),
        "Environment variables to take over from where mixmake runs; their values are in no key.",
    ),
    key(
        "threads",
        whole(1, 4096),
        Value("1"),
        "How many of `-j` it takes up. Never part of a key.",
    ),
];

const RUNTIME: &[Key] = &[
    key("runs-per-gpu", whole(1, 64), Value("1"), "Trainings that share a GPU."),
    key(
        "micro-batch",
        Kind::CountOrAuto { of: "tokens" },
        Value("\"auto\""),
        "Tokens of a forward and backward pass, at least one sequence; \"auto\" is what fits.",
    ),
    key(
        "recompute",
        Kind::Choice(&[
            choice("auto", "where a training would not fit otherwise"),
            choice("always", "a third more work, a fraction of the memory, the same bits"),
            choice("never", "it fails where it does not fit"),
        ]),
        Value("\"auto\""),
        "Activations within layers are computed again on the way back instead of being kept.",
    ),
    key(
        "deterministic",
        Kind::Choice(&[
            choice("auto", "models of less than 100M parameters"),
            choice("always", "every model"),
            choice("never", "none"),
        ]),
        Value("\"auto\""),
        "What a GPU trains in a fixed order of sums, to the same bits; a CPU always does.",
    ),
    key(
        "checkpoint-every",
        whole(0, U32_MAX),
        Value("300"),
        "Seconds between checkpoints of a training; 0 is as often as they can be written.",
    ),
    key(
        "tensorboard",
        Kind::Text,
        Absent,
        "Folder for TensorBoard's event files, relative to the manifest; none are written where absent.",
    ),
];

const TOKENIZER: &[Key] = &[
    key(
        "file",
        Kind::Text,
        Absent,
        "A `tokenizer.json` of Hugging Face, relative to the manifest, or its URL.",
    ),
    key("origin", Kind::Text, Absent, "Where to get the file; shown when it is missing."),
    key(
        "builtin",
        Kind::Choice(&[choice("gpt2", "GPT-2's byte-level BPE of 50,257 tokens")]),
        Absent,
        "A tokenizer that comes with the program.",
    ),
    key(
        "train",
        Kind::Choice(&[
            choice("bpe", "byte-level byte-pair encoding, as GPT-2's"),
            choice("wordpiece", "BERT's, lower case"),
        ]),
        Absent,
        "Trains the tokenizer on the training samples of every domain.",
    ),
    key(
        "vocabulary",
        whole(257, 1_000_000),
        Value("4096"),
        "Tokens of a trained tokenizer, its 256 bytes or its characters among them.",
    ),
    key(
        "min-frequency",
        whole(1, COUNT_MAX),
        Value("2"),
        "A pair is merged only if it occurs so often. Of a trained tokenizer.",
    ),
    key(
        "end-of-text",
        Kind::Flag,
        Value("false"),
        "Appends the end-of-text token to every sample.",
    ),
];

/// `files` and `origin` first: `[corpus]` takes the others.
const DOMAIN: &[Key] = &[
    key(
        "files",
        Kind::Texts,
        Required,
        "Globs or paths, relative to the manifest (with `hub`: to the dataset), outputs of steps, or URLs: https, s3, gs, az, hf, file.",
    ),
    key(
        "origin",
        Kind::Text,
        Absent,
        "Where to get the files; shown when they are missing. Never part of a key.",
    ),
    key(
        "hub",
        Kind::Text,
        Absent,
        "A dataset of the Hugging Face hub, OWNER/NAME, that `files` and `exclude` are in.",
    ),
    key(
        "revision",
        Kind::Text,
        Value("\"main\""),
        "Branch, tag or commit of `hub`; the lock file pins the commit.",
    ),
    key("exclude", Kind::Texts, Value("[]"), "Globs taken away from `files`."),
    key(
        "format",
        Kind::Choice(&[
            choice("jsonl", "JSON Lines, plain or compressed (gzip, zstd, xz, bzip2)"),
            choice("parquet", "Parquet"),
            choice("arrow", "Arrow IPC"),
            choice("csv", "comma-separated values with a header line"),
            choice("tsv", "tab-separated values with a header line"),
            choice("plain", "one document a file"),
            choice("tar", "an archive, one document a file in it"),
        ]),
        Absent,
        "The format of the files; by their names where absent.",
    ),
    key(
        "text",
        Kind::Texts,
        Value("\"text\""),
        "The column or columns that hold the text, dotted for nested ones.",
    ),
    key(
        "join",
        Kind::Separator,
        Value("\"\\n\""),
        "What joins several text columns, and the parts of list-typed text.",
    ),
    key(
        "quotes",
        Kind::Flag,
        Value("true"),
        "Whether double quotes enclose fields of CSV and TSV; `false` for files that do not quote.",
    ),
    key(
        "where",
        Kind::Filters,
        Value("{}"),
        "Rows to keep: columns and the text that each must equal; dots also reach into metadata stored as text.",
    ),
    key(
        "min-chars",
        count("characters", 0),
        Value("1000"),
        "Documents with fewer characters (Unicode scalar values) are dropped.",
    ),
    key(
        "max-chars",
        count("characters", 1),
        Absent,
        "Documents with more characters are dropped; none where absent.",
    ),
    key(
        "block",
        Kind::Choice(&[
            choice("first", "the first `block-chars` characters"),
            choice("random", "a contiguous block whose start is a keyed hash of the document"),
            choice("every", "every consecutive block, for few and long documents"),
            choice("whole", "the whole document"),
        ]),
        Value("\"first\""),
        "What of a document becomes a sample.",
    ),
    key("block-chars", count("characters", 1), Value("1000"), "Characters a sample."),
    key(
        "held-out",
        Kind::CountOrShare { of: "documents", share_of: "the hash range" },
        Value("\"2%\""),
        "Documents kept for evaluation: the ones of smallest hash, by count or by share of the hash range.",
    ),
    key(
        "duplicates",
        Kind::Choice(&[
            choice("keep", "kept"),
            choice("drop", "all but one within the domain dropped"),
            choice("drop-across", "as `drop`, and those of a domain above dropped too"),
        ]),
        Value("\"keep\""),
        "Documents that occur more than once.",
    ),
    key(
        "duplicates-of",
        Kind::Choice(&[
            choice("document", "the whole text"),
            choice("block", "the text of a sample, within the domain"),
        ]),
        Value("\"document\""),
        "What duplicates have in common.",
    ),
    key(
        "near-duplicates",
        Kind::Share,
        Absent,
        "Drops documents whose kept text resembles an earlier one's so much (Jaccard of runs of five words); none where absent.",
    ),
    key(
        "decontaminate",
        Kind::Texts,
        Value("[]"),
        "Globs of evaluation texts: documents whose kept text shares a run of words with one are dropped.",
    ),
    key("decontaminate-words", whole(1, 1000), Value("13"), "Words of such a run."),
    key(
        "on-error",
        Kind::Choice(&[choice("fail", "stops"), choice("skip", "is counted, located and skipped")]),
        Value("\"fail\""),
        "What a malformed row does.",
    ),
    key(
        "train",
        Kind::Flag,
        Value("true"),
        "`false`: only evaluated on; no mixture may draw from it.",
    ),
    key(
        "max-documents",
        count("documents", 1),
        Absent,
        "At most so many documents, those of smallest hash; all where absent.",
    ),
];

const MODEL: &[Key] = &[
    key(
        "architecture",
        Kind::Choice(&[
            choice("gpt2", "GPT-2, trained on the next token"),
            choice("bert", "BERT, trained on masked tokens"),
        ]),
        Required,
        "The kind of model.",
    ),
    key("layers", whole(1, 1000), Required, "Transformer blocks."),
    key("hidden", whole(1, 1_000_000), Required, "Width; a multiple of `heads`."),
    key("heads", whole(1, 10_000), Required, "Attention heads."),
    key("context", count("tokens", 2), Required, "Tokens a sequence."),
    key("dropout", BELOW_ONE, Value("0.0"), "Dropout of embeddings, attention and residuals."),
];

const RECIPE: &[Key] = &[
    key("model", Kind::Name { table: "model" }, Required, "The `[model.NAME]` to train."),
    key("learning-rate", POSITIVE, Required, "The peak learning rate of AdamW."),
    key(
        "schedule",
        Kind::Choice(&[
            choice("linear", "to 0 in a line"),
            choice("cosine", "to 0 along half a cosine"),
            choice("constant", "stays at the peak"),
            choice("wsd", "stays at the peak, then to 0 in a line over the last `decay`"),
        ]),
        Value("\"linear\""),
        "The learning rate after warm-up.",
    ),
    key("decay", Kind::Share, Value("0.2"), "Share of all steps over which \"wsd\" decays."),
    key(
        "warm-up",
        Kind::CountOrShare { of: "steps", share_of: "all steps" },
        Value("\"10%\""),
        "Steps over which the learning rate rises from 0 to its peak.",
    ),
    key(
        "warm-up-from-zero",
        Kind::Flag,
        Value("true"),
        "Whether the first step has rate 0, as in the `transformers` trainer.",
    ),
    key("weight-decay", NOT_NEGATIVE, Value("0.01"), "On matrices and embeddings only."),
    key("clip", NOT_NEGATIVE, Value("1.0"), "Global gradient norm to clip at; 0 means none."),
    key(
        "batch-tokens",
        count("tokens", 1),
        Required,
        "Tokens an optimiser step; a multiple of the model's `context`.",
    ),
    key("epochs", whole(1, 1_000_000), Value("1"), "Passes over the mixture."),
    key(
        "precision",
        Kind::Choice(&[
            choice("auto", "bf16 on a GPU, fp32 on the CPU"),
            choice("fp32", "single precision"),
            choice("bf16", "brain floating point with fp32 master weights"),
        ]),
        Value("\"auto\""),
        "Arithmetic of the training.",
    ),
    key(
        "threads",
        whole(1, 4096),
        Value("1"),
        "Threads of a training on the CPU; part of the key, they change bits.",
    ),
    key("seed", whole(0, u64::MAX), Value("1"), "Of initialisation, order and dropout."),
    key(
        "evaluations",
        whole(1, U32_MAX),
        Value("8"),
        "Evenly spaced points at which held-out loss is measured, the end included.",
    ),
    key(
        "evaluate-at-steps",
        Kind::Counts { of: "steps" },
        Value("[]"),
        "More points at which held-out loss is measured.",
    ),
    key(
        "evaluate-at-tokens",
        Kind::Counts { of: "tokens" },
        Value("[]"),
        "More points at which held-out loss is measured: once so many tokens are seen; of \"wsd\", on a branch that decays, as of a training of so many tokens.",
    ),
    key(
        "padding",
        Kind::Choice(&[
            choice("packed", "sorted by length within a step, so that next to none is computed"),
            choice("longest", "to the longest of a pass"),
            choice("context", "to the model's context"),
        ]),
        Value("\"packed\""),
        "How sequences of different lengths stand side by side; the loss is the same.",
    ),
    key("masking", Kind::Share, Value("0.15"), "Share of the tokens that BERT must predict."),
];

const MIXTURE: &[Key] = &[
    key(
        "weights",
        Kind::Weights,
        Required,
        "A weight for every domain that trains; their sum is 1.",
    ),
    key("normalise", Kind::Flag, Value("false"), "Rescales weights whose sum is not 1."),
];

const TRAIN: &[Key] = &[
    key("mixture", Kind::Mixture, Required, "What it draws."),
    key("recipe", Kind::Name { table: "recipe" }, Required, "How it trains."),
    key("tokens", count("tokens", 1), Required, "Tokens of the mixture: one epoch."),
    key("seed", whole(0, u64::MAX), Absent, "Instead of the recipe's."),
    MAX_REPEATS,
];

const DDO: &[Key] = &[
    key("recipe", Kind::Name { table: "recipe" }, Required, "How every run trains."),
    key("tokens", count("tokens", 1), Required, "Tokens of the reference mixture: the scale."),
    key("reference", Kind::Mixture, Value("\"uniform\""), "The base mixture."),
    key(
        "factors",
        Kind::Factors,
        Value("[3, \"1/3\"]"),
        "What each domain's tokens are multiplied by, one domain and one factor a run.",
    ),
    key(
        "seeds",
        Kind::Seeds,
        Value("[]"),
        "Every run once a seed: so many from the recipe's on, or these; the recipe's where empty.",
    ),
    key(
        "base-seeds",
        Kind::Seeds,
        Value("[]"),
        "Seeds of the base run alone, beside `seeds`: what its losses differ by is the noise, at the \
         price of few runs.",
    ),
    key(
        "total",
        Kind::Choice(&[
            choice("free", "the other domains stay, the total moves (Algorithm 1)"),
            choice("fixed", "the other domains give or take, the total stays"),
        ]),
        Value("\"free\""),
        "What a factor does to the other domains.",
    ),
    key(
        "objective",
        Kind::Choice(&[
            choice("perplexity", "mean perplexity over the validation domains"),
            choice("cross-entropy", "mean cross-entropy over the validation domains"),
        ]),
        Value("\"perplexity\""),
        "What is fitted and minimised.",
    ),
    key(
        "floor",
        FLOORS,
        Value("0.2"),
        "The least of a domain: a multiple of its base amount, or a share of all tokens as \"5%\"; of all domains, or \
         by domain, of which those not named have 0.2.",
    ),
    key(
        "cap",
        CAPS,
        Absent,
        "The most of a domain, written as `floor`; those not named have none but the tokens that exist.",
    ),
    key(
        "noise",
        Kind::Share,
        Absent,
        "Standard deviation of one run's objective over seeds, relative to it, where no seeds show it.",
    ),
    key(
        "draws",
        whole(0, 1_000_000),
        Value("1000"),
        "Fits to redrawn losses that intervals rest on, those of predictions too; 0 for none.",
    ),
    key("level", INSIDE_ONE, Value("0.9"), "Probability that an interval covers."),
    MAX_REPEATS,
];

const AUTOSCALE: &[Key] = &[
    key(
        "from",
        Kind::Names { table: "ddo" },
        Required,
        "Two or more `[ddo.NAME]`, from small to large.",
    ),
    key("tokens", count("tokens", 1), Required, "The scale to predict for."),
    key(
        "mode",
        Kind::Choice(&[
            choice("continuous", "exactly at `tokens`"),
            choice(
                "stepping",
                "Algorithm 2: at the first step of the recursion that reaches `tokens`",
            ),
        ]),
        Value("\"continuous\""),
        "How the target is reached.",
    ),
    key(
        "law",
        Kind::Choice(&[
            choice("power", "log N_i is affine in the scale (Theorem 1)"),
            choice("shifted", "log (N0_i + N_i) is, as DDO's fit implies"),
        ]),
        Value("\"power\""),
        "What is extrapolated.",
    ),
];

const REPORT: &[Key] = &[
    key("title", Kind::Text, Value("\"Data mixtures\""), "Its heading."),
    key(
        "trains",
        Kind::Names { table: "train" },
        Value("[]"),
        "The trainings to compare; all where empty.",
    ),
    key(
        "baseline",
        Kind::Name { table: "train" },
        Absent,
        "The training that steps saved are counted against.",
    ),
    key(
        "baselines",
        Kind::NamePairs { table: "train" },
        Value("{}"),
        "Trainings with a baseline of their own, such as that of their scale: ours = \"theirs\".",
    ),
];
