//! What the URLs of a manifest stand for: by the lock file where it says so, else by asking. A branch that moves and
//! a bucket that grows change nothing before somebody asks anew.

mod network;
mod pins;

use std::collections::BTreeMap;

use mixmake_core::lock::Lock;
use mixmake_manifest::is_remote;
use mixmake_manifest::schema::{Manifest, TokenizerSource};
use mixmake_remote::{Location, RemoteFile};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::network::{OFFLINE, fetch};
use crate::error::{Error, Result};
use crate::stage::download::advised;

/// Where answers come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The lock file alone.
    Pinned,
    /// The lock file, and servers for what it does not say.
    Ask,
    /// Servers, whatever the lock file says.
    Update,
}

/// What every URL of a manifest stands for.
#[derive(Debug, Default)]
pub struct Remotes {
    entries: BTreeMap<String, Entry>,
    /// Commits by the URL of a dataset's revision, `hf://datasets/OWNER/NAME@REVISION`.
    commits: BTreeMap<String, String>,
    /// The lock file, as far as it holds.
    pinned: Lock,
}

/// What one URL stands for.
#[derive(Debug)]
enum Entry {
    /// None where nothing matches.
    Known(Vec<RemoteFile>),
    Unknown(Problem),
}

/// Why it is not known what a URL stands for.
#[derive(Debug, Clone)]
struct Problem {
    message: String,
    help: String,
}

/// What a download is told beyond its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Advice {
    pub url: String,
    /// The commit that has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// The digest that the lock file pins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

impl Remotes {
    /// Finds out. Only under [`Mode::Update`] is an answer that does not come an error: else it may not be needed.
    pub fn of(manifest: &Manifest, mode: Mode) -> Result<Self> {
        let patterns = patterns(manifest);
        if patterns.is_empty() {
            return Ok(Self::default());
        }
        let pinned = match mode {
            Mode::Update => Lock::default(),
            _ => Lock::read(&manifest.path.with_extension("lock"))?,
        };
        let mut remotes = Self { pinned, ..Self::default() };
        let mut open = Vec::new();
        for pattern in patterns {
            match Location::parse(&pattern) {
                Ok(location) => match remotes.pins_of(&location) {
                    Some(files) => remotes.learn(pattern, files),
                    None => open.push((pattern, location)),
                },
                Err(error) => remotes.unknown(pattern, error.to_string(), String::new()),
            }
        }
        match mode {
            Mode::Pinned => remotes.leave(open),
            _ => remotes.ask(open),
        }
        match remotes.entries.values().find_map(Entry::problem) {
            Some(problem) if mode == Mode::Update => {
                Err(Error::internal(problem.message.clone()).hint(problem.help.clone()))
            }
            _ => Ok(remotes),
        }
    }

    fn learn(&mut self, pattern: String, files: Vec<RemoteFile>) {
        self.entries.insert(pattern, Entry::Known(files));
    }

    fn unknown(&mut self, pattern: String, message: String, help: String) {
        self.entries.insert(pattern, Entry::Unknown(Problem { message, help }));
    }

    fn leave(&mut self, open: Vec<(String, Location)>) {
        for (pattern, _) in open {
            let message =
                format!("it is not known which files `{pattern}` stands for, and `--offline`");
            self.unknown(pattern, message, "run once without `--offline`".to_owned());
        }
    }

    fn ask(&mut self, open: Vec<(String, Location)>) {
        // Of one revision everything is of one commit.
        let asked: Vec<_> = open.iter().map(|(_, location)| self.at_commit(location)).collect();
        for ((pattern, location), answer) in open.into_iter().zip(network::list(&asked)) {
            match answer {
                Ok((files, commit)) => {
                    let files = files.into_iter().map(|file| as_written(&location, file)).collect();
                    if let (Some(base), Some(commit)) = (base(&location), commit) {
                        self.commits.entry(base).or_insert(commit);
                    }
                    self.learn(pattern, files);
                }
                Err(Problem { message, help }) => self.unknown(pattern, message, help),
            }
        }
    }

    /// A location of the hub with the commit that is known of its revision.
    fn at_commit(&self, location: &Location) -> Location {
        let mut at = location.clone();
        if let Location::Hub { revision, .. } = &mut at
            && let Some(commit) = base(location).and_then(|base| self.commit(&base))
        {
            *revision = commit.to_owned();
        }
        at
    }

    fn commit(&self, base: &str) -> Option<&str> {
        self.commits.get(base).map(String::as_str).or_else(|| self.pinned.commit(base))
    }

    /// The files that a URL of the manifest stands for; none where nothing matches or it is not known.
    #[must_use]
    pub fn files(&self, pattern: &str) -> &[RemoteFile] {
        match self.entries.get(pattern) {
            Some(Entry::Known(files)) => files,
            _ => &[],
        }
    }

    /// Why a URL stands for no files, and what to do about it.
    #[must_use]
    pub fn why_none(&self, pattern: &str) -> (String, String) {
        match self.entries.get(pattern).and_then(Entry::problem) {
            Some(problem) => (problem.message.clone(), problem.help.clone()),
            None => (format!("no file matches `{pattern}`"), "correct the URL".to_owned()),
        }
    }

    /// What whoever downloads a file is told. A pinned digest counts only for the content that it was pinned with.
    #[must_use]
    pub fn advice(&self, file: &RemoteFile, target: &str) -> Map<String, Value> {
        let location = Location::parse(&file.url).ok();
        let commit = location
            .as_ref()
            .and_then(base)
            .and_then(|base| self.commit(&base).map(ToOwned::to_owned));
        let is_pinned =
            self.pinned.remote(&file.url) == Some((file.bytes, &*file.identity.to_string()));
        let digest = self.pinned.result(target, crate::stage::download::CONTENT);
        let digest = digest.filter(|_| is_pinned).map(|digest| digest.to_hex());
        advised(&Advice { url: file.url.clone(), commit, digest })
    }
}

impl Entry {
    fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(problem) => Some(problem),
        }
    }
}

/// The URLs among the files of a manifest, each once.
fn patterns(manifest: &Manifest) -> Vec<String> {
    let domains = manifest.domains.iter();
    let all = domains.flat_map(|domain| domain.files.iter().chain(&domain.decontaminate));
    let tokenizer = manifest.tokenizer.as_ref().and_then(|tokenizer| match &tokenizer.source {
        TokenizerSource::Url(url) => Some(url),
        _ => None,
    });
    let mut urls: Vec<_> =
        all.chain(tokenizer).filter(|pattern| is_remote(pattern)).cloned().collect();
    urls.sort();
    urls.dedup();
    urls
}

/// `hf://datasets/OWNER/NAME@REVISION`.
fn base(location: &Location) -> Option<String> {
    matches!(location, Location::Hub { .. })
        .then(|| location.with_path("").to_string().trim_end_matches('/').to_owned())
}

/// The file as the manifest names its revision, though it was asked for by commit.
fn as_written(location: &Location, file: RemoteFile) -> RemoteFile {
    match (location, Location::parse(&file.url)) {
        (Location::Hub { .. }, Ok(Location::Hub { path, .. })) => {
            RemoteFile { url: location.with_path(&path).to_string(), ..file }
        }
        _ => file,
    }
}
