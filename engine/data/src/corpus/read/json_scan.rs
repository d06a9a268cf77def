//! A fast way through a line of JSON Lines: decodes the text, takes the few values that filters need, and checks the
//! rest without building it. It serves only what it fully understands; [`scan`] gives `None` for any other line, also
//! for every line that is wrong, and the general reader, whose words errors are in, takes it anew.

use serde_json::{Map, Value};

use super::json_text::{Decoded, decode_string};

/// Objects and lists inside each other.
const DEPTH_MAX: usize = 64;
/// Longer numbers may be out of range, which is the general reader's to say.
const NUMBER_MAX: usize = 300;

/// Which columns a line is read for.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    text: &'a str,
    /// The keys under which the values of filters may lie.
    keys: Vec<&'a str>,
}

impl<'a> Wanted<'a> {
    /// What can be read fast: one text column that lies at the top. Filters may look into nested values.
    pub fn new(text: &'a [String], filters: impl Iterator<Item = &'a String>) -> Option<Self> {
        let [text] = text else { return None };
        let mut wanted = Self { text, keys: Vec::new() };
        for column in filters {
            // All that a dotted name could start with, and the whole name.
            let dots = column.match_indices('.').map(|(at, _)| &column[..at]);
            wanted.keys.extend(dots.chain([column.as_str()]));
        }
        (!text.contains('.') && !wanted.keys.contains(&wanted.text)).then_some(wanted)
    }
}

/// What a line gave, besides its text.
pub(super) struct Scanned<'t> {
    /// The values that filters need.
    pub values: Map<String, Value>,
    pub text: &'t str,
    /// Characters of the text.
    pub chars: u64,
    /// Where the line ends: at its newline, or with the bytes.
    pub end: usize,
}

/// Reads the first line of some bytes; `room` is where its text goes. `None` where the general reader must. A newline is
/// nothing that may be in a line, so that none is read beyond its end.
pub(super) fn scan<'t>(line: &[u8], wanted: &Wanted, room: &'t mut Vec<u8>) -> Option<Scanned<'t>> {
    let mut values = Map::new();
    let mut text: Option<Decoded> = None;
    let mut at = skip_space(line, 0);
    at = expect(line, at, b'{')?;
    loop {
        at = expect(line, skip_space(line, at), b'"')?;
        let key_end = plain_string_end(line, at)?;
        let key = &line[at..key_end];
        at = expect(line, skip_space(line, key_end + 1), b':')?;
        at = skip_space(line, at);
        if key == wanted.text.as_bytes() {
            if text.is_some() {
                return None;
            }
            let decoded = decode_string(line, expect(line, at, b'"')?, room)?;
            (at, text) = (decoded.end, Some(decoded));
        } else {
            let end = skip_value(line, at, 0)?;
            if let Some(key) = wanted.keys.iter().find(|wanted| wanted.as_bytes() == key) {
                let value = serde_json::from_slice(&line[at..end]).ok()?;
                if values.insert((*key).to_owned(), value).is_some() {
                    return None;
                }
            }
            at = end;
        }
        at = skip_space(line, at);
        match line.get(at)? {
            b',' => at += 1,
            b'}' => break,
            _ => return None,
        }
    }
    let text = text?;
    let end = skip_space(line, at + 1);
    if line.get(end).is_some_and(|&byte| byte != b'\n') {
        return None;
    }
    // Escapes are whole characters, so that the text decoded is UTF-8 exactly where it is in the line.
    simdutf8::basic::from_utf8(&line[..text.start]).ok()?;
    simdutf8::basic::from_utf8(&line[text.end..end]).ok()?;
    let decoded = utf8(&room[..text.bytes], text.ascii)?;
    let chars = if text.ascii { decoded.len() } else { decoded.chars().count() };
    Some(Scanned { values, text: decoded, chars: chars as u64, end })
}

/// Text of bytes, which are not looked at again where they are known to be ASCII.
#[expect(unsafe_code, reason = "most texts are ASCII, and it was seen when they were copied")]
fn utf8(bytes: &[u8], ascii: bool) -> Option<&str> {
    if ascii {
        debug_assert!(bytes.is_ascii());
        // SAFETY: `decode_string` says so of every byte, and a test of it holds that.
        return Some(unsafe { std::str::from_utf8_unchecked(bytes) });
    }
    simdutf8::basic::from_utf8(bytes).ok()
}

fn expect(line: &[u8], at: usize, byte: u8) -> Option<usize> {
    (*line.get(at)? == byte).then_some(at + 1)
}

fn skip_space(line: &[u8], at: usize) -> usize {
    let space = |byte: &&u8| matches!(byte, b' ' | b'\t' | b'\r');
    at + line[at.min(line.len())..].iter().take_while(space).count()
}

/// The closing quote of a string without escapes.
fn plain_string_end(line: &[u8], at: usize) -> Option<usize> {
    let bytes = &line[at..];
    let end = at + bytes.iter().position(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\')?;
    (line[end] == b'"').then_some(end)
}

/// The place after the value at `at`.
fn skip_value(line: &[u8], at: usize, depth: usize) -> Option<usize> {
    let word = |word: &[u8]| line[at..].starts_with(word).then_some(at + word.len());
    match line.get(at)? {
        b'"' => skip_string(line, at + 1),
        b'{' => skip_members(line, at + 1, b'}', depth + 1),
        b'[' => skip_members(line, at + 1, b']', depth + 1),
        b't' => word(b"true"),
        b'f' => word(b"false"),
        b'n' => word(b"null"),
        _ => skip_number(line, at),
    }
}

/// The place after the closing quote. Escapes of surrogates are the general reader's.
fn skip_string(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match bytes.get(at + 1)? {
                b'u' => {
                    let digits = bytes.get(at + 2..at + 6)?;
                    let surrogate = digits[0].eq_ignore_ascii_case(&b'd') && digits[1] > b'7';
                    if surrogate || !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    at += 6;
                }
                b'n' | b't' | b'r' | b'"' | b'\\' | b'/' | b'b' | b'f' => at += 2,
                _ => return None,
            },
            0..0x20 => return None,
            _ => at += 1,
        }
    }
}

/// The members of an object or a list, up to and with its closing bracket.
fn skip_members(line: &[u8], at: usize, close: u8, depth: usize) -> Option<usize> {
    let mut at = skip_space(line, at);
    if depth > DEPTH_MAX {
        return None;
    }
    if *line.get(at)? == close {
        return Some(at + 1);
    }
    loop {
        if close == b'}' {
            at = skip_string(line, expect(line, at, b'"')?)?;
            at = skip_space(line, expect(line, skip_space(line, at), b':')?);
        }
        at = skip_space(line, skip_value(line, at, depth)?);
        match *line.get(at)? {
            b',' => at = skip_space(line, at + 1),
            byte if byte == close => return Some(at + 1),
            _ => return None,
        }
    }
}

/// A number without an exponent.
fn skip_number(bytes: &[u8], at: usize) -> Option<usize> {
    let digits = |at: usize| {
        let end = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        (end > at).then_some(end)
    };
    let start = if bytes[at] == b'-' { at + 1 } else { at };
    let mut end = digits(start)?;
    if bytes[start] == b'0' && end > start + 1 {
        return None;
    }
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1)?;
    }
    let exponent = matches!(bytes.get(end), Some(b'e' | b'E'));
    (!exponent && end - at < NUMBER_MAX).then_some(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    /// Where the fast way answers, it answers as the general one; says whether it did.
    fn check(line: &str) -> bool {
        let (text, filters) = (columns(&["text"]), columns(&["meta.language", "id"]));
        let wanted = Wanted::new(&text, filters.iter()).expect("a fast column");
        let mut room = Vec::new();
        let found = scan(line.as_bytes(), &wanted, &mut room).map(|scanned| scanned.end);
        // The next line is not looked at, whatever it is.
        for next in ["\n", "\n ", "\n{", "\n\u{e9}", "\n\""] {
            let lines = [line, next].concat();
            let again = scan(lines.as_bytes(), &wanted, &mut room).map(|scanned| scanned.end);
            assert_eq!(again, found, "{lines}");
        }
        let Some(scanned) = scan(line.as_bytes(), &wanted, &mut room) else { return false };
        assert_eq!(scanned.end, line.len());
        let values = scanned.values;
        let general: Map<String, Value> =
            serde_json::from_str(line).unwrap_or_else(|e| panic!("{line} is wrong: {e}"));
        assert_eq!(general["text"], scanned.text, "{line}");
        assert_eq!(scanned.chars, scanned.text.chars().count() as u64, "{line}");
        for key in ["meta", "id", "meta.language"] {
            assert_eq!(values.get(key), general.get(key), "{line}");
        }
        assert_eq!(
            values
                .keys()
                .filter(|k| !["meta", "id", "meta.language"].contains(&k.as_str()))
                .count(),
            0
        );
        true
    }

    #[test]
    fn understands_what_corpora_hold() {
        for line in [
            r#"{"text":"a"}"#,
            r#" { "text" : "a\nb\"c\\d\/\b\f\r\t" , "meta" : { "language" : "en" , "n" : [ 1 , -2.5 , true , null ] } } "#,
            r#"{"meta":{},"text":"é \u00e9 \ud83e\udd80 🦀","id":0,"other":[]}"#,
            r#"{"text":"","id":"x","meta":"{'language': 'en'}","a":{"b":{"c":[{"d":false}]}}}"#,
            r#"{"x":"\u00e9\n","text":"t","meta.language":"de"}"#,
        ] {
            assert!(check(line), "{line}");
        }
    }

    #[test]
    fn leaves_the_rest_to_the_general_reader() {
        for line in [
            "",
            " ",
            "1",
            "[]",
            "{}",
            r#"{"text":1}"#,
            r#"{"text":null}"#,
            r#"{"text":["a"]}"#,
            r#"{"id":1}"#,
            r#"{"text":"a","text":"b"}"#,
            r#"{"text":"a","id":1,"id":2}"#,
            r#"{"te\u0078t":"a"}"#,
            r#"{"text":"a"} x"#,
            r#"{"text":"a""#,
            r#"{"text":"a"#,
            r#"{"text":"a\"#,
            r#"{"text":"a",}"#,
            r#"{"text":"\ud800"}"#,
            r#"{"text":"\ud800\u0041"}"#,
            r#"{"text":"\udc00\ud800"}"#,
            r#"{"text":"\u00g0"}"#,
            r#"{"text":"\x"}"#,
            "{\"text\":\"a\tb\"}",
            "{\"text\":\"a\0b\"}",
            r#"{"text":"a","n":01}"#,
            r#"{"text":"a","n":1e999}"#,
            r#"{"text":"a","n":-}"#,
            r#"{"text":"a","n":1.}"#,
            r#"{"text":"a","n":tru}"#,
            r#"{"text":"a","n":"\ud800"}"#,
            r#"{"text":"a","n":[1,]}"#,
            r#"{"text":"a","n":{"a"}}"#,
            r#"{"text":"a" "n":1}"#,
        ] {
            assert!(!check(line), "{line}");
        }
        let deep = format!(r#"{{"text":"a","n":{}{}}}"#, "[".repeat(200), "]".repeat(200));
        assert!(!check(&deep));
        let text = columns(&["text"]);
        let wanted = Wanted::new(&text, [].iter()).expect("a fast column");
        for line in [
            &b"{\"text\":\"\xff\"}"[..],
            b"{\"text\":\"\xe4\xbd\\u00a0\"}",
            b"{\"text\":\"\\u00e9\x80\"}",
            b"{\"text\":\"a\",\"id\":\"\xff\"}",
            b"{\"\xff\":1,\"text\":\"a\"}",
        ] {
            assert!(scan(line, &wanted, &mut Vec::new()).is_none(), "invalid UTF-8");
        }
    }

    #[test]
    fn agrees_on_damaged_lines() {
        let line = r#"{"text":"a\n\u00e9\ud83e\udd80\"","meta":{"language":"en","n":[1,-2.5,true,null,{}]},"id":12}"#;
        let mut understood = 0;
        for at in 0..line.len() {
            for damage in ["", "\"", "\\", "{", "}", "[", "]", ",", ":", "0", "-", "e", "u", " "] {
                let mut damaged = line.as_bytes().to_vec();
                damaged.splice(at..at + 1, damage.bytes());
                understood += usize::from(check(std::str::from_utf8(&damaged).expect("ASCII")));
            }
        }
        assert!(understood > 100, "{understood}");
    }

    #[test]
    fn several_columns_are_the_general_readers() {
        let none = columns(&[]);
        assert!(Wanted::new(&columns(&["title", "text"]), none.iter()).is_none());
        assert!(Wanted::new(&columns(&["meta.text"]), none.iter()).is_none());
        assert!(Wanted::new(&columns(&["text"]), columns(&["text"]).iter()).is_none());
    }
}
