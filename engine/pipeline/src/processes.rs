//! Processes and what they started.

use std::collections::{HashMap, HashSet};
use std::fs;

use rustix::process::{Pid, Signal, kill_process};

/// Kills a process and all that it started. Its children come first in no case: while it lives it
/// could start more.
pub fn kill_tree(root: Pid) {
    let parents = parents();
    let mut family = HashSet::from([root.as_raw_nonzero().get()]);
    loop {
        let before = family.len();
        family.extend(
            parents
                .iter()
                .filter(|(_, up)| family.contains(up))
                .map(|(pid, _)| *pid)
                .collect::<Vec<_>>(),
        );
        if family.len() == before {
            break;
        }
    }
    let _ = kill_process(root, Signal::KILL);
    for pid in family.into_iter().filter_map(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// The parent of every process.
fn parents() -> HashMap<i32, i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return HashMap::new() };
    let parent = |entry: fs::DirEntry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The command stands in parentheses and may hold anything; state and parent follow.
        let parent = stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()?;
        Some((pid, parent))
    };
    entries.filter_map(Result::ok).filter_map(parent).collect()
}
