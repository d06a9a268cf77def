//! URLs in place of paths, and `hub` with `revision` as such URLs. What can be wrong with them is said in
//! `check/remote.rs`.

use crate::document::Section;
use crate::steps::is_reference;

/// Schemes of URLs that can be read from.
pub const SCHEMES: [&str; 7] = ["https", "http", "s3", "gs", "az", "hf", "file"];

/// The scheme of a URL; none where a text is a path.
pub fn scheme(text: &str) -> Option<&str> {
    let (scheme, _) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    is_scheme.then_some(scheme)
}

/// Whether a text names files that are elsewhere: a URL, but not `file://`.
pub fn is_remote(text: &str) -> bool {
    scheme(text).is_some_and(|scheme| scheme != "file")
}

/// A path of this machine, where it was written as a URL.
pub fn local(text: String) -> String {
    text.strip_prefix("file://").map_or_else(|| text.clone(), ToOwned::to_owned)
}

/// The patterns of a domain, those that are in its `hub` as URLs.
pub fn resolved(domain: &Section, patterns: Vec<String>) -> Vec<String> {
    let Some(hub) = domain.text("hub") else { return patterns.into_iter().map(local).collect() };
    let revision = domain.text("revision").unwrap_or_else(|| "main".to_owned());
    let start = format!("hf://datasets/{hub}@{}/", revision.replace('/', "%2F"));
    let resolve = |pattern: String| match scheme(&pattern) {
        None if !is_reference(&pattern) => format!("{start}{}", pattern.trim_start_matches("./")),
        _ => local(pattern),
    };
    patterns.into_iter().map(resolve).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_told_from_paths() {
        for (text, expected) in [
            ("s3://b/x", Some("s3")),
            ("HTTPS://h/x", Some("HTTPS")),
            ("a/b", None),
            ("a//b", None),
            ("://b", None),
            ("a b://c", None),
        ] {
            assert_eq!(scheme(text), expected, "{text}");
        }
        assert!(is_remote("gs://b/x") && !is_remote("file:///x") && !is_remote("x"));
        assert_eq!(local("file:///a/*.gz".to_owned()), "/a/*.gz");
    }
}
