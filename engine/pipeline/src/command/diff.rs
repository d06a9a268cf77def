//! `diff`: what differs between two manifests, or a manifest and a git revision of it: in results, as
//! values, and in what would run.

mod compare;
mod side;
mod text;
mod values;

use serde_json::json;

use self::side::Side;
use crate::cli::{Diff, Global};
use crate::error::{Exit, Result};
use crate::ui::print;
use crate::ui::text::Page;

pub fn run(global: &Global, args: &Diff) -> Result<Exit> {
    // `diff OTHER` goes from there to the manifest of `-m`; `diff A B` from A to B.
    let (old, new) = match &args.new {
        Some(new) => (Side::named(global, &args.old)?, Side::named(global, new)?),
        None => {
            let new = Side::current(global)?;
            // Whatever the other manifest says: what is built is in the store of this one.
            let store = Some(new.workspace.store.root().to_owned());
            (Side::named(&Global { store, ..global.clone() }, &args.old)?, new)
        }
    };
    let difference = compare::compare(&old, &new);
    if global.json {
        let (old, new) = (&old.label, &new.label);
        print(&json!({"old": old, "new": new, "difference": difference}).to_string());
    } else {
        print(&text::of(&old, &new, &difference, &Page::stdout()));
    }
    Ok(Exit::Success)
}
