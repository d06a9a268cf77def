//! Errors of the libraries below to errors that say what happened, without what only they know.

use std::error::Error;
use std::fmt::Display;
use std::time::Duration;

use crate::{Location, RemoteError};

/// Knows which URL it was about.
#[derive(Debug, Clone)]
pub struct Wrong {
    url: String,
}

impl Wrong {
    pub fn with(location: &Location) -> Self {
        Self { url: location.to_string() }
    }

    pub fn at(url: &str) -> Self {
        Self { url: url.to_owned() }
    }

    pub fn not_found(&self) -> RemoteError {
        RemoteError::NotFound { url: self.url.clone() }
    }

    pub fn silent(&self, waited: Duration) -> RemoteError {
        self.unreachable(format!("nothing came for {} s", waited.as_secs_f32()))
    }

    pub fn unreachable(&self, why: String) -> RemoteError {
        RemoteError::Unreachable { url: self.url.clone(), why }
    }

    /// What another try does not change.
    pub fn answer(&self, why: &dyn Display) -> RemoteError {
        RemoteError::Answer { url: self.url.clone(), why: one_line(&why.to_string()) }
    }

    /// By a status of HTTP.
    pub fn status(&self, status: u16) -> RemoteError {
        match status {
            404 | 410 => self.not_found(),
            401 | 403 => {
                RemoteError::Denied { url: self.url.clone(), why: format!("status {status}") }
            }
            408 | 429 | 500.. => {
                self.unreachable(format!("the server answers with status {status}"))
            }
            _ => self.answer(&format!("the server answers with status {status}")),
        }
    }

    pub fn of(&self, error: object_store::Error) -> RemoteError {
        match error {
            object_store::Error::NotFound { .. } => self.not_found(),
            object_store::Error::PermissionDenied { .. } => self.status(403),
            object_store::Error::Unauthenticated { .. } => self.status(401),
            object_store::Error::Generic { source, .. } => self.generic(&*source),
            other => self.answer(&other),
        }
    }

    /// A connection that failed or broke, or an answer that another try may change.
    pub fn generic(&self, error: &(dyn Error + 'static)) -> RemoteError {
        let why = words(error);
        let status = why.split("status code: ").nth(1).and_then(|rest| rest.get(..3)?.parse().ok());
        match status {
            Some(status) => self.status(status),
            None if is_settled(&why) => self.answer(&why),
            None => self.unreachable(why),
        }
    }
}

/// What is wrong with the answer or the settings, and stays so.
fn is_settled(why: &str) -> bool {
    [
        "Content-Length Header missing",
        "Missing",
        "must be",
        "Unable to parse",
        "Invalid",
        "not valid",
        "Scheme",
    ]
    .iter()
    .any(|words| why.contains(words))
}

/// An error with those below it, each said once; without the URLs that requests went to, which may
/// hold what is not to be shown.
pub fn words(error: &(dyn Error + 'static)) -> String {
    let mut said: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = without_urls(&one_line(&error.to_string()));
        if !said.iter().any(|before| before.contains(&text)) {
            // An outer error often ends with the inner one.
            said.push(text);
        }
        next = error.source();
    }
    said.join(": ")
}

fn one_line(text: &str) -> String {
    let mut line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some((end, _)) = line.char_indices().nth(400) {
        line.truncate(end);
        line.push('…');
    }
    line
}

fn without_urls(text: &str) -> String {
    let words = text.split(' ').map(|word| if word.contains("://") { "…" } else { word });
    words.collect::<Vec<_>>().join(" ")
}
