//! The nearest valid name to a mistyped one.

/// The candidate closest to `word`, where one is close enough to be meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(word);
    let allowed = (folded.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &fold(candidate)), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Case and the kind of hyphen are not what makes two names differ.
fn fold(word: &str) -> String {
    word.to_lowercase().replace('_', "-")
}

/// "`a`, `b` and `c`", for messages.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>, and: &str) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{name}`")).collect();
    match names.split_last() {
        None => String::new(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {and} {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name() {
        let check = |word, expected: Option<&str>| {
            assert_eq!(nearest(word, ["min-chars", "block", "block-chars", "train"]), expected);
        };
        check("min_chars", Some("min-chars"));
        check("minchars", Some("min-chars"));
        check("blcok", Some("block"));
        check("Train", Some("train"));
        check("learning-rate", None);
        check("", None);
    }

    #[test]
    fn lists() {
        assert_eq!(list([], "and"), "");
        assert_eq!(list(["a"], "and"), "`a`");
        assert_eq!(list(["a", "b", "c"], "or"), "`a`, `b` or `c`");
    }
}
