//! One action, in whatever process it was started: from its request in the store to its result.
//!
//! Whoever starts it (a scheduler, Slurm, a person) the steps are the same: take the lease, check
//! every byte of the inputs, work in the action's own folder, take the outputs into the store,
//! write the result last.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use crate::digest::{Digest, Key};
use crate::event::Progress;
use crate::executor::Cancel;
use crate::file_index::{RACY_NANOS, modified_nanos};
use crate::files::{self, At, FileError};
use crate::key::{Preimage, ResolvedInput};
use crate::lease::{Holder, Lease};
use crate::record::{
    self, ActionResult, OutputRecord, Receipt, Request, RequestInput, RequestOutput,
};
use crate::store::{Store, StoreError, entries};
use crate::sys;

/// What does the work of every kind of action.
pub trait Runner: Sync {
    /// Runs `job`, writing each of its outputs to [`Job::output`]; gives facts for the receipt.
    fn run(
        &self,
        job: &Job<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<BTreeMap<String, String>, Failure>;
}

/// Why an action failed, in words for its user.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
#[error("{message}")]
pub struct Failure {
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A full disk gets its hint here, since it can come through any library's error.
    #[must_use]
    pub fn new(message: impl Into<String>) -> Self {
        let failure = Self { message: message.into(), hint: None };
        if failure.is_full() { failure.hint(FULL_HINT) } else { failure }
    }

    /// Whether it says that the file system or a quota is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        ["No space left on device", "uota exceeded"]
            .iter()
            .any(|words| self.message.contains(words))
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// What to do about a full disk.
pub const FULL_HINT: &str = "free some space (`mixmake gc --dry-run` says what may go) and run again: what is built is kept";

/// Why [`execute`] gave no result.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    #[error("there is no request for `{0}` in this store")]
    NoRequest(Key),
    #[error("{0}")]
    Damaged(String),
    #[error("it is being run by {} on {} (process {})", .0.target, .0.host, .0.pid)]
    Held(Holder),
    #[error("object `{0}` was damaged; it is moved aside and will be made again")]
    DamagedInput(Digest),
    #[error(transparent)]
    Failed(#[from] Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<FileError> for ExecError {
    fn from(error: FileError) -> Self {
        Self::Store(error.into())
    }
}

/// What [`execute`] came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    pub result: ActionResult,
    /// False where the result was there already: another process or target made it.
    pub ran: bool,
}

/// An action's work order, as its runner sees it.
#[derive(Debug)]
pub struct Job<'a> {
    pub key: Key,
    pub target: String,
    pub kind: String,
    pub version: u32,
    pub params: Map<String, Value>,
    /// What does not decide the output, see [`crate::Graph::advise`].
    pub advice: Map<String, Value>,
    /// In canonical order: by role, digest, attributes.
    pub inputs: Vec<JobInput>,
    /// Names of the outputs, in the order of the action.
    pub output_names: Vec<String>,
    /// Where a command that the runner starts should write what it says.
    pub log: PathBuf,
    /// Set when the run is to stop.
    pub cancel: &'a Cancel,
    scratch: PathBuf,
    outputs: PathBuf,
}

/// One input, in place.
#[derive(Debug, Clone)]
pub struct JobInput {
    pub role: String,
    pub digest: Digest,
    pub attributes: Map<String, Value>,
    pub path: PathBuf,
    /// What people call it, where that is not the path.
    pub name: Option<String>,
    /// Whether it is an object of the store, whose bytes never change, but whose time of change is that of its last use.
    pub stored: bool,
}

impl Job<'_> {
    /// The folder that outputs are written to; it is this process's own, and empty at first.
    #[must_use]
    pub fn output_folder(&self) -> &Path {
        &self.outputs
    }

    /// A folder that survives a crash, so that long work can resume; made here.
    pub fn scratch(&self) -> Result<&Path, Failure> {
        files::ensure_folder(&self.scratch, false)
            .at("create the folder", &self.scratch)
            .map_err(|error| Failure::new(error.to_string()))?;
        Ok(&self.scratch)
    }

    /// Where to write the output of that name.
    #[must_use]
    pub fn output(&self, name: &str) -> PathBuf {
        self.outputs.join(name)
    }

    /// Whether an output of that name is asked for.
    #[must_use]
    pub fn makes(&self, name: &str) -> bool {
        self.output_names.iter().any(|output| output == name)
    }

    /// The inputs of a role, in canonical order.
    pub fn inputs(&self, role: &str) -> impl Iterator<Item = &JobInput> {
        self.inputs.iter().filter(move |input| input.role == role)
    }

    /// The parameters as the struct they were made from.
    pub fn params<T: serde::de::DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_value(Value::Object(self.params.clone()))
            .map_err(|error| Failure::new(format!("parameters of `{}`: {error}", self.kind)))
    }
}

/// Runs the action whose request is stored under `key`, unless its result is there already.
pub fn execute(
    store: &Store,
    key: Key,
    runner: &dyn Runner,
    program: &str,
    force: bool,
    progress: &mut dyn FnMut(Progress),
    cancel: &Cancel,
) -> Result<Executed, ExecError> {
    let request = read_request(store, key)?;
    let holder = Holder::this_process(&request.target);
    let (path, spares) = (store.lease_path(key), &store.spare_leases);
    let lease = Lease::acquire_with(&path, &holder, spares)?.map_err(ExecError::Held)?;
    if let Some(result) = finished(store, key, force)? {
        return Ok(Executed { result, ran: false });
    }
    start_log(store, key)?;
    check_inputs(store, &request)?;
    let job = prepare(store, &request, &holder, cancel)?;
    let made = make(store, &request, &job, &lease, runner, program, progress);
    match made {
        Ok(result) => {
            // The result stands: what cannot be tidied now is `gc`'s.
            let _ = tidy(store, &job);
            Ok(Executed { result, ran: true })
        }
        Err(error) => {
            let error = with_room(error, store, &job);
            let _ = files::remove_all(&job.outputs);
            Err(error)
        }
    }
}

/// Does the work and commits it, the result last.
fn make(
    store: &Store,
    request: &Request,
    job: &Job,
    lease: &Lease,
    runner: &dyn Runner,
    program: &str,
    progress: &mut dyn FnMut(Progress),
) -> Result<ActionResult, ExecError> {
    let started = (SystemTime::now(), Instant::now());
    let outcome = runner.run(job, progress);
    // A process that was stopped for longer than a lease lasts may have been replaced meanwhile.
    if let Some(other) = lease.lost_to()? {
        return Err(ExecError::Held(other));
    }
    let facts = outcome?;
    check_files_unchanged(request, started.0)?;
    let outputs = commit(store, request, job)?;
    let receipt = receipt(started, program, facts);
    let (kind, version) = (request.kind.clone(), request.version);
    let result = ActionResult { key: request.key, kind, version, outputs, receipt };
    store.put_result(&result)?;
    Ok(result)
}

/// A failure for want of space, with how much the action had written and how much is free: more than that
/// is needed.
fn with_room(error: ExecError, store: &Store, job: &Job) -> ExecError {
    let failure = match error {
        ExecError::Failed(failure) if failure.is_full() => failure,
        ExecError::Store(StoreError::File(error)) if error.is_full() => {
            Failure::new(error.to_string())
        }
        other => return other,
    };
    let written = folder_bytes(&job.outputs) + folder_bytes(&job.scratch);
    let Failure { message, hint } = failure;
    let message = format!(
        "{message}; the action needs more than the {} it had written, with {} of the store `{}`",
        files::amount(written),
        files::room(store.root()),
        store.root().display()
    );
    ExecError::Failed(Failure { message, hint })
}

/// A result that another process wrote meanwhile, with all of its bytes.
fn finished(store: &Store, key: Key, force: bool) -> Result<Option<ActionResult>, ExecError> {
    if force {
        return Ok(None);
    }
    let whole = |result: &ActionResult| {
        result.outputs.iter().all(|output| store.has_object(output.digest, output.bytes))
    };
    Ok(store.result(key)?.filter(whole))
}

fn read_request(store: &Store, key: Key) -> Result<Request, ExecError> {
    let path = store.request_path(key);
    let bytes = files::read_if_present(&path)?.ok_or(ExecError::NoRequest(key))?;
    let problem = match record::decode::<Request>(&bytes) {
        Ok(request) if key_of(&request) == Some(key) => return Ok(request),
        Ok(_) => "its content does not give its key".to_owned(),
        Err(damage) => damage.to_string(),
    };
    store.set_aside(&path)?;
    Err(ExecError::Damaged(format!(
        "`{}`: {problem}; moved aside, `mixmake run` writes it again",
        path.display()
    )))
}

/// Empties the log of an earlier try. Only who holds the lease may: the log of one that runs is not touched.
fn start_log(store: &Store, key: Key) -> Result<(), ExecError> {
    let log = store.log_path(key);
    match OpenOptions::new().write(true).truncate(true).open(&log) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).at("write", &log)?
        }
        _ => Ok(()),
    }
}

pub(crate) fn key_of(request: &Request) -> Option<Key> {
    fn resolved(input: &RequestInput) -> ResolvedInput<'_> {
        ResolvedInput { role: &input.role, digest: input.digest, attributes: &input.attributes }
    }
    let inputs: Vec<_> = request.inputs.iter().map(resolved).collect();
    let outputs: Vec<_> = request.outputs.iter().map(|output| output.name.as_str()).collect();
    let preimage = Preimage {
        kind: &request.kind,
        version: request.version,
        params: &request.params,
        inputs: &inputs,
        outputs: &outputs,
    };
    preimage.key().ok()
}

/// Reads every stored input through before it is used: a flipped bit must not train a model.
fn check_inputs(store: &Store, request: &Request) -> Result<(), ExecError> {
    let stored = request.inputs.iter().filter(|input| input.file.is_none());
    let digests: std::collections::BTreeSet<_> = stored.map(|input| input.digest).collect();
    for digest in digests {
        // First of all, so that a `gc` beside leaves it.
        store.use_object(digest)?;
        if !store.check_object(digest)? {
            return Err(ExecError::DamagedInput(digest));
        }
    }
    Ok(())
}

/// Each holder writes to a folder of its own, so that one which lost its lease cannot touch what
/// its successor writes; the scratch folder is shared, for checkpoints.
fn prepare<'a>(
    store: &Store,
    request: &Request,
    holder: &Holder,
    cancel: &'a Cancel,
) -> Result<Job<'a>, ExecError> {
    let work = store.work_path(request.key);
    let own = format!("out-{}-{}-{}", holder.host, holder.pid, holder.process_start);
    let (outputs, scratch) = (work.join(own), work.join("scratch"));
    let left = entries(&work)?;
    if left.is_empty()
        && let Some(spare) = store.spare_work.take()
    {
        // Where `gc` was quicker, it is made like any other.
        let _ = sys::rename(&spare, &work);
    }
    for left in left {
        // Whoever wrote there has died or lost the lease, and its bytes take room.
        if left != scratch {
            files::remove_all(&left)?;
        }
    }
    files::ensure_folder(&outputs, false).at("create the folder", &outputs)?;
    let inputs = request.inputs.iter().map(|input| JobInput {
        role: input.role.clone(),
        digest: input.digest,
        attributes: input.attributes.clone(),
        path: match &input.file {
            Some(file) => file.path.clone(),
            None => store.object_path(input.digest),
        },
        name: input.name.clone(),
        stored: input.file.is_none(),
    });
    Ok(Job {
        key: request.key,
        target: request.target.clone(),
        kind: request.kind.clone(),
        version: request.version,
        params: request.params.clone(),
        advice: request.advice.clone(),
        inputs: inputs.collect(),
        scratch,
        output_names: request.outputs.iter().map(|output| output.name.clone()).collect(),
        log: store.log_path(request.key),
        cancel,
        outputs,
    })
}

/// Empties the working folder of an action that is done; the next one of this process takes it. The folder of its
/// outputs is not used again: what a command left running may still write there.
fn tidy(store: &Store, job: &Job<'_>) -> Result<(), FileError> {
    files::remove_all(&job.outputs)?;
    files::remove_all(&job.scratch)?;
    store.spare_work.keep(&store.work_path(job.key));
    Ok(())
}

/// A file edited while it was read would put its new content's result under its old digest. One so young that an
/// edit may not show in its time stamp is read again.
fn check_files_unchanged(request: &Request, started: SystemTime) -> Result<(), ExecError> {
    let started = started.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let started = i128::try_from(started).unwrap_or(i128::MAX);
    let files =
        request.inputs.iter().filter_map(|input| Some((input.digest, input.file.as_ref()?)));
    for (digest, file) in files {
        let metadata = fs::metadata(&file.path).at("read", &file.path)?;
        let same = metadata.len() == file.bytes && modified_nanos(&metadata) == file.modified_nanos;
        let young = started - file.modified_nanos < RACY_NANOS;
        let same =
            same && (!young || Digest::of_file(&file.path).at("read", &file.path)?.0 == digest);
        if !same {
            let message = format!("`{}` changed while it was read", file.path.display());
            return Err(Failure::new(message).hint("run again once nothing writes to it").into());
        }
    }
    Ok(())
}

/// Takes the outputs into the store; all must be there before the first one is.
fn commit(store: &Store, request: &Request, job: &Job<'_>) -> Result<Vec<OutputRecord>, ExecError> {
    if let Some(missing) = request.outputs.iter().find(|output| !job.output(&output.name).is_file())
    {
        let message = format!("the action ended without writing its output `{}`", missing.name);
        return Err(Failure::new(message).into());
    }
    let files: Vec<_> = request.outputs.iter().map(|output| job.output(&output.name)).collect();
    let taken = store.insert_all(&files)?;
    let record = |(output, (digest, bytes)): (&RequestOutput, (Digest, u64))| OutputRecord {
        name: output.name.clone(),
        digest,
        bytes,
        keep: output.keep,
    };
    Ok(request.outputs.iter().zip(taken).map(record).collect())
}

fn receipt(
    started: (SystemTime, Instant),
    program: &str,
    facts: BTreeMap<String, String>,
) -> Receipt {
    Receipt {
        started_unix_seconds: started.0.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
        wall_seconds: started.1.elapsed().as_secs_f64(),
        host: files::host(),
        program: program.to_owned(),
        facts,
    }
}

/// The size of a folder's files, for messages.
#[must_use]
pub fn folder_bytes(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => folder_bytes(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0,
    };
    entries.filter_map(Result::ok).map(size).sum()
}
