//! `show`: from a token of a shard back to the file, the row and the character it comes from, and the text around it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mixmake_core::graph::FileId;
use mixmake_core::record::ActionResult;
use mixmake_core::resolve::Results;
use mixmake_core::{ActionId, Digest, Source};
use mixmake_data::provenance::{self, ShardPlace, TokenOrigin, TokenText};
use serde_json::json;

use crate::cli::{Global, Show};
use crate::error::{Error, Exit, Result};
use crate::stage::shards::{HELD_OUT, Split, TRAIN};
use crate::ui::print;
use crate::workspace::{Workspace, tidy};

pub fn run(global: &Global, args: &Show) -> Result<Exit> {
    let position = args.position;
    if args.shard.ends_with(".bin") && Path::new(&args.shard).is_file() && !args.held_out {
        return show_file(global, Path::new(&args.shard), position);
    }
    let workspace = Workspace::open(global)?;
    let all: Vec<_> = workspace.staged.graph.ids().collect();
    let plan = workspace.plan(&all)?;
    let shard = Domain::find(&workspace, &plan.results, &args.shard)?;
    let split = if args.held_out { HELD_OUT } else { TRAIN };
    let place = shard.place(split)?;
    let origin = provenance::origin(&place, position).map_err(refused)?;
    let text = match (shard.samples(split), shard.tokenizer()) {
        (Some(samples), Some(tokenizer)) => {
            Some(provenance::text(&place, &origin, &samples, &tokenizer).map_err(refused)?)
        }
        _ => None,
    };
    let file = workspace
        .names_of(shard.index, &plan.results)
        .remove(&origin.source)
        .or_else(|| workspace.file_of(&origin.source, &plan.results));
    report(global, &Shown { position, origin: &origin, file, text: text.as_ref() });
    Ok(Exit::Success)
}

/// A shard that is only a file, with its index and its provenance beside it.
fn show_file(global: &Global, bin: &Path, position: u64) -> Result<Exit> {
    let place = ShardPlace {
        bin: bin.to_owned(),
        idx: bin.with_extension("idx"),
        sidecar: bin.with_extension("provenance"),
    };
    let origin = provenance::origin(&place, position).map_err(refused)?;
    // Digests have paths only where a manifest names the files.
    let workspace = global.manifest.exists().then(|| Workspace::open(global)).transpose()?;
    let file = match workspace {
        Some(workspace) => {
            let downloads: Vec<_> = workspace.staged.downloads.keys().copied().collect();
            workspace.file_of(&origin.source, &workspace.plan(&downloads)?.results)
        }
        None => None,
    };
    report(global, &Shown { position, origin: &origin, file, text: None });
    Ok(Exit::Success)
}

fn refused(error: mixmake_data::DataError) -> Error {
    Error::usage(error.to_string())
}

/// What is known of a token.
struct Shown<'a> {
    position: u64,
    origin: &'a TokenOrigin,
    /// Its path or URL.
    file: Option<String>,
    text: Option<&'a TokenText>,
}

fn report(global: &Global, shown: &Shown<'_>) {
    let Shown { position, origin, file, text } = shown;
    let chars = text.and_then(|text| text.chars.clone());
    if global.json {
        let json = json!({
            "position": position, "token": origin.token, "sample": origin.sample, "place": origin.place,
            "file": file, "digest": origin.source, "row": origin.row, "sample-start": origin.start,
            "character": chars.as_ref().map(|chars| chars.start),
            "text": text.map(|text| &text.text),
            "before": text.map(|text| &text.before), "after": text.map(|text| &text.after),
        });
        print(&json.to_string());
        return;
    }
    let name = file.clone().unwrap_or_else(|| format!("file {}", origin.source));
    let character = match &chars {
        Some(chars) => format!("character {}", chars.start),
        None => format!("in the sample that starts at character {}", origin.start),
    };
    print(&format!("{name}:{}, {character}", origin.row));
    print(&format!(
        "token {position} is {} ({} of sample {})",
        origin.token, origin.place, origin.sample
    ));
    match text {
        Some(text) if chars.is_some() => {
            let shown = |text: &str| text.escape_debug().to_string();
            print(&format!(
                "…{}[{}]{}…",
                shown(&text.before),
                shown(&text.text),
                shown(&text.after)
            ));
        }
        Some(_) => print("it is an added token, which stands for no text"),
        None => {}
    }
}

/// The shards of one domain and what they were made of.
struct Domain<'w> {
    workspace: &'w Workspace,
    results: &'w Results,
    index: usize,
    id: ActionId,
    result: &'w ActionResult,
}

impl<'w> Domain<'w> {
    fn find(workspace: &'w Workspace, results: &'w Results, name: &str) -> Result<Self> {
        let name = name.trim_start_matches("out/");
        let name = name.strip_prefix("shards/").unwrap_or(name).trim_end_matches('/');
        let domains = &workspace.manifest.domains;
        let Some(index) = domains.iter().position(|domain| domain.name == name) else {
            let names: Vec<_> = domains.iter().map(|domain| format!("`{}`", domain.name)).collect();
            return Err(Error::usage(format!("there is no domain `{name}`")).hint(format!(
                "the domains are {}; a path of a `.bin` will do, too",
                names.join(", ")
            )));
        };
        let id = workspace.staged.shards[index];
        let Some(result) = results[id.0].as_deref() else {
            return Err(Error::new(Exit::ActionFailed, format!("not built yet: `shards/{name}`"))
                .hint(format!("`mixmake run shards/{name}` builds it")));
        };
        Ok(Self { workspace, results, index, id, result })
    }

    fn place(&self, split: Split) -> Result<ShardPlace> {
        let path = |name: &str| {
            let record = self.result.output(name);
            record.map(|record| self.workspace.store.object_path(record.digest)).ok_or_else(|| {
                Error::internal(format!("`{}` has no `{name}`", self.workspace.target(self.id)))
            })
        };
        Ok(ShardPlace {
            bin: path(split.bin)?,
            idx: path(split.idx)?,
            sidecar: path(split.sidecar)?,
        })
    }

    /// The split's samples, unless they were collected as garbage.
    fn samples(&self, split: Split) -> Option<PathBuf> {
        let action = self.workspace.staged.samples[self.index];
        let record = self.results[action.0].as_ref()?.output(split.samples)?;
        let path = self.workspace.store.object_path(record.digest);
        path.exists().then_some(path)
    }

    fn tokenizer(&self) -> Option<PathBuf> {
        let graph = &self.workspace.staged.graph;
        let input = graph.action(self.id).inputs.iter().find(|input| input.role == "tokenizer")?;
        match &input.source {
            Source::File(file) => Some(graph.file_path(*file).to_owned()),
            Source::Output(action, output) => {
                let record = self.results[action.0].as_ref()?.output(output)?;
                Some(self.workspace.store.object_path(record.digest))
            }
        }
    }
}

impl Workspace {
    /// Paths and URLs of a domain's files, by digest.
    #[must_use]
    pub fn names_of(&self, domain: usize, results: &Results) -> HashMap<String, String> {
        let graph = &self.staged.graph;
        let parts = self.staged.documents[domain].iter();
        let inputs = parts.flat_map(|part| &graph.action(*part).inputs);
        let named = |source: &Source| match source {
            Source::File(FileId(place)) => {
                let facts = self.files[*place]?;
                let path = tidy(graph.file_path(FileId(*place)));
                Some((facts.digest.to_hex(), path.display().to_string()))
            }
            Source::Output(action, output) => {
                let made = results[action.0].as_ref()?.output(output)?;
                Some((made.digest.to_hex(), graph.source_label(source)))
            }
        };
        inputs.filter_map(|input| named(&input.source)).collect()
    }

    /// The path or URL of the file with that digest, as it was found by this command.
    #[must_use]
    pub fn file_of(&self, digest: &str, results: &Results) -> Option<String> {
        let digest: Digest = digest.parse().ok()?;
        let here =
            self.files.iter().position(|facts| facts.is_some_and(|facts| facts.digest == digest));
        if let Some(place) = here {
            return Some(tidy(self.staged.graph.file_path(FileId(place))).display().to_string());
        }
        let has = |id: &ActionId| {
            let mut outputs = results[id.0].iter().flat_map(|result| &result.outputs);
            outputs.any(|output| output.digest == digest)
        };
        let found = self.staged.downloads.iter().find(|(id, _)| has(id));
        found.map(|(_, download)| download.file.url.clone())
    }
}
