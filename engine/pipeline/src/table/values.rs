//! Numbers as users write them in tables and flags: `3B`, `1/5`, `c4=0.2,books=0.8`. Knows no table.

use mixmake_manifest::suggest::{list, nearest};
use mixmake_manifest::units;

use super::error::TableError;

/// Published weights are rounded, so their sum may miss 1 by this much.
const SUM_TOLERANCE: f64 = 1e-6;

/// A plain number, finite.
pub fn number(text: &str) -> Result<f64, String> {
    match text.trim().parse::<f64>() {
        Ok(value) if value.is_finite() => Ok(value),
        Ok(_) => Err(format!("`{}` is not finite", text.trim())),
        Err(_) => Err(format!("`{}` is no number", text.trim())),
    }
}

/// Tokens: a number with or without a unit, `300000000`, `3e8`, `300M`, `0.3B`. Above 0.
pub fn tokens(text: &str) -> Result<f64, String> {
    match units::amount(text)? {
        0.0 => Err("it must be above 0".into()),
        value => Ok(value),
    }
}

/// A factor: `3`, `0.2` or `1/5`. At least 0.
pub fn factor(text: &str) -> Result<f64, String> {
    units::ratio(text).map_err(|problem| format!("`{}`: {problem}", text.trim()))
}

/// The value of a flag, read by `read`.
pub fn flag<T>(
    flag: &'static str,
    text: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, TableError> {
    read(text).map_err(|problem| TableError::Flag { flag, value: text.to_owned(), problem })
}

/// Weights by name, `c4=0.2,books=0.8`: above 0, of sum 1.
pub fn weights(text: &str) -> Result<Vec<(String, f64)>, String> {
    let mut weights: Vec<(String, f64)> = Vec::new();
    for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
        let (name, weight) =
            entry.split_once('=').ok_or_else(|| format!("`{entry}` is not DOMAIN=WEIGHT"))?;
        let (name, weight) = (name.trim().to_owned(), factor(weight)?);
        if weight == 0.0 {
            return Err(format!(
                "`{name}` has weight 0; the base run needs tokens of every domain"
            ));
        }
        if weights.iter().any(|(known, _)| *known == name) {
            return Err(format!("`{name}` occurs twice"));
        }
        weights.push((name, weight));
    }
    let sum: f64 = weights.iter().map(|(_, weight)| weight).sum();
    if (sum - 1.0).abs() > SUM_TOLERANCE {
        return Err(format!("the weights sum to {sum:.6}, not to 1"));
    }
    Ok(weights)
}

/// Weights in the order of `domains`; names that only `weights` has follow, and are returned too.
pub fn join_weights(
    weights: &[(String, f64)],
    mut domains: Vec<String>,
) -> Result<(Vec<String>, Vec<f64>), String> {
    let names = || weights.iter().map(|(name, _)| name.as_str());
    let missing: Vec<&str> = domains
        .iter()
        .map(String::as_str)
        .filter(|domain| !names().any(|name| name == *domain))
        .collect();
    if let Some(first) = missing.first() {
        let others = names().filter(|name| !domains.iter().any(|domain| domain == name));
        let near = nearest(first, others).map(|name| format!("; is `{name}` it?"));
        return Err(format!(
            "there is no weight for {}{}",
            list(missing.iter().copied(), "and"),
            near.unwrap_or_default()
        ));
    }
    let new: Vec<String> = names()
        .filter(|name| !domains.iter().any(|domain| domain == name))
        .map(String::from)
        .collect();
    domains.extend(new);
    let weight = |domain: &String| {
        weights.iter().find(|(name, _)| name == domain).map_or(0.0, |(_, weight)| *weight)
    };
    let values = domains.iter().map(weight).collect();
    Ok((domains, values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_factors() {
        for (text, expected) in
            [("300M", 3e8), ("0.3B", 3e8), (" 1.2 B", 1.2e9), ("3e8", 3e8), ("500", 500.0)]
        {
            assert_eq!(tokens(text), Ok(expected), "{text}");
        }
        for text in ["", "B", "-3B", "0", "NaN", "inf", "3X", "1/5"] {
            assert!(tokens(text).is_err(), "{text}");
        }
        for (text, expected) in
            [("1/5", 0.2), ("3", 3.0), (" 0.2 ", 0.2), ("0", 0.0), ("1 / 4", 0.25)]
        {
            assert_eq!(factor(text), Ok(expected), "{text}");
        }
        for text in ["1/0", "0/0", "-1", "x", "", "1/2/3", "inf"] {
            assert!(factor(text).is_err(), "{text}");
        }
    }

    #[test]
    fn weights_by_name() {
        let expected = vec![("c4".to_owned(), 0.25), ("books".to_owned(), 0.75)];
        assert_eq!(weights("c4=1/4, books=0.75"), Ok(expected.clone()));
        for text in ["c4", "c4=x", "c4=0.5,books=0.6", "c4=0.5,c4=0.5", "c4=0,books=1", ""] {
            assert!(weights(text).is_err(), "{text}");
        }
        let names =
            |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let joined = join_weights(&expected, names(&["books", "c4"]));
        assert_eq!(joined, Ok((names(&["books", "c4"]), vec![0.75, 0.25])));
        let further = join_weights(&expected, names(&["books"]));
        assert_eq!(further, Ok((names(&["books", "c4"]), vec![0.75, 0.25])));
        let missing = join_weights(&expected, names(&["c4", "book"]));
        assert_eq!(missing, Err("there is no weight for `book`; is `books` it?".to_owned()));
    }
}
