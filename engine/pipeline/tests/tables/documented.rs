//! The examples of docs/fit.md: run as they stand there, they print what stands there.

use std::fs;
use std::path::Path;

use crate::place::Place;

/// Fenced blocks of a page: what follows the fence, and the text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let mut blocks = Vec::new();
    let mut rest = page;
    while let Some(start) = rest.find("\n```") {
        let body = &rest[start + 4..];
        let (info, text) = body.split_once('\n').expect("a block has lines");
        let end = text.find("```").expect("a block ends");
        blocks.push((info.trim(), &text[..end]));
        rest = &text[end + 3..];
    }
    blocks
}

/// What is printed, without the line that holds rounding of the last bits, which another processor may leave otherwise.
fn stable(printed: &str) -> Vec<&str> {
    printed.trim_end().lines().filter(|line| !line.contains("KKT residual")).collect()
}

#[test]
fn examples_print_what_the_page_says() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/fit.md");
    let page = fs::read_to_string(page).expect("docs/fit.md");
    let place = Place::new();
    let blocks = blocks(&page);
    let mut run = 0;
    for (at, (info, text)) in blocks.iter().enumerate() {
        if let Some(name) = info.strip_prefix("csv ") {
            place.write(name, text);
        }
        if *info != "sh" {
            continue;
        }
        let arguments: Vec<&str> = text.split_whitespace().skip(1).collect();
        let output = place.run(&arguments);
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).expect("text");
        let (kind, expected) = blocks[at + 1];
        assert_eq!(kind, "text", "what `{}` prints follows it", text.trim());
        assert_eq!(stable(&printed), stable(expected), "{}", text.trim());
        run += 1;
    }
    assert!(run >= 4, "{run} examples");
}
