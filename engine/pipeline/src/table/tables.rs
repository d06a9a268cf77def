//! From the command line's flags to a table of mixtures.

use std::path::{Path, PathBuf};

use super::wide::{Policies, RoleFlags, Sources, WideTable};
use super::{Table, TableError, experiment};
use crate::cli::{ExperimentArgs, RoleArgs};

/// Reads a table of mixtures, or one of a DDO experiment as such.
///
/// # Errors
/// [`TableError`] with all that is wrong and where.
pub fn read(path: &Path, args: &RoleArgs, base: &ExperimentArgs) -> Result<WideTable, TableError> {
    let first = Table::read(path)?;
    if is_experiment(&first, args) {
        return experiment::wide(&first, base);
    }
    let sources = match &args.join {
        None => Sources::one(first),
        Some(path) => Sources::joined(first, Table::read(path)?, args.on.as_deref())?,
    };
    WideTable::read(&sources, &flags(args), policies(args))
}

/// Whether a table is a DDO experiment and no flag says otherwise.
#[must_use]
pub fn is_experiment(table: &Table, args: &RoleArgs) -> bool {
    let said =
        args.join.is_some() || args.weight_columns.is_some() || args.amount_columns.is_some();
    !said && WideTable::is_experiment(table)
}

fn flags(args: &RoleArgs) -> RoleFlags {
    RoleFlags {
        weights: args.weight_columns.clone(),
        amounts: args.amount_columns.clone(),
        losses: args.loss_columns.clone(),
        perplexities: args.perplexity_columns.clone(),
        tokens: args.tokens_column.clone(),
        size: args.size_column.clone(),
        seed: args.seed_column.clone(),
    }
}

fn policies(args: &RoleArgs) -> Policies {
    Policies { on_duplicate: args.on_duplicate, on_blank: args.on_blank, on_sum: args.on_sum }
}

/// The files that a table is read from.
#[must_use]
pub fn files(path: &Path, args: &RoleArgs) -> Vec<PathBuf> {
    std::iter::once(path.to_owned()).chain(args.join.clone()).collect()
}
