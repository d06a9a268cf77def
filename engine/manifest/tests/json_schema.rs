//! The JSON Schema accepts the keys that the parser accepts, and no others.

use std::path::Path;

use mixmake_manifest::{json_schema, keys, parse};
use serde_json::Value;

#[test]
fn same_keys_as_the_parser() {
    let schema = json_schema();
    let tables = schema["properties"].as_object().expect("tables");
    assert_eq!(tables.len(), keys::TABLES.len());
    for table in keys::TABLES {
        let definition = &schema["$defs"][table.name];
        assert_eq!(definition["additionalProperties"], false);
        let properties = definition["properties"].as_object().expect("keys");
        assert!(
            properties.keys().map(String::as_str).eq(table.keys.iter().map(|key| key.name)),
            "{}",
            table.name
        );
        for key in properties.keys() {
            assert!(accepts(table, key), "the parser refuses `{key}` in `{}`", table.name);
            assert!(!properties[key]["description"].as_str().unwrap_or_default().is_empty());
        }
        assert!(!accepts(table, "no-such-key"), "{}", table.name);
    }
}

/// Whether the parser knows the key, whatever else it misses.
fn accepts(table: &keys::Table, key: &str) -> bool {
    let name = if table.named { format!("{}.x", table.name) } else { table.name.to_owned() };
    let text = format!("[{name}]\n{key} = 1\n");
    match parse(Path::new("mix.toml"), &text, &[]) {
        Ok(_) => true,
        Err(found) => !found.items.iter().any(|item| item.message.starts_with("unknown key")),
    }
}

#[test]
fn defaults_are_values() {
    let schema = json_schema();
    for table in keys::TABLES {
        for key in table.keys {
            let default = &schema["$defs"][table.name]["properties"][key.name]["default"];
            match key.default {
                keys::Preset::Value(text) => {
                    assert!(!default.is_null(), "{}.{} = {text}", table.name, key.name)
                }
                _ => assert!(default.is_null()),
            }
        }
    }
    assert_eq!(schema["$defs"]["recipe"]["properties"]["warm-up"]["default"], "10%");
    assert_eq!(
        schema["$defs"]["ddo"]["properties"]["factors"]["default"],
        serde_json::json!([3, "1/3"])
    );
}

#[test]
fn references_resolve() {
    let schema = json_schema();
    let mut references = 0;
    visit(&schema, &mut |reference| {
        let pointer = reference.trim_start_matches('#');
        assert!(schema.pointer(pointer).is_some(), "{reference}");
        references += 1;
    });
    assert_eq!(references, keys::TABLES.len());
}

fn visit(value: &Value, found: &mut impl FnMut(&str)) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                match value {
                    Value::String(reference) if key == "$ref" => found(reference),
                    _ => visit(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| visit(item, found)),
        _ => {}
    }
}
