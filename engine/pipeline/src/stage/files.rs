//! The external files of every domain: globs to paths, sorted, each in one domain only.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use mixmake_manifest::diagnostic::{Diagnostic, Diagnostics};
use mixmake_manifest::is_remote;
use mixmake_manifest::schema::{Domain, Manifest, StepOutput};
use mixmake_remote::RemoteFile;

use super::StageError;
use super::walk::Walks;
use crate::remote::Remotes;

/// What a domain's `files` stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct DomainFiles {
    /// Files that the globs match.
    pub found: Vec<PathBuf>,
    /// Files elsewhere.
    pub remote: Vec<RemoteFile>,
    /// Entries that match nothing, as paths (or URLs, also where it is not known what they match).
    pub unmatched: Vec<PathBuf>,
    /// Outputs of steps.
    pub made: Vec<StepOutput>,
    /// Evaluation texts to keep clear of.
    pub evaluation: Vec<PathBuf>,
    /// Those of them that are elsewhere.
    pub remote_evaluation: Vec<RemoteFile>,
}

/// Files of every domain, in the manifest's order, or every error in the globs.
pub(super) fn find(
    manifest: &Manifest,
    remotes: &Remotes,
    walks: &mut Walks,
) -> Result<Vec<DomainFiles>, StageError> {
    let mut items = Vec::new();
    let mut all = Vec::with_capacity(manifest.domains.len());
    for domain in &manifest.domains {
        match find_one(manifest, domain, remotes, walks) {
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
    remotes: &Remotes,
    walks: &mut Walks,
) -> Result<DomainFiles, Box<Diagnostic>> {
    let excluded = excluder(manifest, domain)?;
    let (evaluation, remote_evaluation) = evaluation(manifest, domain, remotes, walks)?;
    let mut files = DomainFiles { evaluation, remote_evaluation, ..DomainFiles::default() };
    for (index, pattern) in domain.files.iter().enumerate() {
        if let Some(made) = manifest.step_outputs(pattern) {
            let name = |made: &StepOutput| manifest.folder().join(manifest.output_name(*made));
            files.made.extend(made.into_iter().filter(|made| !excluded.is_match(name(made))));
            continue;
        }
        if is_remote(pattern) {
            let found = remotes.files(pattern).iter();
            let kept: Vec<_> = found.filter(|file| !excluded.is_match(&file.url)).collect();
            if kept.is_empty() {
                files.unmatched.push(pattern.into());
            }
            files.remote.extend(kept.into_iter().cloned());
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
    files.remote.sort_by(|one, other| one.url.cmp(&other.url));
    files.remote.dedup_by(|one, other| one.url == other.url);
    match files.found.iter().find(|path| path.to_str().is_none()) {
        Some(odd) => Err(not_text(manifest, domain, odd)),
        None => Ok(files),
    }
}

/// The files of `decontaminate`; one that matches nothing would compare with nothing, so it is an error.
fn evaluation(
    manifest: &Manifest,
    domain: &Domain,
    remotes: &Remotes,
    walks: &mut Walks,
) -> Result<(Vec<PathBuf>, Vec<RemoteFile>), Box<Diagnostic>> {
    let (mut found, mut remote) = (Vec::new(), Vec::new());
    for (index, pattern) in domain.decontaminate.iter().enumerate() {
        let fields = [format!("domain.{}", domain.name), "corpus".to_owned()].map(|table| {
            [format!("{table}.decontaminate.{index}"), format!("{table}.decontaminate")]
        });
        let at = |message| at(manifest, fields.as_flattened(), message);
        if is_remote(pattern) {
            let files = remotes.files(pattern);
            if files.is_empty() {
                let (message, help) = remotes.why_none(pattern);
                return Err(Box::new(
                    at(format!("domain `{}`: {message}", domain.name)).help(help),
                ));
            }
            remote.extend(files.iter().cloned());
            continue;
        }
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
    remote.sort_by(|one, other| one.url.cmp(&other.url));
    remote.dedup_by(|one, other| one.url == other.url);
    Ok((found, remote))
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
        let path =
            if is_remote(pattern) { pattern.into() } else { manifest.folder().join(pattern) };
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
        let remote = files.remote.iter().map(|file| Cow::Borrowed(Path::new(&file.url)));
        for path in found.chain(remote).chain(made.map(Cow::Owned)) {
            if let Some(first) = owner.insert(path.clone(), domain) {
                let pair = pairs.entry((first, domain)).or_insert((0, path));
                pair.0 += 1;
            }
        }
    }
    for ((first, second), (count, path)) in pairs {
        let (first, second) = (&manifest.domains[first].name, &manifest.domains[second].name);
        let path = path.display();
        let what = match count {
            1 => format!("the file `{path}`"),
            _ => format!("{count} files, `{path}` first"),
        };
        let message = format!("domains `{first}` and `{second}` share {what}");
        let field = format!("domain.{second}.files");
        let item = Diagnostic::at(manifest, &[&field], message).help(format!(
            "narrow one of the globs, or take the files out with `domain.{second}.exclude`"
        ));
        items.push(item);
    }
    items
}
