//! `log`: what the processes of targets wrote and the receipts of their results; also of one that
//! failed and of one that runs, whose log can be followed.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::time::Duration;

use mixmake_core::graph::ActionId;
use mixmake_core::lease;
use mixmake_core::plan::{Plan, State};
use mixmake_core::record::Receipt;
use mixmake_core::{Cost, Key};
use serde_json::{Value, json};

use super::standing::{Standing, Watch};
use super::status;
use crate::cli::{Global, Log};
use crate::error::{Error, Exit, Result};
use crate::history::{self, Fate};
use crate::ui::text::{Page, Tone, ago};
use crate::ui::{print, seconds};
use crate::workspace::Workspace;

const FOLLOW_EVERY: Duration = Duration::from_millis(200);

pub fn run(global: &Global, args: &Log) -> Result<Exit> {
    if args.targets.targets.is_empty() {
        return Err(Error::usage("`log` needs a target or a glob")
            .hint("`mixmake status '*'` lists them; `mixmake log '*'` shows all"));
    }
    let workspace = Workspace::open(global)?;
    let selected = workspace.select(&args.targets.targets)?;
    if args.follow && selected.len() > 1 {
        return Err(Error::usage(format!(
            "`--follow` follows one target, and these are {}",
            selected.len()
        ))
        .hint("name one of those that `mixmake status` shows as running"));
    }
    let plan = workspace.plan(&selected)?;
    let watch = Watch::of(&workspace);
    let mut entries = Vec::with_capacity(selected.len());
    for &id in &selected {
        entries.push(entry(&workspace, &plan, &watch, id)?);
    }
    if global.json {
        print(&Value::Array(entries.iter().map(Entry::to_json).collect()).to_string());
        return Ok(Exit::Success);
    }
    let page = Page::stdout();
    let texts: Vec<_> = entries.iter().map(|entry| entry.text(&page)).collect();
    print(&texts.join("\n"));
    if args.follow {
        follow(&workspace, &entries[0]);
    }
    Ok(Exit::Success)
}

struct Entry {
    target: String,
    /// Of the result or attempt that the log is of.
    key: Option<Key>,
    standing: Standing,
    receipt: Option<Receipt>,
    log: Option<String>,
    /// Bytes of the log when it was read.
    read: u64,
    cost: Cost,
}

fn entry(workspace: &Workspace, plan: &Plan, watch: &Watch, id: ActionId) -> Result<Entry> {
    let target = workspace.target(id).to_owned();
    let key = match &plan.states[id.0] {
        State::UpToDate { key } | State::Runs { key, .. } => Some(*key),
        // Its key of now is not known yet: what was written last is of the one it had.
        _ => attempt(watch, &target)
            .or_else(|| workspace.memory.keys(&target).map(|keys| keys.current)),
    };
    let log = key.and_then(|key| std::fs::read(workspace.store.log_path(key)).ok());
    let result = match key {
        Some(key) => workspace.store.result(key)?,
        None => None,
    };
    Ok(Entry {
        key,
        standing: watch.standing(workspace, plan, id)?,
        receipt: result.map(|result| result.receipt),
        read: log.as_ref().map_or(0, |log| log.len() as u64),
        log: log.map(|log| String::from_utf8_lossy(&log).into_owned()),
        cost: workspace.staged.graph.action(id).cost,
        target,
    })
}

/// The key that the last run tried or is at.
fn attempt(watch: &Watch, target: &str) -> Option<Key> {
    match history::fate(&watch.records, target)?.1 {
        Fate::Running { key, .. } | Fate::Failed { key, .. } => Some(*key),
        Fate::Held { .. } | Fate::CutOff { .. } | Fate::Finished { .. } => None,
    }
}

impl Entry {
    fn text(&self, page: &Page) -> String {
        let words = status::words(&self.standing);
        let mut text = format!(
            "{}  {}\n",
            page.paint(Tone::Strong, &self.target),
            page.paint(self.standing.tone(), &words)
        );
        if let Standing::Failed { hint: Some(hint), .. } = &self.standing {
            text.push_str(&format!("  help: {hint}\n"));
        }
        if let Some(receipt) = &self.receipt {
            text.push_str(&self.receipt(receipt));
        }
        if let Some(key) = self.key {
            text.push_str(&format!("  key: {key}\n"));
        }
        text + &self.log_text()
    }

    fn receipt(&self, receipt: &Receipt) -> String {
        let Receipt { host, program, wall_seconds, started_unix_seconds, facts } = receipt;
        let ended = *started_unix_seconds as f64 + wall_seconds;
        let is_old = !matches!(self.standing, Standing::UpToDate { .. });
        let of_before = if is_old { ", of the result before" } else { "" };
        let mut text = format!(
            "  ran {} in {} on {host} by {program}{of_before}\n",
            ago(ended),
            seconds(*wall_seconds)
        );
        for (name, value) in facts {
            text.push_str(&format!("  {name}: {value}\n"));
        }
        text
    }

    fn log_text(&self) -> String {
        match &self.log {
            Some(log) if !log.is_empty() => {
                log.lines().map(|line| format!("  | {line}\n")).collect()
            }
            Some(_) => "  its process wrote nothing\n".to_owned(),
            None if self.cost == Cost::Light => {
                "  no log: it runs inside `mixmake run`\n".to_owned()
            }
            None => "  no log\n".to_owned(),
        }
    }

    fn to_json(&self) -> Value {
        json!({
            "target": self.target,
            "key": self.key,
            "standing": self.standing,
            "receipt": self.receipt,
            "log": self.log,
        })
    }
}

/// Prints what is appended to the log until nobody runs the action any more.
fn follow(workspace: &Workspace, entry: &Entry) {
    let Some(key) = entry.key else { return };
    let Ok(mut file) = File::open(workspace.store.log_path(key)) else { return };
    if file.seek(SeekFrom::Start(entry.read)).is_err() {
        return;
    }
    loop {
        // Asked before reading: what the process wrote last is there once its lease is gone.
        let is_running = matches!(lease::is_held(&workspace.store.lease_path(key)), Ok(Some(_)));
        let mut more = Vec::new();
        let _ = file.read_to_end(&mut more);
        let mut stdout = std::io::stdout().lock();
        if stdout.write_all(&more).and_then(|()| stdout.flush()).is_err() || !is_running {
            return;
        }
        drop(stdout);
        std::thread::sleep(FOLLOW_EVERY);
    }
}
