//! `export`: links artifacts under the names that other tools expect.
//!
//! Hard links, so nothing is copied, and what is exported stays when the store is moved or `gc` removes
//! its own name; across file systems, symbolic links, which break then. Either way the bytes are the
//! store's: they are read-only, and must stay as they are. A tokenizer that is a file of the user's
//! is copied, since that file may change.

mod layout;
mod made;

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mixmake_core::files::{self, At};
use serde_json::json;

use crate::cli::{Export, Global};
use crate::error::{Error, Exit, Result};
use crate::ui::print;
use crate::workspace::Workspace;

/// Where a file comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Origin {
    /// An object of the store.
    Object(PathBuf),
    /// A file that is not ours.
    Foreign(PathBuf),
    /// A file that another tool needs beside or instead of an artifact.
    Made(made::Made),
}

/// One file to be there.
#[derive(Debug, Clone)]
struct Placement {
    origin: Origin,
    to: PathBuf,
}

pub fn run(global: &Global, args: &Export) -> Result<Exit> {
    let workspace = Workspace::open(global)?;
    let placements = layout::placements(&workspace, args)?;
    refuse_collisions(&placements)?;
    let pending = pending(&placements, args.force)?;
    for placement in &pending {
        place(placement)?;
    }
    if global.json {
        let files: Vec<_> = placements.iter().map(|placement| &placement.to).collect();
        print(&json!({ "files": files, "new": pending.len() }).to_string());
        return Ok(Exit::Success);
    }
    placements.iter().for_each(|placement| print(&placement.to.display().to_string()));
    if !global.quiet {
        let (all, new) = (placements.len(), pending.len());
        eprintln!("{all} files under {}, {new} of them new", args.output.display());
    }
    Ok(Exit::Success)
}

/// Two artifacts cannot have one name.
fn refuse_collisions(placements: &[Placement]) -> Result<()> {
    let mut taken = HashMap::new();
    for placement in placements {
        if taken
            .insert(&placement.to, &placement.origin)
            .is_some_and(|other| *other != placement.origin)
        {
            let message = format!("two targets would both be `{}`", placement.to.display());
            return Err(Error::usage(message).hint("export them into different folders"));
        }
    }
    Ok(())
}

/// Files that are not there yet; one that is there with other bytes is refused before anything is done.
fn pending(placements: &[Placement], force: bool) -> Result<Vec<Placement>> {
    let (mut pending, mut others) = (Vec::new(), Vec::new());
    for placement in placements {
        match fs::symlink_metadata(&placement.to) {
            Err(_) => pending.push(placement.clone()),
            Ok(_) if same(placement) => {}
            Ok(metadata) if metadata.is_dir() || !force => {
                others.push(placement.to.display().to_string())
            }
            Ok(_) => pending.push(placement.clone()),
        }
    }
    if others.is_empty() {
        return Ok(pending);
    }
    let message = format!("other files are there already: `{}`", others.join("`, `"));
    Err(Error::usage(message)
        .hint("move them away, choose another `-o DIR`, or replace them with `--force`"))
}

/// Whether what is there is the file wanted: the same file, or the same bytes.
fn same(placement: &Placement) -> bool {
    let from = match &placement.origin {
        Origin::Object(path) | Origin::Foreign(path) => path,
        Origin::Made(made) => {
            let there = fs::File::open(&placement.to).and_then(|mut file| {
                let mut hasher = blake3::Hasher::new();
                io::copy(&mut file, &mut hasher).map(|_| hasher.finalize())
            });
            return matches!((made.digest(), there), (Ok(wanted), Ok(there)) if wanted == there);
        }
    };
    let (Ok(wanted), Ok(there)) = (fs::metadata(from), fs::metadata(&placement.to)) else {
        return false;
    };
    if is_same_file(&wanted, &there) {
        return true;
    }
    let digest = |path: &Path| mixmake_core::Digest::of_file(path).ok();
    there.is_file() && wanted.len() == there.len() && digest(from) == digest(&placement.to)
}

fn is_same_file(one: &fs::Metadata, other: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (one.dev(), one.ino()) == (other.dev(), other.ino())
}

/// Makes the file under a name of its own first, so that no half-made one is ever seen.
fn place(placement: &Placement) -> Result<()> {
    let Placement { origin, to } = placement;
    files::ensure_parent(to)?;
    let fresh = to.with_file_name(format!(".{}.new", std::process::id()));
    files::remove_all(&fresh)?;
    match origin {
        Origin::Object(from) => link(from, &fresh)?,
        Origin::Foreign(from) => {
            fs::copy(from, &fresh).at("copy", from)?;
        }
        Origin::Made(made) => {
            let file = fs::File::create(&fresh).at("create", &fresh)?;
            let mut file = io::BufWriter::with_capacity(1 << 20, file);
            made.write(&mut file).and_then(|()| io::Write::flush(&mut file)).at("write", &fresh)?;
        }
    }
    // Renaming one hard link onto another of the same file does nothing, so an old name goes first.
    files::remove_all(to)?;
    fs::rename(&fresh, to).at("rename", to)?;
    Ok(())
}

fn link(from: &Path, to: &Path) -> Result<()> {
    match fs::hard_link(from, to) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(Error::internal(format!("the store has lost `{}`", from.display()))
                .hint("`mixmake run` makes it again"))
        }
        // Another file system, or one without hard links.
        Err(_) => {
            let from = std::path::absolute(from).at("find", from)?;
            Ok(std::os::unix::fs::symlink(&from, to).at("link", to)?)
        }
    }
}
