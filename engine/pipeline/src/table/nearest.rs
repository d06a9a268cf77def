//! The nearest name to a mistyped one.

/// The candidate that takes the fewest edits, where they are few for the word's length.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let fold = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let word = fold(word);
    let allowed = (word.chars().count() / 3).max(1);
    let distances = candidates.into_iter().map(|name| (edits(&word, &fold(name)), name));
    let (distance, name) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= allowed).then(|| name.to_owned())
}

/// Insertions, deletions and replacements that make one of the other (Levenshtein).
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (place, same) in other.iter().map(|candidate| *candidate == letter).enumerate() {
            let replaced = diagonal + usize::from(!same);
            diagonal = row[place + 1];
            row[place + 1] = replaced.min(row[place] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names() {
        let check = |word: &str, expected: Option<&str>| {
            assert_eq!(nearest(word, ["domain", "factor", "mean"]).as_deref(), expected, "{word}");
        };
        check("domian", Some("domain"));
        check("Domains", Some("domain"));
        check("facter", Some("factor"));
        check("loss", None);
        check("", None);
    }

    #[test]
    fn edit_distances() {
        for (one, other, expected) in
            [("", "", 0), ("", "abc", 3), ("kitten", "sitting", 3), ("abc", "abc", 0)]
        {
            assert_eq!(edits(one, other), expected, "{one} {other}");
            assert_eq!(edits(other, one), expected, "{other} {one}");
        }
    }
}
