//! What can go wrong with a remote file, and what to do about it.

use std::path::PathBuf;

use crate::Location;
use crate::location::{LocationError, Scheme};

/// Why there is no listing or no file.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error(transparent)]
    Location(#[from] LocationError),
    #[error("`{url}` is not a glob: {problem}")]
    Glob { url: String, problem: String },
    #[error("there is no `{url}`")]
    NotFound { url: String },
    #[error("`{url}` is refused: {why}")]
    Denied { url: String, why: String },
    #[error("`{url}` cannot be reached: {why}")]
    Unreachable { url: String, why: String },
    /// What another try does not change.
    #[error("`{url}`: {why}")]
    Answer { url: String, why: String },
    #[error("`{url}` is not what it was: {was} before, now {now}")]
    Changed { url: String, was: String, now: String },
    #[error("`{url}` came out damaged: {expected} was expected, and it is {found}")]
    Damaged { url: String, expected: String, found: String },
    #[error("cannot {verb} `{}`: {source}", path.display())]
    File { verb: &'static str, path: PathBuf, source: std::io::Error },
}

impl RemoteError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Denied { url, .. } => Some(credentials(url)),
            Self::NotFound { url } if url.starts_with("hf://") => Some(format!(
                "check the names of dataset, revision and file; a private or gated dataset needs {}",
                "`HF_TOKEN` in the environment"
            )),
            Self::NotFound { .. } => Some("check the URL".to_owned()),
            Self::Unreachable { why, url } => Some(unreachable(why, url)),
            Self::Changed { .. } => {
                Some("`mixmake run --update-remote` takes what is there now and pins it".to_owned())
            }
            Self::Damaged { .. } => Some(
                "run again; if it stays so, the server has other bytes than it says".to_owned(),
            ),
            _ => None,
        }
    }

    /// Whether another try may go better.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    #[cfg(feature = "network")]
    pub(crate) fn changed(
        url: &str,
        was: (u64, &crate::Identity),
        now: (u64, &crate::Identity),
    ) -> Self {
        let words =
            |(bytes, identity): (u64, &crate::Identity)| format!("{bytes} bytes, {identity}");
        Self::Changed { url: url.to_owned(), was: words(was), now: words(now) }
    }
}

/// Where the credentials of each service come from.
fn credentials(url: &str) -> String {
    match Location::parse(url) {
        Ok(Location::Object { scheme: Scheme::S3, .. }) => {
            "set `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and `AWS_REGION`, or `AWS_SKIP_SIGNATURE=true` for a public bucket"
        }
        Ok(Location::Object { scheme: Scheme::Gs, .. }) => {
            "set `GOOGLE_APPLICATION_CREDENTIALS` to a file of credentials, or `GOOGLE_SKIP_SIGNATURE=true` for a public bucket"
        }
        Ok(Location::Object { scheme: Scheme::Az, .. }) => {
            "set `AZURE_STORAGE_ACCOUNT_NAME` and `AZURE_STORAGE_ACCOUNT_KEY`, or `AZURE_SKIP_SIGNATURE=true` for a public container"
        }
        Ok(Location::Hub { .. }) => {
            "set `HF_TOKEN` to a token that may read it, accept the dataset's conditions on its page if it is gated, and check its name: what does not exist is refused, too"
        }
        _ => "mixmake sends no credentials to web servers; get the file another way and name its path",
    }
    .to_owned()
}

fn unreachable(why: &str, url: &str) -> String {
    let missing = |name: &str| std::env::var_os(name).is_none();
    let is = |words: &[&str]| words.iter().any(|word| why.contains(word));
    if is(&["dns error", "lookup address"]) {
        "check the host's name and the network; `--offline` uses what is there".to_owned()
    } else if is(&["certificate", "UnknownIssuer"]) {
        "the server's certificate is not trusted by this machine; see `SSL_CERT_FILE`".to_owned()
    } else if url.starts_with("s3://") && missing("AWS_ACCESS_KEY_ID") {
        credentials(url)
    } else {
        "run again: what is downloaded is kept and goes on from there".to_owned()
    }
}
