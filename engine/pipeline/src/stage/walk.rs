//! Globs to files. Every folder is listed once, however many globs start from it: corpora have
//! hundreds of thousands of files, and a run that has nothing to do should not spend its time here.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use globset::GlobBuilder;

/// A file of a folder; a link may be one to a file.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    is_link: bool,
}

/// Folders listed so far, each to some depth.
#[derive(Debug, Default)]
pub(super) struct Walks {
    known: HashMap<(PathBuf, usize), Vec<Found>>,
}

/// Why it cannot be known which files a pattern matches.
#[derive(Debug, thiserror::Error)]
pub(super) enum WalkError {
    #[error("is not a glob: {0}")]
    Glob(String),
    #[error("cannot be followed: cannot list `{}`: {error}", folder.display())]
    List { folder: PathBuf, error: io::Error },
}

impl Walks {
    /// Regular files that match `pattern`, sorted; a path without wildcards stands for itself. Links to folders are not
    /// followed; links to nothing are given, for whoever reads them to say so.
    ///
    /// Errors: no glob, or a folder that may not be listed, since files in it would be missing in silence.
    pub fn expand(&mut self, pattern: &Path) -> Result<Vec<PathBuf>, WalkError> {
        let (root, rest) = split(pattern);
        if rest.as_os_str().is_empty() {
            return Ok(if root.is_file() { vec![root] } else { Vec::new() });
        }
        let text = rest.to_str().ok_or_else(|| WalkError::Glob("it is not UTF-8".into()))?;
        let glob = GlobBuilder::new(text)
            .literal_separator(true)
            .build()
            .map_err(|error| WalkError::Glob(error.kind().to_string()))?
            .compile_matcher();
        let depth = depth(&rest);
        let files = match self.known.entry((root.clone(), depth)) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => place.insert(list(&root, depth)?),
        };
        let whole = root.as_os_str().as_bytes();
        let start = whole.len() + usize::from(!whole.is_empty() && !whole.ends_with(b"/"));
        // Listing has said already what is a file; only links must be followed to know.
        let matches = |found: &&Found| {
            let below = found.path.as_os_str().as_bytes().get(start..).unwrap_or_default();
            glob.is_match(OsStr::from_bytes(below)) && !(found.is_link && found.path.is_dir())
        };
        Ok(files.iter().filter(matches).map(|found| found.path.clone()).collect())
    }
}

/// The folder that all matches lie in, and the pattern below it.
fn split(pattern: &Path) -> (PathBuf, PathBuf) {
    let is_plain = |part: &Component<'_>| {
        !part.as_os_str().to_string_lossy().contains(['*', '?', '[', ']', '{', '}', '!', '\\'])
    };
    let plain = pattern.components().take_while(is_plain).count();
    let root: PathBuf = pattern.components().take(plain).collect();
    (root, pattern.components().skip(plain).collect())
}

/// How many levels of folders a pattern can reach.
fn depth(pattern: &Path) -> usize {
    let levels = pattern.components().count();
    // A brace may hold separators, so it reaches as deep as `**`.
    let deep = |part: Component<'_>| {
        let part = part.as_os_str().to_string_lossy();
        part.contains("**") || part.contains(['{', '}'])
    };
    if pattern.components().any(deep) { usize::MAX } else { levels }
}

/// Files (and links, which may be to files) below `root`, sorted.
fn list(root: &Path, depth: usize) -> Result<Vec<Found>, WalkError> {
    let mut files = Vec::new();
    let mut folders = vec![(root.to_owned(), depth)];
    while let Some((folder, depth)) = folders.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            // Where it is a file, or gone by now, nothing lies in it.
            Err(error)
                if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) =>
            {
                continue;
            }
            Err(error) => return Err(WalkError::List { folder, error }),
        };
        for entry in entries.filter_map(Result::ok) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() && depth > 1 => folders.push((entry.path(), depth - 1)),
                Ok(kind) if kind.is_dir() => {}
                Ok(kind) if kind.is_file() || kind.is_symlink() => {
                    files.push(Found { path: entry.path(), is_link: kind.is_symlink() });
                }
                Ok(_) | Err(_) => {}
            }
        }
    }
    files.sort_unstable_by(|one, other| one.path.as_os_str().cmp(other.path.as_os_str()));
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for path in ["a/x.md", "a/b/y.md", "a/b/z.rs", "c/src/deep/w.rs", "top.md", "od[d]/v.md"] {
            let path = folder.path().join(path);
            fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            fs::write(path, "").expect("written");
        }
        folder
    }

    fn check(pattern: &str, expected: &[&str]) {
        let folder = tree();
        let found = Walks::default().expand(&folder.path().join(pattern)).expect("a glob");
        let below = |path: &PathBuf| {
            path.strip_prefix(folder.path()).expect("below").to_string_lossy().into_owned()
        };
        assert_eq!(found.iter().map(below).collect::<Vec<_>>(), expected, "{pattern}");
    }

    #[test]
    fn globs_match_as_in_a_shell() {
        check("*.md", &["top.md"]);
        check("**/*.md", &["a/b/y.md", "a/x.md", "od[d]/v.md", "top.md"]);
        check("a/**/*.md", &["a/b/y.md", "a/x.md"]);
        check("*/src/**/*.rs", &["c/src/deep/w.rs"]);
        check("a/{x,b/y}.md", &["a/b/y.md", "a/x.md"]);
        check("a/b/?.rs", &["a/b/z.rs"]);
        check("a/x.md", &["a/x.md"]);
        check("a", &[]);
        check("nowhere/*.md", &[]);
    }

    #[test]
    fn a_bad_glob_is_an_error() {
        assert!(Walks::default().expand(Path::new("a/[")).is_err());
    }

    #[test]
    fn a_link_to_nothing_is_found_and_a_link_to_a_folder_is_not() {
        let folder = tree();
        let link = |to: &str, name: &str| {
            std::os::unix::fs::symlink(to, folder.path().join(name)).expect("linked");
        };
        link("nowhere", "lost.md");
        link("x.md", "a/other.md");
        link("a", "folder.md");
        let found = Walks::default().expand(&folder.path().join("a/*.md")).expect("a glob");
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(names, ["other.md", "x.md"]);
        let found = Walks::default().expand(&folder.path().join("*.md")).expect("a glob");
        let names: Vec<_> = found.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(names, ["lost.md", "top.md"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_itself_ends() {
        let folder = tree();
        std::os::unix::fs::symlink(folder.path(), folder.path().join("a/loop")).expect("linked");
        let found = Walks::default().expand(&folder.path().join("**/top.md")).expect("a glob");
        assert_eq!(found.len(), 1);
    }
}
