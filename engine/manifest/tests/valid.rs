//! What a right manifest says: values, defaults, spans, the shipped manifests.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mixmake_manifest::schema::{
    BuiltinTokenizer, HeldOut, Limit, Manifest, MixtureRef, Precision, Schedule, TokenizerSource,
    WarmUp,
};
use mixmake_manifest::source::Source;
use mixmake_manifest::{Diagnostic, keys, parse};

const BASE: &str = include_str!("base.toml");

fn read(text: &str, overrides: &[&str]) -> Manifest {
    let overrides: Vec<String> = overrides.iter().map(|&line| line.to_owned()).collect();
    parse(Path::new("folder/mix.toml"), text, &overrides).unwrap_or_else(|found| panic!("{found}"))
}

#[test]
fn a_tokenizer_comes_from_one_of_three_places() {
    let source = |tokenizer: &str| {
        let text = format!("[domain.a]\nfiles = 'x'\n[tokenizer]\n{tokenizer}\n");
        read(&text, &[]).tokenizer.map(|tokenizer| tokenizer.source)
    };
    let wordpiece = TokenizerSource::WordPiece { vocabulary: 999, min_frequency: 3 };
    assert_eq!(source("train = 'wordpiece'\nvocabulary = 999\nmin-frequency = 3"), Some(wordpiece));
    let url = "https://host/tokenizer.json?a=1";
    assert_eq!(source(&format!("file = '{url}'")), Some(TokenizerSource::Url(url.to_owned())));
    let path = TokenizerSource::File { path: "/a/tokenizer.json".into(), origin: None };
    assert_eq!(source("file = 'file:///a/tokenizer.json'"), Some(path));
    assert_eq!(source("builtin = 'gpt2'"), Some(TokenizerSource::Builtin(BuiltinTokenizer::Gpt2)));
}

#[test]
fn values_and_defaults() {
    let manifest = read(BASE, &[]);
    assert_eq!(manifest.folder(), Path::new("folder"));
    let names: Vec<&str> = manifest.domains.iter().map(|domain| domain.name.as_str()).collect();
    assert_eq!(names, ["c4", "arxiv", "news"], "the order of the file");
    let news = &manifest.domains[2];
    assert!(!news.train && news.min_chars == 500 && news.block_chars == 1000);
    assert_eq!(
        (news.held_out, news.text.as_slice()),
        (HeldOut::Fraction(0.02), &["text".to_owned()][..])
    );
    let recipe = manifest.recipe("short").expect("it is declared");
    assert_eq!((recipe.schedule, recipe.precision), (Schedule::Linear, Precision::Auto));
    assert_eq!(
        (recipe.warm_up, recipe.weight_decay, recipe.seed),
        (WarmUp::Fraction(0.1), 0.01, 1)
    );
    let ddo = &manifest.ddos[0];
    assert_eq!((ddo.factors.as_slice(), ddo.seeds.as_slice()), (&[3.0, 1.0 / 3.0][..], &[1][..]));
    assert_eq!((ddo.tokens, &ddo.reference), (30_000, &MixtureRef::Uniform));
    assert!(!ddo.floors.is_empty() && ddo.floors.iter().all(|f| *f == Limit::Multiple(0.2)));
    assert!(ddo.caps.iter().all(Option::is_none));
    assert_eq!(manifest.ddos[1].reference, MixtureRef::Named("web".to_owned()));
    assert_eq!(manifest.trains[0].mixture, MixtureRef::AutoScale("large".to_owned()));
    assert_eq!(
        manifest.tokenizer.as_ref().map(|tokenizer| &tokenizer.source),
        Some(&TokenizerSource::Bpe { vocabulary: 1024, min_frequency: 2 })
    );
}

/// Bounds of all domains, as a share, and by domain, in the order of the domains that train.
#[test]
fn bounds_by_domain() {
    let of = |bounds: &str| {
        let text = format!(
            "[domain.a]\nfiles = 'x'\n[domain.b]\nfiles = 'y'\n[domain.seen]\nfiles = 'z'\ntrain = false\n\
             [tokenizer]\ntrain = 'bpe'\n[model.m]\narchitecture = 'gpt2'\nlayers = 1\nhidden = 8\nheads = 1\n\
             context = 16\n[recipe.r]\nmodel = 'm'\nlearning-rate = 1e-3\nbatch-tokens = 16\n\
             [ddo.d]\nrecipe = 'r'\ntokens = '1k'\n{bounds}\n"
        );
        let manifest = read(&text, &[]);
        (manifest.ddos[0].floors.clone(), manifest.ddos[0].caps.clone())
    };
    let (floors, caps) = of("floor = { b = '5%' }\ncap = { a = 2, b = '3/2' }");
    assert_eq!(floors, [Limit::Multiple(0.2), Limit::Share(0.05)]);
    assert_eq!(caps, [Some(Limit::Multiple(2.0)), Some(Limit::Multiple(1.5))]);
    let (floors, caps) = of("floor = '10%'\ncap.b = 1.5");
    assert_eq!(floors, [Limit::Share(0.1), Limit::Share(0.1)]);
    assert_eq!(caps, [None, Some(Limit::Multiple(1.5))]);
    let (floors, _) = of("floor = { a = 1.2, b = 0 }");
    assert_eq!(floors, [Limit::Multiple(1.2), Limit::Multiple(0.0)]);
}

#[test]
fn datasets_of_the_hub_are_urls_and_file_urls_are_paths() {
    let text = "[corpus]\nrevision = 'v1'\n\
        [domain.a]\nhub = 'o/n'\nfiles = ['data/*.gz', './x', 's3://b/y', 'file:///z', 'step.s/out']\nexclude = 'data/0*'\n\
        [domain.b]\nhub = 'o/m'\nrevision = 'refs/convert/parquet'\nfiles = '**/*.parquet'\n\
        [domain.c]\nfiles = ['c/*', 'https://h/x?y=1', 'hf://datasets/o/n/x']\ndecontaminate = ['file:///e', 'gs://b/*']\n\
        [step.s]\nrun = 'true'\ninputs = 'i'\noutputs = 'out'\n[tokenizer]\ntrain = 'bpe'\n";
    let manifest = read(text, &[]);
    let files = |domain: usize| manifest.domains[domain].files.join(" ");
    let hub = "hf://datasets/o/n@v1";
    assert_eq!(files(0), format!("{hub}/data/*.gz {hub}/x s3://b/y /z step.s/out"));
    assert_eq!(manifest.domains[0].exclude, [format!("{hub}/data/0*")]);
    assert_eq!(files(1), "hf://datasets/o/m@refs%2Fconvert%2Fparquet/**/*.parquet");
    assert_eq!(files(2), "c/* https://h/x?y=1 hf://datasets/o/n/x");
    assert_eq!(manifest.domains[2].decontaminate, ["/e", "gs://b/*"]);
}

#[test]
fn origins() {
    let text = "[domain.a]\nfiles = 'x'\n[domain.b]\nfiles = ['y', 'z']\nwhere.meta.language = 'en'\n[tokenizer]\ntrain = 'bpe'\n[corpus]\nmin-chars = 7\n";
    let manifest = read(text, &["domain.b.min-chars=9"]);
    let check = |fields: &[&str], place: &str, text: &str| {
        let origin =
            manifest.origin(fields).unwrap_or_else(|| panic!("{fields:?} stand somewhere"));
        assert_eq!(manifest.place(&origin), place);
        assert_eq!(&manifest.source.text[origin.span], text);
    };
    check(&["domain.a.min-chars", "corpus.min-chars"], "folder/mix.toml:9", "7");
    check(&["domain.b.min-chars", "corpus.min-chars"], "--set 1", "9");
    check(&["domain.b"], "folder/mix.toml:3", "[domain.b]");
    check(&["domain.b.files.1"], "folder/mix.toml:4", "'z'");
    check(&["domain.b.where.meta.language"], "folder/mix.toml:5", "'en'");
    assert_eq!(manifest.origin(&["domain.c"]), None);
    assert_eq!(manifest.domains[1].filters["meta.language"], "en");
    assert_eq!((manifest.domains[0].min_chars, manifest.domains[1].min_chars), (7, 9));
}

#[test]
fn later_findings_are_located() {
    let manifest = read(BASE, &[]);
    let found = Diagnostic::at(&manifest, &["train.flat.tokens"], "more tokens than exist")
        .text("300,000 asked for, 1,200 there")
        .help("lower `tokens`");
    let text = found.render(false);
    assert!(
        text.contains("folder/mix.toml:55:10")
            && text.contains("1,200 there")
            && text.contains("help: lower"),
        "{text}"
    );
    let near = Diagnostic::at(&manifest, &["train.flat.seed"], "a seed");
    assert!(near.render(false).contains("[train.flat]"), "{}", near.render(false));
    let nowhere = Diagnostic::at(&manifest, &["workspace.store"], "no room");
    assert!(nowhere.render(false).contains("folder/mix.toml"), "{}", nowhere.render(false));
}

#[test]
fn overrides_are_as_if_written() {
    let check = |overrides: &[&str], edit: (&str, &str)| {
        assert!(BASE.contains(edit.0));
        let mut set = read(BASE, overrides);
        let mut written = read(&BASE.replacen(edit.0, edit.1, 1), &[]);
        for manifest in [&mut set, &mut written] {
            manifest.source = Arc::new(Source::new(Path::new(""), ""));
            manifest.spans.clear();
        }
        assert_eq!(format!("{set:?}"), format!("{written:?}"));
    };
    check(&["ddo.small.tokens=40k"], ("tokens = \"30k\"", "tokens = \"40k\""));
    check(&["ddo.small.tokens = \"40k\""], ("tokens = \"30k\"", "tokens = \"40k\""));
    check(
        &["ddo.small.tokens=1", "ddo.small.tokens=40_000"],
        ("tokens = \"30k\"", "tokens = 40000"),
    );
    check(
        &["mixture.web.weights={ c4 = 0.5, arxiv = 0.5 }"],
        ("{ c4 = 0.75, arxiv = 0.25 }", "{ c4 = 0.5, arxiv = 0.5 }"),
    );
    check(
        &["mixture.web.weights.c4=1", "mixture.web.weights.arxiv=0"],
        ("{ c4 = 0.75, arxiv = 0.25 }", "{ c4 = 1, arxiv = 0 }"),
    );
    check(&["domain.c4.files=other/*.jsonl"], ("[\"c4/*.jsonl.zst\"]", "\"other/*.jsonl\""));
    check(
        &["recipe.short.warm-up=5%"],
        ("learning-rate = 1e-3", "learning-rate = 1e-3\nwarm-up = \"5%\""),
    );
    check(
        &["domain.c4.where.\"meta.language\"=en"],
        ("block = \"random\"", "block = \"random\"\n[domain.c4.where]\n\"meta.language\" = \"en\""),
    );
    check(
        &["model.new={architecture=\"bert\",layers=1,hidden=4,heads=1,context=8}"],
        (
            "[recipe.short]",
            "[model.new]\narchitecture=\"bert\"\nlayers=1\nhidden=4\nheads=1\ncontext=8\n[recipe.short]",
        ),
    );
}

#[test]
fn normalised_weights() {
    let text =
        BASE.replace("arxiv = 0.25 }", "arxiv = \"1/4\" }").replace("c4 = 0.75", "c4 = \"25%\"");
    let manifest = read(&text.replace("\"1/4\" }", "\"1/4\" }\nnormalise = true"), &[]);
    assert_eq!(manifest.mixtures[0].weights, [("c4".to_owned(), 0.5), ("arxiv".to_owned(), 0.5)]);
}

#[test]
fn one_file_of_two_languages() {
    let rows =
        |language: &str| format!("files = \"wiki.jsonl\"\nwhere = {{ language = \"{language}\" }}");
    read(
        &BASE
            .replace("files = [\"c4/*.jsonl.zst\"]", &rows("en"))
            .replace("files = \"arxiv/*.parquet\"", &rows("de")),
        &[],
    );
}

#[test]
fn empty_manifest_is_one() {
    let manifest = read("", &[]);
    assert!(
        manifest.domains.is_empty() && manifest.tokenizer.is_none() && manifest.report.is_none()
    );
}

#[test]
fn every_choice_is_built() {
    let mut tried = 0;
    for table in keys::TABLES {
        for key in table.keys {
            let keys::Kind::Choice(choices) = key.kind else { continue };
            for choice in choices {
                let name = match table.name {
                    "domain" => "domain.c4",
                    "model" => "model.tiny",
                    "recipe" => "recipe.short",
                    "ddo" => "ddo.small",
                    "autoscale" => "autoscale.large",
                    plain => plain,
                };
                let mut overrides = vec![format!("{name}.{}={}", key.name, choice.name)];
                if key.name == "objective" {
                    overrides.push(format!("ddo.medium.objective={}", choice.name));
                }
                let overrides: Vec<&str> = overrides.iter().map(String::as_str).collect();
                // A tokenizer comes from one place only.
                let trained = "train = \"bpe\"\nvocabulary = 1024\n";
                let base =
                    if key.name == "builtin" { BASE.replace(trained, "") } else { BASE.into() };
                read(&base, &overrides);
                tried += 1;
            }
        }
    }
    assert!(tried > 30, "{tried}");
}

fn manifests() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../manifests")
}

#[test]
fn shipped_manifests() {
    let mut read = 0;
    for entry in std::fs::read_dir(manifests()).expect("the folder is part of the repository") {
        let path = entry.expect("it can be listed").path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            mixmake_manifest::load(&path, &[]).unwrap_or_else(|found| panic!("{found}"));
            read += 1;
        }
    }
    assert!(read >= 3, "{read}");
    parse(Path::new("mixmake.toml"), mixmake_manifest::init_template(), &[])
        .unwrap_or_else(|found| panic!("{found}"));
}

/// The lines `key = value` of each table's part of the reference, commented ones too.
fn reference_lines(text: &str, table: &str) -> Vec<String> {
    let mut inside = false;
    let mut lines = Vec::new();
    for line in text.lines() {
        if let Some(header) = line.strip_prefix('[') {
            inside = header.split(['.', ']']).next() == Some(table);
        } else if inside {
            lines.push(line.trim_start_matches("# ").to_owned());
        }
    }
    lines
}

#[test]
fn reference_shows_every_key_with_its_default() {
    let text = std::fs::read_to_string(manifests().join("reference.toml")).expect("it is shipped");
    for table in keys::TABLES {
        let mut lines = reference_lines(&text, table.name);
        if table.name == "domain" {
            lines.extend(reference_lines(&text, "corpus"));
        }
        for key in table.keys {
            let start = match key.default {
                keys::Preset::Value(default) => format!("{} = {default}", key.name),
                _ => format!("{} = ", key.name),
            };
            assert!(
                lines.iter().any(|line| line.starts_with(&start)),
                "[{}] lacks `{start}`",
                table.name
            );
        }
    }
}

#[test]
fn published_gpt2_mixtures() {
    let manifest = mixmake_manifest::load(&manifests().join("gpt2-large-redpajama.toml"), &[])
        .unwrap_or_else(|found| panic!("{found}"));
    let weights = |name: &str| {
        let mixture =
            manifest.mixtures.iter().find(|mixture| mixture.name == name).expect("a baseline");
        mixture.weights.iter().map(|(_, weight)| *weight).collect::<Vec<_>>()
    };
    assert_eq!(weights("llama"), [0.67, 0.045, 0.045, 0.045, 0.15, 0.02, 0.025]);
    assert_eq!(
        weights("data-mixing-laws"),
        [0.125, 0.140_625, 0.093_75, 0.015_625, 0.25, 0.125, 0.25]
    );
    assert!((weights("doremi").iter().sum::<f64>() - 1.0).abs() < 1e-12);
    assert_eq!(
        manifest.ddos.iter().map(|ddo| ddo.tokens).collect::<Vec<_>>(),
        [300_000_000, 1_200_000_000]
    );
}

/// Steps come after those they read from, whatever the order of the file.
#[test]
fn steps_are_in_the_order_of_their_work() {
    use mixmake_manifest::schema::{StepInput, StepOutput};
    let text = r#"
        [step.last]
        run = "true"
        inputs = ["step.*/a", "x.txt"]
        outputs = "b"
        [step.first]
        run = "true"
        outputs = ["c", "a"]
        threads = 3
    "#;
    let manifest = parse(Path::new("mix.toml"), text, &[]).expect("valid");
    let names: Vec<_> = manifest.steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["first", "last"]);
    assert_eq!(manifest.steps[0].threads, 3);
    let made = StepOutput { step: 0, output: 1 };
    let files = StepInput::Files { pattern: "x.txt".to_owned(), place: 1 };
    assert_eq!(manifest.steps[1].inputs, [StepInput::Output(made), files]);
    assert_eq!(manifest.step_outputs("step.last/*"), Some(vec![StepOutput { step: 1, output: 0 }]));
    assert_eq!(manifest.step_outputs("last/*"), None);
}
