//! The time by the clock of a file system's server: the one clock that all machines of a store share.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::files::{self, At, FileError};
use crate::sys;

/// How long a comparison of the clocks is good for.
const GOOD_FOR: Duration = Duration::from_secs(30);

#[derive(Clone, Copy)]
struct Compared {
    server: SystemTime,
    here: Instant,
}

static COMPARED: Mutex<Option<HashMap<PathBuf, Compared>>> = Mutex::new(None);

/// The server's time, to a few milliseconds: what a file made in `folder` now would carry. A folder that cannot
/// be written is asked by this machine's clock.
pub fn now(folder: &Path) -> Result<SystemTime, FileError> {
    let known = {
        let all = COMPARED.lock().unwrap_or_else(PoisonError::into_inner);
        all.as_ref().and_then(|all| all.get(folder)).copied()
    };
    if let Some(Compared { server, here }) = known.filter(|known| known.here.elapsed() < GOOD_FOR) {
        return Ok(server + here.elapsed());
    }
    exactly(folder)
}

/// As [`now`], comparing the clocks anew.
pub fn exactly(folder: &Path) -> Result<SystemTime, FileError> {
    let probe = files::temporary_beside(&folder.join("clock"));
    let here = Instant::now();
    let Ok(file) = sys::create(&probe) else { return Ok(sys::now()) };
    let server = file.metadata().and_then(|metadata| metadata.modified()).at("stat", &probe);
    files::remove_all(&probe)?;
    let server = server?;
    let mut all = COMPARED.lock().unwrap_or_else(PoisonError::into_inner);
    all.get_or_insert_default().insert(folder.to_owned(), Compared { server, here });
    Ok(server)
}
