//! The lock file: digests of inputs and results, and the key of every result, pinned beside the
//! manifest in git.
//!
//! One fact a line, sorted, no times and no hosts, so that it merges as text.

use std::collections::BTreeMap;
use std::path::Path;

use crate::digest::{Digest, Key};
use crate::files::{self, FileError};

const HEADER: &str =
    "# Written by mixmake: what every input was and every target gave. Do not edit; commit it.\n";

/// The facts of one lock file: `input PATH`, `key TARGET` or `result TARGET/OUTPUT` to a digest, and what is pinned of
/// files that are elsewhere.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    facts: BTreeMap<String, Digest>,
    /// `remote URL` to length and identity, `listing URL` to the digest of what a glob stood for, `commit URL` to
    /// a commit: words without spaces, but for the one after the length.
    elsewhere: BTreeMap<String, String>,
}

/// A line that is no fact.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(
        "`{path}`, line {line}: expected `input DIGEST PATH`, `key KEY TARGET`, `result DIGEST TARGET/OUTPUT`, `remote BYTES IDENTITY URL`, `listing DIGEST URL` or `commit COMMIT URL`, got `{text}`"
    )]
    Line { path: String, line: usize, text: String },
}

/// One fact that is not as it was pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// `input a.jsonl`, `key train/a` or `result train/a/losses.json`.
    pub fact: String,
    pub pinned: Option<Digest>,
    pub now: Option<Digest>,
}

impl Lock {
    /// Reads a lock file; a missing one pins nothing.
    pub fn read(path: &Path) -> Result<Self, LockError> {
        let bytes = files::read_if_present(path)?.unwrap_or_default();
        Self::parse_as(&String::from_utf8_lossy(&bytes), path)
    }

    /// The facts in the text of a lock file.
    pub fn parse(text: &str) -> Result<Self, LockError> {
        Self::parse_as(text, Path::new("the lock file"))
    }

    fn parse_as(text: &str, path: &Path) -> Result<Self, LockError> {
        let mut elsewhere = BTreeMap::new();
        let is_fact = |(_, line): &(usize, &str)| !line.is_empty() && !line.starts_with('#');
        let fact = |(index, line): (usize, &str)| {
            if let Some(fact) = parse(line) {
                return Some(Ok(fact));
            }
            if let Some((fact, value)) = parse_elsewhere(line) {
                elsewhere.insert(fact, value);
                return None;
            }
            let path = path.display().to_string();
            Some(Err(LockError::Line { path, line: index + 1, text: line.to_owned() }))
        };
        let facts = text.lines().enumerate().filter(is_fact).filter_map(fact);
        // At once: the lines are sorted, and a map is made of sorted facts without a search for each.
        let facts = facts.collect::<Result<_, _>>()?;
        Ok(Self { facts, elsewhere })
    }

    /// Pins how long a file that is elsewhere is, and what tells its content apart, in a word.
    pub fn pin_remote(&mut self, url: &str, bytes: u64, identity: &str) {
        self.elsewhere.insert(format!("remote {url}"), format!("{bytes} {identity}"));
    }

    /// Length and identity that a file elsewhere is pinned to.
    #[must_use]
    pub fn remote(&self, url: &str) -> Option<(u64, &str)> {
        let (bytes, identity) = self.elsewhere.get(&format!("remote {url}"))?.split_once(' ')?;
        Some((bytes.parse().ok()?, identity))
    }

    /// Every file elsewhere that is pinned, by its URL.
    pub fn remotes(&self) -> impl Iterator<Item = &str> {
        self.elsewhere.keys().filter_map(|fact| fact.strip_prefix("remote "))
    }

    /// Pins that a glob stood for the files whose names and identities have that digest.
    pub fn pin_listing(&mut self, url: &str, digest: Digest) {
        self.elsewhere.insert(format!("listing {url}"), digest.to_hex());
    }

    #[must_use]
    pub fn listing(&self, url: &str) -> Option<Digest> {
        self.elsewhere.get(&format!("listing {url}"))?.parse().ok()
    }

    /// Pins the commit that a branch or tag was.
    pub fn pin_commit(&mut self, url: &str, commit: &str) {
        self.elsewhere.insert(format!("commit {url}"), commit.to_owned());
    }

    #[must_use]
    pub fn commit(&self, url: &str) -> Option<&str> {
        self.elsewhere.get(&format!("commit {url}")).map(String::as_str)
    }

    /// Which facts of files elsewhere differ, as `remote URL`, `listing URL` or `commit URL`, and whether each is
    /// pinned here.
    #[must_use]
    pub fn differences_elsewhere(&self, now: &Self) -> Vec<(String, bool)> {
        let names: std::collections::BTreeSet<_> =
            self.elsewhere.keys().chain(now.elsewhere.keys()).collect();
        let differ =
            names.into_iter().filter(|name| self.elsewhere.get(*name) != now.elsewhere.get(*name));
        differ.map(|name| (name.clone(), self.elsewhere.contains_key(name))).collect()
    }

    pub fn pin_input(&mut self, path: &str, digest: Digest) {
        self.facts.insert(format!("input {path}"), digest);
    }

    pub fn pin_result(&mut self, target: &str, output: &str, digest: Digest) {
        self.facts.insert(format!("result {target}/{output}"), digest);
    }

    /// Pins what `target`'s results were made of.
    pub fn pin_key(&mut self, target: &str, key: Key) {
        self.facts.insert(format!("key {target}"), Digest::from_bytes(*key.as_bytes()));
    }

    /// Keeps the facts of `older` that `keep` says still belong to the manifest and that are
    /// not known anew.
    pub fn inherit(&mut self, older: &Self, keep: impl Fn(&str) -> bool) {
        for (fact, digest) in &older.facts {
            if keep(fact) {
                self.facts.entry(fact.clone()).or_insert(*digest);
            }
        }
    }

    /// Every fact, in order, with what it is pinned to.
    pub fn facts(&self) -> impl Iterator<Item = (&str, Digest)> {
        self.facts.iter().map(|(fact, digest)| (fact.as_str(), *digest))
    }

    /// The digest that an output is pinned to.
    #[must_use]
    pub fn result(&self, target: &str, output: &str) -> Option<Digest> {
        self.facts.get(&format!("result {target}/{output}")).copied()
    }

    /// The key that a target is pinned to; none in a lock file without keys.
    #[must_use]
    pub fn key(&self, target: &str) -> Option<Key> {
        self.facts.get(&format!("key {target}")).map(|key| Key::from_bytes(*key.as_bytes()))
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.elsewhere.is_empty()
    }

    /// What `now` would change of the facts pinned here.
    #[must_use]
    pub fn differences(&self, now: &Self) -> Vec<Difference> {
        let names: std::collections::BTreeSet<_> =
            self.facts.keys().chain(now.facts.keys()).collect();
        let difference = |fact: &String| Difference {
            fact: fact.clone(),
            pinned: self.facts.get(fact).copied(),
            now: now.facts.get(fact).copied(),
        };
        names.into_iter().map(difference).filter(|each| each.pinned != each.now).collect()
    }

    /// Writes the file if its text would change.
    pub fn write(&self, path: &Path) -> Result<(), FileError> {
        let text = self.to_text();
        if files::read_if_present(path)?.as_deref() == Some(text.as_bytes()) {
            return Ok(());
        }
        files::write(path, text.as_bytes())
    }

    /// The text of the file.
    #[must_use]
    pub fn to_text(&self) -> String {
        let line = |(fact, digest): (&String, &Digest)| match fact.split_once(' ') {
            Some((kind, name)) => format!("{kind} {digest} {}\n", escape(name)),
            None => String::new(),
        };
        let mut text = format!("{HEADER}{}", self.facts.iter().map(line).collect::<String>());
        for (fact, value) in &self.elsewhere {
            if let Some((kind, url)) = fact.split_once(' ') {
                text.push_str(&format!("{kind} {value} {}\n", escape(url)));
            }
        }
        text
    }
}

fn parse(line: &str) -> Option<(String, Digest)> {
    let mut parts = line.splitn(3, ' ');
    let kind = parts.next().filter(|kind| matches!(*kind, "input" | "key" | "result"))?;
    let digest = parts.next()?.parse().ok()?;
    Some((format!("{kind} {}", unescape(parts.next()?)), digest))
}

fn parse_elsewhere(line: &str) -> Option<(String, String)> {
    let (kind, rest) = line.split_once(' ')?;
    let words = match kind {
        "remote" => 2,
        "listing" | "commit" => 1,
        _ => return None,
    };
    let (end, _) = rest.match_indices(' ').nth(words - 1)?;
    let value = &rest[..end];
    let is_whole = match kind {
        "remote" => value.split_once(' ')?.0.parse::<u64>().is_ok(),
        "listing" => value.parse::<Digest>().is_ok(),
        _ => !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_hexdigit()),
    };
    is_whole.then(|| (format!("{kind} {}", unescape(&rest[end + 1..])), value.to_owned()))
}

/// A name in one line, whatever is in it.
fn escape(name: &str) -> String {
    name.replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r")
}

fn unescape(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            name.push(letter);
            continue;
        }
        match letters.next() {
            Some('n') => name.push('\n'),
            Some('r') => name.push('\r'),
            Some(other) => name.push(other),
            None => name.push('\\'),
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_trip_and_differences() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("mixmake.lock");
        let mut lock = Lock::default();
        lock.pin_result("shards/c4", "train.bin", Digest::of(b"1"));
        lock.pin_input("a b.jsonl", Digest::of(b"2"));
        lock.pin_key("shards/c4", Key::from_bytes([3; 32]));
        lock.write(&path).expect("written");
        let read = Lock::read(&path).expect("read");
        assert_eq!(read, lock);
        assert_eq!(read.key("shards/c4"), Some(Key::from_bytes([3; 32])));
        let mut now = lock.clone();
        now.pin_input("a b.jsonl", Digest::of(b"3"));
        let differences = read.differences(&now);
        assert_eq!(differences.len(), 1);
        assert_eq!(differences[0].fact, "input a b.jsonl");
        assert_eq!(lock.differences(&lock), []);
    }

    #[test]
    fn odd_names_stay_in_one_line() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("mixmake.lock");
        for name in ["a\nb", "a\r", "\\n", "a\\", "\\\\\n\\r\r", " a  b "] {
            let mut lock = Lock::default();
            lock.pin_input(name, Digest::of(b"1"));
            lock.write(&path).expect("written");
            assert_eq!(Lock::read(&path).expect("read"), lock, "{name:?}");
        }
    }

    #[test]
    fn files_elsewhere_are_pinned_a_line_each() {
        let mut lock = Lock::default();
        lock.pin_remote("s3://b/a b.jsonl", 12, "etag:x");
        lock.pin_listing("s3://b/*.jsonl", Digest::of(b"1"));
        lock.pin_commit("hf://datasets/o/n@main", &"ab".repeat(20));
        let text = lock.to_text();
        assert!(text.contains("\nremote 12 etag:x s3://b/a b.jsonl\n"), "{text}");
        let read = Lock::parse(&text).expect("read");
        assert_eq!(read, lock);
        assert_eq!(read.remote("s3://b/a b.jsonl"), Some((12, "etag:x")));
        assert_eq!(read.listing("s3://b/*.jsonl"), Some(Digest::of(b"1")));
        assert_eq!(read.commit("hf://datasets/o/n@main"), Some("ab".repeat(20).as_str()));
        lock.pin_remote("s3://b/a b.jsonl", 12, "etag:y");
        let expected = [("remote s3://b/a b.jsonl".to_owned(), true)];
        assert_eq!(read.differences_elsewhere(&lock), expected);
        for line in
            ["remote x etag:x s3://b/a", "listing 12 s3://b/*", "commit xyz hf://x", "remote 1 x"]
        {
            assert!(Lock::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_merge_conflict_is_located() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("mixmake.lock");
        std::fs::write(&path, "# x\n<<<<<<< ours\n").expect("written");
        let error = Lock::read(&path).expect_err("refused").to_string();
        assert!(error.contains("line 2"), "{error}");
    }
}
