//! The graph for Graphviz.

use super::{Picture, colors};

#[must_use]
pub fn text(picture: &Picture) -> String {
    let mut text = "digraph mixmake {\n  rankdir=LR;\n  \
        node [shape=box, style=\"rounded,filled\", fontname=\"sans-serif\"];\n"
        .to_owned();
    for node in &picture.nodes {
        let (fill, edge) = colors(&node.standing);
        text.push_str(&format!(
            "  {} [fillcolor=\"{fill}\", color=\"{edge}\", tooltip={}];\n",
            quoted(&node.target),
            quoted(node.standing.word())
        ));
        for &read in &node.reads {
            let from = &picture.nodes[read].target;
            text.push_str(&format!("  {} -> {};\n", quoted(from), quoted(&node.target)));
        }
    }
    text.push_str("}\n");
    text
}

/// A string of the DOT language, in which only quotes and backslashes are special.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
