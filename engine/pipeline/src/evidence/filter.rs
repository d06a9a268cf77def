//! `--where domain=c4`: which loss rows are meant, by their columns.

use globset::{Glob, GlobMatcher};

/// One condition on a column.
#[derive(Debug, Clone)]
pub struct Condition {
    pub column: String,
    test: Test,
}

#[derive(Debug, Clone)]
enum Test {
    Matches(GlobMatcher),
    Differs(GlobMatcher),
    Number(Order, f64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Less,
    AtMost,
    More,
    AtLeast,
}

const ORDERS: [(&str, Order); 4] =
    [("<=", Order::AtMost), (">=", Order::AtLeast), ("<", Order::Less), (">", Order::More)];

impl Condition {
    /// `COLUMN=GLOB`, `COLUMN!=GLOB`, or `COLUMN<NUMBER` with `<`, `<=`, `>` or `>=`.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn new(text: &str) -> Result<Self, String> {
        let place = text.find(['=', '!', '<', '>']);
        let place = place.ok_or("write COLUMN=VALUE, such as `domain=c4` or `step>=100`")?;
        let (column, rest) = text.split_at(place);
        let column = column.trim().to_owned();
        if column.is_empty() {
            return Err("no column stands before the sign".into());
        }
        let matcher = |pattern: &str| {
            let glob = Glob::new(pattern.trim());
            glob.map(|glob| glob.compile_matcher()).map_err(|error| error.to_string())
        };
        let test = if let Some(pattern) = rest.strip_prefix("!=") {
            Test::Differs(matcher(pattern)?)
        } else if let Some(pattern) = rest.strip_prefix('=') {
            Test::Matches(matcher(pattern)?)
        } else {
            let order =
                ORDERS.iter().find_map(|(sign, order)| Some((rest.strip_prefix(sign)?, order)));
            let (value, order) = order.ok_or("the signs are =, !=, <, <=, > and >=")?;
            Test::Number(*order, mixmake_manifest::units::amount(value)?)
        };
        Ok(Self { column, test })
    }

    /// Whether a row with this value is meant; one without a value differs from everything and is of no size.
    #[must_use]
    pub fn admits(&self, value: Option<&str>) -> bool {
        match &self.test {
            Test::Matches(glob) => value.is_some_and(|value| glob.is_match(value)),
            Test::Differs(glob) => value.is_none_or(|value| !glob.is_match(value)),
            Test::Number(order, bound) => {
                value.and_then(|value| value.parse::<f64>().ok()).is_some_and(|value| match order {
                    Order::Less => value < *bound,
                    Order::AtMost => value <= *bound,
                    Order::More => value > *bound,
                    Order::AtLeast => value >= *bound,
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions() {
        let check = |condition: &str, value: Option<&str>, expected: bool| {
            let condition = Condition::new(condition).expect("a condition");
            assert_eq!(condition.admits(value), expected, "{condition:?} {value:?}");
        };
        check("domain=c4", Some("c4"), true);
        check("domain=c4", Some("c4-en"), false);
        check("target=ddo/small/*", Some("ddo/small/base"), true);
        check("target!=train/*", Some("train/a"), false);
        check("recipe!=a", None, true);
        check("recipe=a", None, false);
        check("step>=100", Some("100"), true);
        check("step<100", Some("100"), false);
        check("tokens>1.2M", Some("1300000"), true);
        check("step>1", None, false);
        check("domain>1", Some("c4"), false);
        for bad in ["domain", "=c4", "step>x", "a![", "step!1", "a=["] {
            assert!(Condition::new(bad).is_err(), "{bad}");
        }
    }
}
