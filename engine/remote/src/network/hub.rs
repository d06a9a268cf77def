//! Datasets of the Hugging Face hub. `hf-hub` knows the endpoint (`HF_ENDPOINT`), the token's file, revisions and
//! URLs; it neither lists a tree with sizes and hashes nor checks what it downloads, so the tree is asked for
//! here through its client, and bytes come as those of every web server do.

use std::collections::HashMap;
use std::sync::Arc;

use hf_hub::api::tokio::{Api, ApiBuilder, ApiError};
use hf_hub::{Cache, Repo, RepoType};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

use super::objects::within;
use super::wrong::{Wrong, words};
use super::{Listing, Patience, with_tries};
use crate::file::is_hash;
use crate::location::is_file;
use crate::{Identity, Location, RemoteError, RemoteFile};

/// What stays as it is in a path of a URL.
const IN_PATH: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A page of a tree is asked for again at most so often: an answer that leads back to itself has to end.
const PAGES: usize = 100_000;

/// The hub that the environment names.
pub struct Hub {
    patience: Patience,
    endpoint: String,
    /// Commits asked for so far, so that patterns of one revision agree.
    commits: tokio::sync::Mutex<HashMap<(String, String), Arc<str>>>,
}

/// An entry of a tree.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(rename = "type")]
    kind: String,
    path: String,
    oid: String,
    size: u64,
    lfs: Option<Lfs>,
}

#[derive(Debug, Deserialize)]
struct Lfs {
    oid: String,
    size: u64,
}

impl Hub {
    pub fn new(patience: Patience) -> Self {
        Self { patience, endpoint: endpoint(), commits: tokio::sync::Mutex::default() }
    }

    /// The files of a dataset that a location stands for, at the commit that its revision is now.
    pub async fn list(
        &self,
        location: &Location,
        repository: &str,
        revision: &str,
    ) -> Result<Listing, RemoteError> {
        let wrong = Wrong::with(location);
        let matcher = location.matcher().map_err(|error| RemoteError::Glob {
            url: location.to_string(),
            problem: error.kind().to_string(),
        })?;
        let commit = self.commit(repository, revision, &wrong).await?;
        let entries = self.tree(repository, &commit, location.folder(), &wrong).await?;
        let is_wanted = |entry: &Entry| {
            entry.kind == "file" && is_file(&entry.path) && matcher.is_match(&entry.path)
        };
        let files =
            entries.into_iter().filter(is_wanted).map(|entry| file(location, entry, &wrong));
        let files: Vec<_> = files.collect::<Result<_, _>>()?;
        if files.is_empty() && !location.is_glob() {
            return Err(wrong.not_found());
        }
        Ok(Listing { files, commit: Some(commit.to_string()) })
    }

    async fn commit(
        &self,
        repository: &str,
        revision: &str,
        wrong: &Wrong,
    ) -> Result<Arc<str>, RemoteError> {
        let mut known = self.commits.lock().await;
        let place = (repository.to_owned(), revision.to_owned());
        if let Some(commit) = known.get(&place) {
            return Ok(Arc::clone(commit));
        }
        let api = api(&self.endpoint, wrong)?;
        let repo = || api.repo(repo(repository, revision));
        let asked = || async {
            let info = within(&self.patience, wrong, repo().info()).await?;
            info.map_err(|error| of_api(&error, wrong))
        };
        let commit = with_tries(&self.patience, asked).await?.sha;
        if !is_hash(&commit, 40) {
            return Err(wrong.answer(&format!("`{commit}` is no commit")));
        }
        let commit: Arc<str> = commit.into();
        known.insert(place, Arc::clone(&commit));
        Ok(commit)
    }

    /// All entries below a folder, page after page.
    async fn tree(
        &self,
        repository: &str,
        commit: &str,
        folder: &str,
        wrong: &Wrong,
    ) -> Result<Vec<Entry>, RemoteError> {
        let api = api(&self.endpoint, wrong)?;
        let folder = utf8_percent_encode(folder, IN_PATH);
        let url = format!("{}/api/datasets/{repository}/tree/{commit}/{folder}", self.endpoint);
        let url = url.trim_end_matches('/');
        let (mut entries, mut cursor) = (Vec::new(), None::<String>);
        for _ in 0..PAGES {
            let asked = || self.page(&api, url, cursor.as_deref(), wrong);
            let (page, next) = with_tries(&self.patience, asked).await?;
            entries.extend(page);
            match next {
                Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
                _ => return Ok(entries),
            }
        }
        Err(wrong.answer(&"its list of files does not end"))
    }

    /// One page, and where the next one starts. Of the link to the next page only the cursor is taken: the token
    /// goes to the endpoint alone.
    async fn page(
        &self,
        api: &Api,
        url: &str,
        cursor: Option<&str>,
        wrong: &Wrong,
    ) -> Result<(Vec<Entry>, Option<String>), RemoteError> {
        let mut query = vec![("recursive", "true")];
        query.extend(cursor.map(|cursor| ("cursor", cursor)));
        let asked = async {
            let answer = api.client().get(url).query(&query).send().await?.error_for_status()?;
            let next =
                answer.headers().get("link").and_then(|link| next_cursor(link.to_str().ok()?));
            Ok((answer.json().await?, next))
        };
        let outcome = within(&self.patience, wrong, asked).await?;
        outcome.map_err(|error| of_api(&ApiError::RequestError(error), wrong))
    }
}

/// `<https://…?…&cursor=X>; rel="next"`.
fn next_cursor(link: &str) -> Option<String> {
    let next = link.split(',').find(|part| part.contains("rel=\"next\""))?;
    let url = next.split_once('<')?.1.split_once('>')?.0;
    let (_, query) = url.split_once('?')?;
    let cursor = query.split('&').find_map(|pair| pair.strip_prefix("cursor="))?;
    let cursor = cursor.replace('+', " ");
    Some(percent_encoding::percent_decode_str(&cursor).decode_utf8().ok()?.into_owned())
}

fn file(location: &Location, entry: Entry, wrong: &Wrong) -> Result<RemoteFile, RemoteError> {
    let (bytes, identity) = match entry.lfs {
        Some(Lfs { oid, size }) if is_hash(&oid, 64) => (size, Identity::Sha256(oid)),
        None if is_hash(&entry.oid, 40) => (entry.size, Identity::GitBlob(entry.oid)),
        _ => return Err(wrong.answer(&format!("the hash of `{}` cannot be read", entry.path))),
    };
    Ok(RemoteFile { url: location.with_path(&entry.path).to_string(), bytes, identity })
}

/// Where a file's bytes are, and what to send along.
pub fn address(
    repository: &str,
    revision: &str,
    path: &str,
    wrong: &Wrong,
) -> Result<(String, HeaderMap), RemoteError> {
    let endpoint = endpoint();
    let path = utf8_percent_encode(path, IN_PATH).to_string();
    let url = api(&endpoint, wrong)?.repo(repo(repository, revision)).url(&path);
    let mut headers = HeaderMap::new();
    if let Some(token) = token() {
        let mut value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| wrong.answer(&"the token in `HF_TOKEN` cannot be sent"))?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok((url, headers))
}

fn repo(repository: &str, revision: &str) -> Repo {
    Repo::with_revision(repository.to_owned(), RepoType::Dataset, revision.to_owned())
}

/// `HF_ENDPOINT`, as the hub's own tools read it.
fn endpoint() -> String {
    let named = std::env::var("HF_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
    named
        .map_or("https://huggingface.co".to_owned(), |named| named.trim_end_matches('/').to_owned())
}

/// `HF_TOKEN`, else what `hf auth login` left.
fn token() -> Option<String> {
    let named = std::env::var("HF_TOKEN").ok().map(|token| token.trim().to_owned());
    named.filter(|token| !token.is_empty()).or_else(|| Cache::from_env().token())
}

fn api(endpoint: &str, wrong: &Wrong) -> Result<Api, RemoteError> {
    let builder = ApiBuilder::from_env().with_endpoint(endpoint.to_owned()).with_token(token());
    let builder =
        builder.with_progress(false).with_user_agent("mixmake", env!("CARGO_PKG_VERSION"));
    builder.build().map_err(|error| wrong.answer(&words(&error)))
}

fn of_api(error: &ApiError, wrong: &Wrong) -> RemoteError {
    let status = match error {
        ApiError::RequestError(error) => error.status(),
        _ => None,
    };
    match status {
        Some(status) => wrong.status(status.as_u16()),
        None => match error {
            ApiError::RequestError(error) if error.is_decode() => wrong.answer(&words(error)),
            other => wrong.unreachable(words(other)),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_in_the_link() {
        let link = "<https://h/api/x?recursive=true&cursor=a%2Fb%3D>; rel=\"next\"";
        assert_eq!(next_cursor(link).as_deref(), Some("a/b="));
        assert_eq!(next_cursor("<https://h/x>; rel=\"prev\""), None);
        assert_eq!(next_cursor(""), None);
    }
}
