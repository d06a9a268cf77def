//! Every table and key of a manifest: its name, what it takes, its default and what it is for.
//! The parser, the JSON Schema and the list of valid names in messages all come from here.

mod tables;

pub use tables::TABLES;

/// A table of the manifest.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// `[domain.NAME]` rather than `[tokenizer]`.
    pub named: bool,
    pub about: &'static str,
    pub keys: &'static [Key],
}

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    pub name: &'static str,
    pub kind: Kind,
    pub default: Preset,
    pub about: &'static str,
}

/// What holds where a key is not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// The key must be set.
    Required,
    /// Nothing holds; `about` says what that means.
    Absent,
    /// A value, in TOML.
    Value(&'static str),
}

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A string, not empty.
    Text,
    /// A string, which may be empty or white space.
    Separator,
    /// A string or an array of strings, none empty.
    Texts,
    Flag,
    Choice(&'static [Choice]),
    /// An integer, or a string with a unit, `"300M"`.
    Count {
        of: &'static str,
        min: u64,
        max: u64,
    },
    /// A float or an integer.
    Number(Bounds),
    /// A number from 0 to 1, or `"15%"`.
    Share,
    /// An integer, or a share of something as `"10%"`.
    CountOrShare {
        of: &'static str,
        share_of: &'static str,
    },
    /// A count, or `"auto"`.
    CountOrAuto {
        of: &'static str,
    },
    /// An array of counts.
    Counts {
        of: &'static str,
    },
    /// An array of numbers or `"1/3"`.
    Factors,
    /// An array of integers.
    Seeds,
    /// A table of numbers, `"15%"` or `"1/7"`, by name of a domain.
    Weights,
    /// A multiple of a domain's base amount within bounds, a share of all tokens as `"5%"`, or a table of either by domain.
    Limits(Bounds),
    /// A table of strings by column.
    Filters,
    /// A table of strings by environment variable.
    Variables,
    /// The name of a table.
    Name {
        table: &'static str,
    },
    /// Names of tables.
    Names {
        table: &'static str,
    },
    /// A table from names of tables to names of tables.
    NamePairs {
        table: &'static str,
    },
    /// `uniform`, a `[mixture]`, `ddo.NAME` or `autoscale.NAME`.
    Mixture,
}

#[derive(Debug, Clone, Copy)]
pub struct Choice {
    pub name: &'static str,
    pub about: &'static str,
}

/// An interval of numbers.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub min: f64,
    /// `min` itself is refused.
    pub above_min: bool,
    pub max: f64,
    /// `max` itself is refused.
    pub below_max: bool,
}

impl Bounds {
    #[must_use]
    pub fn contains(&self, value: f64) -> bool {
        let low = if self.above_min { value > self.min } else { value >= self.min };
        let high = if self.below_max { value < self.max } else { value <= self.max };
        low && high && value.is_finite()
    }

    /// "at least 0 and less than 1".
    #[must_use]
    pub fn describe(&self) -> String {
        let low = if self.above_min { "more than" } else { "at least" };
        let low = format!("{low} {}", self.min);
        if self.max.is_infinite() {
            return low;
        }
        let high = if self.below_max { "less than" } else { "at most" };
        format!("{low} and {high} {}", self.max)
    }
}

impl Kind {
    /// What is expected, for messages: "a string".
    #[must_use]
    pub fn expected(&self) -> String {
        match self {
            Self::Text | Self::Separator => "a string".to_owned(),
            Self::Texts => "a string or an array of strings".to_owned(),
            Self::Flag => "`true` or `false`".to_owned(),
            Self::Choice(choices) => {
                let names = choices.iter().map(|choice| format!("\"{}\"", choice.name));
                names.collect::<Vec<_>>().join(" | ")
            }
            Self::Count { of: "", .. } => "a whole number".to_owned(),
            Self::Count { of, .. } => format!("a number of {of}, such as 300_000 or \"300k\""),
            Self::Number(_) => "a number".to_owned(),
            Self::Share => "a share, such as 0.1 or \"10%\"".to_owned(),
            Self::CountOrShare { of, share_of } => {
                format!("a whole number of {of}, or a share of {share_of} such as \"2%\"")
            }
            Self::CountOrAuto { of } => format!("\"auto\", or a number of {of} such as \"16k\""),
            Self::Counts { of } => format!("an array of numbers of {of}, such as [100, \"10M\"]"),
            Self::Factors => "an array of factors, such as [3, \"1/3\"]".to_owned(),
            Self::Seeds => "a number of seeds, or an array of them, such as [1, 2]".to_owned(),
            Self::Weights => "a table of weights, such as { c4 = 0.6, arxiv = 0.4 }".to_owned(),
            Self::Limits(_) => {
                "a multiple of the base amount such as 0.5, a share of all tokens such as \"5%\", or a \
                 table of them, such as { c4 = 0.5, books = \"5%\" }".to_owned()
            }
            Self::Filters => "a table of columns and texts, such as { \"meta.language\" = \"en\" }".to_owned(),
            Self::Variables => "a table of environment variables, such as { LANG = \"C\" }".to_owned(),
            Self::Name { table } => format!("the name of a `[{table}.NAME]`"),
            Self::Names { table } => format!("an array of names of `[{table}.NAME]`"),
            Self::NamePairs { table } => {
                format!("a table of names of `[{table}.NAME]`, such as {{ ours = \"theirs\" }}")
            }
            Self::Mixture => {
                "a mixture: \"uniform\", the name of a `[mixture.NAME]`, \"ddo.NAME\" or \"autoscale.NAME\"".to_owned()
            }
        }
    }
}

impl Kind {
    /// What is expected of an element of a list or table; of a plain value, what the key takes.
    #[must_use]
    pub fn expected_item(&self) -> String {
        match self {
            Self::Texts => "a string".to_owned(),
            Self::Factors => "a number or a fraction such as \"1/3\"".to_owned(),
            Self::Seeds => "a whole number".to_owned(),
            Self::Weights => {
                "a number, a share such as \"15%\" or a fraction such as \"1/7\"".to_owned()
            }
            Self::Limits(_) => {
                "a multiple of the base amount such as 0.5, or a share of all tokens such as \"5%\""
                    .to_owned()
            }
            Self::Filters => "a string, an integer or a boolean".to_owned(),
            Self::Variables => "a string".to_owned(),
            Self::Counts { of } => format!("a number of {of}, such as 300_000 or \"300k\""),
            Self::Names { table } | Self::NamePairs { table } => {
                format!("the name of a `[{table}.NAME]`")
            }
            _ => self.expected(),
        }
    }
}

impl Table {
    #[must_use]
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// `[domain.NAME]`, for messages.
    #[must_use]
    pub fn header(&self) -> String {
        if self.named { format!("[{}.NAME]", self.name) } else { format!("[{}]", self.name) }
    }
}

/// The table called `name`.
#[must_use]
pub fn table(name: &str) -> Option<&'static Table> {
    TABLES.iter().find(|table| table.name == name)
}
