//! The graph of actions and external files.
//!
//! An action can only read outputs of actions added before it, so a cycle cannot be written and
//! the order of addition is a topological order.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::action::{Action, Source};

/// Index of an action in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionId(pub usize);

/// Index of an external file in its graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub usize);

/// An action that does not fit the graph.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    #[error("two actions are named `{0}`")]
    DuplicateTarget(String),
    #[error("`{target}` reads `{output}` of an action that does not make it")]
    NoSuchOutput { target: String, output: String },
}

/// Actions in topological order, and the files they read.
#[derive(Debug, Default)]
pub struct Graph {
    actions: Vec<Action>,
    files: Vec<PathBuf>,
    by_target: HashMap<String, ActionId>,
    by_path: HashMap<PathBuf, FileId>,
    advice: HashMap<ActionId, Map<String, Value>>,
    names: HashMap<ActionId, String>,
}

impl Graph {
    /// The id of an external file, the same for the same path.
    pub fn file(&mut self, path: &Path) -> FileId {
        if let Some(id) = self.by_path.get(path) {
            return *id;
        }
        let id = FileId(self.files.len());
        self.files.push(path.to_owned());
        self.by_path.insert(path.to_owned(), id);
        id
    }

    /// Adds an action whose inputs are already in the graph.
    pub fn add(&mut self, action: Action) -> Result<ActionId, GraphError> {
        for input in &action.inputs {
            if let Source::Output(producer, output) = &input.source {
                let made = self.actions.get(producer.0).map(|action| &action.outputs[..]);
                if !made.unwrap_or_default().iter().any(|made| made.name == *output) {
                    let (target, output) = (action.target, output.clone().into_owned());
                    return Err(GraphError::NoSuchOutput { target, output });
                }
            }
        }
        let id = ActionId(self.actions.len());
        if self.by_target.insert(action.target.clone(), id).is_some() {
            return Err(GraphError::DuplicateTarget(action.target));
        }
        self.actions.push(action);
        Ok(id)
    }

    /// Tells whoever runs the action something that does not decide its output, such as where bytes that are
    /// known by their hash can be had. Never part of a key.
    pub fn advise(&mut self, id: ActionId, advice: Map<String, Value>) {
        self.advice.insert(id, advice);
    }

    /// Says what people call the bytes of the action's outputs, where that is not its target and their names: a URL.
    pub fn call(&mut self, id: ActionId, name: &str) {
        self.names.insert(id, name.to_owned());
    }

    /// See [`Graph::call`].
    #[must_use]
    pub fn called(&self, id: ActionId) -> Option<&str> {
        self.names.get(&id).map(String::as_str)
    }

    #[must_use]
    pub fn advice(&self, id: ActionId) -> Map<String, Value> {
        self.advice.get(&id).cloned().unwrap_or_default()
    }

    #[must_use]
    pub fn action(&self, id: ActionId) -> &Action {
        &self.actions[id.0]
    }

    #[must_use]
    pub fn file_path(&self, id: FileId) -> &Path {
        &self.files[id.0]
    }

    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.actions.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.actions.is_empty()
    }

    /// Every action, each after those it reads from.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = ActionId> + use<> {
        (0..self.actions.len()).map(ActionId)
    }

    #[must_use]
    pub fn find(&self, target: &str) -> Option<ActionId> {
        self.by_target.get(target).copied()
    }

    /// The actions that `id` reads from, each once, in order.
    #[must_use]
    pub fn producers(&self, id: ActionId) -> Vec<ActionId> {
        let mut producers: Vec<_> = self
            .action(id)
            .inputs
            .iter()
            .filter_map(|input| match input.source {
                Source::Output(producer, _) => Some(producer),
                Source::File(_) => None,
            })
            .collect();
        producers.sort();
        producers.dedup();
        producers
    }

    /// For every action, those that read from it.
    #[must_use]
    pub fn dependents(&self) -> Vec<Vec<ActionId>> {
        let mut dependents = vec![Vec::new(); self.len()];
        for id in self.ids() {
            for producer in self.producers(id) {
                dependents[producer.0].push(id);
            }
        }
        dependents
    }

    /// Whether each action is selected or read, directly or not, by one that is.
    #[must_use]
    pub fn closure(&self, selected: &[ActionId]) -> Vec<bool> {
        let mut needed = vec![false; self.len()];
        for id in selected {
            needed[id.0] = true;
        }
        for id in self.ids().rev() {
            if needed[id.0] {
                for producer in self.producers(id) {
                    needed[producer.0] = true;
                }
            }
        }
        needed
    }

    /// How an input is called by people: a target's output, a path, or what [`Graph::call`] says.
    #[must_use]
    pub fn source_label(&self, source: &Source) -> String {
        match source {
            Source::File(file) => self.file_path(*file).display().to_string(),
            Source::Output(producer, output) => match self.called(*producer) {
                Some(name) => name.to_owned(),
                None => format!("{}/{output}", self.action(*producer).target),
            },
        }
    }
}
