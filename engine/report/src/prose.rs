//! Names and sentences made safe for where they are shown.
//!
//! Sentences carry names in backticks. Control characters never get through: a domain's name must
//! not be able to move a terminal's cursor.

/// A name in backticks.
pub(crate) fn quoted(name: &str) -> String {
    format!("`{}`", plain(name).trim().replace('`', "'"))
}

/// Text on one line, control characters replaced by spaces.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || is_direction(c) { ' ' } else { c }).collect()
}

/// Marks that reorder what follows them.
fn is_direction(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Text for the content or a quoted attribute of HTML and SVG.
pub(crate) fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

/// A sentence as HTML: names in backticks become `<code>`.
pub(crate) fn sentence_html(text: &str) -> String {
    spans(text, escape_html, |code| format!("<code>{}</code>", escape_html(code)))
}

/// A sentence as Markdown: nothing outside backticks can start markup.
pub(crate) fn sentence_markdown(text: &str) -> String {
    spans(text, escape_markdown, |code| format!("`{}`", plain(code)))
}

/// A name as Markdown text, also inside a table.
pub(crate) fn escape_markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => out.extend(['\\', c]),
            c => out.push(c),
        }
    }
    out
}

/// Maps what lies outside and inside pairs of backticks; an odd backtick is text.
fn spans(text: &str, outside: impl Fn(&str) -> String, inside: impl Fn(&str) -> String) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    let paired = (parts.len() - 1) / 2 * 2;
    let mut out = String::new();
    for (at, part) in parts.iter().enumerate() {
        match at {
            at if at > paired => out.push_str(&outside(&format!("`{part}"))),
            at if at % 2 == 1 => out.push_str(&inside(part)),
            _ => out.push_str(&outside(part)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_does_not_get_through() {
        assert_eq!(escape_html("<a href=\"'&"), "&lt;a href=&quot;&#39;&amp;");
        assert_eq!(escape_html("\u{1b}[2J\n"), " [2J ");
        assert_eq!(sentence_html("a `<b>` c` d"), "a <code>&lt;b&gt;</code> c` d");
        assert_eq!(sentence_markdown("a_b `c_d` <e>"), "a\\_b `c_d` &lt;e>");
        assert_eq!(quoted("a`b\n"), "`a'b`");
        assert_eq!(plain("a\u{202e}b"), "a b");
    }
}
