//! One value of the tree against the kind that its key takes.

use crate::keys::{Bounds, Kind};
use crate::schema::Limit;
use crate::suggest;
use crate::tree::{Entry, Node, NodeKind, Span};
use crate::units;

/// More repeats of every run than anybody trains.
pub const MOST_SEEDS: u64 = 1000;

/// A value of a manifest, its own type and range checked.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Texts(Vec<Piece<String>>),
    Flag(bool),
    Count(u64),
    Number(f64),
    /// Of something, 0 to 1.
    Share(f64),
    Numbers(Vec<Piece<f64>>),
    Counts(Vec<Piece<u64>>),
    Weights(Vec<Weight>),
    Limits(Limits),
    Filters(Vec<(String, String)>),
    Variables(Vec<(String, String)>),
    Pairs(Vec<Pair>),
}

/// A name and the one it is given.
#[derive(Debug, Clone, PartialEq)]
pub struct Pair {
    pub key: Piece<String>,
    pub value: Piece<String>,
}

/// An element and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece<T> {
    pub value: T,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Weight {
    pub domain: String,
    pub key_span: Span,
    pub value: f64,
    pub span: Span,
}

/// Bounds on the amounts of domains: of all, or of those named.
#[derive(Debug, Clone, PartialEq)]
pub enum Limits {
    All(Limit),
    ByDomain(Vec<(Piece<String>, Limit)>),
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    pub span: Span,
    pub message: String,
    pub text: String,
    pub help: Option<String>,
}

impl Fault {
    fn new(node: &Node, message: impl Into<String>, text: impl Into<String>) -> Self {
        Self { span: node.span.clone(), message: message.into(), text: text.into(), help: None }
    }

    fn help(mut self, help: Option<String>) -> Self {
        self.help = help;
        self
    }
}

/// Reads `node` as `kind`; `key` is its name in messages. All faults of a list are told at once.
pub fn read(kind: &Kind, key: &str, node: &Node) -> Result<Value, Vec<Fault>> {
    let one = |value: Result<Value, Fault>| value.map_err(|fault| vec![fault]);
    match kind {
        Kind::Text | Kind::Name { .. } | Kind::Mixture => {
            one(text(kind, key, node).map(Value::Text))
        }
        Kind::Separator => one(match &node.kind {
            NodeKind::Text(text) => Ok(Value::Text(text.clone())),
            _ => Err(wrong_type(kind, key, node)),
        }),
        Kind::Texts | Kind::Names { .. } => texts(kind, key, node).map(Value::Texts),
        Kind::Flag => one(match node.kind {
            NodeKind::Flag(flag) => Ok(Value::Flag(flag)),
            _ => Err(wrong_type(kind, key, node)),
        }),
        Kind::Choice(_) => one(choice(kind, key, node)),
        Kind::Count { min, max, .. } => one(count(kind, key, node, *min, *max).map(Value::Count)),
        Kind::Number(bounds) => one(number(kind, bounds, key, node)),
        Kind::Share => one(share(kind, key, node)),
        Kind::CountOrShare { .. } => one(count_or_share(kind, key, node)),
        Kind::Factors => pieces(kind, key, node, factor).map(Value::Numbers),
        // So many, or these.
        Kind::Seeds if matches!(node.kind, NodeKind::Integer(_)) => {
            one(count(kind, key, node, 1, MOST_SEEDS).map(Value::Count))
        }
        Kind::Seeds => {
            pieces(kind, key, node, |kind, key, node| count(kind, key, node, 0, u64::MAX))
                .map(Value::Counts)
        }
        Kind::CountOrAuto { .. } => one(match &node.kind {
            NodeKind::Text(text) if text == "auto" => Ok(Value::Text(text.clone())),
            _ => count(kind, key, node, 1, u64::from(u32::MAX)).map(Value::Count),
        }),
        Kind::Counts { .. } => {
            pieces(kind, key, node, |kind, key, node| count(kind, key, node, 1, u64::MAX))
                .map(Value::Counts)
        }
        Kind::NamePairs { .. } => pairs(kind, key, node).map(Value::Pairs),
        Kind::Weights => weights(kind, key, node).map(Value::Weights),
        Kind::Limits(bounds) => limits(kind, bounds, key, node).map(Value::Limits),
        Kind::Filters => filters(kind, key, node).map(Value::Filters),
        Kind::Variables => variables(kind, key, node).map(Value::Variables),
    }
}

fn wrong_type(kind: &Kind, key: &str, node: &Node) -> Fault {
    Fault::new(
        node,
        format!("`{key}` takes {}", kind.expected()),
        format!("found {}", node.describe()),
    )
}

fn wrong_item(kind: &Kind, key: &str, node: &Node) -> Fault {
    Fault::new(
        node,
        format!("`{key}` takes {}", kind.expected_item()),
        format!("found {}", node.describe()),
    )
}

fn text(kind: &Kind, key: &str, node: &Node) -> Result<String, Fault> {
    match &node.kind {
        NodeKind::Text(text) if text.trim().is_empty() => Err(Fault::new(
            node,
            format!("`{key}` is empty"),
            format!("expected {}", kind.expected_item()),
        )),
        NodeKind::Text(text) if text.contains('\0') => {
            Err(Fault::new(node, format!("`{key}` holds a NUL character"), ""))
        }
        NodeKind::Text(text) => Ok(text.clone()),
        _ => Err(wrong_item(kind, key, node)),
    }
}

fn texts(kind: &Kind, key: &str, node: &Node) -> Result<Vec<Piece<String>>, Vec<Fault>> {
    match &node.kind {
        NodeKind::Text(_) => {
            let value = text(kind, key, node).map_err(|fault| vec![fault])?;
            Ok(vec![Piece { value, span: node.span.clone() }])
        }
        _ => pieces(kind, key, node, text),
    }
}

/// An array, every element read by `item`.
fn pieces<T>(
    kind: &Kind,
    key: &str,
    node: &Node,
    item: impl Fn(&Kind, &str, &Node) -> Result<T, Fault>,
) -> Result<Vec<Piece<T>>, Vec<Fault>> {
    let NodeKind::Array(items) = &node.kind else {
        return Err(vec![wrong_type(kind, key, node)]);
    };
    collect(
        items
            .iter()
            .map(|node| Ok(Piece { value: item(kind, key, node)?, span: node.span.clone() })),
    )
}

/// All values, or all faults.
fn collect<T>(results: impl Iterator<Item = Result<T, Fault>>) -> Result<Vec<T>, Vec<Fault>> {
    let (mut values, mut faults) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(value) => values.push(value),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(values) } else { Err(faults) }
}

fn choice(kind: &Kind, key: &str, node: &Node) -> Result<Value, Fault> {
    let Kind::Choice(choices) = kind else { return Err(wrong_type(kind, key, node)) };
    let NodeKind::Text(text) = &node.kind else { return Err(wrong_type(kind, key, node)) };
    if choices.iter().any(|choice| choice.name == text) {
        return Ok(Value::Text(text.clone()));
    }
    let near = suggest::nearest(text, choices.iter().map(|choice| choice.name));
    let fault = Fault::new(
        node,
        format!("`{key}` can't be `{text}`"),
        format!("expected {}", kind.expected()),
    );
    Err(fault.help(near.map(|near| format!("did you mean \"{near}\"?"))))
}

fn count(kind: &Kind, key: &str, node: &Node, min: u64, max: u64) -> Result<u64, Fault> {
    let value: i128 = match &node.kind {
        NodeKind::Integer(value) => *value,
        NodeKind::Text(text) => {
            units::count(text).map_err(|cause| unreadable(kind, key, node, text, &cause))?.into()
        }
        NodeKind::Float(value) if value.fract() == 0.0 && (0.0..1e15).contains(value) => {
            let help = format!("write {value:.0}");
            return Err(wrong_item(kind, key, node).help(Some(help)));
        }
        _ => return Err(wrong_item(kind, key, node)),
    };
    match u64::try_from(value) {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => Err(out_of_range(
            key,
            node,
            &if value < i128::from(min) {
                format!("at least {min}")
            } else {
                format!("at most {max}")
            },
        )),
    }
}

fn out_of_range(key: &str, node: &Node, expected: &str) -> Fault {
    Fault::new(node, format!("`{key}` is out of range"), format!("expected {expected}"))
}

fn plain_number(node: &Node) -> Option<f64> {
    match node.kind {
        NodeKind::Float(value) => Some(value),
        #[expect(
            clippy::cast_precision_loss,
            reason = "a manifest's numbers are far below 2^53, and any rounding is the float's own"
        )]
        NodeKind::Integer(value) => Some(value as f64),
        _ => None,
    }
}

fn number(kind: &Kind, bounds: &Bounds, key: &str, node: &Node) -> Result<Value, Fault> {
    let value = plain_number(node).ok_or_else(|| wrong_type(kind, key, node))?;
    if bounds.contains(value) {
        Ok(Value::Number(value))
    } else {
        Err(out_of_range(key, node, &bounds.describe()))
    }
}

fn share(kind: &Kind, key: &str, node: &Node) -> Result<Value, Fault> {
    let value = match &node.kind {
        NodeKind::Text(text) => {
            units::share(text).map_err(|cause| unreadable(kind, key, node, text, &cause))?
        }
        _ => plain_number(node).ok_or_else(|| wrong_type(kind, key, node))?,
    };
    if (0.0..=1.0).contains(&value) {
        Ok(Value::Share(value))
    } else {
        Err(out_of_range(key, node, "0 to 1"))
    }
}

fn unreadable(kind: &Kind, key: &str, node: &Node, text: &str, cause: &str) -> Fault {
    let message = format!("`{key}` can't read `{text}`: {cause}");
    Fault::new(node, message, format!("expected {}", kind.expected_item()))
}

fn count_or_share(kind: &Kind, key: &str, node: &Node) -> Result<Value, Fault> {
    match &node.kind {
        NodeKind::Text(text) if text.trim_end().ends_with('%') => {
            let share =
                units::share(text).map_err(|cause| unreadable(kind, key, node, text, &cause))?;
            Ok(Value::Share(share))
        }
        NodeKind::Float(value) if (0.0..=1.0).contains(value) => {
            let help = format!("write a share as \"{}%\"", value * 100.0);
            Err(wrong_type(kind, key, node).help(Some(help)))
        }
        _ => count(kind, key, node, 0, u64::from(u32::MAX)).map(Value::Count),
    }
}

fn factor(kind: &Kind, key: &str, node: &Node) -> Result<f64, Fault> {
    match &node.kind {
        NodeKind::Text(text) => {
            units::ratio(text).map_err(|cause| unreadable(kind, key, node, text, &cause))
        }
        _ => plain_number(node).ok_or_else(|| wrong_item(kind, key, node)),
    }
}

fn weight(kind: &Kind, key: &str, node: &Node) -> Result<f64, Fault> {
    match &node.kind {
        NodeKind::Text(text) if text.trim_end().ends_with('%') => {
            units::share(text).map_err(|cause| unreadable(kind, key, node, text, &cause))
        }
        _ => factor(kind, key, node),
    }
}

fn weights(kind: &Kind, key: &str, node: &Node) -> Result<Vec<Weight>, Vec<Fault>> {
    let NodeKind::Table(entries) = &node.kind else {
        return Err(vec![wrong_type(kind, key, node)]);
    };
    collect(entries.iter().map(|entry| {
        Ok(Weight {
            domain: entry.key.clone(),
            key_span: entry.key_span.clone(),
            value: weight(kind, &entry.key, &entry.node)?,
            span: entry.node.span.clone(),
        })
    }))
}

fn limits(kind: &Kind, bounds: &Bounds, key: &str, node: &Node) -> Result<Limits, Vec<Fault>> {
    let NodeKind::Table(entries) = &node.kind else {
        return limit(kind, bounds, key, node).map(Limits::All).map_err(|fault| vec![fault]);
    };
    // One domain may well have more than its base amount at least: the others give.
    let bounds = Bounds { max: f64::INFINITY, below_max: false, ..*bounds };
    let own = |entry: &Entry| {
        let name = Piece { value: entry.key.clone(), span: entry.key_span.clone() };
        Ok((name, limit(kind, &bounds, &entry.key, &entry.node)?))
    };
    collect(entries.iter().map(own)).map(Limits::ByDomain)
}

fn limit(kind: &Kind, bounds: &Bounds, key: &str, node: &Node) -> Result<Limit, Fault> {
    if let NodeKind::Text(text) = &node.kind
        && text.trim_end().ends_with('%')
    {
        let share =
            units::share(text).map_err(|cause| unreadable(kind, key, node, text, &cause))?;
        return match (0.0..=1.0).contains(&share) {
            true => Ok(Limit::Share(share)),
            false => Err(out_of_range(key, node, "0 % to 100 % of all tokens")),
        };
    }
    let multiple = factor(kind, key, node)?;
    if bounds.contains(multiple) {
        Ok(Limit::Multiple(multiple))
    } else {
        let what = format!("a multiple of the base amount of {}", bounds.describe());
        Err(out_of_range(key, node, &what))
    }
}

fn pairs(kind: &Kind, key: &str, node: &Node) -> Result<Vec<Pair>, Vec<Fault>> {
    let NodeKind::Table(entries) = &node.kind else {
        return Err(vec![wrong_type(kind, key, node)]);
    };
    collect(entries.iter().map(|entry| {
        let value = text(kind, &entry.key, &entry.node)?;
        Ok(Pair {
            key: Piece { value: entry.key.clone(), span: entry.key_span.clone() },
            value: Piece { value, span: entry.node.span.clone() },
        })
    }))
}

fn filters(kind: &Kind, key: &str, node: &Node) -> Result<Vec<(String, String)>, Vec<Fault>> {
    let NodeKind::Table(entries) = &node.kind else {
        return Err(vec![wrong_type(kind, key, node)]);
    };
    let mut leaves = Vec::new();
    flatten(entries, "", &mut leaves);
    collect(leaves.into_iter().map(|(column, node)| match &node.kind {
        NodeKind::Text(text) => Ok((column, text.clone())),
        NodeKind::Integer(value) => Ok((column, value.to_string())),
        NodeKind::Flag(value) => Ok((column, value.to_string())),
        _ => Err(wrong_item(kind, &column, node)),
    }))
}

fn variables(kind: &Kind, key: &str, node: &Node) -> Result<Vec<(String, String)>, Vec<Fault>> {
    let NodeKind::Table(entries) = &node.kind else {
        return Err(vec![wrong_type(kind, key, node)]);
    };
    collect(entries.iter().map(|entry| {
        if !is_variable(&entry.key) {
            let message = format!("`{}` can't be the name of an environment variable", entry.key);
            let fault = Fault::new(&entry.node, message, "");
            return Err(Fault { span: entry.key_span.clone(), ..fault }
                .help(Some("letters, digits and `_`, not starting with a digit".to_owned())));
        }
        match &entry.node.kind {
            NodeKind::Text(text) if !text.contains('\0') => Ok((entry.key.clone(), text.clone())),
            _ => Err(wrong_item(kind, &entry.key, &entry.node)),
        }
    }))
}

/// Whether a name can be one of an environment variable in a shell.
pub fn is_variable(name: &str) -> bool {
    let legal = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.chars().all(legal)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.is_empty()
}

/// `where.meta.language = "en"` is `where = { "meta.language" = "en" }`.
fn flatten<'a>(entries: &'a [Entry], prefix: &str, leaves: &mut Vec<(String, &'a Node)>) {
    for entry in entries {
        let column = format!("{prefix}{}", entry.key);
        match &entry.node.kind {
            NodeKind::Table(inner) => flatten(inner, &format!("{column}."), leaves),
            _ => leaves.push((column, &entry.node)),
        }
    }
}
