//! Targets in groups that people think in: `shards`, `ddo/small` with its runs, `train`.

/// The group a target belongs to.
#[must_use]
pub fn family(target: &str) -> &str {
    match target.split_once('/') {
        // A fit and its runs.
        Some(("ddo", rest)) => match rest.find('/') {
            Some(end) => &target[..4 + end],
            None => target,
        },
        Some((first, _)) => first,
        None => target,
    }
}

/// Targets by family, both in the order in which they first come.
#[must_use]
pub fn group<'a>(targets: impl IntoIterator<Item = &'a str>) -> Vec<(&'a str, Vec<&'a str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for target in targets {
        let family = family(target);
        match groups.iter_mut().find(|(name, _)| *name == family) {
            Some((_, members)) => members.push(target),
            None => groups.push((family, vec![target])),
        }
    }
    groups
}

/// `tokenizer, 4 of shards, 9 of ddo/small, report`.
#[must_use]
pub fn summary<'a>(targets: impl IntoIterator<Item = &'a str>) -> String {
    let words = |(family, members): (&str, Vec<&str>)| match members.as_slice() {
        [only] => (*only).to_owned(),
        many => format!("{} of {family}", many.len()),
    };
    group(targets).into_iter().map(words).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_what_people_think_in() {
        for (target, expected) in [
            ("tokenizer", "tokenizer"),
            ("shards/web", "shards"),
            ("mixture/ddo/small/web-x3", "mixture"),
            ("ddo/small", "ddo/small"),
            ("ddo/small/web-x3", "ddo/small"),
            ("train/a", "train"),
        ] {
            assert_eq!(family(target), expected);
        }
        let targets = ["tokenizer", "ddo/a/x", "ddo/a", "ddo/b", "train/x", "train/y"];
        assert_eq!(summary(targets), "tokenizer, 2 of ddo/a, ddo/b, 2 of train");
    }
}
