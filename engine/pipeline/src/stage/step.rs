//! `step/NAME`: a command of the user's, in a folder that holds its inputs and nothing else.
//!
//! The names by which the command sees its inputs are in its key, since it can tell them apart;
//! where the files really are is not.

mod command;
mod folder;
mod keeper;

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};

use mixmake_core::exec::{Failure, Job};
use mixmake_core::{Action, Cost, Input, Kind, OutputSpec, Source};
use mixmake_manifest::diagnostic::{Diagnostic, Diagnostics};
use mixmake_manifest::schema::{Step, StepInput};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::walk::Walks;
use super::{Reader, StageError, Stager, attributes};
use crate::runner::Facts;

pub const KIND: Kind = Kind { name: "step", version: 1 };

/// What decides a step's outputs, but for its inputs.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Spec {
    run: String,
    environment: BTreeMap<String, String>,
    /// Only the names; the values are in no key.
    pass_environment: Vec<String>,
}

/// Adds every step, each after those it reads from.
pub(super) fn add(stager: &mut Stager<'_>, walks: &mut Walks) -> Result<(), StageError> {
    let manifest = stager.manifest;
    let mut items = Vec::new();
    for (place, step) in manifest.steps.iter().enumerate() {
        match inputs(stager, place, step, walks) {
            Ok(inputs) => {
                let action = action(stager, step, inputs)?;
                let id = stager.add(action)?;
                stager.staged.steps.push(id);
            }
            // The steps that read from this one need no errors of their own.
            Err(item) => {
                items.push(*item);
                break;
            }
        }
    }
    if items.is_empty() { Ok(()) } else { Err(StageError::Manifest(Diagnostics { items })) }
}

fn action(stager: &Stager<'_>, step: &Step, inputs: Vec<Input>) -> Result<Action, StageError> {
    let spec = Spec {
        run: step.run.clone(),
        environment: step.environment.clone(),
        pass_environment: step.pass_environment.clone(),
    };
    let field = |key: &str| vec![format!("step.{}.{key}", step.name)];
    let output =
        |name: &String| OutputSpec { name: std::borrow::Cow::Owned(name.clone()), keep: false };
    Ok(Action {
        target: format!("step/{}", step.name),
        kind: KIND,
        params: mixmake_core::action::params(&spec)?,
        inputs,
        outputs: step.outputs.iter().map(output).collect(),
        cost: Cost::Command,
        threads: step.threads as usize,
        pool: None,
        origins: stager.origins(&[
            ("run", field("run")),
            ("environment", field("environment")),
            ("pass_environment", field("pass-environment")),
        ]),
    })
}

/// What a step reads, each under the name that its command sees.
fn inputs(
    stager: &mut Stager<'_>,
    place: usize,
    step: &Step,
    walks: &mut Walks,
) -> Result<Vec<Input>, Box<Diagnostic>> {
    let manifest = stager.manifest;
    let mut found: Vec<(String, Source)> = Vec::new();
    for input in &step.inputs {
        match input {
            StepInput::Output(made) => {
                let producer = &manifest.steps[made.step];
                let action = stager.staged.steps[made.step];
                let source = Source::output(action, producer.outputs[made.output].clone());
                found.push((manifest.output_name(*made), source));
            }
            StepInput::Files { pattern, place: nth } => {
                let field = format!("step.{}.inputs.{nth}", step.name);
                found.extend(files(stager, place, pattern, &field, walks)?);
            }
        }
    }
    check_names(stager, step, &mut found)?;
    let input = |(name, source)| Input {
        role: "input",
        source,
        attributes: attributes([("name", Value::String(name))]),
    };
    Ok(found.into_iter().map(input).collect())
}

fn files(
    stager: &mut Stager<'_>,
    place: usize,
    pattern: &str,
    field: &str,
    walks: &mut Walks,
) -> Result<Vec<(String, Source)>, Box<Diagnostic>> {
    let manifest = stager.manifest;
    let at = |message: String| {
        let whole = field.rsplit_once('.').map_or(field, |(whole, _)| whole);
        Box::new(Diagnostic::at(manifest, &[field, whole], message))
    };
    let path = manifest.folder().join(pattern);
    let mut matched =
        walks.expand(&path).map_err(|problem| at(format!("`{pattern}` {problem}")))?;
    let is_unmatched = matched.is_empty();
    if is_unmatched {
        matched.push(path);
    }
    let graph = &mut stager.staged.graph;
    let mut found = Vec::with_capacity(matched.len());
    for path in matched {
        let file = graph.file(&path);
        stager.staged.readers.entry(file).or_insert(Reader::Step(place));
        if is_unmatched {
            stager.staged.unmatched.insert(file);
        }
        let name = seen_name(manifest.folder(), &path).ok_or_else(|| {
            at(format!("the name of `{}` is not UTF-8", path.display())).help("rename the file")
        });
        found.push((name.map_err(Box::new)?, Source::File(file)));
    }
    Ok(found)
}

/// The name by which a command that runs in `folder` would find the file.
fn seen_name(folder: &Path, path: &Path) -> Option<String> {
    let below = path.strip_prefix(folder).unwrap_or(path);
    let parts = below.components().filter(|part| *part != Component::CurDir);
    Some(parts.collect::<PathBuf>().to_str()?.to_owned())
}

/// Every input once, and none under the name of an output: the command would write into it.
fn check_names(
    stager: &Stager<'_>,
    step: &Step,
    found: &mut Vec<(String, Source)>,
) -> Result<(), Box<Diagnostic>> {
    let at = |message: String| {
        let field = format!("step.{}.inputs", step.name);
        Diagnostic::at(stager.manifest, &[&field], message)
    };
    let mut known: HashMap<&str, &Source> = HashMap::with_capacity(found.len());
    let mut again = Vec::new();
    for (index, (name, source)) in found.iter().enumerate() {
        if step.outputs.contains(name) {
            let message = format!("step `{}` reads and writes `{name}`", step.name);
            return Err(Box::new(at(message).help("give the output another name")));
        }
        match known.insert(name, source) {
            Some(other) if other == source => again.push(index),
            Some(_) => {
                let message = format!("step `{}` has two inputs called `{name}`", step.name);
                return Err(Box::new(at(message).help("rename the file")));
            }
            None => {}
        }
    }
    for index in again.into_iter().rev() {
        found.remove(index);
    }
    Ok(())
}

/// Runs the command; its standard output and error go to the action's log.
pub fn run(job: &Job<'_>) -> Result<Facts, Failure> {
    let spec: Spec = job.params()?;
    let names: Vec<&str> = job.inputs.iter().map(name_of).collect::<Result<_, _>>()?;
    let folder = folder::prepare(job, &names)?;
    command::run(job, &spec, &folder)?;
    folder::collect(job, &folder)?;
    Ok(Facts::new())
}

fn name_of(input: &mixmake_core::exec::JobInput) -> Result<&str, Failure> {
    let name = input.attributes.get("name").and_then(Value::as_str);
    name.ok_or_else(|| Failure::new("an input of the request has no name"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_manifest() {
        let check = |folder: &str, path: &str, expected: &str| {
            let seen = seen_name(Path::new(folder), &Path::new(folder).join(path));
            assert_eq!(seen.as_deref(), Some(expected), "{path} in {folder}");
        };
        check(".", "a/b", "a/b");
        check(".", "./a", "a");
        check("m", "a", "a");
        check("m", "../a", "../a");
        check(".", "../a", "../a");
        check("m", "/x/a", "/x/a");
    }
}
