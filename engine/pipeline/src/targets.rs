//! From what people type to actions: names, globs of names, and paths below `out/`.

use std::path::Path;

use mixmake_core::graph::ActionId;

use crate::error::{Error, Result};
use crate::workspace::Workspace;

/// Names offered for a mistyped one.
const OFFERED: usize = 3;

impl Workspace {
    /// The actions that `patterns` name; all where there are none.
    pub fn select(&self, patterns: &[String]) -> Result<Vec<ActionId>> {
        if self.staged.graph.is_empty() {
            let message = format!("`{}` has nothing to build", self.manifest.path.display());
            return Err(Error::usage(message).hint(
                "it needs at least a `[step]`, or a `[domain]` and a `[tokenizer]`; `mixmake init` writes an example",
            ));
        }
        if patterns.is_empty() {
            return Ok(self.staged.graph.ids().collect());
        }
        let mut selected = Vec::new();
        for pattern in patterns {
            selected.extend(self.select_one(pattern)?);
        }
        selected.sort();
        selected.dedup();
        Ok(selected)
    }

    /// A target, one of its outputs, or a glob; each also as a path below `out/`, as the shell's
    /// own completion gives it.
    fn select_one(&self, typed: &str) -> Result<Vec<ActionId>> {
        let graph = &self.staged.graph;
        let pattern = self.without_out(typed);
        if let Some(id) = graph.find(&pattern).or_else(|| self.find_output(&pattern)) {
            return Ok(vec![id]);
        }
        let glob = globset::Glob::new(&pattern).map_err(|error| {
            Error::usage(format!("`{typed}` is not a glob: {}", error.kind()))
                .hint("`*` stands for any letters, `?` for one, `{a,b}` for either; quote it from the shell")
        })?;
        let matcher = glob.compile_matcher();
        let matched: Vec<_> = graph.ids().filter(|id| matcher.is_match(self.target(*id))).collect();
        if matched.is_empty() { Err(self.unknown(typed, &pattern)) } else { Ok(matched) }
    }

    fn without_out(&self, typed: &str) -> String {
        let out = self.out();
        let below = Path::new(typed).strip_prefix(&out).ok().and_then(Path::to_str);
        let below = below.unwrap_or_else(|| typed.strip_prefix("out/").unwrap_or(typed));
        below.trim_end_matches('/').to_owned()
    }

    fn unknown(&self, typed: &str, pattern: &str) -> Error {
        let names = self.staged.graph.ids().map(|id| self.target(id));
        let near: Vec<_> =
            nearest(pattern, names).into_iter().map(|name| format!("`{name}`")).collect();
        Error::usage(format!("no target matches `{typed}`")).hint(format!(
            "the nearest {} {}; `mixmake status '*'` lists all targets",
            if near.len() == 1 { "is" } else { "are" },
            near.join(", ")
        ))
    }
}

/// The names that take the fewest edits, best first; those of one family are near each other.
fn nearest<'a>(pattern: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let distance = |name: &str| {
        let edits = strsim::damerau_levenshtein(pattern, name);
        let shared = name.bytes().zip(pattern.bytes()).take_while(|(one, other)| one == other);
        // A part of a name is near it, and so is its beginning, however long the rest.
        if name.contains(pattern) { 0 } else { (edits * 2).saturating_sub(shared.count()) }
    };
    let mut ranked: Vec<_> = names.map(|name| (distance(name), name)).collect();
    ranked.sort();
    ranked.into_iter().take(OFFERED).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_names_come_first() {
        let names = ["train/uniform", "train/predicted", "shards/web", "report"];
        let check = |typed: &str, first: &str| {
            assert_eq!(nearest(typed, names.into_iter())[0], first, "{typed}");
        };
        check("train/unifrom", "train/uniform");
        check("uniform", "train/uniform");
        check("train/pred", "train/predicted");
        check("shard/web", "shards/web");
        check("reprot", "report");
    }
}
