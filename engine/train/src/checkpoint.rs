//! Checkpoints: everything a run needs to go on to the very same bits, in one file that is written
//! whole or not at all. The position in the data is the step, so the data has no state to save.

use crate::error::TrainError;
use crate::evaluate::EvalRow;
use crate::files;
use crate::trainer::CurvePoint;
use safetensors::SafeTensors;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use tch::{Kind, Tensor};

/// What a run has done so far, besides parameters and optimiser state.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct History {
    /// Steps done.
    pub step: u64,
    /// Training tokens seen.
    pub tokens: u64,
    /// Tokens of a pass, as the run has found to fit.
    pub micro_batch: u64,
    pub rows: Vec<EvalRow>,
    pub curve: Vec<CurvePoint>,
}

/// Flat tensors of a checkpoint: parameters and AdamW's two moments.
pub(crate) struct State {
    pub parameters: Tensor,
    pub first: Tensor,
    pub second: Tensor,
}

/// A copy of a run in host memory, so that it can be written while training goes on.
pub(crate) struct Snapshot {
    /// Of the run.
    digest: String,
    /// fp32, in the order of [`TENSORS`].
    flats: [Vec<u8>; 3],
    history: History,
}

impl Snapshot {
    pub fn take(digest: String, state: &State, history: &History) -> Result<Snapshot, TrainError> {
        let [parameters, first, second] =
            [&state.parameters, &state.first, &state.second].map(files::bytes);
        Ok(Snapshot { digest, flats: [parameters?, first?, second?], history: history.clone() })
    }
}

const DIGEST: &str = "run";
const DOMAINS: &str = "domains";
const TENSORS: [&str; 3] = ["parameters", "first-moment", "second-moment"];

/// Where in `folder` the checkpoint lies.
pub(crate) fn path(folder: &Path) -> PathBuf {
    folder.join("checkpoint.safetensors")
}

/// Writes a checkpoint, replacing the one before.
pub(crate) fn write(folder: &Path, snapshot: &Snapshot) -> Result<(), TrainError> {
    std::fs::create_dir_all(folder).map_err(|source| TrainError::io(folder, source))?;
    let history = &snapshot.history;
    let shape = [snapshot.flats[0].len() as i64 / 4];
    let mut tensors: Vec<_> = TENSORS
        .iter()
        .map(|name| (*name).to_owned())
        .zip(snapshot.flats.iter().map(|bytes| files::floats(&shape, bytes)))
        .collect();
    let domains = domains(history);
    let position = [history.step as f64, history.tokens as f64, history.micro_batch as f64];
    tensors.push(("position".into(), files::table(&[position])));
    tensors.push(("rows".into(), files::table(&rows_table(history, &domains))));
    tensors.push(("curve".into(), files::table(&curve_table(history))));
    let names =
        serde_json::to_string(&domains).map_err(|error| TrainError::weights(folder, error))?;
    let metadata =
        HashMap::from([(DIGEST.to_owned(), snapshot.digest.clone()), (DOMAINS.to_owned(), names)]);
    files::write_tensors(&path(folder), tensors, Some(metadata))
}

fn domains(history: &History) -> Vec<String> {
    let mut domains: Vec<String> = history.rows.iter().map(|row| row.domain.clone()).collect();
    domains.sort();
    domains.dedup();
    domains
}

/// Counts are exact in an f64 up to 2^53.
fn rows_table(history: &History, domains: &[String]) -> Vec<[f64; 6]> {
    let number = |domain: &String| domains.binary_search(domain).unwrap_or_default() as f64;
    let row = |r: &EvalRow| {
        let (domain, decayed) = (number(&r.domain), f64::from(u8::from(r.decayed)));
        [r.step as f64, r.tokens as f64, domain, r.loss, r.tokens_evaluated as f64, decayed]
    };
    history.rows.iter().map(row).collect()
}

fn curve_table(history: &History) -> Vec<[f64; 5]> {
    let point =
        |p: &CurvePoint| [p.step as f64, p.tokens as f64, p.loss, p.learning_rate, p.gradient_norm];
    history.curve.iter().map(point).collect()
}

/// The checkpoint of the run named by `digest`; none where there is no file, it is damaged, or it is of
/// another run: then training starts afresh, which gives the same result.
pub(crate) fn read(folder: &Path, digest: &str) -> Option<(State, History)> {
    let path = path(folder);
    let buffer = std::fs::read(&path).ok()?;
    let (_, header) = SafeTensors::read_metadata(&buffer).ok()?;
    let metadata = header.metadata().as_ref()?;
    if metadata.get(DIGEST).map(String::as_str) != Some(digest) {
        tracing::warn!(path = %path.display(), "ignoring the checkpoint of another run");
        return None;
    }
    let domains: Vec<String> = serde_json::from_str(metadata.get(DOMAINS)?).ok()?;
    let file = SafeTensors::deserialize(&buffer).ok()?;
    let flat = |name: &str| -> Option<Tensor> {
        let view = file.tensor(name).ok()?;
        Tensor::f_from_data_size(view.data(), &[view.shape().first().copied()? as i64], Kind::Float)
            .ok()
    };
    let [parameters, first, second] = TENSORS.map(flat);
    let state = State { parameters: parameters?, first: first?, second: second? };
    Some((state, history(&file, &domains)?))
}

fn history(file: &SafeTensors, domains: &[String]) -> Option<History> {
    let [step, tokens, micro_batch] = table::<3>(file, "position")?.first().copied()?;
    let row = |[step, tokens, domain, loss, evaluated, decayed]: [f64; 6]| {
        let domain = domains.get(domain as usize)?.clone();
        Some(EvalRow {
            step: step as u64,
            tokens: tokens as u64,
            domain,
            loss,
            tokens_evaluated: evaluated as u64,
            decayed: decayed != 0.0,
        })
    };
    let point = |[step, tokens, loss, learning_rate, gradient_norm]: [f64; 5]| CurvePoint {
        step: step as u64,
        tokens: tokens as u64,
        loss,
        learning_rate,
        gradient_norm,
    };
    Some(History {
        step: step as u64,
        tokens: tokens as u64,
        micro_batch: micro_batch as u64,
        rows: table(file, "rows")?.into_iter().map(row).collect::<Option<_>>()?,
        curve: table(file, "curve")?.into_iter().map(point).collect(),
    })
}

fn table<const N: usize>(file: &SafeTensors, name: &str) -> Option<Vec<[f64; N]>> {
    let view = file.tensor(name).ok()?;
    let numbers = view.data().chunks_exact(8).map(|b| b.try_into().map(f64::from_le_bytes));
    let numbers: Vec<f64> = numbers.collect::<Result<_, _>>().ok()?;
    (view.shape() == [numbers.len() / N, N])
        .then(|| numbers.chunks_exact(N).filter_map(|row| row.try_into().ok()).collect())
}
