//! One side of a comparison: a manifest, its plan, and the lock file that stood beside it.

use std::path::Path;
use std::process::Command;

use mixmake_core::Digest;
use mixmake_core::graph::ActionId;
use mixmake_core::lock::Lock;
use mixmake_core::plan::{Plan, State};
use mixmake_manifest::schema::Manifest;

use crate::cli::Global;
use crate::error::{Error, Result};
use crate::remote::Mode;
use crate::table::names::DomainNames;
use crate::workspace::{Workspace, load};

pub struct Side {
    /// As people name it: `demo.toml`, or `HEAD~1`.
    pub label: String,
    pub workspace: Workspace,
    pub plan: Plan,
    pub names: DomainNames,
    /// What a revision pinned: results that its manifest gave then, whatever its files are now.
    pinned: Lock,
}

impl Side {
    /// The manifest that `-m` names.
    pub fn current(global: &Global) -> Result<Self> {
        Self::of(global, load(global)?, global.manifest.display().to_string(), Lock::default())
    }

    /// Another manifest, or a git revision of the one that `-m` names.
    pub fn named(global: &Global, name: &str) -> Result<Self> {
        let path = Path::new(name);
        if path.is_file() {
            let manifest = mixmake_manifest::load(path, &global.overrides)?;
            return Self::of(global, manifest, name.to_owned(), Lock::default());
        }
        let source =
            at_revision(&global.manifest, name)?.ok_or_else(|| unknown(name, &global.manifest))?;
        let manifest = mixmake_manifest::parse(&global.manifest, &source, &global.overrides)?;
        let lock = at_revision(&global.manifest.with_extension("lock"), name)?;
        let lock = lock.map(|text| Lock::parse(&text)).transpose()?;
        Self::of(global, manifest, name.to_owned(), lock.unwrap_or_default())
    }

    fn of(global: &Global, manifest: Manifest, label: String, pinned: Lock) -> Result<Self> {
        let mode = if global.offline { Mode::Pinned } else { Mode::Ask };
        let workspace = Workspace::of_manifest(global, manifest, mode)?;
        let plan = workspace.plan(&workspace.select(&[])?)?;
        let names = DomainNames::of(&workspace, &plan.results);
        Ok(Self { label, workspace, plan, names, pinned })
    }

    #[must_use]
    pub fn find(&self, target: &str) -> Option<ActionId> {
        self.workspace.staged.graph.find(target)
    }

    /// Whether `id` would run, or may.
    #[must_use]
    pub fn is_pending(&self, id: ActionId) -> bool {
        !matches!(self.plan.states[id.0], State::UpToDate { .. } | State::NotNeeded)
    }

    /// The digest of an output that this side has or, as a revision, had.
    #[must_use]
    pub fn output(&self, id: ActionId, name: &str) -> Option<Digest> {
        match &self.plan.results[id.0] {
            Some(result) => result.output(name).map(|output| output.digest),
            None => self.pinned.result(self.workspace.target(id), name),
        }
    }
}

/// The text of a file at a git revision; none where the revision or the file is not there.
fn at_revision(path: &Path, revision: &str) -> Result<Option<String>> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let folder =
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let output = Command::new("git")
        .current_dir(folder)
        .args(["show", "--end-of-options", &format!("{revision}:./{name}")])
        .output()
        .map_err(|error| {
            Error::internal(format!("cannot run git: {error}"))
                .hint("revisions need it; two manifests can be compared without")
        })?;
    Ok(output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned()))
}

fn unknown(name: &str, manifest: &Path) -> Error {
    let manifest = manifest.display();
    Error::usage(format!("`{name}` is neither a file nor a git revision that has `{manifest}`"))
        .hint(format!("`git log --oneline -- {manifest}` lists the revisions that changed it"))
}
