//! Which files are read by one action. Large files alone, small ones together; and so that a file which comes, goes or
//! changes moves no other from one group to another.

use std::fs;
use std::path::{Path, PathBuf};

/// Stored bytes that one action reads at most, where it reads several files.
const GROUP_BYTES: u64 = 64 << 20;
/// Files that one action reads at most.
const GROUP_FILES: usize = 1024;

/// Files that one action reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Bits that the hashes of the names start with; empty where there is one group only.
    pub name: String,
    pub files: Vec<PathBuf>,
}

/// Splits files by the hashes of their names below `folder`, bit by bit, until every group is small enough. What is in
/// a group depends on its own files alone. Names decide groups only, and groups decide no output.
pub(super) fn group(folder: &Path, files: &[PathBuf]) -> Vec<Group> {
    let known = |path: &PathBuf| {
        let name = path.strip_prefix(folder).unwrap_or(path);
        let hash = blake3::hash(name.as_os_str().as_encoded_bytes());
        let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
        Known { hash: *hash.as_bytes(), bytes, path: path.clone() }
    };
    let mut groups = Vec::new();
    split(String::new(), files.iter().map(known).collect(), &mut groups);
    groups
}

struct Known {
    hash: [u8; 32],
    bytes: u64,
    path: PathBuf,
}

fn split(name: String, files: Vec<Known>, groups: &mut Vec<Group>) {
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let small = bytes <= GROUP_BYTES && files.len() <= GROUP_FILES;
    if files.len() <= 1 || small || name.len() == 256 {
        if !files.is_empty() {
            groups.push(Group { name, files: files.into_iter().map(|file| file.path).collect() });
        }
        return;
    }
    let bit = name.len();
    let is_one = |file: &Known| (file.hash[bit / 8] >> (7 - bit % 8)) & 1 == 1;
    let (ones, zeros): (Vec<Known>, Vec<Known>) = files.into_iter().partition(is_one);
    split(format!("{name}0"), zeros, groups);
    split(format!("{name}1"), ones, groups);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn files(folder: &Path, count: usize) -> Vec<PathBuf> {
        (0..count).map(|index| folder.join(format!("{index}.txt"))).collect()
    }

    #[test]
    fn few_small_files_are_one_group() {
        let folder = Path::new("/nowhere");
        let groups = group(folder, &files(folder, 1000));
        assert_eq!((groups.len(), groups[0].name.as_str()), (1, ""));
        assert!(group(folder, &[]).is_empty());
    }

    #[test]
    fn one_more_file_changes_one_group() {
        let folder = Path::new("/nowhere");
        let before = group(folder, &files(folder, 100_000));
        let after = group(folder, &files(folder, 100_001));
        let as_set = |groups: &[Group]| -> BTreeSet<Vec<PathBuf>> {
            groups.iter().map(|group| group.files.clone()).collect()
        };
        let (before, after) = (as_set(&before), as_set(&after));
        assert!((98..300).contains(&before.len()), "{}", before.len());
        assert!(before.iter().all(|group| group.len() <= GROUP_FILES));
        let (gone, new) = (before.difference(&after).count(), after.difference(&before).count());
        assert_eq!(gone, 1);
        assert!(new == 1 || new == 2, "the group may have split: {new}");
    }

    #[test]
    fn large_files_are_read_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let paths = files(folder.path(), 3);
        for path in &paths {
            fs::File::create(path).and_then(|file| file.set_len(GROUP_BYTES)).expect("made");
        }
        let groups = group(folder.path(), &paths);
        assert_eq!(groups.iter().map(|group| group.files.len()).collect::<Vec<_>>(), [1, 1, 1]);
    }
}
