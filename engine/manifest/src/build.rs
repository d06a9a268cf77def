//! A checked [`Document`] as plain types. Finds no errors: what is absent here was let through by
//! mistake, and is said to be so.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use crate::document::{Document, Section};
use crate::remote;
use crate::schema::{
    Architecture, AutoScale, Block, BuiltinTokenizer, Ddo, Deterministic, Domain, Duplicates,
    Format, HeldOut, Limit, Manifest, Mixture, MixtureRef, Mode, Model, Objective, OnError,
    Padding, Precision, Recipe, Recompute, Report, Runtime, ScaleLaw, Schedule, Step, StepInput,
    StepOutput, Tokenizer, TokenizerSource, Total, Train, WarmUp, Workspace,
};
use crate::source::Source;
use crate::steps::Wiring;
use crate::tree::Span;
use crate::values::{Limits, Pair, Piece, Value};

/// A key that has no value though it must.
#[derive(Debug)]
pub struct Absent(pub String);

type Built<T> = Result<T, Absent>;

pub fn manifest(
    document: &Document,
    source: &Arc<Source>,
    wiring: &Wiring,
    spans: HashMap<String, Span>,
) -> Built<Manifest> {
    Ok(Manifest {
        path: source.path.clone(),
        source: Arc::clone(source),
        runtime: document.single("runtime").map(runtime).transpose()?.unwrap_or_default(),
        workspace: document.single("workspace").map(workspace).unwrap_or_default(),
        tokenizer: document.single("tokenizer").map(tokenizer).transpose()?,
        steps: steps(document, wiring)?,
        domains: every(document, "domain", domain)?,
        models: every(document, "model", model)?,
        recipes: every(document, "recipe", recipe)?,
        mixtures: every(document, "mixture", |section| mixture(document, section))?,
        trains: every(document, "train", train)?,
        ddos: every(document, "ddo", |section| ddo(document, section))?,
        autoscales: every(document, "autoscale", autoscale)?,
        report: document.single("report").map(|section| report(document, section)).transpose()?,
        spans,
    })
}

fn every<T>(
    document: &Document,
    table: &str,
    build: impl Fn(&Section) -> Built<T>,
) -> Built<Vec<T>> {
    document.all(table).iter().map(build).collect()
}

fn workspace(section: &Section) -> Workspace {
    let path = |key| section.text(key).map(PathBuf::from);
    Workspace { store: path("store"), out: path("out") }
}

fn steps(document: &Document, wiring: &Wiring) -> Built<Vec<Step>> {
    let mut place = vec![0; wiring.order.len()];
    for (new, old) in wiring.order.iter().enumerate() {
        place[*old] = new;
    }
    let sections = document.all("step");
    let in_order = wiring.order.iter().map(|&old| {
        let moved = |output: &StepOutput| StepOutput { step: place[output.step], ..*output };
        let input = |input: &StepInput| match input {
            StepInput::Output(output) => StepInput::Output(moved(output)),
            files @ StepInput::Files { .. } => files.clone(),
        };
        step(&sections[old], wiring.inputs[old].iter().map(input).collect())
    });
    in_order.collect()
}

fn step(section: &Section, inputs: Vec<StepInput>) -> Built<Step> {
    Ok(Step {
        name: section.name.clone(),
        run: need(section, "run", section.text("run"))?,
        inputs,
        outputs: texts(section, "outputs")?,
        environment: need(section, "environment", section.variables("environment"))?
            .into_iter()
            .collect(),
        pass_environment: texts(section, "pass-environment")?,
        threads: narrow(section, "threads")?,
    })
}

fn runtime(section: &Section) -> Built<Runtime> {
    Ok(Runtime {
        runs_per_gpu: narrow(section, "runs-per-gpu")?,
        micro_batch: section.count("micro-batch"),
        recompute: choice(section, "recompute", |name| match name {
            "auto" => Some(Recompute::Auto),
            "always" => Some(Recompute::Always),
            "never" => Some(Recompute::Never),
            _ => None,
        })?,
        deterministic: choice(section, "deterministic", |name| match name {
            "auto" => Some(Deterministic::Auto),
            "always" => Some(Deterministic::Always),
            "never" => Some(Deterministic::Never),
            _ => None,
        })?,
        checkpoint_every: narrow(section, "checkpoint-every")?,
        tensorboard: section.text("tensorboard").map(PathBuf::from),
    })
}

fn tokenizer(section: &Section) -> Built<Tokenizer> {
    Ok(Tokenizer {
        source: tokenizer_source(section)?,
        end_of_text: need(section, "end-of-text", section.flag("end-of-text"))?,
    })
}

fn tokenizer_source(section: &Section) -> Built<TokenizerSource> {
    if let Some(file) = section.text("file") {
        if remote::is_remote(&file) {
            return Ok(TokenizerSource::Url(file));
        }
        let path = remote::local(file).into();
        return Ok(TokenizerSource::File { path, origin: section.text("origin") });
    }
    if section.is_set("builtin") {
        return Ok(TokenizerSource::Builtin(BuiltinTokenizer::Gpt2));
    }
    let vocabulary = narrow(section, "vocabulary")?;
    let min_frequency = need(section, "min-frequency", section.count("min-frequency"))?;
    Ok(match section.text("train").as_deref() {
        Some("wordpiece") => TokenizerSource::WordPiece { vocabulary, min_frequency },
        _ => TokenizerSource::Bpe { vocabulary, min_frequency },
    })
}

fn domain(section: &Section) -> Built<Domain> {
    Ok(Domain {
        name: section.name.clone(),
        files: remote::resolved(section, texts(section, "files")?),
        exclude: remote::resolved(section, texts(section, "exclude")?),
        origin: section.text("origin"),
        format: section
            .text("format")
            .map(|name| format(&name).ok_or_else(|| absent(section, "format")))
            .transpose()?,
        text: texts(section, "text")?,
        join: need(section, "join", section.text("join"))?,
        quotes: need(section, "quotes", section.flag("quotes"))?,
        filters: need(section, "where", section.filters("where"))?.into_iter().collect(),
        min_chars: need(section, "min-chars", section.count("min-chars"))?,
        max_chars: section.count("max-chars"),
        block: choice(section, "block", block)?,
        block_chars: need(section, "block-chars", section.count("block-chars"))?,
        held_out: need(section, "held-out", held_out(section))?,
        duplicates: choice(section, "duplicates", |name| match name {
            "drop" => Some(Duplicates::Drop),
            "drop-across" => Some(Duplicates::DropAcross),
            "keep" => Some(Duplicates::Keep),
            _ => None,
        })?,
        duplicates_of_blocks: choice(section, "duplicates-of", |name| match name {
            "document" => Some(false),
            "block" => Some(true),
            _ => None,
        })?,
        near_duplicates: section.share("near-duplicates"),
        decontaminate: texts(section, "decontaminate")?.into_iter().map(remote::local).collect(),
        decontaminate_words: narrow(section, "decontaminate-words")?,
        on_error: choice(section, "on-error", |name| match name {
            "fail" => Some(OnError::Fail),
            "skip" => Some(OnError::Skip),
            _ => None,
        })?,
        train: need(section, "train", section.flag("train"))?,
        max_documents: section.count("max-documents"),
    })
}

fn format(name: &str) -> Option<Format> {
    Some(match name {
        "jsonl" => Format::JsonLines,
        "parquet" => Format::Parquet,
        "arrow" => Format::Arrow,
        "csv" => Format::Csv,
        "tsv" => Format::Tsv,
        "plain" => Format::Plain,
        "tar" => Format::Tar,
        _ => return None,
    })
}

fn block(name: &str) -> Option<Block> {
    Some(match name {
        "first" => Block::First,
        "random" => Block::Random,
        "every" => Block::Every,
        "whole" => Block::Whole,
        _ => return None,
    })
}

fn held_out(section: &Section) -> Option<HeldOut> {
    match section.get("held-out")? {
        Value::Count(documents) => Some(HeldOut::Documents(documents)),
        Value::Share(share) => Some(HeldOut::Fraction(share)),
        _ => None,
    }
}

fn model(section: &Section) -> Built<Model> {
    Ok(Model {
        name: section.name.clone(),
        architecture: choice(section, "architecture", architecture)?,
        layers: narrow(section, "layers")?,
        hidden: narrow(section, "hidden")?,
        heads: narrow(section, "heads")?,
        context: narrow(section, "context")?,
        dropout: need(section, "dropout", section.number("dropout"))?,
    })
}

fn architecture(name: &str) -> Option<Architecture> {
    match name {
        "gpt2" => Some(Architecture::Gpt2),
        "bert" => Some(Architecture::Bert),
        _ => None,
    }
}

fn recipe(section: &Section) -> Built<Recipe> {
    let number = |key| need(section, key, section.number(key));
    Ok(Recipe {
        name: section.name.clone(),
        model: need(section, "model", section.text("model"))?,
        learning_rate: number("learning-rate")?,
        schedule: choice(section, "schedule", |name| match name {
            "linear" => Some(Schedule::Linear),
            "cosine" => Some(Schedule::Cosine),
            "constant" => Some(Schedule::Constant),
            "wsd" => Some(Schedule::Wsd { decay: section.number("decay").unwrap_or(0.0) }),
            _ => None,
        })?,
        warm_up: need(section, "warm-up", warm_up(section))?,
        warm_up_from_zero: need(section, "warm-up-from-zero", section.flag("warm-up-from-zero"))?,
        weight_decay: number("weight-decay")?,
        clip: number("clip")?,
        batch_tokens: need(section, "batch-tokens", section.count("batch-tokens"))?,
        epochs: narrow(section, "epochs")?,
        precision: choice(section, "precision", |name| match name {
            "auto" => Some(Precision::Auto),
            "fp32" => Some(Precision::Fp32),
            "bf16" => Some(Precision::Bf16),
            _ => None,
        })?,
        threads: narrow(section, "threads")?,
        seed: need(section, "seed", section.count("seed"))?,
        evaluations: narrow(section, "evaluations")?,
        evaluate_at_steps: counts(section, "evaluate-at-steps")?,
        evaluate_at_tokens: counts(section, "evaluate-at-tokens")?,
        padding: choice(section, "padding", |name| match name {
            "packed" => Some(Padding::Packed),
            "longest" => Some(Padding::Longest),
            "context" => Some(Padding::Context),
            _ => None,
        })?,
        masking: number("masking")?,
    })
}

fn warm_up(section: &Section) -> Option<WarmUp> {
    match section.get("warm-up")? {
        Value::Count(steps) => Some(WarmUp::Steps(steps)),
        Value::Share(share) => Some(WarmUp::Fraction(share)),
        _ => None,
    }
}

/// The weights in the order of the domains, rescaled to a sum of 1 exactly as far as floats go.
fn mixture(document: &Document, section: &Section) -> Built<Mixture> {
    let weights = need(section, "weights", section.weights("weights"))?;
    let sum: f64 = weights.iter().map(|weight| weight.value).sum();
    let scale = if section.flag("normalise") == Some(true) { sum } else { 1.0 };
    let by_name: BTreeMap<&str, f64> =
        weights.iter().map(|weight| (weight.domain.as_str(), weight.value)).collect();
    let domains = need(section, "weights", document.training_domains())?;
    let ordered = domains.into_iter().map(|domain| {
        let weight = by_name.get(domain).ok_or_else(|| absent(section, domain))?;
        Ok((domain.to_owned(), weight / scale))
    });
    Ok(Mixture { name: section.name.clone(), weights: ordered.collect::<Built<_>>()? })
}

fn train(section: &Section) -> Built<Train> {
    Ok(Train {
        name: section.name.clone(),
        mixture: need(section, "mixture", section.text("mixture").as_deref().map(mixture_ref))?,
        recipe: need(section, "recipe", section.text("recipe"))?,
        tokens: need(section, "tokens", section.count("tokens"))?,
        seed: section.count("seed"),
        max_repeats: narrow(section, "max-repeats")?,
    })
}

/// Reads `uniform`, `NAME`, `ddo.NAME` or `autoscale.NAME`.
pub fn mixture_ref(text: &str) -> MixtureRef {
    match text.split_once('.') {
        Some(("ddo", name)) => MixtureRef::Ddo(name.to_owned()),
        Some(("autoscale", name)) => MixtureRef::AutoScale(name.to_owned()),
        _ if text == "uniform" => MixtureRef::Uniform,
        _ => MixtureRef::Named(text.to_owned()),
    }
}

fn ddo(document: &Document, section: &Section) -> Built<Ddo> {
    let recipe = need(section, "recipe", section.text("recipe"))?;
    let own = document.find("recipe", &recipe).and_then(|recipe| recipe.count("seed"));
    let own = need(section, "seeds", own)?;
    let mut seeds = seeds_of(section, "seeds", own)?;
    if seeds.is_empty() {
        seeds.push(own);
    }
    let mut base_seeds = seeds.clone();
    let more = seeds_of(section, "base-seeds", own)?;
    base_seeds.extend(more.into_iter().filter(|seed| !seeds.contains(seed)));
    Ok(Ddo {
        name: section.name.clone(),
        recipe,
        tokens: need(section, "tokens", section.count("tokens"))?,
        reference: need(
            section,
            "reference",
            section.text("reference").as_deref().map(mixture_ref),
        )?,
        factors: plain(need(section, "factors", section.numbers("factors"))?),
        seeds,
        base_seeds,
        total: choice(section, "total", |name| match name {
            "free" => Some(Total::Free),
            "fixed" => Some(Total::Fixed),
            _ => None,
        })?,
        objective: choice(section, "objective", |name| match name {
            "perplexity" => Some(Objective::Perplexity),
            "cross-entropy" => Some(Objective::CrossEntropy),
            _ => None,
        })?,
        floors: limits(document, section, "floor")?
            .into_iter()
            .map(|floor| floor.unwrap_or(FLOOR))
            .collect(),
        caps: limits(document, section, "cap")?,
        noise: section.number("noise"),
        draws: need(section, "draws", section.count("draws"))?,
        level: need(section, "level", section.number("level"))?,
        max_repeats: narrow(section, "max-repeats")?,
    })
}

/// The floor of a domain that a table of floors does not name: the default of the key.
const FLOOR: Limit = Limit::Multiple(0.2);

/// The bound of every domain that trains, where it has one.
fn limits(document: &Document, section: &Section, key: &str) -> Built<Vec<Option<Limit>>> {
    let domains = need(section, key, document.training_domains())?;
    let limits = section.limits(key);
    let of = |domain: &&str| match &limits {
        None => None,
        Some(Limits::All(limit)) => Some(*limit),
        Some(Limits::ByDomain(named)) => {
            named.iter().find(|(name, _)| name.value == **domain).map(|(_, limit)| *limit)
        }
    };
    Ok(domains.iter().map(of).collect())
}

/// The seeds of a list, or so many from `first` on.
fn seeds_of(section: &Section, key: &str, first: u64) -> Built<Vec<u64>> {
    match section.count(key) {
        Some(count) => Ok((first..first.saturating_add(count)).collect()),
        None => Ok(plain(need(section, key, section.counts(key))?)),
    }
}

fn autoscale(section: &Section) -> Built<AutoScale> {
    Ok(AutoScale {
        name: section.name.clone(),
        from: texts(section, "from")?,
        tokens: need(section, "tokens", section.count("tokens"))?,
        mode: choice(section, "mode", |name| match name {
            "continuous" => Some(Mode::Continuous),
            "stepping" => Some(Mode::Stepping),
            _ => None,
        })?,
        law: choice(section, "law", |name| match name {
            "power" => Some(ScaleLaw::Power),
            "shifted" => Some(ScaleLaw::Shifted),
            _ => None,
        })?,
    })
}

fn report(document: &Document, section: &Section) -> Built<Report> {
    let mut trains = texts(section, "trains")?;
    if trains.is_empty() {
        trains = document.all("train").iter().map(|train| train.name.clone()).collect();
    }
    Ok(Report {
        title: need(section, "title", section.text("title"))?,
        trains,
        baseline: section.text("baseline"),
        baselines: plain_pairs(need(section, "baselines", section.pairs("baselines"))?),
    })
}

fn absent(section: &Section, key: &str) -> Absent {
    Absent(format!("{}.{key}", section.path()))
}

fn need<T>(section: &Section, key: &str, value: Option<T>) -> Built<T> {
    value.ok_or_else(|| absent(section, key))
}

fn narrow(section: &Section, key: &str) -> Built<u32> {
    let value = section.count(key).and_then(|value| u32::try_from(value).ok());
    need(section, key, value)
}

fn choice<T>(section: &Section, key: &str, read: impl Fn(&str) -> Option<T>) -> Built<T> {
    need(section, key, section.text(key).as_deref().and_then(read))
}

fn counts(section: &Section, key: &str) -> Built<Vec<u64>> {
    let mut counts = plain(need(section, key, section.counts(key))?);
    counts.sort_unstable();
    counts.dedup();
    Ok(counts)
}

fn plain_pairs(pairs: Vec<Pair>) -> BTreeMap<String, String> {
    pairs.into_iter().map(|pair| (pair.key.value, pair.value.value)).collect()
}

fn texts(section: &Section, key: &str) -> Built<Vec<String>> {
    Ok(plain(need(section, key, section.texts(key))?))
}

fn plain<T>(pieces: Vec<Piece<T>>) -> Vec<T> {
    pieces.into_iter().map(|piece| piece.value).collect()
}
