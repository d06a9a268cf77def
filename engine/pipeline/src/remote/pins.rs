//! What the lock file says of files that are elsewhere, and what it is to say.

use mixmake_core::Digest;
use mixmake_core::lock::Lock;
use mixmake_remote::{Identity, Location, RemoteFile};

use super::{Entry, Remotes, base};

impl Remotes {
    /// What the lock file pins a location to, if it is whole: a merge may have taken lines from both sides.
    pub(super) fn pins_of(&self, location: &Location) -> Option<Vec<RemoteFile>> {
        let lock = &self.pinned;
        if let Some(base) = base(location) {
            lock.commit(&base)?;
        }
        let url = location.to_string();
        if !location.is_glob() {
            return Some(vec![pinned_file(lock, &url)?]);
        }
        let listing = lock.listing(&url)?;
        let (start, matcher) = (location.with_path("").to_string(), location.matcher().ok()?);
        let is_match =
            |url: &&str| url.strip_prefix(&start).is_some_and(|path| matcher.is_match(path));
        let files: Vec<_> = lock
            .remotes()
            .filter(is_match)
            .map(|url| pinned_file(lock, url))
            .collect::<Option<_>>()?;
        (digest(&files) == listing).then_some(files)
    }

    /// Pins everything that is known. What matches nothing is asked for again.
    pub fn pin(&self, lock: &mut Lock) {
        for (pattern, entry) in &self.entries {
            let (Entry::Known(files), Ok(location)) = (entry, Location::parse(pattern)) else {
                continue;
            };
            if files.is_empty() {
                continue;
            }
            if let Some(base) = base(&location)
                && let Some(commit) = self.commit(&base)
            {
                lock.pin_commit(&base, commit);
            }
            if location.is_glob() {
                lock.pin_listing(&location.to_string(), digest(files));
            }
            for file in files {
                lock.pin_remote(&file.url, file.bytes, &file.identity.to_string());
            }
        }
    }
}

fn pinned_file(lock: &Lock, url: &str) -> Option<RemoteFile> {
    let (bytes, identity) = lock.remote(url)?;
    let identity: Identity = identity.parse().ok()?;
    Some(RemoteFile { url: url.to_owned(), bytes, identity })
}

/// Of what a glob stands for.
fn digest(files: &[RemoteFile]) -> Digest {
    let line = |file: &RemoteFile| format!("{} {} {}\n", file.bytes, file.identity, file.url);
    let mut lines: Vec<_> = files.iter().map(line).collect();
    lines.sort();
    Digest::of(lines.concat().as_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn file(name: &str, tag: &str) -> RemoteFile {
        let identity = Identity::Etag(tag.to_owned());
        RemoteFile { url: format!("s3://b/{name}"), bytes: 3, identity }
    }

    fn pinned(files: &[RemoteFile]) -> Lock {
        let entries = [("s3://b/a/*.gz".to_owned(), Entry::Known(files.to_vec()))];
        let remotes = Remotes { entries: BTreeMap::from(entries), ..Remotes::default() };
        let mut lock = Lock::default();
        remotes.pin(&mut lock);
        lock
    }

    #[test]
    fn a_listing_is_taken_from_the_lock_file_if_it_is_whole() {
        let files = [file("a/1.gz", "x"), file("a/2.gz", "y")];
        let lock = pinned(&files);
        let of = |lock: &Lock, url: &str| {
            let remotes = Remotes { pinned: lock.clone(), ..Remotes::default() };
            remotes.pins_of(&Location::parse(url).expect("a URL"))
        };
        assert_eq!(of(&lock, "s3://b/a/*.gz"), Some(files.to_vec()));
        assert_eq!(of(&lock, "s3://b/a/1.gz"), Some(vec![files[0].clone()]));
        assert_eq!(of(&lock, "s3://b/a/*"), None, "another glob may stand for more");
        assert_eq!(of(&lock, "s3://b/a/3.gz"), None);
        let mut merged = lock.clone();
        merged.pin_remote("s3://b/a/3.gz", 3, "etag:z");
        assert_eq!(of(&merged, "s3://b/a/*.gz"), None, "a line more than the listing had");
        assert_eq!(of(&pinned(&[]), "s3://b/a/*.gz"), None, "what matches nothing is not pinned");
    }
}
