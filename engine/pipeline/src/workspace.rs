//! A manifest opened for work: its graph, store, memory, file digests, lock and `out/`.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Component, Path, PathBuf};

use mixmake_core::file_index::{FileFacts, FileIndex};
use mixmake_core::files::{self, At, FileError};
use mixmake_core::graph::{ActionId, FileId};
use mixmake_core::lock::Lock;
use mixmake_core::memory::Memory;
use mixmake_core::parallel;
use mixmake_core::plan::Plan;
use mixmake_core::record::ActionResult;
use mixmake_core::resolve::Build;
use mixmake_core::{Source, Store};
use mixmake_manifest::diagnostic::{Diagnostic, Diagnostics};
use mixmake_manifest::is_remote;
use mixmake_manifest::schema::Manifest;
use mixmake_remote::RemoteFile;

use crate::cli::Global;
use crate::error::{Error, Result};
use crate::remote::{Mode, OFFLINE, Remotes};
use crate::runtime::Runtime;
use crate::stage::{self, Download, Environment, Reader, Staged};
use crate::timeline::Timeline;

/// Everything a verb asks or changes.
pub struct Workspace {
    pub manifest: Manifest,
    pub staged: Staged,
    pub store: Store,
    pub memory: Memory,
    /// Facts of the graph's files; none for one that cannot be read.
    pub files: Vec<Option<FileFacts>>,
    /// Why a file cannot be read.
    pub missing: Vec<(FileId, FileError)>,
    /// What the runs of this process did when.
    pub timeline: Timeline,
    index: FileIndex,
    remotes: Remotes,
    /// Whether no server is to be reached.
    is_offline: bool,
}

impl Workspace {
    /// Opens the manifest that the flags name.
    pub fn open(global: &Global) -> Result<Self> {
        Self::open_as(global, false)
    }

    /// The same; with `update`, what its URLs stand for is asked anew.
    pub fn open_as(global: &Global, update: bool) -> Result<Self> {
        let manifest = load(global)?;
        let mode = match (global.offline, update) {
            (true, _) => Mode::Pinned,
            (false, true) => Mode::Update,
            (false, false) => Mode::Ask,
        };
        Self::of_manifest(global, manifest, mode)
    }

    pub fn of_manifest(global: &Global, manifest: Manifest, mode: Mode) -> Result<Self> {
        let remotes = Remotes::of(&manifest, mode)?;
        let staged = stage::stage(&manifest, Environment { gpus: gpu_count() }, &remotes)?;
        // Questions make no store; what is about to work calls `make_store`.
        let store = Store::at(&store_path(global, Some(&manifest)))?;
        let memory = Memory::load(&store, &identity(&manifest.path))?;
        let mut index = FileIndex::load(&memory.folder().join("files"))?;
        let facts = index.facts(staged.graph.files(), threads());
        if store.exists() {
            keep(&mut index);
        }
        let mut missing = Vec::new();
        let mut files = Vec::with_capacity(facts.len());
        for (place, fact) in facts.into_iter().enumerate() {
            match fact {
                Ok(fact) => files.push(Some(fact)),
                Err(error) => {
                    files.push(None);
                    missing.push((FileId(place), error));
                }
            }
        }
        tracing::debug!("{} files, {} of them hashed", files.len(), index.hashed);
        let timeline = Timeline::default();
        let is_offline = global.offline;
        Ok(Self {
            manifest,
            staged,
            store,
            memory,
            files,
            missing,
            timeline,
            index,
            remotes,
            is_offline,
        })
    }

    /// Makes the store where there is none yet.
    pub fn make_store(&mut self) -> Result<()> {
        self.store = Store::open(self.store.root())?;
        keep(&mut self.index);
        Ok(())
    }

    #[must_use]
    pub fn build(&self) -> Build<'_> {
        Build { graph: &self.staged.graph, store: &self.store, files: &self.files }
    }

    pub fn plan(&self, selected: &[ActionId]) -> Result<Plan> {
        Ok(Plan::make(&self.build(), &self.memory, selected)?)
    }

    /// The name of an action.
    #[must_use]
    pub fn target(&self, id: ActionId) -> &str {
        &self.staged.graph.action(id).target
    }

    /// One error a domain or tokenizer whose files are missing, with where they come from.
    #[must_use]
    pub fn missing_files(&self, plan: &Plan) -> Option<Diagnostics> {
        let needed = self.needed_files(plan);
        let graph = &self.staged.graph;
        let mut items = Vec::new();
        for (file, error) in self.missing.iter().filter(|(file, _)| needed.contains(file)) {
            let path = graph.file_path(*file);
            let glob = self.staged.unmatched.contains(file);
            items.push(match self.staged.readers.get(file) {
                Some(Reader::Domain(domain)) => self.missing_domain(*domain, path, glob, error),
                Some(Reader::Step(step)) => self.missing_input(*step, path, glob, error),
                Some(Reader::Tokenizer) | None => self.missing_tokenizer(error),
            });
        }
        items.extend(self.missing_downloads(plan));
        (!items.is_empty()).then_some(Diagnostics { items })
    }

    /// Files that a plan would download, and their length.
    #[must_use]
    pub fn downloads(&self, plan: &Plan) -> (usize, u64) {
        let needed = self.staged.downloads.iter().filter(|(id, _)| plan.is_pending(**id));
        needed
            .fold((0, 0), |(count, bytes), (_, download)| (count + 1, bytes + download.file.bytes))
    }

    /// One error a domain, or the tokenizer, whose files would have to be downloaded, where no server is to be reached.
    fn missing_downloads(&self, plan: &Plan) -> Vec<Diagnostic> {
        let mut missing: BTreeMap<Reader, Vec<&RemoteFile>> = BTreeMap::new();
        for (id, Download { file, reader }) in &self.staged.downloads {
            if self.is_offline && plan.is_pending(*id) {
                missing.entry(*reader).or_default().push(file);
            }
        }
        let diagnostic = |(reader, files): (Reader, Vec<&RemoteFile>)| {
            let bytes = files.iter().map(|file| file.bytes).sum();
            let message = format!(
                "{}: `{}`{} not here ({}), and `--offline`",
                reader.label(&self.manifest),
                files[0].url,
                match files.len() - 1 {
                    0 => " is".to_owned(),
                    more => format!(" and {more} more are"),
                },
                files::amount(bytes)
            );
            let fields = reader.fields(&self.manifest);
            let fields: Vec<_> = fields.iter().map(String::as_str).collect();
            Diagnostic::at(&self.manifest, &fields, message)
                .help("run without `--offline` to download them")
        };
        missing.into_iter().map(diagnostic).collect()
    }

    /// Variables for the processes of a run.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut environment = Runtime::of(&self.manifest).environment();
        if self.is_offline {
            environment.push((OFFLINE.to_owned(), "1".to_owned()));
        }
        environment
    }

    fn needed_files(&self, plan: &Plan) -> Vec<FileId> {
        let pending = plan.pending();
        let inputs = pending.iter().flat_map(|id| &self.staged.graph.action(*id).inputs);
        inputs
            .filter_map(|input| match input.source {
                Source::File(file) => Some(file),
                Source::Output(..) => None,
            })
            .collect()
    }

    fn missing_domain(
        &self,
        domain: usize,
        path: &Path,
        glob: bool,
        error: &FileError,
    ) -> Diagnostic {
        let domain = &self.manifest.domains[domain];
        let field = format!("domain.{}.files", domain.name);
        if let Some(url) = path.to_str().filter(|path| is_remote(path)) {
            return self.unknown_url(url, &format!("domain `{}`", domain.name), &field);
        }
        let message = if glob {
            format!("domain `{}`: no file matches `{}`", domain.name, path.display())
        } else {
            format!("domain `{}`: {error}", domain.name)
        };
        let item = Diagnostic::at(&self.manifest, &[&field], message);
        match &domain.origin {
            Some(origin) => item.help(format!("it comes from: {origin}")),
            None => {
                item.help("put the files there, or correct the path (relative to the manifest)")
            }
        }
    }

    fn unknown_url(&self, url: &str, reader: &str, field: &str) -> Diagnostic {
        let (message, help) = self.remotes.why_none(url);
        let item = Diagnostic::at(&self.manifest, &[field], format!("{reader}: {message}"));
        if help.is_empty() { item } else { item.help(help) }
    }

    fn missing_input(&self, step: usize, path: &Path, glob: bool, error: &FileError) -> Diagnostic {
        let step = &self.manifest.steps[step];
        let message = if glob {
            format!("step `{}`: no file matches `{}`", step.name, path.display())
        } else {
            format!("step `{}`: {error}", step.name)
        };
        let field = format!("step.{}.inputs", step.name);
        Diagnostic::at(&self.manifest, &[&field], message)
            .help("put the files there, or correct the path (relative to the manifest)")
    }

    fn missing_tokenizer(&self, error: &FileError) -> Diagnostic {
        use mixmake_manifest::schema::TokenizerSource;
        let item =
            Diagnostic::at(&self.manifest, &["tokenizer.file"], format!("tokenizer: {error}"));
        match self.manifest.tokenizer.as_ref().map(|tokenizer| &tokenizer.source) {
            Some(TokenizerSource::Url(url)) => self.unknown_url(url, "tokenizer", "tokenizer.file"),
            Some(TokenizerSource::File { origin: Some(origin), .. }) => {
                item.help(format!("it comes from: {origin}"))
            }
            _ => item.help("put the `tokenizer.json` there, or correct the path"),
        }
    }

    /// `mixmake.toml` has `mixmake.lock`, `demo.toml` has `demo.lock`.
    #[must_use]
    pub fn lock_path(&self) -> PathBuf {
        self.manifest.path.with_extension("lock")
    }

    /// What a lock file of these results would pin.
    #[must_use]
    pub fn lock(&self, results: &[Option<std::sync::Arc<ActionResult>>]) -> Lock {
        let mut lock = Lock::default();
        self.remotes.pin(&mut lock);
        let graph = &self.staged.graph;
        for (place, facts) in self.files.iter().enumerate() {
            if let Some(facts) = facts {
                let path = self.portable(graph.file_path(FileId(place)));
                lock.pin_input(&path, facts.digest);
            }
        }
        for id in graph.ids() {
            if let Some(result) = &results[id.0] {
                lock.pin_key(&graph.action(id).target, result.key);
            }
            for output in results[id.0].iter().flat_map(|result| &result.outputs) {
                lock.pin_result(&graph.action(id).target, &output.name, output.digest);
            }
        }
        lock
    }

    /// A path as the manifest's folder sees it: the same on every machine.
    #[must_use]
    pub fn portable(&self, path: &Path) -> String {
        let folder = self.manifest.folder();
        path.strip_prefix(folder).unwrap_or(path).display().to_string()
    }

    /// The pinned facts of `older` that this run learnt nothing new about and that still speak of
    /// something in the manifest.
    pub fn inherit(&self, lock: &mut Lock, older: &Lock) {
        let files: HashSet<_> =
            self.staged.graph.files().iter().map(|file| self.portable(file)).collect();
        lock.inherit(older, |fact| match fact.split_once(' ') {
            Some(("result", name)) => self.find_output(name).is_some(),
            Some(("key", target)) => self.staged.graph.find(target).is_some(),
            Some(("input", path)) => files.contains(path),
            _ => false,
        });
    }

    /// The action that makes `TARGET/OUTPUT`; either may have slashes of its own.
    #[must_use]
    pub fn find_output(&self, name: &str) -> Option<ActionId> {
        let makes = |(slash, _): (usize, &str)| {
            let id = self.staged.graph.find(&name[..slash])?;
            let mut outputs = self.staged.graph.action(id).outputs.iter();
            outputs.any(|made| made.name == name[slash + 1..]).then_some(id)
        };
        name.rmatch_indices('/').find_map(makes)
    }

    /// The folder of readable pointers.
    #[must_use]
    pub fn out(&self) -> PathBuf {
        let folder = self.manifest.folder();
        match &self.manifest.workspace.out {
            Some(out) => folder.join(out),
            None => folder.join("out"),
        }
    }

    /// Points `out/<target>/<output>` at the current artifacts.
    pub fn point(&self, results: &[Option<std::sync::Arc<ActionResult>>]) -> Result<()> {
        let out = self.out();
        let mut pairs = Vec::new();
        for id in self.staged.graph.ids() {
            let folder = out.join(self.target(id));
            for output in results[id.0].iter().flat_map(|result| &result.outputs) {
                pairs.push((folder.join(&output.name), self.store.object_path(output.digest)));
            }
        }
        let right = parallel::map(&pairs, threads(), |(link, object)| is_same_file(link, object));
        let wrong = pairs.iter().zip(right).filter(|(_, right)| !right);
        wrong.map(|(pair, _)| pair).try_for_each(|(link, object)| point_at(link, object))
    }
}

/// Makes `link` another name of `object`, replacing what it was before.
///
/// A hard link, since programs that go by a name's ending follow a symbolic one to the object,
/// whose name is a digest: a browser would show the report's source. Across file systems it is a
/// symbolic link all the same.
fn point_at(link: &Path, object: &Path) -> Result<()> {
    if !object.exists() {
        // Nobody asked for these bytes, so they were not made again: better no name than an old one.
        return Ok(files::remove_all(link)?);
    }
    files::ensure_parent(link)?;
    let fresh = link.with_file_name(format!(".{}.new", std::process::id()));
    files::remove_all(&fresh)?;
    fs::hard_link(object, &fresh).or_else(|_| symlink(object, &fresh)).at("link", &fresh)?;
    match fs::rename(&fresh, link) {
        Err(error) if error.kind() == io::ErrorKind::IsADirectory => {
            files::remove_all(&fresh)?;
            Err(Error::internal(format!(
                "`{}` is a folder that mixmake did not make",
                link.display()
            ))
            .hint("move it away, or choose another `[workspace] out`"))
        }
        other => Ok(other.at("link", link)?),
    }
}

/// Whether both names lead to one file, through links of either kind.
fn is_same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| fs::metadata(path).map(|file| (file.dev(), file.ino())).ok();
    identity(one).is_some_and(|found| Some(found) == identity(other))
}

/// Reads the manifest that the flags name.
pub fn load(global: &Global) -> Result<Manifest> {
    if !global.manifest.exists() {
        let message = format!("there is no manifest `{}` here", global.manifest.display());
        return Err(Error::usage(message).hint(
            "`mixmake init` writes one; `-m FILE` names another, `-C DIR` changes folder first",
        ));
    }
    Ok(mixmake_manifest::load(&global.manifest, &global.overrides)?)
}

/// Keeps the digests of files for the next time. It only saves time: a store that cannot be
/// written can still be asked.
fn keep(index: &mut FileIndex) {
    if let Err(error) = index.save() {
        tracing::warn!("the digests of files are not kept: {error}");
    }
}

/// The store that the flags name, or the manifest, or the default beside it; made where there is none.
pub fn open_store(global: &Global, manifest: Option<&Manifest>) -> Result<Store> {
    Ok(Store::open(&store_path(global, manifest))?)
}

/// The store that the flags name, or the manifest, or the default beside it.
fn store_path(global: &Global, manifest: Option<&Manifest>) -> PathBuf {
    match (&global.store, manifest) {
        (Some(path), _) => path.clone(),
        (None, Some(manifest)) => {
            let store = manifest.workspace.store.clone().unwrap_or_else(|| ".mixmake".into());
            manifest.folder().join(store)
        }
        (None, None) => ".mixmake".into(),
    }
}

/// The store that the flags or the manifest name, for verbs that make no sense without one.
pub fn existing_store(global: &Global, manifest: Option<&Manifest>) -> Result<Store> {
    let path = store_path(global, manifest);
    Store::open_existing(&path)?.ok_or_else(|| {
        Error::usage(format!("there is no store at `{}`", path.display()))
            .hint("`--store DIR` names another; `mixmake run` makes one")
    })
}

/// What a workspace is remembered by: one name however its folder is spelled.
fn identity(manifest: &Path) -> PathBuf {
    let absolute = || std::path::absolute(manifest).unwrap_or_else(|_| manifest.to_owned());
    let folder = manifest.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = fs::canonicalize(folder.unwrap_or(Path::new(".")));
    match (folder, manifest.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => absolute(),
    }
}

/// A path to show: without `.` and `name/..`. Only to show, since a link may stand behind a name.
#[must_use]
pub fn tidy(path: &Path) -> PathBuf {
    let mut tidy = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if matches!(tidy.components().next_back(), Some(Component::Normal(_))) =>
            {
                tidy.pop();
            }
            part => tidy.push(part),
        }
    }
    if tidy.as_os_str().is_empty() { PathBuf::from(".") } else { tidy }
}

/// Threads of this machine.
#[must_use]
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// GPUs that trainings may use: those the driver shows, within `CUDA_VISIBLE_DEVICES`.
#[must_use]
pub fn gpu_count() -> usize {
    if cfg!(not(feature = "train")) {
        return 0;
    }
    let is_gpu = |name: &str| {
        name.strip_prefix("nvidia")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let present = fs::read_dir("/dev").map_or(0, |entries| {
        entries
            .filter_map(io::Result::ok)
            .filter(|entry| is_gpu(&entry.file_name().to_string_lossy()))
            .count()
    });
    match std::env::var("CUDA_VISIBLE_DEVICES") {
        Ok(visible) => visible
            .split(',')
            .filter(|device| !device.trim().is_empty() && *device != "-1")
            .count()
            .min(present),
        Err(_) => present,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_paths_are_tidy() {
        let check = |path: &str, expected: &str| {
            assert_eq!(tidy(Path::new(path)), Path::new(expected), "{path}");
        };
        check("manifests/../out/demo/report.html", "out/demo/report.html");
        check("./a/./b", "a/b");
        check("../a/../../b", "../../b");
        check("/../a", "/../a");
        check("a/..", ".");
    }

    #[test]
    fn a_workspace_has_one_identity() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        fs::create_dir(folder.path().join("a")).expect("made");
        let direct = identity(&folder.path().join("m.toml"));
        assert_eq!(identity(&folder.path().join("a/../m.toml")), direct);
        assert_ne!(identity(&folder.path().join("n.toml")), direct);
        symlink(folder.path(), folder.path().join("a/link")).expect("linked");
        assert_eq!(identity(&folder.path().join("a/link/m.toml")), direct);
    }
}
