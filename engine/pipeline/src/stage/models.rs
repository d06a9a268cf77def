//! What the models that are trained ask of the shards.

use mixmake_manifest::diagnostic::{Diagnostic, Diagnostics};
use mixmake_manifest::schema::{Architecture, Manifest, Model};

use super::StageError;

/// The longest context of the encoders that are trained, or none where decoders are; models that
/// no training uses ask for nothing.
pub(super) fn encoder_context(manifest: &Manifest) -> Result<Option<u32>, StageError> {
    let used = used(manifest);
    let first = |architecture| used.iter().find(|model| model.architecture == architecture);
    if let (Some(encoder), Some(decoder)) = (first(Architecture::Bert), first(Architecture::Gpt2)) {
        return Err(StageError::Manifest(Diagnostics {
            items: vec![mixed(manifest, encoder, decoder)],
        }));
    }
    let encoders = used.iter().filter(|model| model.architecture == Architecture::Bert);
    Ok(encoders.map(|model| model.context).max())
}

/// Models of the recipes of trainings and DDO fits.
fn used(manifest: &Manifest) -> Vec<&Model> {
    let trains = manifest.trains.iter().map(|train| &train.recipe);
    let recipes = trains.chain(manifest.ddos.iter().map(|ddo| &ddo.recipe));
    let models = recipes.filter_map(|name| manifest.model(&manifest.recipe(name)?.model));
    models.collect()
}

/// One manifest has one set of shards, and the two kinds of model read them differently.
fn mixed(manifest: &Manifest, encoder: &Model, decoder: &Model) -> Diagnostic {
    let field = |model: &Model| format!("model.{}.architecture", model.name);
    let message = format!(
        "`{}` is BERT and `{}` is GPT-2, and both are trained on the same shards",
        encoder.name, decoder.name
    );
    let item = Diagnostic::at(manifest, &[&field(encoder)], message).help(
        "BERT wants a sample a sequence with special tokens, GPT-2 blocks of plain text: \
         write a manifest for each; they can share a store",
    );
    match manifest.origin(&[&field(decoder)]) {
        Some(origin) => item.label(origin.span, format!("`{}` is GPT-2", decoder.name)),
        None => item,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Trainings of the recipes `gpt` and `bert`.
    fn manifest(trained: &[&str]) -> Manifest {
        let mut text = "[domain.a]\nfiles = \"a/*.txt\"\n[tokenizer]\ntrain = \"bpe\"\n".to_owned();
        for (name, architecture, context) in [("gpt", "gpt2", 64), ("bert", "bert", 32)] {
            text += &format!(
                "[model.{name}]\narchitecture = \"{architecture}\"\nlayers = 1\nhidden = 16\n\
                 heads = 1\ncontext = {context}\n\
                 [recipe.{name}]\nmodel = \"{name}\"\nlearning-rate = 1e-3\nbatch-tokens = 512\n"
            );
        }
        for name in trained {
            text += &format!(
                "[train.{name}]\nmixture = \"uniform\"\nrecipe = \"{name}\"\ntokens = \"4096\"\n"
            );
        }
        mixmake_manifest::parse(Path::new("m.toml"), &text, &[]).expect("a valid manifest")
    }

    #[test]
    fn only_trained_models_count() {
        let check = |trained: &[&str], expected| {
            assert_eq!(encoder_context(&manifest(trained)).expect("one kind"), expected);
        };
        check(&[], None);
        check(&["gpt"], None);
        check(&["bert"], Some(32));
    }

    #[test]
    fn both_kinds_are_refused_with_their_places() {
        let error = encoder_context(&manifest(&["gpt", "bert"])).expect_err("both");
        let text = error.to_string();
        assert!(text.contains("`bert` is BERT and `gpt` is GPT-2"), "{text}");
        assert!(text.contains("m.toml:16"), "{text}");
    }
}
