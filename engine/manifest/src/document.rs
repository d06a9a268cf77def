//! The manifest's tables with their own types checked, before they are checked against each other.
//! A key that was refused has no value here, so that no later check builds on it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use crate::keys::{Preset, TABLES, Table};
use crate::tree::Span;
use crate::values::{self, Limits, Pair, Piece, Value, Weight};

/// Every table, by kind and in the order of the file.
#[derive(Debug, Default)]
pub struct Document {
    sections: BTreeMap<&'static str, Vec<Section>>,
    /// Names that the file means to declare, in tables that can't be read.
    unreadable: BTreeSet<(&'static str, String)>,
}

/// One table of the file.
#[derive(Debug, Clone)]
pub struct Section {
    pub table: &'static Table,
    /// Empty for a table without one, such as `[report]`.
    pub name: String,
    /// The header, or the key where there is none.
    pub header: Span,
    /// Few, so that a list is quicker than a map; a key stands once.
    items: Vec<(&'static str, Item)>,
    refused: BTreeSet<&'static str>,
}

/// A value that the file sets.
#[derive(Debug, Clone)]
pub struct Item {
    pub value: Value,
    pub span: Span,
}

impl Document {
    pub fn push(&mut self, section: Section) {
        self.sections.entry(section.table.name).or_default().push(section);
    }

    /// Every section of a kind.
    pub fn all(&self, table: &str) -> &[Section] {
        self.sections.get(table).map_or(&[], Vec::as_slice)
    }

    pub fn all_mut(&mut self, table: &str) -> &mut [Section] {
        self.sections.get_mut(table).map_or(&mut [], Vec::as_mut_slice)
    }

    /// The one section of a kind without names.
    pub fn single(&self, table: &str) -> Option<&Section> {
        self.all(table).first()
    }

    pub fn find(&self, table: &str, name: &str) -> Option<&Section> {
        self.all(table).iter().find(|section| section.name == name)
    }

    /// Takes note of a table that can't be read, so that its name is not called unknown.
    pub fn note_unreadable(&mut self, table: &'static str, name: &str) {
        self.unreadable.insert((table, name.to_owned()));
    }

    /// Whether the file declares the name, readable or not.
    pub fn declares(&self, table: &'static str, name: &str) -> bool {
        self.find(table, name).is_some() || self.unreadable.contains(&(table, name.to_owned()))
    }

    /// Names of the domains that mixtures draw from; nothing where that can't be told.
    pub fn training_domains(&self) -> Option<Vec<&str>> {
        if self.unreadable.iter().any(|(table, _)| *table == "domain") {
            return None;
        }
        let mut names = Vec::new();
        for domain in self.all("domain") {
            if domain.flag("train")? {
                names.push(domain.name.as_str());
            }
        }
        Some(names)
    }
}

impl Section {
    pub fn new(table: &'static Table, name: &str, header: Span) -> Self {
        let name = name.to_owned();
        Self { table, name, header, items: Vec::new(), refused: BTreeSet::new() }
    }

    pub fn set(&mut self, key: &'static str, item: Item) {
        match self.items.iter_mut().find(|(name, _)| *name == key) {
            Some((_, set)) => *set = item,
            None => self.items.push((key, item)),
        }
    }

    fn item(&self, key: &str) -> Option<&Item> {
        self.items.iter().find(|(name, _)| *name == key).map(|(_, item)| item)
    }

    /// The key is in the file, with a value that can't be used.
    pub fn refuse(&mut self, key: &'static str) {
        self.refused.insert(key);
    }

    /// Takes from `parent` what is not set here.
    pub fn inherit(&mut self, parent: &Section) {
        for key in self.table.keys {
            if self.is_set(key.name) {
                continue;
            }
            if let Some(item) = parent.item(key.name) {
                self.items.push((key.name, item.clone()));
            }
            if parent.refused.contains(key.name) {
                self.refused.insert(key.name);
            }
        }
    }

    /// Whether the file says anything of the key, valid or not.
    pub fn is_set(&self, key: &str) -> bool {
        self.item(key).is_some() || self.refused.contains(key)
    }

    /// Where the key's value stands, else the header.
    pub fn span(&self, key: &str) -> &Span {
        self.item(key).map_or(&self.header, |item| &item.span)
    }

    /// `train.large`, as messages and cycles name it.
    pub fn path(&self) -> String {
        if self.name.is_empty() {
            self.table.name.to_owned()
        } else {
            format!("{}.{}", self.table.name, self.name)
        }
    }

    /// The value set, else the default; nothing where it was refused or is absent.
    pub fn get(&self, key: &str) -> Option<Value> {
        if let Some(item) = self.item(key) {
            return Some(item.value.clone());
        }
        if self.refused.contains(key) {
            return None;
        }
        default(self.table, key).cloned()
    }

    pub fn text(&self, key: &str) -> Option<String> {
        match self.get(key)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub fn texts(&self, key: &str) -> Option<Vec<Piece<String>>> {
        match self.get(key)? {
            Value::Texts(texts) => Some(texts),
            _ => None,
        }
    }

    pub fn flag(&self, key: &str) -> Option<bool> {
        match self.get(key)? {
            Value::Flag(flag) => Some(flag),
            _ => None,
        }
    }

    pub fn count(&self, key: &str) -> Option<u64> {
        match self.get(key)? {
            Value::Count(count) => Some(count),
            _ => None,
        }
    }

    pub fn share(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Value::Share(share) => Some(share),
            _ => None,
        }
    }

    /// A number or a share.
    pub fn number(&self, key: &str) -> Option<f64> {
        match self.get(key)? {
            Value::Number(number) | Value::Share(number) => Some(number),
            _ => None,
        }
    }

    pub fn numbers(&self, key: &str) -> Option<Vec<Piece<f64>>> {
        match self.get(key)? {
            Value::Numbers(numbers) => Some(numbers),
            _ => None,
        }
    }

    pub fn counts(&self, key: &str) -> Option<Vec<Piece<u64>>> {
        match self.get(key)? {
            Value::Counts(counts) => Some(counts),
            _ => None,
        }
    }

    pub fn weights(&self, key: &str) -> Option<Vec<Weight>> {
        match self.get(key)? {
            Value::Weights(weights) => Some(weights),
            _ => None,
        }
    }

    pub fn limits(&self, key: &str) -> Option<Limits> {
        match self.get(key)? {
            Value::Limits(limits) => Some(limits),
            _ => None,
        }
    }

    pub fn variables(&self, key: &str) -> Option<Vec<(String, String)>> {
        match self.get(key)? {
            Value::Variables(variables) => Some(variables),
            _ => None,
        }
    }

    pub fn pairs(&self, key: &str) -> Option<Vec<Pair>> {
        match self.get(key)? {
            Value::Pairs(pairs) => Some(pairs),
            _ => None,
        }
    }

    pub fn filters(&self, key: &str) -> Option<Vec<(String, String)>> {
        match self.get(key)? {
            Value::Filters(filters) => Some(filters),
            _ => None,
        }
    }
}

/// A key's default, of which each is read once: a manifest may have thousands of tables that leave it out.
fn default(table: &'static Table, key: &str) -> Option<&'static Value> {
    type Defaults = BTreeMap<(&'static str, &'static str), Value>;
    static DEFAULTS: OnceLock<Defaults> = OnceLock::new();
    let read = || {
        let mut defaults = Defaults::new();
        for (table, key) in
            TABLES.iter().flat_map(|table| table.keys.iter().map(move |key| (table, key)))
        {
            let Preset::Value(text) = key.default else { continue };
            let value = crate::tree::value(text)
                .and_then(|node| values::read(&key.kind, key.name, &node).ok());
            defaults.extend(value.map(|value| ((table.name, key.name), value)));
        }
        defaults
    };
    let key = table.key(key)?;
    DEFAULTS.get_or_init(read).get(&(table.name, key.name))
}
