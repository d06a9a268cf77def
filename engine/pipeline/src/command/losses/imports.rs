//! `losses import`, `losses imports` and `losses remove`: outside tables as evidence of their own kind.

use mixmake_core::Store;
use mixmake_core::digest::Digest;
use serde_json::{Value, json};

use crate::cli::{Global, Import};
use crate::error::{Error, Exit, Result};
use crate::evidence::imported::{self, Entry, Imported, ImportedFile};
use crate::table::tables;
use crate::table::text::Grid;
use crate::ui::print;
use crate::workspace::{existing_store, load, open_store};

/// Brings a table in.
pub(super) fn import(global: &Global, args: &Import) -> Result<Exit> {
    let table = tables::read(&args.file, &args.roles, &args.experiment)?;
    let mut files = Vec::new();
    for path in tables::files(&args.file, &args.roles) {
        let (digest, _) = Digest::of_file(&path).map_err(|error| {
            Error::internal(format!("cannot read `{}`: {error}", path.display()))
        })?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.push(ImportedFile { name, digest: digest.to_hex() });
    }
    let stem = args.file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let imported = Imported {
        name: args.name.clone().unwrap_or(stem),
        files,
        domains: table.domains,
        targets: table.targets,
        has_tokens: table.has_tokens,
        has_size: table.has_size,
        runs: table.runs,
        notes: table.notes,
    };
    let manifest = if global.manifest.exists() { Some(load(global)?) } else { None };
    let (entry, is_new) = imported::add(&open_store(global, manifest.as_ref())?, imported)?;
    if global.json {
        print(&json!({ "imported": object(&entry), "new": is_new }).to_string());
        return Ok(Exit::Success);
    }
    let verb = if is_new { "imported" } else { "is there already" };
    let table = &entry.table;
    let mut text = format!(
        "{} {verb}: {} runs, {} domains, {} validation domains (key {})\n",
        table.name,
        table.runs.len(),
        table.domains.len(),
        table.targets.len(),
        entry.key.short()
    );
    for note in &table.notes {
        text.push_str(&format!("note: {note}\n"));
    }
    print(&text);
    Ok(Exit::Success)
}

fn store(global: &Global) -> Result<Store> {
    let manifest = if global.manifest.exists() { Some(load(global)?) } else { None };
    existing_store(global, manifest.as_ref())
}

/// Lists what was brought in.
pub(super) fn list(global: &Global) -> Result<Exit> {
    let entries = imported::all(&store(global)?)?;
    if global.json {
        let objects: Vec<Value> = entries.iter().map(object).collect();
        print(&json!({ "imported": objects }).to_string());
        return Ok(Exit::Success);
    }
    if entries.is_empty() {
        print("nothing is imported");
        return Ok(Exit::Success);
    }
    let mut grid = Grid::new(2, ["name", "files", "runs", "domains", "validation", "key"]);
    for entry in &entries {
        let table = &entry.table;
        let files: Vec<&str> = table.files.iter().map(|file| file.name.as_str()).collect();
        grid.row([
            table.name.clone(),
            files.join(", "),
            table.runs.len().to_string(),
            table.domains.len().to_string(),
            table.targets.len().to_string(),
            entry.key.short(),
        ]);
    }
    print(&grid.render());
    Ok(Exit::Success)
}

/// Takes one away.
pub(super) fn remove(global: &Global, name: &str) -> Result<Exit> {
    let entry = imported::remove(&store(global)?, name)?;
    if global.json {
        print(&json!({ "removed": object(&entry) }).to_string());
    } else {
        print(&format!(
            "{} is removed ({} runs); `mixmake gc` frees its bytes",
            entry.table.name,
            entry.table.runs.len()
        ));
    }
    Ok(Exit::Success)
}

pub(super) fn object(entry: &Entry) -> Value {
    let table = &entry.table;
    json!({
        "name": table.name,
        "key": entry.key.to_hex(),
        "files": table.files,
        "imported-unix-seconds": entry.imported_unix_seconds,
        "domains": table.domains,
        "validation": table.targets,
        "runs": table.runs.len(),
        "notes": table.notes,
    })
}
