//! Asking servers, in programs that can.

use std::path::{Path, PathBuf};

use mixmake_core::exec::Failure;
use mixmake_remote::{Location, RemoteFile};

use super::{Advice, Problem};

/// Set for the processes of a run that is to reach no server.
pub const OFFLINE: &str = "MIXMAKE_OFFLINE";

/// The files and the commit that a location stands for.
type Answer = Result<(Vec<RemoteFile>, Option<String>), Problem>;

#[cfg(feature = "remote")]
pub fn list(locations: &[Location]) -> Vec<Answer> {
    use mixmake_remote::{Client, Patience, RemoteError};

    let problem = |error: RemoteError| Problem {
        message: error.to_string(),
        help: error.hint().unwrap_or_else(|| "correct the URL".to_owned()),
    };
    if locations.is_empty() {
        return Vec::new();
    }
    // Whoever asks is waiting; a download has more patience.
    let connect = std::time::Duration::from_secs(5);
    let patience = Patience { tries: 3, connect, ..Patience::default() };
    match Client::new(patience) {
        Ok(client) => {
            let answers = client.list(locations).into_iter();
            answers
                .map(|answer| answer.map(|found| (found.files, found.commit)).map_err(problem))
                .collect()
        }
        Err(error) => vec![Err(problem(error)); locations.len()],
    }
}

#[cfg(not(feature = "remote"))]
pub fn list(locations: &[Location]) -> Vec<Answer> {
    let Failure { message, hint } = not_built();
    vec![Err(Problem { message, help: hint.unwrap_or_default() }); locations.len()]
}

/// The bytes of a file, whole and checked, somewhere in `scratch`.
#[cfg(feature = "remote")]
pub fn fetch(
    file: &RemoteFile,
    advice: &Advice,
    scratch: &Path,
    progress: &mut dyn FnMut(u64),
) -> Result<PathBuf, Failure> {
    use mixmake_remote::{Client, Patience, RemoteError, Wanted};

    refuse_offline(file)?;
    let failure = |error: RemoteError| {
        let failure = Failure::new(error.to_string());
        match error.hint() {
            Some(hint) if failure.hint.is_none() => failure.hint(hint),
            _ => failure,
        }
    };
    let Advice { commit, digest, .. } = advice;
    let wanted = Wanted { file, commit: commit.as_deref(), digest: digest.as_deref() };
    let client = Client::new(Patience::default()).map_err(failure)?;
    client.download(&wanted, scratch, progress).map_err(failure)
}

#[cfg(not(feature = "remote"))]
pub fn fetch(
    file: &RemoteFile,
    _: &Advice,
    _: &Path,
    _: &mut dyn FnMut(u64),
) -> Result<PathBuf, Failure> {
    refuse_offline(file)?;
    Err(not_built())
}

#[cfg(not(feature = "remote"))]
fn not_built() -> Failure {
    Failure::new("this program was built without the feature `remote`, so it reaches no server")
        .hint("build it with that feature, or name files of this machine")
}

/// What was there when the run was planned may be found damaged while it runs.
fn refuse_offline(file: &RemoteFile) -> Result<(), Failure> {
    let is_offline = std::env::var(OFFLINE).is_ok_and(|value| {
        !matches!(&*value.to_ascii_lowercase(), "" | "0" | "false" | "no" | "off" | "n" | "f")
    });
    if is_offline {
        let failure = Failure::new(format!("`{}` is not here, and `--offline`", file.url));
        return Err(failure.hint("run without `--offline`"));
    }
    Ok(())
}
