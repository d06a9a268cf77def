//! A remote file and what tells its content from another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A file that a location stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemoteFile {
    /// Of this one file.
    pub url: String,
    /// Its length.
    pub bytes: u64,
    pub identity: Identity,
}

/// What tells one content of a remote file from another, as good as its server says it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Identity {
    /// SHA-256 of the content, in hexadecimal: large files of the hub.
    Sha256(String),
    /// Git's object id of the content, in hexadecimal: small files of the hub.
    GitBlob(String),
    /// The server's entity tag, without quotes around it; a weak one begins with `W/`.
    Etag(String),
    /// Seconds since 1970 of the last change, where the server has no tags.
    Modified(i64),
    /// The server says no more than the length.
    Length,
}

impl Identity {
    /// Whether it is computed from the content, so that a file can be checked by it.
    #[must_use]
    pub fn is_of_content(&self) -> bool {
        matches!(self, Self::Sha256(_) | Self::GitBlob(_))
    }

    /// Whether two parts that were read under it belong together: a weak tag promises only that the
    /// contents mean the same (RFC 9110, section 8.8.1).
    #[must_use]
    pub fn joins_parts(&self) -> bool {
        match self {
            Self::Etag(tag) => !tag.starts_with("W/"),
            Self::Length => false,
            _ => true,
        }
    }
}

/// One word, for a line of text: `sha256:…`, `git:…`, `etag:…`, `modified:…` or `length`.
impl fmt::Display for Identity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256(hash) => write!(formatter, "sha256:{hash}"),
            Self::GitBlob(hash) => write!(formatter, "git:{hash}"),
            Self::Etag(tag) => write!(formatter, "etag:{}", escape(tag)),
            Self::Modified(seconds) => write!(formatter, "modified:{seconds}"),
            Self::Length => formatter.write_str("length"),
        }
    }
}

impl FromStr for Identity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (kind, value) = text.split_once(':').unwrap_or((text, ""));
        match kind {
            "sha256" if is_hash(value, 64) => Ok(Self::Sha256(value.to_owned())),
            "git" if is_hash(value, 40) => Ok(Self::GitBlob(value.to_owned())),
            "etag" => Ok(Self::Etag(unescape(value).ok_or(())?)),
            "modified" => value.parse().map(Self::Modified).map_err(|_| ()),
            "length" if text == "length" => Ok(Self::Length),
            _ => Err(()),
        }
    }
}

/// Whether a text is a hash of so many hexadecimal digits.
pub(crate) fn is_hash(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Without spaces, control characters or anything beyond ASCII.
fn escape(tag: &str) -> String {
    let mut text = String::with_capacity(tag.len());
    for byte in tag.bytes() {
        match byte {
            b'!'..=b'~' if byte != b'%' => text.push(char::from(byte)),
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = after;
            continue;
        }
        let digits = std::str::from_utf8(after.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &after[2..];
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities_are_one_word() {
        let all = [
            Identity::Sha256("ab".repeat(32)),
            Identity::GitBlob("0f".repeat(20)),
            Identity::Etag("a \"b%é".to_owned()),
            Identity::Etag("W/\"x".to_owned()),
            Identity::Modified(-3),
            Identity::Length,
        ];
        for identity in all {
            let text = identity.to_string();
            assert!(!text.contains(' ') && text.is_ascii(), "{text}");
            assert_eq!(text.parse(), Ok(identity));
        }
        for text in ["", "sha256:xy", "etag:%", "length:1", "modified:", "other:1"] {
            assert_eq!(text.parse::<Identity>(), Err(()), "{text}");
        }
    }
}
