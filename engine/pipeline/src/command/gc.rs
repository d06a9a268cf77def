//! `gc`: removes what no workspace's targets reach; never a loss row.

use mixmake_core::gc;
use serde_json::json;

use super::plan::count;
use crate::cli::{Gc, Global};
use crate::error::{Exit, Result};
use crate::ui::{amount, print};
use crate::workspace::{existing_store, load};

pub fn run(global: &Global, args: &Gc) -> Result<Exit> {
    let manifest = if global.manifest.exists() { Some(load(global)?) } else { None };
    let store = existing_store(global, manifest.as_ref())?;
    let found = gc::find(&store)?;
    let garbage = if args.dry_run { found.garbage.clone() } else { gc::remove(&store, &found)? };
    let bytes: u64 = garbage.iter().map(|item| item.bytes).sum();
    if global.json {
        let items: Vec<_> =
            garbage.iter().map(|item| json!({"path": item.path, "bytes": item.bytes})).collect();
        print(&json!({"removed": !args.dry_run, "bytes": bytes, "items": items, "notes": found.notes}).to_string());
        return Ok(Exit::Success);
    }
    found.notes.iter().for_each(|note| eprintln!("note: {note}"));
    if args.dry_run || global.verbose > 0 {
        for item in &garbage {
            print(&format!("{:>10}B  {}", amount(item.bytes as f64), item.path.display()));
        }
    }
    let verb = if args.dry_run { "would go" } else { "removed" };
    print(&format!("{}, {}B {verb}", count(garbage.len(), "item"), amount(bytes as f64)));
    Ok(Exit::Success)
}
