//! Which files are read by one action. Large files alone, small ones together; and so that a file which comes, goes or
//! changes moves no other from one group to another.

use std::fs;
use std::path::{Path, PathBuf};

use mixmake_remote::RemoteFile;

/// Stored bytes that one action reads at most, where it reads several files.
const GROUP_BYTES: u64 = 64 << 20;
/// Stored bytes that are worth a thread: fewer are read in less time than it takes to bring threads together.
const THREAD_BYTES: u64 = 16 << 20;
/// Files that one action reads at most.
const GROUP_FILES: usize = 1024;

/// Files that one action reads.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Bits that the hashes of the names start with; empty where there is one group only.
    pub name: String,
    pub files: Vec<Member>,
    /// Stored bytes of all of them.
    pub bytes: u64,
}

impl Group {
    /// Threads that reading it is worth, so that small domains are read beside each other and not one after the other.
    /// A file is one thread's.
    pub fn threads(&self) -> usize {
        let worth = usize::try_from(self.bytes / THREAD_BYTES).unwrap_or(usize::MAX);
        worth.min(self.files.len()).max(1)
    }
}

/// A file of a group.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Member {
    Here(PathBuf),
    /// The place among the files that are elsewhere.
    Elsewhere(usize),
}

/// Splits files by the hashes of their names below `folder`, bit by bit, until every group is small enough. What is in
/// a group depends on its own files alone. Names decide groups only, and groups decide no output.
pub(super) fn group(folder: &Path, files: &[PathBuf], elsewhere: &[RemoteFile]) -> Vec<Group> {
    let here = |path: &PathBuf| {
        let name = path.strip_prefix(folder).unwrap_or(path);
        let hash = blake3::hash(name.as_os_str().as_encoded_bytes());
        let bytes = fs::metadata(path).map_or(0, |metadata| metadata.len());
        Known { hash: *hash.as_bytes(), bytes, file: Member::Here(path.clone()) }
    };
    let remote = |(place, file): (usize, &RemoteFile)| {
        let hash = blake3::hash(file.url.as_bytes());
        Known { hash: *hash.as_bytes(), bytes: file.bytes, file: Member::Elsewhere(place) }
    };
    let known = files.iter().map(here).chain(elsewhere.iter().enumerate().map(remote));
    let mut groups = Vec::new();
    split(String::new(), known.collect(), &mut groups);
    groups
}

struct Known {
    hash: [u8; 32],
    bytes: u64,
    file: Member,
}

fn split(name: String, files: Vec<Known>, groups: &mut Vec<Group>) {
    let bytes: u64 = files.iter().map(|file| file.bytes).sum();
    let small = bytes <= GROUP_BYTES && files.len() <= GROUP_FILES;
    if files.len() <= 1 || small || name.len() == 256 {
        if !files.is_empty() {
            let files = files.into_iter().map(|file| file.file).collect();
            groups.push(Group { name, files, bytes });
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
        let groups = group(folder, &files(folder, 1000), &[]);
        assert_eq!((groups.len(), groups[0].name.as_str()), (1, ""));
        assert!(group(folder, &[], &[]).is_empty());
    }

    #[test]
    fn one_more_file_changes_one_group() {
        let folder = Path::new("/nowhere");
        let before = group(folder, &files(folder, 100_000), &[]);
        let after = group(folder, &files(folder, 100_001), &[]);
        let as_set = |groups: &[Group]| -> BTreeSet<Vec<Member>> {
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
        let groups = group(folder.path(), &paths, &[]);
        assert_eq!(groups.iter().map(|group| group.files.len()).collect::<Vec<_>>(), [1, 1, 1]);
    }

    #[test]
    fn threads_are_what_bytes_are_worth_and_files_allow() {
        let group = |files: usize, bytes: u64| {
            let files = (0..files).map(Member::Elsewhere).collect();
            Group { name: String::new(), files, bytes }.threads()
        };
        assert_eq!(group(4, 5 << 20), 1);
        assert_eq!(group(4, 40 << 20), 2);
        assert_eq!(group(4, 64 << 20), 4);
        assert_eq!(group(1, 4 << 30), 1);
        assert_eq!(group(0, 0), 1);
    }

    #[test]
    fn files_elsewhere_are_grouped_by_their_lengths() {
        let file = |index: u64| RemoteFile {
            url: format!("s3://bucket/{index}"),
            bytes: if index == 0 { GROUP_BYTES } else { 1 },
            identity: mixmake_remote::Identity::Length,
        };
        let elsewhere: Vec<_> = (0..9).map(file).collect();
        let groups = group(Path::new("/nowhere"), &[], &elsewhere);
        let alone = groups.iter().filter(|group| group.files == [Member::Elsewhere(0)]).count();
        assert_eq!(alone, 1, "{groups:?}");
        assert_eq!(groups.iter().map(|group| group.files.len()).sum::<usize>(), 9);
    }
}
