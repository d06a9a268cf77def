//! What a wrong manifest is answered: each case is the base manifest with an edit, each answer a
//! snapshot, to be read whenever it changes.

use std::path::Path;

use mixmake_manifest::{Diagnostics, parse};

const BASE: &str = include_str!("base.toml");

fn fails(text: &str, overrides: &[&str]) -> Diagnostics {
    let overrides: Vec<String> = overrides.iter().map(|&line| line.to_owned()).collect();
    parse(Path::new("mix.toml"), text, &overrides).expect_err("the manifest is wrong")
}

fn edited(edits: &[(&str, &str)]) -> String {
    edits.iter().fold(BASE.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the base has no {from:?}");
        text.replacen(from, to, 1)
    })
}

/// Checks the answer to the base with every `from` replaced by its `to`.
fn check(name: &str, edits: &[(&str, &str)]) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, fails(&edited(edits), &[]).render(false));
    });
}

/// Checks the answer to the base under `--set`.
fn check_set(name: &str, overrides: &[&str]) {
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, fails(BASE, overrides).render(false));
    });
}

#[test]
fn syntax() {
    check(
        "syntax",
        &[
            ("layers = 2", "layers = "),
            ("heads = 2", "haeds = 2"),
            ("tokens = \"30k\"", "tokens = \"30k"),
        ],
    );
    check("duplicate_key", &[("layers = 2", "layers = 2\nlayers = 3")]);
    check("duplicate_table", &[("[domain.arxiv]", "[domain.c4]")]);
}

#[test]
fn names_of_tables_and_keys() {
    check("unknown_table", &[("[domain.news]", "[domains.news]")]);
    check("unknown_key", &[("min-chars = 500", "min_chars = 500")]);
    check("key_of_another_table", &[("layers = 2", "layers = 2\nlearning-rate = 1e-3")]);
    check("files_in_corpus", &[("min-chars = 500", "files = \"all/*.jsonl\"")]);
    check("illegal_name", &[("[domain.news]", "[domain.\"fake news\"]")]);
    check("not_a_table", &[("[corpus]\nmin-chars = 500", "corpus = 3\ndomain.loose = 4")]);
    check("array_of_tables", &[("[train.flat]", "[[train.flat]]")]);
    check(
        "missing_keys",
        &[
            ("architecture = \"gpt2\"\n", ""),
            ("learning-rate = 1e-3\n", ""),
            ("files = \"news/*.jsonl.gz\"\n", ""),
        ],
    );
}

#[test]
fn types_and_ranges() {
    check(
        "wrong_types",
        &[
            ("layers = 2", "layers = \"two\""),
            ("train = false", "train = \"no\""),
            ("files = [\"c4/*.jsonl.zst\"]", "files = [\"c4/*.jsonl.zst\", 3, \"\"]"),
            ("learning-rate = 1e-3", "learning-rate = [1e-3]"),
        ],
    );
    check(
        "out_of_range",
        &[
            ("layers = 2", "layers = 0"),
            ("learning-rate = 1e-3", "learning-rate = -1e-3"),
            ("context = 128", "context = 99999999999999999"),
            ("[model.tiny]", "[model.tiny]\ndropout = 1.0"),
        ],
    );
    check(
        "units",
        &[
            ("tokens = \"30k\"", "tokens = \"30m\""),
            ("tokens = \"100k\"", "tokens = \"1.00005k\""),
            ("tokens = \"300k\"", "tokens = 3e5"),
            ("block = \"random\"", "held-out = 0.02"),
            ("train = false", "train = false\nheld-out = \"2 percent\""),
            ("learning-rate = 1e-3", "learning-rate = nan\nwarm-up = \"120%\""),
        ],
    );
    check("choices", &[("block = \"random\"", "block = \"randon\"\nformat = \"xml\"")]);
    check(
        "held_out",
        &[
            ("block = \"random\"", "held-out = 0"),
            ("files = [\"c4/*.jsonl.zst\"]", "files = []\nheld-out = \"100%\""),
        ],
    );
}

#[test]
fn references() {
    check("unknown_model", &[("model = \"tiny\"", "model = \"tinny\"")]);
    check(
        "unknown_recipe",
        &[("recipe = \"short\"\ntokens = \"30k\"", "recipe = \"gpt2-large\"\ntokens = \"30k\"")],
    );
    check(
        "unknown_mixture",
        &[
            ("mixture = \"uniform\"", "mixture = \"unifrom\""),
            ("mixture = \"autoscale.large\"", "mixture = \"large\""),
        ],
    );
    check(
        "unknown_ddo",
        &[
            ("from = [\"small\", \"medium\"]", "from = [\"small\", \"mediun\"]"),
            ("reference = \"web\"", "reference = \"ddo.mediun\""),
        ],
    );
    check(
        "unknown_train",
        &[
            (
                "trains = [\"predicted\", \"flat\"]",
                "trains = [\"predicted\", \"predicted\", \"best\"]",
            ),
            ("baseline = \"flat\"", "baseline = \"flta\""),
        ],
    );
    check(
        "baseline_not_compared",
        &[("trains = [\"predicted\", \"flat\"]", "trains = [\"predicted\"]")],
    );
}

#[test]
fn weights() {
    let weights = "weights = { c4 = 0.75, arxiv = 0.25 }";
    check("weights_sum", &[(weights, "weights = { c4 = 0.75, arxiv = 0.3 }")]);
    check("weights_unknown_domain", &[(weights, "weights = { c4 = 0.75, axriv = 0.25 }")]);
    check("weights_missing_domain", &[(weights, "weights = { c4 = 0.9 }")]);
    check("weights_values", &[(weights, "weights = { c4 = -0.5, arxiv = nan }")]);
    check("weights_zero", &[(weights, "weights = { c4 = 0, arxiv = 0.0 }\nnormalise = true")]);
    check(
        "weights_held_out_domain",
        &[(weights, "weights = { c4 = 0.5, arxiv = 0.25, news = 0.25 }")],
    );
    check("weights_types", &[(weights, "weights = { c4 = \"most\", arxiv = \"1/0\" }")]);
    check(
        "mixture_uniform",
        &[("[mixture.web]", "[mixture.uniform]"), ("reference = \"web\"", "")],
    );
}

#[test]
fn domains() {
    check("shared_files", &[("files = \"arxiv/*.parquet\"", "files = \"c4/*.jsonl.zst\"")]);
    check(
        "glob_twice",
        &[("files = [\"c4/*.jsonl.zst\"]", "files = [\"c4/*.jsonl.zst\", \"c4/*.jsonl.zst\"]")],
    );
    check(
        "nothing_trains",
        &[("min-chars = 500", "train = false"), (weights_line(), "weights = {}")],
    );
    check(
        "one_domain",
        &[("block = \"random\"", "train = false"), (weights_line(), "weights = { c4 = 1 }")],
    );
    check("tokenizer_both", &[("train = \"bpe\"", "train = \"bpe\"\nfile = \"tokenizer.json\"")]);
    check("tokenizer_neither", &[("train = \"bpe\"\n", "")]);
    check(
        "tokenizer_strangers",
        &[("train = \"bpe\"", "file = \"tokenizer.json\"\norigin = \"gpt2\"")],
    );
    check("tokenizer_missing", &[("[tokenizer]\ntrain = \"bpe\"\nvocabulary = 1024\n", "")]);
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        let from = BASE.find("[tokenizer]").expect("the base has one");
        insta::assert_snapshot!("no_domains", fails(&BASE[from..], &[]).render(false));
    });
}

const fn weights_line() -> &'static str {
    "weights = { c4 = 0.75, arxiv = 0.25 }"
}

#[test]
fn shapes() {
    check("hidden_heads", &[("heads = 2", "heads = 7")]);
    check("batch_context", &[("batch-tokens = 1024", "batch-tokens = 1000")]);
    check("masking_of_gpt2", &[("batch-tokens = 1024", "batch-tokens = 1024\nmasking = 0.3")]);
    check("less_than_a_batch", &[("tokens = \"30k\"", "tokens = 1000")]);
    check("long_warm_up", &[("batch-tokens = 1024", "batch-tokens = 1024\nwarm-up = 50")]);
}

#[test]
fn scales() {
    check(
        "factors",
        &[("tokens = \"30k\"", "tokens = \"30k\"\nfactors = [1, 0, \"1/3\", \"2/6\", -3, \"x\"]")],
    );
    check(
        "factors_values",
        &[("tokens = \"30k\"", "tokens = \"30k\"\nfactors = [1, 0, \"1/3\", \"2/6\", -3]")],
    );
    check(
        "few_factors",
        &[("tokens = \"30k\"", "tokens = \"30k\"\nfactors = [3]\nseeds = [1, 2, 1]")],
    );
    check("one_scale", &[("from = [\"small\", \"medium\"]", "from = [\"small\"]")]);
    check(
        "same_scale_twice",
        &[("from = [\"small\", \"medium\"]", "from = [\"small\", \"small\"]")],
    );
    check("equal_scales", &[("tokens = \"100k\"", "tokens = \"30k\"")]);
    check(
        "falling_scales",
        &[("from = [\"small\", \"medium\"]", "from = [\"medium\", \"small\"]")],
    );
    check(
        "two_objectives",
        &[("tokens = \"100k\"", "tokens = \"100k\"\nobjective = \"cross-entropy\"")],
    );
    check(
        "two_models",
        &[
            (
                "[recipe.short]",
                "[model.other]\narchitecture = \"gpt2\"\nlayers = 1\nhidden = 8\nheads = 1\ncontext = 128\n\n[recipe.other]\nmodel = \"other\"\nlearning-rate = 1e-3\nbatch-tokens = 128\n\n[recipe.short]",
            ),
            ("recipe = \"short\"\ntokens = \"100k\"", "recipe = \"other\"\ntokens = \"100k\""),
        ],
    );
    check("stepping_down", &[("tokens = \"300k\"", "tokens = \"100k\"\nmode = \"stepping\"")]);
}

#[test]
fn cycles() {
    check("cycle", &[("reference = \"web\"", "reference = \"autoscale.large\"")]);
    check("cycle_of_one", &[("reference = \"web\"", "reference = \"ddo.medium\"")]);
    check(
        "cycle_of_two",
        &[
            ("tokens = \"30k\"", "tokens = \"30k\"\nreference = \"ddo.medium\""),
            ("reference = \"web\"", "reference = \"ddo.small\""),
        ],
    );
}

#[test]
fn overrides() {
    check_set("set_unknown_key", &["model.tiny.layers=4", "model.tiny.layer=4"]);
    check_set("set_type", &["train.flat.tokens=lots"]);
    check_set(
        "set_shape",
        &[
            "train.flat.tokens",
            "=3",
            "a b=3",
            "model.tiny.layers=\"4",
            "corpus.min-chars.x=1",
            "a=1\nb=2",
        ],
    );
    check_set("set_across", &["recipe.short.batch-tokens=1000"]);
    check_set("set_weights", &["mixture.web.weights.c4=0.5"]);
    check_set("set_new_table", &["train.extra.tokens=300k"]);
}

#[test]
fn everything_at_once() {
    let text = edited(&[
        ("min-chars = 500", "min-char = 500"),
        ("layers = 2", "layers = true"),
        ("model = \"tiny\"", "model = \"small\""),
        ("tokens = \"30k\"", "tokens = \"30q\""),
        ("mixture = \"uniform\"", "mixture = \"flat\""),
    ]);
    assert_eq!(fails(&text, &[]).items.len(), 5);
}

#[test]
fn colour_only_adds_escapes() {
    let found = fails(&edited(&[("layers = 2", "layers = 0")]), &[]);
    assert!(found.render(true).contains("\u{1b}["));
    assert!(!found.render(false).contains('\u{1b}'));
}

#[test]
fn json_locates() {
    let found = fails(&edited(&[("layers = 2", "layers = 0")]), &["model.tiny.heads=0"]).to_json();
    let label = |index: usize| found[index]["labels"][0].clone();
    assert_eq!(label(0)["file"], "mix.toml");
    assert_eq!(label(0)["line"], 21);
    assert_eq!(label(0)["column"], 10);
    assert_eq!(label(1)["file"], "--set 1");
    assert_eq!(label(1)["line"], 1);
    assert_eq!(label(1)["start"], 17);
}

#[test]
fn unreadable_files() {
    let error =
        mixmake_manifest::load(Path::new("no/such.toml"), &[]).expect_err("there is no such file");
    let text = error.render(false);
    assert!(
        text.contains("can't read the manifest")
            && text.contains("no/such.toml")
            && text.contains("mixmake init"),
        "{text}"
    );
    let path = std::env::temp_dir().join(format!("mixmake-manifest-{}.toml", std::process::id()));
    std::fs::write(&path, b"[corpus]\nmin-chars = \xff\n")
        .expect("the folder of temporary files can be written");
    let error = mixmake_manifest::load(&path, &[]).expect_err("it is not UTF-8");
    std::fs::remove_file(&path).expect("it was just written");
    assert!(error.render(false).contains("not UTF-8: byte 21"), "{error}");
}

const STEPS: &str = "
[step.first]
run = \"cat a.txt > out.txt\"
inputs = \"a.txt\"
outputs = [\"out.txt\", \"log.txt\"]

[step.second]
run = \"cat step.first/out.txt > out.txt\"
inputs = \"step.first/out.txt\"
outputs = \"out.txt\"
environment = { LANG = \"C\" }
";

fn check_steps(name: &str, edits: &[(&str, &str)]) {
    let text = edits.iter().fold(STEPS.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the steps have no {from:?}");
        text.replacen(from, to, 1)
    });
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, fails(&text, &[]).render(false));
    });
}

#[test]
fn steps() {
    check_steps("step_unknown", &[("inputs = \"step.first/", "inputs = \"step.frist/")]);
    check_steps(
        "step_without_output",
        &[("inputs = \"step.first/out", "inputs = \"step.first/oud")],
    );
    check_steps("step_glob", &[("inputs = \"step.first/out.txt", "inputs = \"step.first/*.csv")]);
    check_steps("step_cycle", &[("inputs = \"a.txt\"", "inputs = [\"a.txt\", \"step.second/*\"]")]);
    check_steps("step_outputs", &[("\"log.txt\"]", "\"logs/a.txt\", \"out.txt\", \".hidden\"]")]);
    check_steps(
        "step_environment",
        &[("LANG = \"C\"", "LANG = 3, \"A-B\" = \"x\""), ("outputs = \"out.txt\"", "outputs = []")],
    );
    check_steps(
        "step_passed",
        &[("environment = {", "pass-environment = [\"LANG\", \"$HOME\"]\nenvironment = {")],
    );
}

#[test]
fn files_that_are_elsewhere() {
    let files = |files: &str| [("files = [\"c4/*.jsonl.zst\"]", format!("files = {files}"))];
    let check_files = |name: &str, text: &str| {
        let edits = files(text);
        check(name, &edits.each_ref().map(|(from, to)| (*from, to.as_str())));
    };
    check_files("url_scheme", "[\"s4://bucket/x.gz\", \"ftp://host/x.gz\"]");
    check_files(
        "url_without_file",
        "[\"s3://bucket\", \"gs://bucket/a//b\", \"az://c/x/\", \"https://host/\", \"hf://owner/name/x\", \"file://x\"]",
    );
    check_files("url_glob", "\"https://host/part-*.gz\"");
    check_files(
        "url_credentials",
        "[\"https://me:word@host/x.gz\", \"https://host/x.gz?a=1&X-Amz-Signature=0\"]",
    );
    check_files("hub_name", "\"x.gz\"\nhub = \"https://huggingface.co/datasets/allenai/c4\"");
    check_files("hub_path", "[\"/data/x.gz\", \"../x.gz\"]\nhub = \"allenai/c4\"");
    check_files("hub_revision", "\"x.gz\"\nhub = \"allenai/c4\"\nrevision = \"ma*in\"");
    check("revision_alone", &[("block = \"random\"", "revision = \"v1\"")]);
    check(
        "url_tokenizer",
        &[("train = \"bpe\"\nvocabulary = 1024", "file = \"s3://bucket/*/tokenizer.json\"")],
    );
    check_steps("url_step", &[("inputs = \"a.txt\"", "inputs = \"s3://bucket/a.txt\"")]);
}

#[test]
fn bounds_of_domains() {
    let ddo = |line: &str| format!("[ddo.small]\n{line}");
    check("floor_of_no_domain", &[("[ddo.small]", &ddo("floor = { c5 = 0.5, news = \"5%\" }"))]);
    check(
        "floor_out_of_range",
        &[("[ddo.small]", &ddo("floor = 1.5\ncap = { c4 = 0, arxiv = \"120%\" }"))],
    );
    check(
        "floors_above_all",
        &[("[ddo.small]", &ddo("floor = { c4 = \"60%\", arxiv = \"50%\" }"))],
    );
    check("floor_of_a_wrong_type", &[("[ddo.small]", &ddo("floor = [0.2]\ncap.c4 = \"lots\""))]);
}
