//! Which artifact goes under which name in each tool's layout.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mixmake_core::Source;
use mixmake_core::graph::ActionId;
use mixmake_core::record::ActionResult;
use mixmake_core::resolve::Results;
use mixmake_shards::Dtype;

use super::made::{Made, What};
use super::{Origin, Placement};
use crate::cli::{Export, Layout};
use crate::error::{Error, Exit, Result};
use crate::stage::shards::{HELD_OUT, Split, TRAIN};
use crate::stage::train::{KIND, MODEL, MODEL_CONFIG};
use crate::table::names::facts;
use crate::workspace::Workspace;

/// Every file of the layout for the targets asked for.
pub(super) fn placements(workspace: &Workspace, args: &Export) -> Result<Vec<Placement>> {
    let selected = selected(workspace, args)?;
    let all: Vec<_> = workspace.staged.graph.ids().collect();
    let plan = workspace.plan(&all)?;
    let unbuilt: Vec<&str> = selected
        .iter()
        .filter(|id| plan.results[id.0].is_none())
        .map(|id| workspace.target(*id))
        .collect();
    if !unbuilt.is_empty() {
        return Err(not_built(&unbuilt));
    }
    let mut placements = Vec::new();
    for id in selected {
        let Some(result) = &plan.results[id.0] else { continue };
        let exporter = Exporter { workspace, results: &plan.results, id, result, to: &args.output };
        placements.extend(match args.layout {
            Layout::Megatron => exporter.megatron()?,
            Layout::Nanogpt => exporter.nanogpt()?,
            Layout::Olmo => exporter.olmo()?,
            Layout::Datatrove => exporter.datatrove()?,
            Layout::Llmc => exporter.llmc()?,
            Layout::Transformers => exporter.transformers()?,
        });
    }
    Ok(placements)
}

fn not_built(unbuilt: &[&str]) -> Error {
    let more =
        if unbuilt.len() > 1 { format!(" and {} more", unbuilt.len() - 1) } else { String::new() };
    Error::new(Exit::ActionFailed, format!("not built yet: `{}`{more}", unbuilt[0]))
        .hint(format!("`mixmake run {}` builds what is missing", unbuilt.join(" ")))
}

/// The targets that the layout is about; a name without its family is one of them too.
fn selected(workspace: &Workspace, args: &Export) -> Result<Vec<ActionId>> {
    let (family, what) = match args.layout {
        Layout::Transformers => ("train", "training"),
        _ => ("shards", "domain's shards"),
    };
    let mut selected = Vec::new();
    let everything = [format!("{family}/*")];
    let patterns =
        if args.targets.targets.is_empty() { &everything[..] } else { &args.targets.targets };
    for pattern in patterns {
        let qualified = format!("{family}/{pattern}");
        let known = workspace.staged.graph.find(&qualified);
        let found = match known {
            Some(id) => vec![id],
            None => workspace.select(std::slice::from_ref(pattern))?,
        };
        selected.extend(found);
    }
    let is_wanted = |id: &ActionId| match args.layout {
        Layout::Transformers => workspace.staged.graph.action(*id).kind == KIND,
        _ => workspace.staged.shards.contains(id),
    };
    selected.retain(is_wanted);
    selected.sort();
    selected.dedup();
    if selected.is_empty() {
        return Err(Error::usage(format!("none of these targets is a {what}"))
            .hint(format!("`mixmake status '{family}/*'` lists what this layout is for")));
    }
    Ok(selected)
}

struct Exporter<'w> {
    workspace: &'w Workspace,
    results: &'w Results,
    id: ActionId,
    result: &'w Arc<ActionResult>,
    to: &'w Path,
}

impl Exporter<'_> {
    /// The target's name without its family.
    fn name(&self) -> &str {
        let target = self.workspace.target(self.id);
        target.strip_prefix("shards/").or_else(|| target.strip_prefix("train/")).unwrap_or(target)
    }

    fn place(&self, output: &str, to: impl AsRef<Path>) -> Result<Placement> {
        let record = self.result.output(output).ok_or_else(|| {
            Error::internal(format!("`{}` has no `{output}`", self.workspace.target(self.id)))
                .hint("`mixmake verify` reads the store through")
        })?;
        let origin = Origin::Object(self.workspace.store.object_path(record.digest));
        Ok(Placement { origin, to: self.to.join(to) })
    }

    /// What Megatron-LM takes as `--data-path DIR/<domain>_train`.
    fn megatron(&self) -> Result<Vec<Placement>> {
        let name = self.name();
        let pair = |split: Split, suffix: &str| -> Result<[Placement; 2]> {
            Ok([
                self.place(split.bin, format!("{name}_{suffix}.bin"))?,
                self.place(split.idx, format!("{name}_{suffix}.idx"))?,
            ])
        };
        Ok([pair(TRAIN, "train")?, pair(HELD_OUT, "held-out")?].into_iter().flatten().collect())
    }

    /// nanoGPT memory-maps `data/<domain>/train.bin` and `val.bin` as u16.
    fn nanogpt(&self) -> Result<Vec<Placement>> {
        let vocabulary =
            facts(self.workspace, self.result, TRAIN).map_or(0, |facts| facts.vocabulary);
        if Dtype::for_vocabulary(vocabulary) != Dtype::U16 {
            let message = format!(
                "`{}` has a vocabulary of {vocabulary}, so its tokens are i32; nanoGPT reads u16",
                self.workspace.target(self.id)
            );
            return Err(Error::usage(message)
                .hint("export it `--as megatron`, or use a tokenizer of fewer than 65500 tokens"));
        }
        let name = Path::new(self.name());
        Ok(vec![
            self.place(TRAIN.bin, name.join("train.bin"))?,
            self.place(HELD_OUT.bin, name.join("val.bin"))?,
        ])
    }

    /// Arrays without a header under the names that OLMo's data configurations use; `dtype: uint16`, or `uint32`.
    fn olmo(&self) -> Result<Vec<Placement>> {
        let name = Path::new(self.name());
        Ok(vec![
            self.place(TRAIN.bin, name.join("train.npy"))?,
            self.place(HELD_OUT.bin, name.join("held-out.npy"))?,
        ])
    }

    /// What `DatatroveFolderDataset(DIR/<domain>/train)` opens: tokens, and where each document ends.
    fn datatrove(&self) -> Result<Vec<Placement>> {
        let name = Path::new(self.name());
        let pair = |split: Split, folder: &str| -> Result<[Placement; 2]> {
            let to = name.join(folder).join("000_00000.ds");
            let index = to.with_extension("ds.index");
            Ok([self.place(split.bin, &to)?, self.make(What::DocumentEnds, split, index)?])
        };
        Ok([pair(TRAIN, "train")?, pair(HELD_OUT, "held-out")?].into_iter().flatten().collect())
    }

    /// What llm.c takes as `-i DIR/<domain>_train.bin -j DIR/<domain>_val.bin`.
    fn llmc(&self) -> Result<Vec<Placement>> {
        let name = self.name();
        Ok(vec![
            self.make(What::LlmC, TRAIN, format!("{name}_train.bin"))?,
            self.make(What::LlmC, HELD_OUT, format!("{name}_val.bin"))?,
        ])
    }

    fn make(&self, what: What, split: Split, to: impl AsRef<Path>) -> Result<Placement> {
        let path = |output: &str| -> Result<PathBuf> {
            match self.place(output, "")?.origin {
                Origin::Object(path) => Ok(path),
                _ => Err(Error::internal(format!("`{output}` is no object of the store"))),
            }
        };
        let made = Made { what, bin: path(split.bin)?, idx: path(split.idx)? };
        Ok(Placement { origin: Origin::Made(made), to: self.to.join(to) })
    }

    /// What `from_pretrained(DIR/<training>)` opens.
    fn transformers(&self) -> Result<Vec<Placement>> {
        let name = Path::new(self.name());
        let mut placements = vec![
            self.place(MODEL, name.join("model.safetensors"))?,
            self.place(MODEL_CONFIG, name.join("config.json"))?,
        ];
        if let Some(origin) = self.tokenizer() {
            placements.push(Placement { origin, to: self.to.join(name).join("tokenizer.json") });
        }
        Ok(placements)
    }

    /// The tokenizer that the training read.
    fn tokenizer(&self) -> Option<Origin> {
        let graph = &self.workspace.staged.graph;
        let input = graph.action(self.id).inputs.iter().find(|input| input.role == "tokenizer")?;
        match &input.source {
            Source::File(file) => Some(Origin::Foreign(graph.file_path(*file).to_owned())),
            Source::Output(action, output) => {
                let record = self.results[action.0].as_ref()?.output(output)?;
                Some(Origin::Object(self.workspace.store.object_path(record.digest)))
            }
        }
    }
}
