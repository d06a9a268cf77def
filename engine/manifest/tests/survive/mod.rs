//! Any bytes as a manifest: refused with located errors or read, without a panic. `make fuzz` and the tests share this.

use std::path::Path;

use mixmake_manifest::parse;

/// `data` as text; up to a line `--set`, whose next line is an override.
pub fn manifest(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (text, overrides) = match text.split_once("\n--set\n") {
        Some((text, rest)) => (text, vec![rest.to_owned()]),
        None => (&*text, vec![]),
    };
    match parse(Path::new("mix.toml"), text, &overrides) {
        Ok(manifest) => {
            for (field, span) in &manifest.spans {
                assert!(manifest.source.text.get(span.clone()).is_some(), "{field} at {span:?}");
            }
        }
        Err(found) => {
            assert!(!found.items.is_empty());
            assert!(!found.render(false).is_empty());
            assert!(found.to_json().is_array());
        }
    }
}
