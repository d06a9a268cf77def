//! Models, recipes and the amounts they train on: what must divide, fit or belong.

use crate::diagnostic::Sink;
use crate::document::{Document, Section};
use crate::tree::Span;
use crate::values::Value;

pub fn check(document: &Document, sink: &mut Sink) {
    for model in document.all("model") {
        heads(model, sink);
    }
    for recipe in document.all("recipe") {
        let model = recipe.text("model").and_then(|name| document.find("model", &name));
        if let Some(model) = model {
            batch(recipe, model, sink);
            masking(recipe, model, sink);
        }
        decay(recipe, sink);
    }
    for run in ["train", "ddo"].iter().flat_map(|table| document.all(table)) {
        let recipe = run.text("recipe").and_then(|name| document.find("recipe", &name));
        if let Some(recipe) = recipe {
            steps(run, recipe, sink);
        }
    }
    report(document, sink);
}

fn heads(model: &Section, sink: &mut Sink) {
    let (Some(hidden), Some(heads)) = (model.count("hidden"), model.count("heads")) else { return };
    if hidden.is_multiple_of(heads) {
        return;
    }
    sink.push(
        sink.at(
            model.span("hidden"),
            format!("`hidden` is not a multiple of `heads`: {hidden} is not a multiple of {heads}"),
        )
        .label(model.span("heads").clone(), "the heads share the width")
        .help(multiples(hidden, heads)),
    );
}

/// "the nearest multiples are 128 and 192": those of `step` around `value`.
fn multiples(value: u64, step: u64) -> String {
    let below = value / step * step;
    match below {
        0 => format!("the nearest multiple is {step}"),
        _ => format!("the nearest multiples are {below} and {}", below + step),
    }
}

fn batch(recipe: &Section, model: &Section, sink: &mut Sink) {
    let (Some(batch), Some(context)) = (recipe.count("batch-tokens"), model.count("context"))
    else {
        return;
    };
    if batch.is_multiple_of(context) {
        return;
    }
    sink.push(
        sink.at(recipe.span("batch-tokens"), format!("`batch-tokens` is not a multiple of the model's `context`: {batch} is not a multiple of {context}"))
            .label(model.span("context").clone(), format!("a sequence of `{}`", model.name))
            .help(format!("a batch is whole sequences: {}", multiples(batch, context))),
    );
}

fn masking(recipe: &Section, model: &Section, sink: &mut Sink) {
    if recipe.is_set("masking") && model.text("architecture").as_deref() == Some("gpt2") {
        sink.push(
            sink.at(recipe.span("masking"), "`masking` is of BERT, and the model is GPT-2")
                .label(model.span("architecture").clone(), format!("`{}`", model.name))
                .help("remove `masking`"),
        );
    } else if recipe.number("masking").is_some_and(|share| share <= 0.0 || share >= 1.0) {
        let found = sink.at(
            recipe.span("masking"),
            "`masking` must leave something to predict and something to see",
        );
        sink.push(found.help("BERT's is 0.15"));
    }
}

/// Only one schedule has a decay of its own.
fn decay(recipe: &Section, sink: &mut Sink) {
    let schedule = recipe.text("schedule").unwrap_or_default();
    if recipe.is_set("decay") && schedule != "wsd" {
        sink.push(
            sink.at(
                recipe.span("decay"),
                format!("`decay` goes with `schedule = \"wsd\"`, and this is \"{schedule}\""),
            )
            .help("remove `decay`, or set `schedule = \"wsd\"`"),
        );
    } else if recipe.number("decay") == Some(0.0) {
        sink.push(
            sink.at(recipe.span("decay"), "a `decay` of nothing is the schedule \"constant\"")
                .help("set `schedule = \"constant\"`, or a share such as \"20%\""),
        );
    }
}

/// At least one step, and a warm-up that ends before the training does.
fn steps(run: &Section, recipe: &Section, sink: &mut Sink) {
    let (Some(tokens), Some(batch)) = (run.count("tokens"), recipe.count("batch-tokens")) else {
        return;
    };
    if tokens < batch {
        sink.push(
            sink.at(
                run.span("tokens"),
                format!("`tokens` is less than one batch: {tokens} tokens of {batch} a step"),
            )
            .label(recipe.span("batch-tokens").clone(), "a batch")
            .help("raise `tokens`, or lower the recipe's `batch-tokens`"),
        );
        return;
    }
    let (Some(epochs), Some(Value::Count(warm_up))) =
        (recipe.count("epochs"), recipe.get("warm-up"))
    else {
        return;
    };
    let steps = u128::from(tokens) * u128::from(epochs) / u128::from(batch);
    if u128::from(warm_up) >= steps {
        let span: &Span = run.span("tokens");
        sink.push(
            sink.at(
                span,
                format!(
                    "the warm-up of {warm_up} steps is as long as the training of {steps} steps"
                ),
            )
            .label(recipe.span("warm-up").clone(), "the warm-up")
            .help("train on more tokens, or give the warm-up as a share, such as \"10%\""),
        );
    }
}

/// Steps are saved against a training that is compared.
fn report(document: &Document, sink: &mut Sink) {
    let Some(report) = document.single("report") else { return };
    for pair in report.pairs("baselines").unwrap_or_default() {
        if pair.key.value == pair.value.value {
            sink.push(
                sink.at(&pair.value.span, format!("`{}` is compared with itself", pair.key.value))
                    .help("name the training that it is compared with"),
            );
        }
    }
    let (Some(baseline), Some(trains)) = (report.text("baseline"), report.texts("trains")) else {
        return;
    };
    let compared = trains.is_empty() || trains.iter().any(|train| train.value == baseline);
    if !compared && document.find("train", &baseline).is_some() {
        sink.push(
            sink.at(
                report.span("baseline"),
                format!("the baseline `{baseline}` is not among the trainings compared"),
            )
            .label(report.span("trains").clone(), "these are")
            .help(format!("add \"{baseline}\" to `trains`")),
        );
    }
}
