//! The folder a command runs in: its inputs as links under the names of the manifest, and what it
//! wrote there.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Component, Path, PathBuf};

use mixmake_core::exec::{Failure, Job};

/// How many files a message lists.
const LISTED: usize = 8;
/// As many folders above its own may a manifest reach.
const UP_MAX: usize = 64;

/// Makes the folder and the links. It lies as deep as `../` in a name needs, so that such names
/// too end inside the action's own folder.
pub fn prepare(job: &Job<'_>, names: &[&str]) -> Result<PathBuf, Failure> {
    let up = names.iter().map(|name| levels_up(Path::new(name))).max().unwrap_or(0);
    if up > UP_MAX {
        return Err(Failure::new(format!("an input lies {up} folders above the manifest")));
    }
    let mut folder = job.output_folder().to_owned();
    folder.extend(std::iter::repeat_n("up", up));
    create(&folder)?;
    let mut made = folder.clone();
    for (name, input) in names.iter().zip(&job.inputs) {
        let link = folder.join(name);
        // An absolute name is found where it is.
        if Path::new(name).is_absolute() {
            continue;
        }
        if let Some(parent) = link.parent().filter(|parent| *parent != made) {
            create(parent)?;
            made = parent.to_owned();
        }
        symlink(&input.path, &link).map_err(|error| cannot("link", &link, &error))?;
    }
    Ok(folder)
}

fn create(folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|error| cannot("create the folder", folder, &error))
}

fn cannot(verb: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {verb} `{}`: {error}", path.display()))
}

/// How many folders above its start a relative path reaches.
fn levels_up(path: &Path) -> usize {
    let (mut depth, mut lowest) = (0_isize, 0);
    for part in path.components() {
        match part {
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            Component::RootDir => return 0,
            Component::CurDir | Component::Prefix(_) => {}
        }
        lowest = lowest.min(depth);
    }
    lowest.unsigned_abs()
}

/// Puts every output where the store takes it from.
pub fn collect(job: &Job<'_>, folder: &Path) -> Result<(), Failure> {
    let missing: Vec<_> =
        job.output_names.iter().filter(|name| !exists(&folder.join(name))).collect();
    if !missing.is_empty() {
        return Err(not_written(job, &missing, folder));
    }
    for name in &job.output_names {
        let (written, wanted) = (folder.join(name), job.output(name));
        own(&written, name)?;
        if written != wanted {
            fs::rename(&written, &wanted).map_err(|error| cannot("move", &written, &error))?;
        }
    }
    Ok(())
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// Makes sure that the output is a file of its own: what the store makes read-only must not be
/// another name of a file that somebody may edit.
fn own(path: &Path, name: &str) -> Result<(), Failure> {
    let found = fs::symlink_metadata(path).map_err(|error| cannot("read", path, &error))?;
    if found.is_file() && found.nlink() == 1 {
        return Ok(());
    }
    if !fs::metadata(path).is_ok_and(|found| found.is_file()) {
        return Err(Failure::new(format!("its output `{name}` is not a file"))
            .hint("an output is one regular file; pack a folder into an archive"));
    }
    let copy = path.with_file_name(format!(".{name}.copy"));
    let copied = fs::copy(path, &copy).and_then(|_| fs::rename(&copy, path));
    copied.map_err(|error| cannot("copy", path, &error))
}

fn not_written(job: &Job<'_>, missing: &[&String], folder: &Path) -> Failure {
    let quoted = |names: Vec<String>| {
        let more = names.len().saturating_sub(LISTED);
        let shown: Vec<_> = names.iter().take(LISTED).map(|name| format!("`{name}`")).collect();
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{}{rest}", shown.join(", "))
    };
    let names = missing.iter().map(|name| (*name).clone()).collect();
    let failure = Failure::new(format!(
        "its command ended well without writing {}, which `outputs` promises",
        quoted(names)
    ));
    let is_new = |name: &String| !job.output_names.contains(name);
    let written: Vec<String> = files_of(folder).into_iter().filter(is_new).collect();
    if written.is_empty() {
        failure.hint("a command writes its outputs into the folder it starts in")
    } else {
        failure.hint(format!("it wrote {}: correct `run` or `outputs`", quoted(written)))
    }
}

/// Names of the regular files in a folder, sorted.
fn files_of(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let files = entries
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let mut names: Vec<_> =
        files.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_up_a_name_reaches() {
        for (path, expected) in
            [("a", 0), ("../a", 1), ("../../a/b", 2), ("a/../b", 0), ("a/../../b", 1), ("/../a", 0)]
        {
            assert_eq!(levels_up(Path::new(path)), expected, "{path}");
        }
    }
}
