//! Root causes in words.

use std::collections::{HashMap, HashSet};

use mixmake_core::Digest;
use mixmake_core::cause::Change;
use mixmake_core::memory::FileStamp;

use super::Origin;
use crate::command::plan::count;
use crate::ui::text::{bytes, date};

/// Files named one by one.
const NAMED: usize = 4;
/// Letters of a value that are shown: a list of a hundred factors is not.
const VALUE: usize = 48;

/// One line for each thing to say; the first says it all in short.
#[must_use]
pub fn lines(origin: &Origin) -> Vec<String> {
    match origin {
        Origin::Files { target, changes } => files(target, changes),
        other => vec![line(other)],
    }
}

fn line(origin: &Origin) -> String {
    match origin {
        Origin::Field { field, old, new, place } => {
            let place = place.as_ref().map(|place| format!(" ({place})")).unwrap_or_default();
            format!("{field}: {} -> {}{place}", value(old), value(new))
        }
        Origin::Reads { role, target, added: true } => format!("{role} {target} is read now"),
        Origin::Reads { role, target, added: false } => {
            format!("{role} {target} is no longer read")
        }
        Origin::Kind { old, new } => format!("what mixmake does there changed: {old} -> {new}"),
        Origin::Remade { target } => format!("{target} gave other bytes than before"),
        Origin::Lost => "the store has lost a result or its bytes".to_owned(),
        Origin::Missing => "files are missing".to_owned(),
        Origin::New => "never made here before".to_owned(),
        Origin::Files { target, changes } => files(target, changes).remove(0),
    }
}

/// In one line.
#[must_use]
pub fn short(origin: &Origin) -> String {
    let mut all = lines(origin);
    let more = all.len() - 1;
    let first = all.swap_remove(0);
    if more == 0 { first } else { first.trim_end_matches(':').to_owned() }
}

fn value(value: &Option<String>) -> String {
    let Some(text) = value else { return "(unset)".to_owned() };
    let mut letters = text.chars();
    let start: String = letters.by_ref().take(VALUE).collect();
    if letters.next().is_some() { format!("{start}…") } else { start }
}

fn files(target: &str, changes: &[Change]) -> Vec<String> {
    let told = tell(changes);
    if let [only] = told.as_slice() {
        return vec![only.words.clone()];
    }
    let number = |kind: Kind| told.iter().filter(|file| file.kind == kind).count();
    let parts = [
        (Kind::Changed, "changed"),
        (Kind::New, "new"),
        (Kind::Gone, "gone"),
        (Kind::Moved, "moved"),
    ];
    let parts = parts.map(|(kind, word)| (number(kind), word));
    let counts: Vec<_> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    let total = count(told.len(), "file");
    let mut lines = vec![format!("{total} of {target}: {}:", counts.join(", "))];
    lines.extend(told.iter().take(NAMED).map(|file| format!("  {}", file.words)));
    if told.len() > NAMED {
        lines.push(format!("  and {} more", told.len() - NAMED));
    }
    lines
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Changed,
    New,
    Gone,
    Moved,
}

struct File {
    kind: Kind,
    words: String,
}

struct Seen<'a> {
    label: &'a str,
    old: Option<(Digest, Option<FileStamp>)>,
    new: Option<(Digest, Option<FileStamp>)>,
}

fn tell(changes: &[Change]) -> Vec<File> {
    let seen: Vec<_> = changes.iter().filter_map(see).collect();
    // New files by their bytes, to find what was only moved.
    let mut new: HashMap<Digest, usize> = HashMap::new();
    for (place, file) in seen.iter().enumerate() {
        if let (None, Some((digest, _))) = (&file.old, &file.new) {
            new.entry(*digest).or_insert(place);
        }
    }
    let mut moved = HashSet::new();
    let mut told = Vec::new();
    for file in &seen {
        let (Some((digest, _)), None) = (&file.old, &file.new) else { continue };
        let Some(to) = new.remove(digest) else { continue };
        let words = format!("{} is now {}, with the same bytes", file.label, seen[to].label);
        told.push(File { kind: Kind::Moved, words });
        moved.extend([file.label, seen[to].label]);
    }
    told.extend(seen.iter().filter(|file| !moved.contains(file.label)).map(tell_one));
    told
}

fn see(change: &Change) -> Option<Seen<'_>> {
    let Change::Input { label, old, new, old_file, new_file, .. } = change else { return None };
    let label = label.strip_prefix("./").unwrap_or(label);
    let old = old.map(|digest| (digest, *old_file));
    Some(Seen { label, old, new: new.map(|digest| (digest, *new_file)) })
}

fn tell_one(file: &Seen<'_>) -> File {
    let size = |stamp: &Option<FileStamp>| {
        stamp.map(|stamp| format!(": {}", bytes(stamp.bytes))).unwrap_or_default()
    };
    let label = file.label;
    match (&file.old, &file.new) {
        (Some((old, before)), Some((new, after))) => {
            let words = format!(
                "{label} changed: {}{} -> {}",
                sizes(before, after),
                old.short(),
                new.short()
            );
            File { kind: Kind::Changed, words }
        }
        (None, Some((_, stamp))) => {
            File { kind: Kind::New, words: format!("{label} is new{}", size(stamp)) }
        }
        (_, None) => File { kind: Kind::Gone, words: format!("{label} is gone") },
    }
}

fn sizes(before: &Option<FileStamp>, after: &Option<FileStamp>) -> String {
    let (Some(before), Some(after)) = (before, after) else { return String::new() };
    let size = if before.bytes == after.bytes {
        format!("still {}", bytes(after.bytes))
    } else {
        format!("{} -> {}", bytes(before.bytes), bytes(after.bytes))
    };
    format!("{size}, written {}, digest ", date(after.modified))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(label: &str, old: Option<&[u8]>, new: Option<&[u8]>) -> Change {
        let stamp = |text: &[u8]| FileStamp { bytes: text.len() as u64, modified: 0 };
        Change::Input {
            role: "source".into(),
            label: label.into(),
            old: old.map(Digest::of),
            new: new.map(Digest::of),
            old_file: old.map(stamp),
            new_file: new.map(stamp),
        }
    }

    fn said(changes: Vec<Change>) -> Vec<String> {
        lines(&Origin::Files { target: "samples/a".into(), changes })
    }

    #[test]
    fn one_file_is_one_line() {
        let (old, new) = (Digest::of(b"one").short(), Digest::of(b"three").short());
        assert_eq!(
            said(vec![change("a.txt", Some(b"one"), Some(b"three"))]),
            [format!(
                "a.txt changed: 3 B -> 5 B, written 1970-01-01 00:00:00, digest {old} -> {new}"
            )]
        );
        assert_eq!(said(vec![change("a.txt", None, Some(b"three"))]), ["a.txt is new: 5 B"]);
        assert_eq!(said(vec![change("a.txt", Some(b"one"), None)]), ["a.txt is gone"]);
    }

    #[test]
    fn many_files_are_counted_and_a_move_is_one() {
        let mut changes =
            vec![change("old.txt", Some(b"same"), None), change("new.txt", None, Some(b"same"))];
        changes.extend((0..6).map(|index| change(&format!("{index}.txt"), None, Some(&[index]))));
        let said = said(changes);
        assert_eq!(said[0], "7 files of samples/a: 6 new, 1 moved:");
        assert_eq!(said[1], "  old.txt is now new.txt, with the same bytes");
        assert_eq!(said.last().map(String::as_str), Some("  and 3 more"));
        assert_eq!(said.len(), 6);
    }

    #[test]
    fn long_values_are_cut() {
        let origin = Origin::Field {
            field: "ddo.small.factors".into(),
            old: None,
            new: Some("x".repeat(200)),
            place: Some("--set 1".into()),
        };
        let text = short(&origin);
        assert!(
            text.starts_with("ddo.small.factors: (unset) -> xxx") && text.len() < 120,
            "{text}"
        );
        assert!(text.ends_with("… (--set 1)"), "{text}");
    }
}
