//! The external files of every domain: globs to paths, sorted, each in one domain only.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use mixmake_manifest::diagnostic::{Diagnostic, Diagnostics};
use mixmake_manifest::schema::{Domain, Manifest, StepOutput};

use super::StageError;
use super::walk::Walks;

/// What a domain's `files` stand for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DomainFiles {
    /// Files that the globs match.
    pub found: Vec<PathBuf>,
    /// Entries that match nothing, as paths.
    pub unmatched: Vec<PathBuf>,
    /// Outputs of steps.
    pub made: Vec<StepOutput>,
    /// Evaluation texts to keep clear of.
    pub evaluation: Vec<PathBuf>,
}

/// Files of every domain, in the manifest's order, or every error in the globs.
pub(super) fn find(manifest: &Manifest, walks: &mut Walks) -> Result<Vec<DomainFiles>, StageError> {
    let mut items = Vec::new();
    let mut all = Vec::with_capacity(manifest.domains.len());
    for domain in &manifest.domains {
        match find_one(manifest, domain, walks) {
            Ok(files) => all.push(files),
            Err(item) => items.push(*item),
        }
    }
    items.extend(shared(manifest, &all));
    if items.is_empty() { Ok(all) } else { Err(StageError::Manifest(Diagnostics { items })) }
}

fn find_one(
    manifest: &Manifest,
    domain: &Domain,
    walks: &mut Walks,
) -> Result<DomainFiles, Box<Diagnostic>> {
    let excluded = excluder(manifest, domain)?;
    let evaluation = evaluation(manifest, domain, walks)?;
    let mut files =
        DomainFiles { found: Vec::new(), unmatched: Vec::new(), made: Vec::new(), evaluation };
    for (index, pattern) in domain.files.iter().enumerate() {
        if let Some(made) = manifest.step_outputs(pattern) {
            let name = |made: &StepOutput| manifest.folder().join(manifest.output_name(*made));
            files.made.extend(made.into_iter().filter(|made| !excluded.is_match(name(made))));
            continue;
        }
        let path = manifest.folder().join(pattern);
        let matched = walks.expand(&path).map_err(|problem| {
            let fields = [
                format!("domain.{}.files.{index}", domain.name),
                format!("domain.{}.files", domain.name),
            ];
            at(manifest, &fields, format!("`{pattern}` {problem}"))
        })?;
        let kept: Vec<_> = matched.into_iter().filter(|path| !excluded.is_match(path)).collect();
        if kept.is_empty() {
            files.unmatched.push(path);
        }
        files.found.extend(kept);
    }
    // As paths, not part by part: it is an order, and there are many.
    files.found.sort_unstable_by(|one, other| one.as_os_str().cmp(other.as_os_str()));
    files.found.dedup_by(|one, other| one.as_os_str() == other.as_os_str());
    match files.found.iter().find(|path| path.to_str().is_none()) {
        Some(odd) => Err(not_text(manifest, domain, odd)),
        None => Ok(files),
    }
}

/// The files of `decontaminate`; one that matches nothing would compare with nothing, so it is an error.
fn evaluation(
    manifest: &Manifest,
    domain: &Domain,
    walks: &mut Walks,
) -> Result<Vec<PathBuf>, Box<Diagnostic>> {
    let mut found = Vec::new();
    for (index, pattern) in domain.decontaminate.iter().enumerate() {
        let fields = [format!("domain.{}", domain.name), "corpus".to_owned()].map(|table| {
            [format!("{table}.decontaminate.{index}"), format!("{table}.decontaminate")]
        });
        let at = |message| at(manifest, fields.as_flattened(), message);
        let matched = walks
            .expand(&manifest.folder().join(pattern))
            .map_err(|problem| at(format!("`{pattern}` {problem}")))?;
        if matched.is_empty() {
            let message =
                format!("domain `{}`: no evaluation text matches `{pattern}`", domain.name);
            return Err(Box::new(at(message).help("put the files there, or correct the path")));
        }
        found.extend(matched);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn at(manifest: &Manifest, fields: &[String], message: String) -> Box<Diagnostic> {
    let fields: Vec<_> = fields.iter().map(String::as_str).collect();
    Box::new(Diagnostic::at(manifest, &fields, message))
}

/// The lock file is text, and so is what the store remembers.
fn not_text(manifest: &Manifest, domain: &Domain, path: &Path) -> Box<Diagnostic> {
    let message =
        format!("domain `{}`: the name of `{}` is not UTF-8", domain.name, path.display());
    let item = at(manifest, &[format!("domain.{}.files", domain.name)], message);
    Box::new(item.help("rename the file, or take it out with `exclude`"))
}

fn excluder(manifest: &Manifest, domain: &Domain) -> Result<globset::GlobSet, Box<Diagnostic>> {
    let field = [format!("domain.{}.exclude", domain.name), "corpus.exclude".to_owned()];
    let mut builder = globset::GlobSetBuilder::new();
    for pattern in &domain.exclude {
        let path = manifest.folder().join(pattern);
        let glob = globset::GlobBuilder::new(&path.to_string_lossy())
            .literal_separator(true)
            .build()
            .map_err(|error| at(manifest, &field, format!("`{pattern}` is not a glob: {error}")))?;
        builder.add(glob);
    }
    builder.build().map_err(|error| at(manifest, &field, error.to_string()))
}

/// A file in two domains would be in two splits of one study.
fn shared(manifest: &Manifest, all: &[DomainFiles]) -> Vec<Diagnostic> {
    let mut owner: HashMap<Cow<'_, Path>, usize> = HashMap::new();
    let mut items: Vec<Diagnostic> = Vec::new();
    let mut pairs: BTreeMap<(usize, usize), (usize, Cow<'_, Path>)> = BTreeMap::new();
    for (domain, files) in all.iter().enumerate() {
        let made = files.made.iter().map(|made| PathBuf::from(manifest.output_name(*made)));
        let found = files.found.iter().map(|path| Cow::Borrowed(path.as_path()));
        for path in found.chain(made.map(Cow::Owned)) {
            if let Some(first) = owner.insert(path.clone(), domain) {
                let pair = pairs.entry((first, domain)).or_insert((0, path));
                pair.0 += 1;
            }
        }
    }
    for ((first, second), (count, path)) in pairs {
        let (first, second) = (&manifest.domains[first].name, &manifest.domains[second].name);
        let message = format!(
            "domains `{first}` and `{second}` share {count} files, `{}` first",
            path.display()
        );
        let field = format!("domain.{second}.files");
        let item = Diagnostic::at(manifest, &[&field], message).help(format!(
            "narrow one of the globs, or take the files out with `domain.{second}.exclude`"
        ));
        items.push(item);
    }
    items
}
