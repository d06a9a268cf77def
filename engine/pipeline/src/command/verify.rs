//! `verify`: reads the store through; with `--rebuild`, runs targets again and says whether bits
//! or only values agree.

use mixmake_core::Store;
use mixmake_core::event::Progress;
use mixmake_core::executor::{Cancel, Executor, Work};
use mixmake_core::graph::ActionId;
use mixmake_core::plan::{Plan, State};
use mixmake_core::record::ActionResult;
use mixmake_core::verify::verify;
use serde_json::json;

use super::run::local_executor;
use crate::artifact::{self, Losses};
use crate::cli::{Global, Verify};
use crate::error::{Error, Exit, Result};
use crate::stage::train::LOSSES;
use crate::ui::{amount, print};
use crate::workspace::{Workspace, existing_store, load, threads};

pub fn run(global: &Global, args: &Verify) -> Result<Exit> {
    if args.rebuild.is_empty() {
        read_through(global, args.repair)
    } else {
        rebuild(global, &args.rebuild)
    }
}

fn read_through(global: &Global, repair: bool) -> Result<Exit> {
    let manifest = if global.manifest.exists() { Some(load(global)?) } else { None };
    let store = existing_store(global, manifest.as_ref())?;
    let findings = verify(&store, repair, &mut |_| {})?;
    if global.json {
        print(
            &json!({
                "objects": findings.objects,
                "results": findings.results,
                "requests": findings.requests,
                "bytes": findings.bytes,
                "problems": findings.problems,
            })
            .to_string(),
        );
    } else {
        findings.problems.iter().for_each(|problem| print(problem));
        print(&format!(
            "{} objects ({}B), {} results, {} requests: {} problems",
            findings.objects,
            amount(findings.bytes as f64),
            findings.results,
            findings.requests,
            findings.problems.len()
        ));
    }
    if findings.problems.is_empty() {
        return Ok(Exit::Success);
    }
    let hint = if repair {
        "they are moved aside; run again to make them anew"
    } else {
        "`mixmake verify --repair` moves them aside, and the next run makes them anew"
    };
    let message = format!("the store has {} damaged or lost files", findings.problems.len());
    Err(Error::new(Exit::ActionFailed, message).hint(hint))
}

fn rebuild(global: &Global, targets: &[String]) -> Result<Exit> {
    let workspace = Workspace::open(global)?;
    let selected = workspace.select(targets)?;
    let plan = workspace.plan(&selected)?;
    let mut differs = false;
    for &id in &selected {
        differs |= !rebuild_one(global, &workspace, &plan, id)?;
    }
    Ok(if differs { Exit::ActionFailed } else { Exit::Success })
}

/// Runs one action again in a store of its own and compares. True if every bit agrees.
fn rebuild_one(global: &Global, workspace: &Workspace, plan: &Plan, id: ActionId) -> Result<bool> {
    let target = workspace.target(id);
    let (State::UpToDate { key }, Some(known)) = (&plan.states[id.0], &plan.results[id.0]) else {
        return Err(
            Error::new(Exit::Pending, format!("`{target}` is not up to date")).hint("run it first")
        );
    };
    let scratch = tempfile::Builder::new()
        .prefix("rebuild-")
        .tempdir_in(workspace.store.root())
        .map_err(|error| Error::internal(format!("cannot make a folder in the store: {error}")))?;
    let other = Store::open(scratch.path())?;
    lend_inputs(workspace, plan, id, &other)?;
    if !global.quiet {
        eprintln!("running `{target}` again");
    }
    let cost = workspace.staged.graph.action(id).cost;
    let work = Work { cost, force: true, device: Some(0), more: false, threads: threads() };
    let again = local_executor(other.clone(), workspace.environment())?
        .execute(*key, &work, &mut |_: Progress| {}, &Cancel::default())
        .map_err(|error| Error::new(Exit::ActionFailed, format!("`{target}`: {error}")))?;
    Ok(compare(target, known, &again.result, &workspace.store, &other))
}

/// The other store sees the inputs as hard links, and the request.
fn lend_inputs(workspace: &Workspace, plan: &Plan, id: ActionId, other: &Store) -> Result<()> {
    let build = workspace.build();
    let resolved = build
        .resolve(id, &plan.results)
        .map_err(|error| Error::internal(error.to_string()))?
        .ok_or_else(|| Error::internal("its inputs are not known"))?;
    let request = build.request(id, &resolved);
    for input in request.inputs.iter().filter(|input| input.file.is_none()) {
        let (from, to) =
            (workspace.store.object_path(input.digest), other.object_path(input.digest));
        mixmake_core::files::ensure_parent(&to)?;
        if !to.exists() && std::fs::hard_link(&from, &to).is_err() {
            std::fs::copy(&from, &to).map_err(|error| {
                Error::internal(format!("cannot lend `{}`: {error}", from.display()))
                    .hint("an input is gone from the store: run its target first")
            })?;
        }
    }
    Ok(other.put_request(&request)?)
}

fn compare(
    target: &str,
    known: &ActionResult,
    again: &ActionResult,
    store: &Store,
    other: &Store,
) -> bool {
    let mut same = true;
    for output in &known.outputs {
        let now = again.output(&output.name).map(|output| output.digest);
        if now == Some(output.digest) {
            print(&format!("{target}/{}: the same bits", output.name));
            continue;
        }
        same = false;
        let values = now.and_then(|now| {
            loss_difference(
                &output.name,
                &store.object_path(output.digest),
                &other.object_path(now),
            )
        });
        let words = values.map_or("other bits".to_owned(), |most| {
            format!("other bits; losses differ by at most {most:.3e}")
        });
        print(&format!("{target}/{}: {words}", output.name));
    }
    same
}

fn loss_difference(name: &str, known: &std::path::Path, again: &std::path::Path) -> Option<f64> {
    if name != LOSSES {
        return None;
    }
    let (known, again): (Losses, Losses) =
        (artifact::read(known).ok()?, artifact::read(again).ok()?);
    let pairs = known.rows.iter().zip(&again.rows);
    Some(pairs.map(|(known, again)| (known.loss - again.loss).abs()).fold(0.0, f64::max))
}
