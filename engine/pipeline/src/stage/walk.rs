//! Globs to files. Every folder is listed once, however many globs start from it: corpora have
//! hundreds of thousands of files, and a run that has nothing to do should not spend its time here.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;

use globset::{GlobBuilder, GlobMatcher};

/// A file of a folder; a link may be one to a file.
#[derive(Debug)]
struct Found {
    path: PathBuf,
    is_link: bool,
}

/// What lies in one folder.
#[derive(Debug, Default)]
struct Listing {
    files: Vec<Found>,
    folders: Vec<PathBuf>,
}

/// Folders listed so far.
#[derive(Debug, Default)]
pub(super) struct Walks {
    known: HashMap<PathBuf, Rc<Listing>>,
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
        let (roots, rest) = self.descend(root, &rest)?;
        let glob = matcher(&rest)?;
        let depth = depth(&rest);
        let mut found = Vec::new();
        for root in roots {
            self.matches_below(&root, depth, &glob, &mut found)?;
        }
        found.sort_unstable_by(|one: &PathBuf, other| one.as_os_str().cmp(other.as_os_str()));
        Ok(found)
    }

    /// Goes down by the parts of `rest` that match one name each, but for the last, so that no folder is listed that
    /// cannot hold a match: gives the folders, and what is left of the pattern.
    fn descend(
        &mut self,
        root: PathBuf,
        rest: &Path,
    ) -> Result<(Vec<PathBuf>, PathBuf), WalkError> {
        let mut roots = vec![root];
        let mut left = rest.components();
        loop {
            let here = left.as_path().to_owned();
            let Some(part) = left.next().filter(|part| is_one_name(*part)) else {
                return Ok((roots, here));
            };
            if left.as_path().as_os_str().is_empty() {
                return Ok((roots, here));
            }
            let glob = matcher(Path::new(part.as_os_str()))?;
            let mut below = Vec::new();
            for root in &roots {
                let listing = self.listing(root)?;
                let has_name = |folder: &&PathBuf| {
                    folder.file_name().is_some_and(|name| glob.is_match(Path::new(name)))
                };
                below.extend(listing.folders.iter().filter(has_name).cloned());
            }
            roots = below;
        }
    }

    fn matches_below(
        &mut self,
        root: &Path,
        depth: usize,
        glob: &GlobMatcher,
        matches: &mut Vec<PathBuf>,
    ) -> Result<(), WalkError> {
        let whole = root.as_os_str().as_bytes();
        let start = whole.len() + usize::from(!whole.is_empty() && !whole.ends_with(b"/"));
        // Listing has said already what is a file; only links must be followed to know.
        let is_match = |found: &&Found| {
            let below = found.path.as_os_str().as_bytes().get(start..).unwrap_or_default();
            glob.is_match(OsStr::from_bytes(below)) && !(found.is_link && found.path.is_dir())
        };
        let mut folders = vec![(root.to_owned(), depth)];
        while let Some((folder, depth)) = folders.pop() {
            let listing = self.listing(&folder)?;
            matches.extend(listing.files.iter().filter(is_match).map(|found| found.path.clone()));
            if depth > 1 {
                folders.extend(listing.folders.iter().map(|folder| (folder.clone(), depth - 1)));
            }
        }
        Ok(())
    }

    fn listing(&mut self, folder: &Path) -> Result<Rc<Listing>, WalkError> {
        if let Some(known) = self.known.get(folder) {
            return Ok(Rc::clone(known));
        }
        let listing = Rc::new(list(folder)?);
        self.known.insert(folder.to_owned(), Rc::clone(&listing));
        Ok(listing)
    }
}

fn matcher(pattern: &Path) -> Result<GlobMatcher, WalkError> {
    let text = pattern.to_str().ok_or_else(|| WalkError::Glob("it is not UTF-8".into()))?;
    let glob = GlobBuilder::new(text).literal_separator(true).build();
    Ok(glob.map_err(|error| WalkError::Glob(error.kind().to_string()))?.compile_matcher())
}

/// Whether a part of a pattern stands for one name, whatever is around it.
fn is_one_name(part: Component<'_>) -> bool {
    let text = part.as_os_str().to_string_lossy();
    matches!(part, Component::Normal(_))
        && !text.contains("**")
        && !text.contains(['[', ']', '{', '}', '!', '\\'])
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

/// Folders, files and links (which may be to files) in `folder`.
fn list(folder: &Path) -> Result<Listing, WalkError> {
    let mut listing = Listing::default();
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        // Where it is a file, or gone by now, nothing lies in it.
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(listing);
        }
        Err(error) => return Err(WalkError::List { folder: folder.to_owned(), error }),
    };
    for entry in entries.filter_map(Result::ok) {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => listing.folders.push(entry.path()),
            Ok(kind) if kind.is_file() || kind.is_symlink() => {
                listing.files.push(Found { path: entry.path(), is_link: kind.is_symlink() });
            }
            Ok(_) | Err(_) => {}
        }
    }
    Ok(listing)
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
        check("?/*/*.md", &["a/b/y.md"]);
        check("*/b/*", &["a/b/y.md", "a/b/z.rs"]);
        check("*/x.md", &["a/x.md"]);
        check("a/{x,b/y}.md", &["a/b/y.md", "a/x.md"]);
        check("a/b/?.rs", &["a/b/z.rs"]);
        check("a/x.md", &["a/x.md"]);
        check("a", &[]);
        check("nowhere/*.md", &[]);
    }

    /// Folders that no match can lie in are not looked into: they may be large, or not be ours to list.
    #[test]
    fn only_folders_that_can_hold_matches_are_listed() {
        let folder = tree();
        let listed = |pattern: &str| {
            let mut walks = Walks::default();
            walks.expand(&folder.path().join(pattern)).expect("a glob");
            let below = |path: &PathBuf| path.strip_prefix(folder.path()).map(Path::to_owned);
            let mut folders: Vec<_> =
                walks.known.keys().filter_map(|path| below(path).ok()).collect();
            folders.sort();
            folders.iter().map(|path| path.to_string_lossy().into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(listed("a*/**/*.md"), ["", "a", "a/b"]);
        assert_eq!(listed("*/src/*.rs"), ["", "a", "c", "c/src", "od[d]"]);
        assert_eq!(listed("*.md"), [""]);
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
