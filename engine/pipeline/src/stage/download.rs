//! `download/SCHEME/…`: the bytes of a file that is elsewhere. Keyed by what tells its content apart, so that where
//! that is a hash of the content, it does not matter who has it.

use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use mixmake_core::event::Progress;
use mixmake_core::exec::{Failure, Job};
use mixmake_core::{Action, ActionId, Cost, Kind, OutputSpec, Source};
use mixmake_remote::{Identity, Location, RemoteFile};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Download, Reader, StageError, Stager};
use crate::remote::{self, Advice};
use crate::runner::Facts;

pub const KIND: Kind = Kind { name: "download", version: 1 };
pub const CONTENT: &str = "content";

/// Often enough to see it move.
const TELL: Duration = Duration::from_millis(200);

/// What decides the bytes.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Spec {
    bytes: u64,
    identity: Identity,
    /// Only where the identity is a server's word, which holds for this URL alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

impl Spec {
    fn of(file: &RemoteFile) -> Self {
        let url = (!file.identity.is_of_content()).then(|| file.url.clone());
        Self { bytes: file.bytes, identity: file.identity.clone(), url }
    }
}

/// The bytes of `file`, which `reader` is the first to need.
pub(super) fn add(
    stager: &mut Stager<'_>,
    reader: Reader,
    file: &RemoteFile,
) -> Result<Source, StageError> {
    action(stager, reader, file).map(|action| Source::output(action, CONTENT))
}

/// The action that makes them.
pub(super) fn action(
    stager: &mut Stager<'_>,
    reader: Reader,
    file: &RemoteFile,
) -> Result<ActionId, StageError> {
    let target = target(file);
    if let Some(known) = stager.staged.graph.find(&target) {
        return Ok(known);
    }
    let fields = ["bytes", "identity", "url"].map(|of| (of, reader.fields(stager.manifest)));
    let origins = stager.origins(&fields);
    let advice = stager.remotes.advice(file, &target);
    let action = stager.add(Action {
        target,
        kind: KIND,
        params: mixmake_core::action::params(&Spec::of(file))?,
        inputs: Vec::new(),
        outputs: vec![OutputSpec::new(CONTENT)],
        cost: Cost::Heavy,
        threads: 1,
        pool: None,
        origins,
    })?;
    stager.staged.graph.call(action, &file.url);
    stager.staged.graph.advise(action, advice);
    stager.staged.downloads.insert(action, Download { file: file.clone(), reader });
    Ok(action)
}

/// `download/s3/bucket/key`: the URL as a path, so that two have two targets.
fn target(file: &RemoteFile) -> String {
    let (scheme, rest) = file.url.split_once("://").unwrap_or(("", &file.url));
    match rest.split_once('?') {
        None => format!("download/{scheme}/{rest}"),
        Some((path, query)) => {
            let query = blake3::hash(query.as_bytes()).to_hex();
            format!("download/{scheme}/{path}/{}", &query[..8])
        }
    }
}

/// A path whose name tells the format.
pub(super) fn path(file: &RemoteFile) -> PathBuf {
    Location::parse(&file.url).map_or_else(|_| (&file.url).into(), |found| found.path().into())
}

/// A failure with the URLs of files that were downloaded, in place of where the store has them.
pub(super) fn named(job: &Job, failure: Failure) -> Failure {
    let named = job.inputs.iter().filter_map(|input| Some((input, input.name.as_ref()?)));
    let message = named.fold(failure.message, |message, (input, name)| {
        message.replace(&*input.path.to_string_lossy(), name)
    });
    Failure { message, ..failure }
}

/// Brings the bytes; an earlier try's are gone on from.
pub fn run(job: &Job, progress: &mut dyn FnMut(Progress)) -> Result<Facts, Failure> {
    let spec: Spec = job.params()?;
    let advice: Advice = serde_json::from_value(Value::Object(job.advice.clone()))
        .map_err(|error| Failure::new(format!("what `{}` is told: {error}", job.target)))?;
    let file = RemoteFile { url: advice.url.clone(), bytes: spec.bytes, identity: spec.identity };
    let (mut first, mut told) = (None, None::<Instant>);
    let mut tell = |done: u64| {
        first.get_or_insert(done);
        if told.is_none_or(|told| told.elapsed() > TELL) || done == spec.bytes {
            told = Some(Instant::now());
            let note = String::new();
            progress(Progress { done, total: spec.bytes, unit: "bytes".into(), note });
        }
    };
    let path = remote::fetch(&file, &advice, job.scratch()?, &mut tell)?;
    let output = job.output(CONTENT);
    fs::rename(&path, &output)
        .map_err(|error| Failure::new(format!("cannot move `{}`: {error}", path.display())))?;
    Ok(Facts::from([
        ("from".into(), file.url),
        ("bytes".into(), spec.bytes.to_string()),
        ("bytes there before".into(), first.unwrap_or(0).to_string()),
        ("identity".into(), file.identity.to_string()),
    ]))
}

/// What is told to who runs it.
pub(crate) fn advised(advice: &Advice) -> Map<String, Value> {
    match serde_json::to_value(advice) {
        Ok(Value::Object(map)) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(url: &str, identity: Identity) -> RemoteFile {
        RemoteFile { url: url.to_owned(), bytes: 3, identity }
    }

    #[test]
    fn every_url_has_a_target_of_its_own() {
        let check = |url: &str, expected: &str| {
            assert_eq!(target(&file(url, Identity::Length)), expected);
        };
        check("s3://b/a/x.gz", "download/s3/b/a/x.gz");
        check("hf://datasets/o/n@main/x.gz", "download/hf/datasets/o/n@main/x.gz");
        let with_query = |url: &str| target(&file(url, Identity::Length));
        assert_ne!(with_query("https://h/x?a=1"), with_query("https://h/x?a=2"));
        assert!(with_query("https://h/x.gz?a=1").starts_with("download/https/h/x.gz/"));
        assert_eq!(path(&file("https://h/x.gz?a=1", Identity::Length)), PathBuf::from("h/x.gz"));
    }

    #[test]
    fn a_hash_of_the_content_is_all_that_a_key_needs() {
        let spec = |url: &str, identity: Identity| {
            serde_json::to_value(Spec::of(&file(url, identity))).expect("encoded")
        };
        let hash = || Identity::Sha256("ab".repeat(32));
        assert_eq!(
            spec("hf://datasets/o/n@main/x", hash()),
            spec("hf://datasets/p/m@v1/y", hash())
        );
        let tag = || Identity::Etag("t".to_owned());
        assert_ne!(spec("s3://b/x", tag()), spec("s3://b/y", tag()));
        assert!(!spec("s3://b/x", hash()).to_string().contains("null"));
    }
}
