//! From a manifest to a graph of actions. Each stage is one file: what enters its key, and what
//! its action does.
//!
//! Names of domains, recipes and targets end here: actions see digests, counts and parameters.

pub mod autoscale;
pub mod capacity;
pub mod ddo;
pub mod documents;
pub mod download;
mod files;
mod groups;
pub mod mixture;
mod models;
pub mod report;
pub mod samples;
pub mod shards;
pub mod step;
pub mod tokenizer;
pub mod train;
mod walk;

use std::collections::{BTreeMap, HashMap, HashSet};

use mixmake_core::action::ParamsError;
use mixmake_core::graph::{FileId, GraphError};
use mixmake_core::{Action, ActionId, Graph};
use mixmake_manifest::diagnostic::Diagnostics;
use mixmake_manifest::schema::{Manifest, MixtureRef};
use mixmake_remote::RemoteFile;
use serde_json::{Map, Value};

use crate::remote::Remotes;

/// What of this machine decides the graph: whether trainings run on a GPU, since that sets their
/// precision.
#[derive(Debug, Clone, Copy, Default)]
pub struct Environment {
    pub gpus: usize,
}

/// Why a valid manifest gives no graph.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    #[error("{}", .0.render(false))]
    Manifest(Diagnostics),
    #[error(transparent)]
    Graph(#[from] GraphError),
    #[error(transparent)]
    Params(#[from] ParamsError),
}

/// A manifest's graph, and which action is what in it.
#[derive(Debug)]
pub struct Staged {
    pub graph: Graph,
    /// By step, in the manifest's order.
    pub steps: Vec<ActionId>,
    /// Downloads, in the order of the manifest, each with the file and the first domain that needs it.
    pub downloads: BTreeMap<ActionId, Download>,
    /// By domain, in the manifest's order; one a group of files.
    pub documents: Vec<Vec<ActionId>>,
    pub samples: Vec<ActionId>,
    pub shards: Vec<ActionId>,
    /// Trainings of `[train]`, by name, with their mixtures.
    pub trains: BTreeMap<String, Training>,
    pub ddos: BTreeMap<String, Ddo>,
    pub autoscales: BTreeMap<String, ActionId>,
    pub report: Option<ActionId>,
    /// Globs that match no file, which stand in the graph as paths.
    pub unmatched: HashSet<FileId>,
    /// Who reads every external file; the tokenizer's is not here.
    pub readers: HashMap<FileId, Reader>,
    /// Every mixture with weights that the manifest fixes: they can be checked before any training.
    pub fixed_mixtures: Vec<FixedMixture>,
}

/// A file that is elsewhere.
#[derive(Debug, Clone)]
pub struct Download {
    pub file: RemoteFile,
    /// Who is the first to need it.
    pub reader: Reader,
}

/// What of the manifest asks for a file, by its place there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reader {
    Domain(usize),
    Step(usize),
    Tokenizer,
}

impl Reader {
    /// As messages name it.
    pub fn label(self, manifest: &Manifest) -> String {
        match self {
            Self::Domain(place) => format!("domain `{}`", manifest.domains[place].name),
            Self::Step(place) => format!("step `{}`", manifest.steps[place].name),
            Self::Tokenizer => "tokenizer".to_owned(),
        }
    }

    /// The fields that name its files, as dotted paths.
    pub fn fields(self, manifest: &Manifest) -> Vec<String> {
        match self {
            Self::Domain(place) => {
                let name = &manifest.domains[place].name;
                vec![format!("domain.{name}.files"), "corpus.files".to_owned()]
            }
            Self::Step(place) => vec![format!("step.{}.inputs", manifest.steps[place].name)],
            Self::Tokenizer => vec!["tokenizer.file".to_owned()],
        }
    }
}

/// A training and the mixture it draws from.
#[derive(Debug, Clone, Copy)]
pub struct Training {
    pub mixture: ActionId,
    pub train: ActionId,
}

/// A DDO fit and its runs.
#[derive(Debug, Clone)]
pub struct Ddo {
    pub fit: ActionId,
    pub runs: Vec<Training>,
}

/// A mixture whose counts depend on nothing but the shards.
#[derive(Debug, Clone)]
pub struct FixedMixture {
    pub action: ActionId,
    /// Dotted path of the field that asks for the amount.
    pub field: String,
}

/// Builds the graph.
pub fn stage(
    manifest: &Manifest,
    environment: Environment,
    remotes: &Remotes,
) -> Result<Staged, StageError> {
    let mut stager = Stager::new(manifest, environment, remotes);
    stager.data()?;
    stager.experiments()?;
    stager.staged.report = report::add(&mut stager)?;
    Ok(stager.staged)
}

pub(crate) struct Stager<'m> {
    pub manifest: &'m Manifest,
    pub environment: Environment,
    pub remotes: &'m Remotes,
    pub staged: Staged,
    pub tokenizer: Option<tokenizer::Chosen>,
    /// Of the encoders that are trained.
    pub encoder_context: Option<u32>,
}

impl<'m> Stager<'m> {
    fn new(manifest: &'m Manifest, environment: Environment, remotes: &'m Remotes) -> Self {
        let staged = Staged {
            graph: Graph::default(),
            steps: Vec::new(),
            downloads: BTreeMap::new(),
            documents: Vec::new(),
            samples: Vec::new(),
            shards: Vec::new(),
            trains: BTreeMap::new(),
            ddos: BTreeMap::new(),
            autoscales: BTreeMap::new(),
            report: None,
            unmatched: HashSet::new(),
            readers: HashMap::new(),
            fixed_mixtures: Vec::new(),
        };
        Self { manifest, environment, remotes, staged, tokenizer: None, encoder_context: None }
    }

    fn data(&mut self) -> Result<(), StageError> {
        self.encoder_context = models::encoder_context(self.manifest)?;
        let mut walks = walk::Walks::default();
        step::add(self, &mut walks)?;
        let files = files::find(self.manifest, self.remotes, &mut walks)?;
        for (domain, files) in files.iter().enumerate() {
            let parts = documents::add(self, domain, files)?;
            let action = samples::add(self, domain, &parts, files)?;
            self.staged.documents.push(parts);
            self.staged.samples.push(action);
        }
        self.tokenizer = tokenizer::add(self)?;
        for domain in 0..self.manifest.domains.len() {
            let action = shards::add(self, domain)?;
            self.staged.shards.push(action);
        }
        Ok(())
    }

    /// Fits, predictions and trainings, each after those whose weights it draws.
    fn experiments(&mut self) -> Result<(), StageError> {
        let manifest = self.manifest;
        for ddo in &manifest.ddos {
            self.ddo(&ddo.name)?;
        }
        for autoscale in &manifest.autoscales {
            self.autoscale(&autoscale.name)?;
        }
        for train in &manifest.trains {
            let training = train::add_named(self, train)?;
            self.staged.trains.insert(train.name.clone(), training);
        }
        Ok(())
    }

    pub fn ddo(&mut self, name: &str) -> Result<ActionId, StageError> {
        if let Some(known) = self.staged.ddos.get(name) {
            return Ok(known.fit);
        }
        let manifest = self.manifest;
        let found = manifest.ddos.iter().find(|ddo| ddo.name == name);
        let ddo = found.ok_or_else(|| missing(manifest, "ddo", name))?;
        let staged = ddo::add(self, ddo)?;
        let fit = staged.fit;
        self.staged.ddos.insert(name.to_owned(), staged);
        Ok(fit)
    }

    pub fn autoscale(&mut self, name: &str) -> Result<ActionId, StageError> {
        if let Some(known) = self.staged.autoscales.get(name) {
            return Ok(*known);
        }
        let manifest = self.manifest;
        let found = manifest.autoscales.iter().find(|autoscale| autoscale.name == name);
        let autoscale = found.ok_or_else(|| missing(manifest, "autoscale", name))?;
        let action = autoscale::add(self, autoscale)?;
        self.staged.autoscales.insert(name.to_owned(), action);
        Ok(action)
    }

    /// The action whose `weights.json` a mixture draws by, or none for fixed weights.
    pub fn weights_of(&mut self, mixture: &MixtureRef) -> Result<Option<ActionId>, StageError> {
        match mixture {
            MixtureRef::Uniform | MixtureRef::Named(_) => Ok(None),
            MixtureRef::Ddo(name) => self.ddo(name).map(Some),
            MixtureRef::AutoScale(name) => self.autoscale(name).map(Some),
        }
    }

    /// Indices of the domains that mixtures draw from.
    pub fn training_domains(&self) -> Vec<usize> {
        let domains = self.manifest.domains.iter().enumerate();
        domains.filter(|(_, domain)| domain.train).map(|(index, _)| index).collect()
    }

    /// Origins of parameters: by parameter path, the first of `fields` that the manifest sets.
    pub fn origins(&self, fields: &[(&str, Vec<String>)]) -> BTreeMap<String, String> {
        let origin = |(path, fields): &(&str, Vec<String>)| {
            let fields: Vec<_> = fields.iter().map(String::as_str).collect();
            let origin = self.manifest.origin(&fields)?;
            let place = self.manifest.place(&origin);
            Some(((*path).to_owned(), format!("{}, {place}", origin.field)))
        };
        fields.iter().filter_map(origin).collect()
    }

    pub fn add(&mut self, action: Action) -> Result<ActionId, StageError> {
        Ok(self.staged.graph.add(action)?)
    }
}

/// Validation has resolved every name, so this is an error of ours; said rather than panicked.
fn missing(manifest: &Manifest, table: &str, name: &str) -> StageError {
    let message = format!("`{table}.{name}` does not exist");
    let item = mixmake_manifest::diagnostic::Diagnostic::at(manifest, &[], message);
    StageError::Manifest(Diagnostics { items: vec![item] })
}

/// Attributes of an input.
pub(crate) fn attributes<const N: usize>(entries: [(&str, Value); N]) -> Map<String, Value> {
    entries.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}
