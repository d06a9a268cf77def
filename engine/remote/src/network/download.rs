//! One file to disk: from where an earlier try ended, checked against what it was listed as.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures_util::StreamExt;
use object_store::path::Path as ObjectPath;
use object_store::{GetOptions, GetRange, GetResult, ObjectStore};

use super::objects::{Stores, within};
use super::part::Part;
use super::wrong::Wrong;
use super::{Patience, Wanted, hub, identity, pause};
use crate::{Location, RemoteError, RemoteFile};

pub struct Download<'a> {
    pub wanted: &'a Wanted<'a>,
    pub patience: Patience,
    pub scratch: &'a Path,
}

/// Where the bytes are.
struct Source {
    store: Arc<dyn ObjectStore>,
    path: ObjectPath,
    wrong: Wrong,
}

impl Download<'_> {
    pub async fn run(&self, progress: &mut dyn FnMut(u64)) -> Result<PathBuf, RemoteError> {
        let source = self.source()?;
        let mut file = self.wanted.file.clone();
        let mut part = Part::open(self.scratch, &file)?;
        let went_on = part.bytes > 0;
        self.fill(&source, &mut part, &mut file, progress).await?;
        let mismatch = match part.finish(&file, self.wanted.digest) {
            Ok(path) => return Ok(path),
            Err(mismatch) => mismatch,
        };
        // What is there is worth nothing; where it came from two tries, one may do better.
        let mut part = Part::open(self.scratch, &file)?;
        part.restart(&file)?;
        if went_on {
            tracing::debug!("{}: {} after going on, from the start", file.url, mismatch.found);
            self.fill(&source, &mut part, &mut file, progress).await?;
            let mismatch = match part.finish(&file, self.wanted.digest) {
                Ok(path) => return Ok(path),
                Err(mismatch) => mismatch,
            };
            Part::open(self.scratch, &file)?.restart(&file)?;
            return Err(self.damaged(mismatch.expected, mismatch.found));
        }
        Err(self.damaged(mismatch.expected, mismatch.found))
    }

    fn source(&self) -> Result<Source, RemoteError> {
        let location = Location::parse(&self.wanted.file.url)?;
        let wrong = Wrong::with(&location);
        let stores = Stores::new(self.patience);
        let (store, path) = match &location {
            Location::Hub { repository, revision, path } => {
                let revision = self.wanted.commit.unwrap_or(revision);
                let (url, headers) = hub::address(repository, revision, path, &wrong)?;
                (stores.web(&url, headers, &wrong)?, ObjectPath::default())
            }
            _ => stores.open(&location)?,
        };
        Ok(Source { store, path, wrong })
    }

    /// Tries until the part is as long as the file; a try that brought bytes does not count.
    async fn fill(
        &self,
        source: &Source,
        part: &mut Part,
        file: &mut RemoteFile,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), RemoteError> {
        let mut tried = 0;
        progress(part.bytes);
        while part.bytes < file.bytes {
            let before = part.bytes;
            match self.attempt(source, part, file, progress).await {
                Ok(()) => {}
                Err(error) if error.is_transient() => {
                    tried = if part.bytes > before { 1 } else { tried + 1 };
                    if tried >= self.patience.tries {
                        return Err(error);
                    }
                    tracing::debug!("{} of {} bytes: {error}", part.bytes, file.bytes);
                    if !file.identity.joins_parts() {
                        part.restart(file)?;
                    }
                    pause(&self.patience, tried).await;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// One request, from where the part ends.
    async fn attempt(
        &self,
        source: &Source,
        part: &mut Part,
        file: &mut RemoteFile,
        progress: &mut dyn FnMut(u64),
    ) -> Result<(), RemoteError> {
        let answer = self.ask(source, part, file).await?;
        self.accept(&answer, part, file)?;
        let start = answer.range.start;
        if part.bytes != start {
            // It sends less or more than it was asked for: from the start, then.
            part.restart(file)?;
            if start > 0 {
                return Err(source.wrong.unreachable("it sends another part".to_owned()));
            }
        }
        let mut stream = answer.into_stream();
        while let Some(bytes) = within(&self.patience, &source.wrong, stream.next()).await? {
            let bytes = bytes.map_err(|error| source.wrong.of(error))?;
            if part.bytes + bytes.len() as u64 > file.bytes {
                let why = format!("it sends more than the {} bytes it has", file.bytes);
                part.restart(file)?;
                return Err(source.wrong.unreachable(why));
            }
            part.append(&bytes)?;
            progress(part.bytes);
        }
        if part.bytes < file.bytes {
            let why = format!("it ended after {} of {} bytes", part.bytes, file.bytes);
            return Err(source.wrong.unreachable(why));
        }
        Ok(())
    }

    /// Asks for the rest; for all where the server does not know of parts.
    async fn ask(
        &self,
        source: &Source,
        part: &mut Part,
        file: &RemoteFile,
    ) -> Result<GetResult, RemoteError> {
        let get = |range| {
            let options = GetOptions { range, ..GetOptions::default() };
            within(&self.patience, &source.wrong, source.store.get_opts(&source.path, options))
        };
        if part.bytes == 0 {
            return get(None).await?.map_err(|error| source.wrong.of(error));
        }
        match get(Some(GetRange::Offset(part.bytes))).await? {
            Ok(answer) => Ok(answer),
            Err(error) if is_not_partial(&error) => {
                part.restart(file)?;
                get(None).await?.map_err(|error| source.wrong.of(error))
            }
            Err(error) => Err(source.wrong.of(error)),
        }
    }

    /// Whether the answer is of the content that was listed. Where the digest of the content is known, it may go
    /// under another tag by now; then the part begins anew under that.
    fn accept(
        &self,
        answer: &GetResult,
        part: &mut Part,
        file: &mut RemoteFile,
    ) -> Result<(), RemoteError> {
        let meta = &answer.meta;
        let observed = identity(meta.e_tag.as_deref(), meta.last_modified.timestamp());
        let is_same = file.identity.is_of_content() || observed == file.identity;
        if meta.size == file.bytes && is_same {
            return Ok(());
        }
        if meta.size != file.bytes || self.wanted.digest.is_none() {
            let was = (file.bytes, &file.identity);
            return Err(RemoteError::changed(&file.url, was, (meta.size, &observed)));
        }
        file.identity = observed;
        let start = part.bytes;
        part.restart(file)?;
        if start > 0 {
            let why = "its tag is another; from the start".to_owned();
            return Err(Wrong::at(&file.url).unreachable(why));
        }
        Ok(())
    }

    fn damaged(&self, expected: String, found: String) -> RemoteError {
        let url = self.wanted.file.url.clone();
        if self.wanted.digest.is_some() && !self.wanted.file.identity.is_of_content() {
            return RemoteError::Changed { url, was: expected, now: found };
        }
        RemoteError::Damaged { url, expected, found }
    }
}

/// Whether the server sent all where a part was asked for.
fn is_not_partial(error: &object_store::Error) -> bool {
    match error {
        object_store::Error::NotSupported { .. } => true,
        object_store::Error::Generic { source, .. } => {
            source.to_string().contains("non-partial response")
        }
        _ => false,
    }
}
