//! Where files are: one URL, which may be a glob where there is something to list.

use std::fmt;

use globset::{GlobBuilder, GlobMatcher};

/// Whether a text has the form of a URL, of whatever scheme: `name://`.
#[must_use]
pub fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| {
        scheme.starts_with(|first: char| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    })
}

/// An object store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scheme {
    /// Amazon S3, or a server that speaks its protocol.
    S3,
    /// Google Cloud Storage.
    Gs,
    /// Azure Blob Storage.
    Az,
}

impl Scheme {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::S3 => "s3",
            Self::Gs => "gs",
            Self::Az => "az",
        }
    }
}

/// Files by their URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// One file of a web server, `http` or `https`; there is no listing.
    Web { url: String },
    /// Objects of a bucket or container; `key` may be a glob.
    Object { scheme: Scheme, bucket: String, key: String },
    /// Files of a dataset of the hub; `path` may be a glob.
    Hub { repository: String, revision: String, path: String },
}

/// A URL that names no files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationError {
    #[error("`{0}` is not a URL")]
    NotUrl(String),
    #[error("nothing is known of `{0}://`; there are https, http, s3, gs, az and hf")]
    Scheme(String),
    #[error("`{0}` names no file")]
    NoPath(String),
    #[error("`{0}` is not hf://datasets/OWNER/NAME@REVISION/PATH")]
    Hub(String),
}

impl Location {
    /// Reads a URL.
    pub fn parse(text: &str) -> Result<Self, LocationError> {
        let (scheme, rest) =
            text.split_once("://").ok_or_else(|| LocationError::NotUrl(text.to_owned()))?;
        let object = |scheme| object(scheme, text, rest);
        match scheme {
            "http" | "https" if rest.split_once('/').is_some_and(|(host, _)| !host.is_empty()) => {
                Ok(Self::Web { url: text.to_owned() })
            }
            "http" | "https" => Err(LocationError::NoPath(text.to_owned())),
            "s3" => object(Scheme::S3),
            "gs" => object(Scheme::Gs),
            "az" => object(Scheme::Az),
            "hf" => hub(text, rest),
            other => Err(LocationError::Scheme(other.to_owned())),
        }
    }

    /// What may hold wildcards: the key or the path.
    fn pattern(&self) -> Option<&str> {
        match self {
            Self::Web { .. } => None,
            Self::Object { key, .. } => Some(key),
            Self::Hub { path, .. } => Some(path),
        }
    }

    /// Whether it stands for what a listing says.
    #[must_use]
    pub fn is_glob(&self) -> bool {
        self.pattern().is_some_and(|pattern| pattern.contains(WILDCARDS))
    }

    /// The folder that all matches lie in, without a slash at its end; empty for the root.
    #[must_use]
    pub fn folder(&self) -> &str {
        let pattern = self.pattern().unwrap_or_default();
        let plain = pattern.find(WILDCARDS).map_or(pattern, |wildcard| &pattern[..wildcard]);
        plain.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// What decides which paths match; as for local files, `*` does not cross a slash and `**` does.
    pub fn matcher(&self) -> Result<GlobMatcher, globset::Error> {
        let glob =
            GlobBuilder::new(self.pattern().unwrap_or_default()).literal_separator(true).build()?;
        Ok(glob.compile_matcher())
    }

    /// The same place with another key or path.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        let mut other = self.clone();
        match &mut other {
            Self::Web { .. } => {}
            Self::Object { key, .. } => path.clone_into(key),
            Self::Hub { path: own, .. } => path.clone_into(own),
        }
        other
    }

    /// A path to show: the URL without scheme and query.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Web { url } => {
                let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
                rest.split(['?', '#']).next().unwrap_or_default().to_owned()
            }
            Self::Object { bucket, key, .. } => format!("{bucket}/{key}"),
            Self::Hub { repository, path, .. } => format!("{repository}/{path}"),
        }
    }
}

/// What makes a path a glob.
const WILDCARDS: [char; 4] = ['*', '?', '[', '{'];

fn object(scheme: Scheme, text: &str, rest: &str) -> Result<Location, LocationError> {
    match rest.split_once('/') {
        Some((bucket, key)) if !bucket.is_empty() && is_file(key) => {
            Ok(Location::Object { scheme, bucket: bucket.to_owned(), key: key.to_owned() })
        }
        _ => Err(LocationError::NoPath(text.to_owned())),
    }
}

/// Slashes within a revision are written `%2F`, as the hub's own tools do.
fn hub(text: &str, rest: &str) -> Result<Location, LocationError> {
    let wrong = || LocationError::Hub(text.to_owned());
    let rest = rest.strip_prefix("datasets/").ok_or_else(wrong)?;
    let mut parts = rest.splitn(3, '/');
    let (owner, name, path) =
        (parts.next().ok_or_else(wrong)?, parts.next().ok_or_else(wrong)?, parts.next());
    let path = path.filter(|path| is_file(path)).ok_or_else(wrong)?;
    let (name, revision) = name.split_once('@').unwrap_or((name, "main"));
    if owner.is_empty() || name.is_empty() || revision.is_empty() {
        return Err(wrong());
    }
    Ok(Location::Hub {
        repository: format!("{owner}/{name}"),
        revision: revision.replace("%2F", "/"),
        path: path.to_owned(),
    })
}

/// A path of parts that each say something: what a server lists is used to make names of files.
pub(crate) fn is_file(path: &str) -> bool {
    let is_part = |part: &str| !matches!(part, "" | "." | "..") && !part.contains(char::is_control);
    path.split('/').all(is_part)
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Web { url } => formatter.write_str(url),
            Self::Object { scheme, bucket, key } => {
                write!(formatter, "{}://{bucket}/{key}", scheme.name())
            }
            Self::Hub { repository, revision, path } => {
                let revision = revision.replace('/', "%2F");
                write!(formatter, "hf://datasets/{repository}@{revision}/{path}")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_round_trip() {
        for url in [
            "https://host/a/b.jsonl?x=1",
            "http://127.0.0.1:80/a",
            "s3://bucket/a b/*.jsonl",
            "gs://bucket/x",
            "az://container/x/{a,b}.parquet",
            "hf://datasets/o/n@main/data/*.parquet",
            "hf://datasets/o/n@refs%2Fconvert%2Fparquet/default/train/0000.parquet",
        ] {
            assert_eq!(Location::parse(url).expect(url).to_string(), url);
        }
        let short = Location::parse("hf://datasets/o/n/a.csv").expect("read");
        assert_eq!(short.to_string(), "hf://datasets/o/n@main/a.csv");
    }

    #[test]
    fn what_names_no_file_is_refused() {
        for url in [
            "s3://bucket",
            "s3://bucket/",
            "s3:///key",
            "s3://bucket/a//b",
            "gs://bucket/a/../b",
            "https://host",
            "https:///x",
            "ftp://host/x",
            "hf://datasets/o/n",
            "hf://o/n/x",
            "hf://datasets/o/n@/x",
            "a/b",
        ] {
            assert!(Location::parse(url).is_err(), "{url}");
        }
    }

    #[test]
    fn globs_have_a_folder_and_match_as_local_ones() {
        let check = |url: &str, folder: &str, path: &str, expected: bool| {
            let location = Location::parse(url).expect(url);
            assert_eq!(location.folder(), folder, "{url}");
            assert_eq!(location.matcher().expect(url).is_match(path), expected, "{url}: {path}");
        };
        check("s3://b/a/b/*.gz", "a/b", "a/b/c.gz", true);
        check("s3://b/a/b/*.gz", "a/b", "a/b/c/d.gz", false);
        check("s3://b/a/b*/**/*.gz", "a", "a/bc/d/e/f.gz", true);
        check("s3://b/*.gz", "", "x.gz", true);
        check("s3://b/a/x.gz", "a", "a/x.gz", true);
        check("hf://datasets/o/n/{x,y}/*.csv", "", "y/1.csv", true);
        assert!(!Location::parse("https://host/a[1]*.gz").expect("read").is_glob());
    }
}
