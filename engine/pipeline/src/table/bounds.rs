//! Bounds, shares and amounts by domain, as flags write them: `0.2`, `5%`, `books=5%,c4=0.5`, `c4=1.2B`.

use mixmake_manifest::suggest::nearest;
use mixmake_manifest::units;

/// A bound on one domain's amount.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bound {
    /// Of the reference's amount.
    Multiple(f64),
    /// Of all tokens.
    Weight(f64),
}

/// Bounds of all domains, and of some.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct BoundList {
    pub all: Option<Bound>,
    pub by_name: Vec<(String, Bound)>,
}

impl Bound {
    fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.ends_with('%') {
            units::share(text).map(Self::Weight)
        } else {
            units::ratio(text).map(Self::Multiple)
        }
    }

    fn weight(self, reference: f64) -> f64 {
        match self {
            Self::Multiple(multiple) => multiple * reference,
            Self::Weight(weight) => weight,
        }
    }
}

impl BoundList {
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(text: &str) -> Result<Self, String> {
        let mut list = Self::default();
        for (name, value) in entries(text)? {
            let bound = Bound::new(value)?;
            match name {
                Some(name) if list.by_name.iter().any(|(known, _)| known == name) => {
                    return Err(format!("`{name}` occurs twice"));
                }
                Some(name) => list.by_name.push((name.to_owned(), bound)),
                None if list.all.is_some() => return Err("two bounds without a name".into()),
                None => list.all = Some(bound),
            }
        }
        Ok(list)
    }

    /// The bound of every domain as a weight, where it has one.
    ///
    /// # Errors
    /// A name that is no domain.
    pub fn weights(
        &self,
        domains: &[String],
        reference: &[f64],
    ) -> Result<Vec<Option<f64>>, String> {
        self.by_name.iter().try_for_each(|(name, _)| known(name, domains))?;
        let bound = |domain: &String| {
            let own = self.by_name.iter().find(|(name, _)| name == domain);
            own.map(|(_, bound)| *bound).or(self.all)
        };
        let weight = |(domain, reference): (&String, &f64)| Some(bound(domain)?.weight(*reference));
        Ok(domains.iter().zip(reference).map(weight).collect())
    }
}

/// `NAME=VALUE` or `VALUE`, separated by commas.
fn entries(text: &str) -> Result<Vec<(Option<&str>, &str)>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let entries: Vec<_> = parts
        .map(|part| match part.rsplit_once('=') {
            Some((name, value)) => (Some(name.trim()), value.trim()),
            None => (None, part),
        })
        .collect();
    if entries.is_empty() { Err("it is empty".into()) } else { Ok(entries) }
}

fn known(name: &str, domains: &[String]) -> Result<(), String> {
    if domains.iter().any(|domain| domain == name) {
        return Ok(());
    }
    let near = nearest(name, domains.iter().map(String::as_str));
    Err(format!(
        "there is no domain `{name}`{}",
        near.map(|near| format!("; is `{near}` it?")).unwrap_or_default()
    ))
}

/// Numbers by name, in the order of `names`; none where a name has none. A name alone has `alone`.
///
/// # Errors
/// A name that is not among `names`, or a number that cannot be read.
pub fn by_name(
    text: &str,
    names: &[String],
    alone: Option<f64>,
    read: impl Fn(&str) -> Result<f64, String>,
) -> Result<Vec<Option<f64>>, String> {
    let mut values = vec![None; names.len()];
    for (name, value) in entries(text)? {
        let (name, value) = match (name, alone) {
            (Some(name), _) => (name, read(value)?),
            (None, Some(alone)) => (value, alone),
            (None, None) => return Err(format!("`{value}` is not NAME=VALUE")),
        };
        known(name, names)?;
        let place = names.iter().position(|known| known == name).unwrap_or_default();
        if values[place].replace(value).is_some() {
            return Err(format!("`{name}` occurs twice"));
        }
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<String> {
        ["books", "c4"].map(String::from).to_vec()
    }

    #[test]
    fn bounds_become_weights() {
        let check = |text: &str, expected: [Option<f64>; 2]| {
            let list = BoundList::new(text).expect("bounds");
            assert_eq!(list.weights(&names(), &[0.25, 0.75]), Ok(expected.to_vec()), "{text}");
        };
        check("0.5", [Some(0.125), Some(0.375)]);
        check("5%", [Some(0.05), Some(0.05)]);
        check("books=5%", [Some(0.05), None]);
        check("1/5, c4=2%", [Some(0.05), Some(0.02)]);
        for bad in ["", "x", "5%,6%", "c4=1,c4=2", "c4=-1"] {
            assert!(BoundList::new(bad).is_err(), "{bad}");
        }
        let list = BoundList::new("boks=5%").expect("bounds");
        assert_eq!(
            list.weights(&names(), &[0.5, 0.5]),
            Err("there is no domain `boks`; is `books` it?".into())
        );
    }

    #[test]
    fn numbers_by_name() {
        let read = |text: &str, alone| by_name(text, &names(), alone, units::amount);
        assert_eq!(read("c4=1.2B", None), Ok(vec![None, Some(1.2e9)]));
        assert_eq!(read("c4=2,books", Some(1.0)), Ok(vec![Some(1.0), Some(2.0)]));
        assert!(read("books", None).is_err() && read("x=1", None).is_err());
        assert!(read("c4=1,c4=2", None).is_err());
    }
}
