//! `[runtime]` on its way to the processes that train: one variable of their environment, so that no
//! request and no key knows of it.

use std::path::PathBuf;

use mixmake_manifest::schema::{Deterministic, Manifest, Recompute};
use serde::{Deserialize, Serialize};

/// The variable: a [`Runtime`] as JSON.
pub const VARIABLE: &str = "MIXMAKE_RUNTIME";

/// What a training is told of `[runtime]`; every choice by its name in the manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Runtime {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub micro_batch: Option<u64>,
    pub recompute: String,
    pub deterministic: String,
    /// In seconds.
    pub checkpoint_every: u32,
    /// Absolute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tensorboard: Option<PathBuf>,
}

impl Default for Runtime {
    fn default() -> Self {
        let auto = || "auto".to_owned();
        Self {
            micro_batch: None,
            recompute: auto(),
            deterministic: auto(),
            checkpoint_every: 300,
            tensorboard: None,
        }
    }
}

impl Runtime {
    /// Of a manifest.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let runtime = &manifest.runtime;
        let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
        Self {
            micro_batch: runtime.micro_batch,
            recompute: match runtime.recompute {
                Recompute::Auto => "auto",
                Recompute::Always => "always",
                Recompute::Never => "never",
            }
            .into(),
            deterministic: match runtime.deterministic {
                Deterministic::Auto => "auto",
                Deterministic::Always => "always",
                Deterministic::Never => "never",
            }
            .into(),
            checkpoint_every: runtime.checkpoint_every,
            tensorboard: runtime
                .tensorboard
                .as_ref()
                .map(|path| absolute(manifest.folder().join(path))),
        }
    }

    /// What this process was told; the defaults where nothing was said.
    #[must_use]
    pub fn of_this_process() -> Self {
        let text = std::env::var(VARIABLE).unwrap_or_default();
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The variables that a process of this run is started with. cuBLAS reads its own before anything
    /// else: with a workspace of fixed size it adds up in a fixed order.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let text = serde_json::to_string(self).unwrap_or_default();
        let mut variables = vec![(VARIABLE.to_owned(), text)];
        if self.deterministic != "never" {
            variables.push(("CUBLAS_WORKSPACE_CONFIG".into(), ":4096:8".into()));
        }
        variables
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_what_was_said() {
        let runtime = Runtime {
            micro_batch: Some(4096),
            tensorboard: Some("/runs".into()),
            ..Runtime::default()
        };
        let (name, text) = runtime.environment().remove(0);
        assert_eq!(name, VARIABLE);
        assert_eq!(serde_json::from_str::<Runtime>(&text).expect("own text"), runtime);
    }
}
