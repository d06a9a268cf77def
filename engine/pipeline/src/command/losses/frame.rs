//! Loss rows as a data frame: one row a measurement, with what its meaning depends on beside it, so
//! that rows of several tables can be pooled.

use polars::prelude::{Column, DataFrame};

use super::Trained;
use crate::artifact::LossRow;
use crate::error::{Error, Result};

/// One row of the frame: a measurement and its training.
type Line<'t> = (&'t Trained, &'t (String, LossRow));

pub(super) fn of(found: &[Trained]) -> Result<DataFrame> {
    let lines: Vec<Line<'_>> = found
        .iter()
        .flat_map(|training| training.rows.iter().map(move |row| (training, row)))
        .collect();
    let mut columns = measured(&lines);
    columns.extend(provenance(&lines));
    columns.extend(amounts(found, &lines));
    DataFrame::new(lines.len(), columns)
        .map_err(|error| Error::internal(format!("cannot make a table of the losses: {error}")))
}

fn texts<'t>(name: &str, lines: &[Line<'t>], value: impl Fn(&Line<'t>) -> String) -> Column {
    Column::new(name.into(), lines.iter().map(value).collect::<Vec<_>>())
}

fn counts<'t>(name: &str, lines: &[Line<'t>], value: impl Fn(&Line<'t>) -> u64) -> Column {
    Column::new(name.into(), lines.iter().map(value).collect::<Vec<_>>())
}

fn numbers<'t>(name: &str, lines: &[Line<'t>], value: impl Fn(&Line<'t>) -> f64) -> Column {
    Column::new(name.into(), lines.iter().map(value).collect::<Vec<_>>())
}

fn measured(lines: &[Line<'_>]) -> Vec<Column> {
    vec![
        texts("target", lines, |(training, _)| training.target.clone()),
        texts("key", lines, |(training, _)| training.key.clone()),
        counts("step", lines, |(_, (_, row))| row.step),
        counts("tokens", lines, |(_, (_, row))| row.tokens),
        texts("domain", lines, |(_, (domain, _))| domain.clone()),
        texts("held-out", lines, |(_, (_, row))| row.held_out.clone()),
        numbers("loss", lines, |(_, (_, row))| row.loss),
        numbers("perplexity", lines, |(_, (_, row))| row.loss.exp()),
        counts("held-out-tokens", lines, |(_, (_, row))| row.held_out_tokens),
    ]
}

fn provenance(lines: &[Line<'_>]) -> Vec<Column> {
    vec![
        texts("tokenizer", lines, |(t, _)| t.losses.tokenizer.clone()),
        counts("mixture-seed", lines, |(t, _)| t.losses.mixture_seed),
        counts("seed", lines, |(t, _)| t.losses.configuration.seed),
        texts("architecture", lines, |(t, _)| t.losses.configuration.architecture.clone()),
        counts("layers", lines, |(t, _)| t.losses.configuration.layers.into()),
        counts("hidden", lines, |(t, _)| t.losses.configuration.hidden.into()),
        counts("heads", lines, |(t, _)| t.losses.configuration.heads.into()),
        counts("context", lines, |(t, _)| t.losses.configuration.context.into()),
        numbers("learning-rate", lines, |(t, _)| t.losses.configuration.learning_rate),
        counts("batch-tokens", lines, |(t, _)| t.losses.configuration.batch_tokens),
        counts("epochs", lines, |(t, _)| t.losses.configuration.epochs.into()),
        texts("precision", lines, |(t, _)| t.losses.configuration.precision.clone()),
    ]
}

/// `tokens:<domain>`, tokens of an epoch; 0 where a training had none of the domain.
fn amounts(found: &[Trained], lines: &[Line<'_>]) -> Vec<Column> {
    let mut domains: Vec<&String> = Vec::new();
    for (domain, _) in found.iter().flat_map(|training| &training.amounts) {
        if !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    let column = |domain: &&String| {
        let of = |(training, _): &Line<'_>| {
            let amount = training.amounts.iter().find(|(name, _)| name == *domain);
            amount.map_or(0, |(_, tokens)| *tokens)
        };
        counts(&format!("tokens:{domain}"), lines, of)
    };
    domains.iter().map(column).collect()
}
