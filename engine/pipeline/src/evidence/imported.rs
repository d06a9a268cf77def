//! Outside tables as evidence of their own kind: content-addressed, kept by `gc`, listed and removed by name.
//!
//! An import is an object of the store under a result of kind `evidence`, which no action makes: the key is the
//! object's digest, so the same table under the same name is one import however often it is brought.

use mixmake_core::Store;
use mixmake_core::digest::{Digest, Key};
use mixmake_core::files;
use mixmake_core::record::{ActionResult, OutputRecord, Receipt};
use serde::{Deserialize, Serialize};

use crate::artifact;
use crate::error::{Error, Result};
use crate::table::wide::{Run, WideTable};

const KIND: &str = "evidence";
const VERSION: u32 = 1;
const TABLE: &str = "evidence.json";

/// An outside table as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Imported {
    pub name: String,
    /// The files it came from, each with the digest of its bytes.
    pub files: Vec<ImportedFile>,
    pub domains: Vec<String>,
    /// Validation domains.
    pub targets: Vec<String>,
    pub has_tokens: bool,
    pub has_size: bool,
    pub runs: Vec<Run>,
    /// What reading it had to say.
    pub notes: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct ImportedFile {
    /// Its name, without the folder it lay in.
    pub name: String,
    pub digest: String,
}

/// An import and its key.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: Key,
    pub table: Imported,
    pub imported_unix_seconds: u64,
}

impl Imported {
    /// The rows as a table of mixtures again.
    #[must_use]
    pub fn table(&self) -> WideTable {
        WideTable {
            title: format!("imported `{}`", self.name),
            paths: Vec::new(),
            domains: self.domains.clone(),
            targets: self.targets.clone(),
            runs: self.runs.clone(),
            has_tokens: self.has_tokens,
            has_size: self.has_size,
            notes: self.notes.clone(),
        }
    }
}

/// Puts a table into the store; the entry, and whether it is new there.
///
/// # Errors
/// Another table under that name, or a store that cannot be written.
pub fn add(store: &Store, table: Imported) -> Result<(Entry, bool)> {
    let known = all(store)?;
    let mut bytes = serde_json::to_vec_pretty(&table)
        .map_err(|error| Error::internal(format!("cannot encode the table: {error}")))?;
    bytes.push(b'\n');
    let digest = Digest::of(&bytes);
    let key = Key::from_bytes(*digest.as_bytes());
    if let Some(entry) = known.iter().find(|entry| entry.key == key) {
        return Ok((entry.clone(), false));
    }
    if known.iter().any(|entry| entry.table.name == table.name) {
        let message = format!("another table is imported under the name `{}`", table.name);
        return Err(Error::usage(message).hint(format!(
            "choose another with `--name`, or take that one away: `mixmake losses remove {}`",
            table.name
        )));
    }
    let path = store.root().join("work").join(format!("import-{}", std::process::id()));
    files::write(&path, &bytes)?;
    let (digest, bytes) = store.insert(&path)?;
    let receipt = Receipt {
        started_unix_seconds: now(),
        host: files::host(),
        program: format!("mixmake {}", env!("CARGO_PKG_VERSION")),
        ..Receipt::default()
    };
    let imported_unix_seconds = receipt.started_unix_seconds;
    let output = OutputRecord { name: TABLE.into(), digest, bytes, keep: true };
    store.put_result(&ActionResult {
        key,
        kind: KIND.into(),
        version: VERSION,
        outputs: vec![output],
        receipt,
    })?;
    Ok((Entry { key, table, imported_unix_seconds }, true))
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Every import, by name.
///
/// # Errors
/// A store that cannot be read, or an import whose table is damaged.
pub fn all(store: &Store) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for (name, _) in store.list("results")? {
        let Ok(key) = name.parse::<Key>() else { continue };
        let Some(result) = store.result(key)?.filter(|result| result.kind == KIND) else {
            continue;
        };
        let Some(output) = result.output(TABLE) else { continue };
        entries.push(Entry {
            key,
            table: artifact::read_object(store, output.digest)?,
            imported_unix_seconds: result.receipt.started_unix_seconds,
        });
    }
    entries.sort_by(|one, other| one.table.name.cmp(&other.table.name));
    Ok(entries)
}

/// The import of a name, or of the start of a key.
///
/// # Errors
/// None, with the names that there are.
pub fn find(store: &Store, name: &str) -> Result<Entry> {
    const SHORTEST_KEY: usize = 6;
    let entries = all(store)?;
    let is_meant = |entry: &&Entry| {
        entry.table.name == name
            || (name.len() >= SHORTEST_KEY && entry.key.to_hex().starts_with(name))
    };
    if let Some(entry) = entries.iter().find(is_meant) {
        return Ok(entry.clone());
    }
    let names: Vec<&str> = entries.iter().map(|entry| entry.table.name.as_str()).collect();
    let hint = match names.is_empty() {
        true => "nothing is imported; `mixmake losses import FILE` brings a table in".to_owned(),
        false => format!("there is {}", mixmake_manifest::suggest::list(names, "and")),
    };
    Err(Error::usage(format!("no table is imported as `{name}`")).hint(hint))
}

/// Takes an import away; its object goes with the next `gc`.
///
/// # Errors
/// No such import, or a store that cannot be written.
pub fn remove(store: &Store, name: &str) -> Result<Entry> {
    let entry = find(store, name)?;
    files::remove_all(&store.result_path(entry.key))?;
    Ok(entry)
}
