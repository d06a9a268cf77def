//! What reaches out: listing and downloading, each call from start to end on a small runtime of its own.

mod download;
mod hub;
mod objects;
mod part;
mod wrong;

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::runtime::Runtime;

use self::hub::Hub;
use self::objects::Stores;
use crate::{Identity, Location, RemoteError, RemoteFile};

/// Locations that are asked about at once.
const AT_ONCE: usize = 16;

/// How long to wait, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For an answer, and for the next bytes of one.
    pub stall: Duration,
    /// Tries that bring nothing before it is given up; at least 1.
    pub tries: u32,
    /// Before the second try; twice as long before each one more.
    pub pause: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            stall: Duration::from_secs(60),
            tries: 5,
            pause: Duration::from_millis(500),
        }
    }
}

/// What a location stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    /// Sorted by URL; none where nothing matches a glob.
    pub files: Vec<RemoteFile>,
    /// The commit of a hub's dataset that was listed.
    pub commit: Option<String>,
}

/// A file to download, and how to know that it is that file.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    pub file: &'a RemoteFile,
    /// The commit of a hub's dataset that has it; the revision in its URL where there is none.
    pub commit: Option<&'a str>,
    /// BLAKE3 of the content in hexadecimal, where it was there before: then a server may give the same bytes
    /// another tag.
    pub digest: Option<&'a str>,
}

/// Reaches servers; one a process is enough.
#[derive(Debug)]
pub struct Client {
    patience: Patience,
    runtime: Runtime,
}

impl Client {
    pub fn new(patience: Patience) -> Result<Self, RemoteError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let no_runtime =
            |source| RemoteError::File { verb: "start", path: PathBuf::from("a runtime"), source };
        Ok(Self { patience, runtime: runtime.map_err(no_runtime)? })
    }

    /// What each location stands for, in order, each on its own since one server may be down.
    pub fn list(&self, locations: &[Location]) -> Vec<Result<Listing, RemoteError>> {
        let (stores, hub) = (Stores::new(self.patience), Hub::new(self.patience));
        let listed = stream::iter(locations).map(|location| list(&stores, &hub, location));
        self.runtime.block_on(listed.buffered(AT_ONCE).collect())
    }

    /// Brings a file whole and checked; gives where it is, in `scratch`.
    ///
    /// What an earlier call, in whatever process, left in `scratch` is gone on from, as long as it is of the same
    /// content. `progress` is told how many bytes are there.
    pub fn download(
        &self,
        wanted: &Wanted<'_>,
        scratch: &Path,
        progress: &mut dyn FnMut(u64),
    ) -> Result<PathBuf, RemoteError> {
        let download = download::Download { wanted, patience: self.patience, scratch };
        self.runtime.block_on(download.run(progress))
    }
}

async fn list(stores: &Stores, hub: &Hub, location: &Location) -> Result<Listing, RemoteError> {
    let mut listing = match location {
        Location::Hub { repository, revision, .. } => {
            hub.list(location, repository, revision).await?
        }
        _ => Listing { files: stores.list(location).await?, commit: None },
    };
    listing.files.sort_by(|one, other| one.url.cmp(&other.url));
    Ok(listing)
}

/// Calls until it goes well or another try would not help.
async fn with_tries<T, F: Future<Output = Result<T, RemoteError>>>(
    patience: &Patience,
    call: impl Fn() -> F,
) -> Result<T, RemoteError> {
    let mut tried = 1;
    loop {
        match call().await {
            Err(error) if error.is_transient() && tried < patience.tries => {
                tracing::debug!("try {tried}: {error}");
                pause(patience, tried).await;
                tried += 1;
            }
            other => return other,
        }
    }
}

/// Waits before the try after number `tried`.
async fn pause(patience: &Patience, tried: u32) {
    let factor = 2_u32.saturating_pow(tried.saturating_sub(1).min(6));
    tokio::time::sleep(patience.pause.saturating_mul(factor)).await;
}

/// What a server's tags say of a content.
fn identity(etag: Option<&str>, modified_seconds: i64) -> Identity {
    match (etag, modified_seconds) {
        // Azure's listings leave the quotes away that its answers have.
        (Some(tag), _) => Identity::Etag(tag.trim_matches('"').to_owned()),
        // What stands where a server says nothing.
        (None, 0) => Identity::Length,
        (None, seconds) => Identity::Modified(seconds),
    }
}
