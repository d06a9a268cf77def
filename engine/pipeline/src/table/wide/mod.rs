//! Tables of mixtures: one row a run, with what it was trained on, its scale, and its losses.
//!
//! Columns have roles by name ([`roles`]); rows become runs ([`rows`]) under policies for what real tables have:
//! duplicates, blanks, and weights that do not sum to 1. Domains and validation domains are joined by name.

mod pattern;
mod roles;
mod rows;
mod sources;

use clap::ValueEnum;
use mixmake_fit::mixing::{LawError, Observations, Row};
use mixmake_manifest::suggest::nearest;
use serde::{Deserialize, Serialize};

use super::error::list;
use super::{Table, TableError};
pub use roles::{MixtureKind, RoleFlags};
pub use sources::Sources;

/// What becomes of rows of the same mixture, scale and seed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OnDuplicate {
    /// Repeats of one run: they show the noise
    #[default]
    Keep,
    /// One row with their mean
    Mean,
    /// The first of them
    First,
    /// Refuse the table
    Fail,
}

/// What becomes of a blank cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OnBlank {
    /// Refuse the table
    #[default]
    Fail,
    /// Leave the row out
    SkipRow,
    /// Leave only this loss out (a blank weight still refuses the table)
    SkipCell,
}

/// What becomes of a row whose weights miss 1 by more than rounding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum OnSum {
    /// Refuse the table
    #[default]
    Fail,
    /// Divide by the sum
    Normalise,
    /// Leave the row out
    SkipRow,
}

/// What to do with what real tables have.
#[derive(Debug, Clone, Copy, Default)]
pub struct Policies {
    pub on_duplicate: OnDuplicate,
    pub on_blank: OnBlank,
    pub on_sum: OnSum,
}

/// A table of mixtures, understood.
#[derive(Debug, Clone)]
pub struct WideTable {
    /// What it is called in messages: its files, or the store.
    pub title: String,
    /// Files it was read from.
    pub paths: Vec<String>,
    pub domains: Vec<String>,
    /// Validation domains.
    pub targets: Vec<String>,
    pub runs: Vec<Run>,
    /// Whether the table says how many tokens were trained on.
    pub has_tokens: bool,
    pub has_size: bool,
    /// What a reader must know of the table.
    pub notes: Vec<String>,
}

/// One row: a training and what it scored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Run {
    /// For messages: its key, or its line.
    pub name: String,
    /// Shares of the training domains, in their order; of sum 1.
    pub weights: Vec<f64>,
    pub tokens: Option<f64>,
    pub size: Option<f64>,
    pub seed: Option<String>,
    /// Cross-entropies in nats, by validation domain.
    pub losses: Vec<Option<f64>>,
    /// How many trainings the row is the mean of.
    pub repeats: f64,
}

impl WideTable {
    /// Reads runs from one file or two joined.
    ///
    /// # Errors
    /// [`TableError`] with every cell that cannot be used and its place.
    pub fn read(
        sources: &Sources,
        flags: &RoleFlags,
        policies: Policies,
    ) -> Result<Self, TableError> {
        let roles = roles::roles(sources, flags)?;
        let read = rows::read(sources, &roles, policies)?;
        let mut notes = sources.notes.clone();
        if !roles.unused.is_empty() {
            notes.push(format!("not used: {}", columns(&roles.unused)));
        }
        notes.extend(read.notes);
        let trained = |name: &String| roles.mixture.iter().any(|each| each.domain == *name);
        if !roles.targets.iter().any(|target| trained(&target.domain)) {
            notes.push("no validation domain has the name of a training domain, so no law knows which belong together".into());
        }
        Ok(Self {
            title: sources.title(),
            paths: sources.paths(),
            domains: roles.mixture.iter().map(|each| each.domain.clone()).collect(),
            targets: roles.targets.iter().map(|each| each.domain.clone()).collect(),
            has_tokens: roles.tokens.is_some() || roles.kind == MixtureKind::Amounts,
            has_size: roles.size.is_some(),
            runs: read.runs,
            notes,
        })
    }

    /// Whether a table is one of a DDO experiment, which says what each run changes.
    #[must_use]
    pub fn is_experiment(table: &Table) -> bool {
        // A mistyped name is told as one, not taken for another kind of table.
        let near = |name| nearest(name, table.columns.iter().map(String::as_str)).is_some();
        let has = |name| table.find(name).is_some();
        (has("factor") && near("domain")) || (has("domain") && near("factor"))
    }

    /// The same as what laws are fitted to.
    ///
    /// # Errors
    /// [`LawError`] for a table without rows.
    pub fn observations(&self) -> Result<Observations, LawError> {
        // One seed for all says nothing of which runs share noise.
        let mut seeds: Vec<&String> =
            self.runs.iter().filter_map(|run| run.seed.as_ref()).collect();
        seeds.sort();
        seeds.dedup();
        let several = seeds.len() > 1;
        let row = |run: &Run| Row {
            name: run.name.clone(),
            weights: run.weights.clone(),
            tokens: run.tokens,
            size: run.size,
            losses: run.losses.clone(),
            cluster: run.seed.clone().filter(|_| several),
            weight: run.repeats,
        };
        let rows = self.runs.iter().map(row).collect();
        Observations::new(self.domains.clone(), self.targets.clone(), rows)
    }
}

/// "column `a`" or "columns `a` and `b`"; of many the first few.
fn columns(names: &[String]) -> String {
    const SHOWN: usize = 6;
    match names {
        [only] => format!("column `{only}`"),
        _ if names.len() > SHOWN => {
            format!("columns {} and {} more", list(&names[..SHOWN]), names.len() - SHOWN)
        }
        _ => format!("columns {}", list(names)),
    }
}
