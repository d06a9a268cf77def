//! Column names by pattern, `w_*`: what the star stands for is the domain's name.

/// A name with at most one star.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    before: String,
    /// What follows the star; none where there is no star.
    after: Option<String>,
}

impl Pattern {
    /// # Errors
    /// More than one star, or nothing at all.
    pub fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Err("it is empty".into());
        }
        match text.split_once('*') {
            None => Ok(Self { before: text.into(), after: None }),
            Some((_, after)) if after.contains('*') => {
                Err("a pattern has one `*`, which stands for the domain's name".into())
            }
            Some((before, after)) => Ok(Self { before: before.into(), after: Some(after.into()) }),
        }
    }

    /// The domain that `column` is about, where it matches; capitals do not matter.
    #[must_use]
    pub fn domain<'c>(&self, column: &'c str) -> Option<&'c str> {
        let Some(after) = &self.after else {
            return column.eq_ignore_ascii_case(&self.before).then_some(column);
        };
        let end = column.len().checked_sub(after.len())?;
        let (head, tail) = (column.get(..self.before.len())?, column.get(end..)?);
        let inside = column.get(self.before.len()..end)?;
        let matches = head.eq_ignore_ascii_case(&self.before) && tail.eq_ignore_ascii_case(after);
        (matches && !inside.is_empty()).then_some(inside)
    }
}

/// Patterns separated by commas.
///
/// # Errors
/// The first that is none.
pub fn patterns(text: &str) -> Result<Vec<Pattern>, String> {
    text.split(',').map(Pattern::new).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_star_is_the_domain() {
        let check = |pattern: &str, column: &str, expected: Option<&str>| {
            let pattern = Pattern::new(pattern).expect("a pattern");
            assert_eq!(pattern.domain(column), expected, "{column}");
        };
        check("w_*", "w_c4", Some("c4"));
        check("w_*", "W_c4", Some("c4"));
        check("w_*", "w_", None);
        check("w_*", "weight_c4", None);
        check("*_loss", "c4_loss", Some("c4"));
        check("metric/*_val_loss", "metric/c4_val_loss", Some("c4"));
        check("metric/*_val_loss", "metric/_val_loss", None);
        check("ab*ba", "aba", None);
        check("*", "c4", Some("c4"));
        check("c4", "C4", Some("C4"));
        check("é*", "éa", Some("a"));
        check("ab*", "é", None);
        assert!(Pattern::new("*_*").is_err() && Pattern::new(" ").is_err());
    }
}
