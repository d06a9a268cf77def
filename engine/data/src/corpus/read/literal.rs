//! Metadata stored as text: a Python literal, as `str()` of a dictionary gives (`{'language': 'en', 'id': 7}`), or JSON.
//! Knows values, not columns. Nothing is ever run.

use serde_json::{Map, Number, Value};

/// Nesting beyond this is refused, so that no text can exhaust the stack.
const DEPTH_MAX: usize = 64;

/// The value of a literal: dictionaries, lists, tuples, sets, strings (with prefix and escapes), numbers, `True`, `False` and
/// `None`, and what JSON has instead. The error says what is wrong, and at which character.
pub(crate) fn parse(text: &str) -> Result<Value, String> {
    let mut parser = Parser { text, at: 0 };
    let value = parser.value(0)?;
    parser.space();
    if parser.at < text.len() {
        return Err(parser.error("the end"));
    }
    Ok(value)
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn eat(&mut self, expected: char) -> bool {
        let found = self.rest().starts_with(expected);
        if found {
            self.at += expected.len_utf8();
        }
        found
    }

    fn space(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    fn error(&self, expected: &str) -> String {
        let place = self.text[..self.at].chars().count() + 1;
        format!("no Python literal: expected {expected} at character {place}")
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > DEPTH_MAX {
            return Err(self.error(&format!("at most {DEPTH_MAX} levels")));
        }
        self.space();
        match self.peek() {
            Some('{') => self.braces(depth),
            Some('[') => self.list(']', depth),
            Some('(') => self.list(')', depth),
            Some('\'' | '"') => self.strings(),
            Some(c) if c.is_ascii_digit() || "+-.".contains(c) => self.number(),
            Some(c) if c.is_ascii_alphabetic() => self.word(),
            _ => Err(self.error("a value")),
        }
    }

    /// A dictionary, or a set, which is a list here.
    fn braces(&mut self, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let (mut map, mut items) = (Map::new(), Vec::new());
        loop {
            self.space();
            if self.eat('}') {
                return Ok(if items.is_empty() { Value::Object(map) } else { Value::Array(items) });
            }
            let key = self.value(depth + 1)?;
            self.space();
            if self.eat(':') {
                let value = self.value(depth + 1)?;
                map.insert(name(key), value);
            } else {
                items.push(key);
            }
            self.separator('}')?;
        }
    }

    fn list(&mut self, end: char, depth: usize) -> Result<Value, String> {
        self.at += 1;
        let mut items = Vec::new();
        loop {
            self.space();
            if self.eat(end) {
                return Ok(Value::Array(items));
            }
            items.push(self.value(depth + 1)?);
            self.separator(end)?;
        }
    }

    fn separator(&mut self, end: char) -> Result<(), String> {
        self.space();
        if self.eat(',') || self.peek() == Some(end) {
            return Ok(());
        }
        Err(self.error(&format!("`,` or `{end}`")))
    }

    /// Strings that follow each other are one, as in Python.
    fn strings(&mut self) -> Result<Value, String> {
        let mut text = String::new();
        while let Some(quote @ ('\'' | '"')) = self.peek() {
            self.at += 1;
            self.string(quote, false, &mut text)?;
            self.space();
        }
        Ok(Value::String(text))
    }

    fn string(&mut self, quote: char, raw: bool, text: &mut String) -> Result<(), String> {
        loop {
            let c = self.peek().ok_or_else(|| self.error(&format!("`{quote}`")))?;
            self.at += c.len_utf8();
            match c {
                _ if c == quote => return Ok(()),
                '\\' if !raw => text.extend(self.escape()?),
                _ => text.push(c),
            }
        }
    }

    fn escape(&mut self) -> Result<Option<char>, String> {
        let c = self.peek().ok_or_else(|| self.error("an escape"))?;
        self.at += c.len_utf8();
        Ok(Some(match c {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'a' => '\u{7}',
            'v' => '\u{b}',
            '\n' => return Ok(None),
            '0'..='7' => {
                self.at -= 1;
                self.code(8, 1, 3)?
            }
            'x' => self.code(16, 2, 2)?,
            'U' => self.code(16, 8, 8)?,
            'u' => self.utf16()?,
            other => other,
        }))
    }

    /// A character by its number, of so many digits.
    fn code(&mut self, radix: u32, least: usize, most: usize) -> Result<char, String> {
        let number = self.digits(radix, least, most)?;
        char::from_u32(number).ok_or_else(|| self.error("the number of a character"))
    }

    fn digits(&mut self, radix: u32, least: usize, most: usize) -> Result<u32, String> {
        let digits = self.rest().chars().take(most).take_while(|c| c.is_digit(radix)).count();
        let number = u32::from_str_radix(&self.rest()[..digits], radix).ok();
        match number.filter(|_| digits >= least) {
            Some(number) => {
                self.at += digits;
                Ok(number)
            }
            None => Err(self.error("digits")),
        }
    }

    /// `\u` and four digits; the two halves of a pair as JSON writes them are one character.
    fn utf16(&mut self) -> Result<char, String> {
        let first = self.digits(16, 4, 4)?;
        let mut number = first;
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
            self.at += 2;
            let second = self.digits(16, 4, 4)?;
            if (0xdc00..0xe000).contains(&second) {
                number = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            }
        }
        char::from_u32(number).ok_or_else(|| self.error("no half of a surrogate pair"))
    }

    fn number(&mut self) -> Result<Value, String> {
        let digits = |c: char| c.is_ascii_alphanumeric() || "+-._".contains(c);
        let length = self.rest().find(|c| !digits(c)).unwrap_or(self.rest().len());
        let text = self.rest()[..length].replace('_', "");
        let integer = text
            .parse::<i64>()
            .map(Number::from)
            .or_else(|_| text.parse::<u64>().map(Number::from));
        let number = integer.ok().or_else(|| Number::from_f64(text.parse().ok()?));
        let number = number.ok_or_else(|| self.error("a number"))?;
        self.at += length;
        Ok(Value::Number(number))
    }

    fn word(&mut self) -> Result<Value, String> {
        let length =
            self.rest().find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(self.rest().len());
        let word = &self.rest()[..length];
        let after = self.rest()[length..].chars().next();
        if let (Some(quote @ ('\'' | '"')), true) = (after, is_prefix(word)) {
            self.at += length + 1;
            let mut text = String::new();
            self.string(quote, word.contains(['r', 'R']), &mut text)?;
            return Ok(Value::String(text));
        }
        let value = match word {
            "True" | "true" => Value::Bool(true),
            "False" | "false" => Value::Bool(false),
            "None" | "null" => Value::Null,
            // What `str()` writes for floats that are no numbers; they compare with nothing.
            "nan" | "inf" | "NaN" | "Infinity" => Value::Null,
            _ => return Err(self.error("a value")),
        };
        self.at += length;
        Ok(value)
    }
}

fn is_prefix(word: &str) -> bool {
    matches!(word.to_ascii_lowercase().as_str(), "u" | "r" | "b" | "br" | "rb")
}

/// A key as text: numbers and such as JSON writes them.
fn name(key: Value) -> String {
    match key {
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(text: &str, expected: Value) {
        assert_eq!(parse(text), Ok(expected), "{text}");
    }

    #[test]
    fn python_literals_are_values() {
        check(
            "{'language': 'en', 'id': 7, 'score': -0.5}",
            json!({"language": "en", "id": 7, "score": -0.5}),
        );
        check(
            " {'a': [1, 2,], 'b': (3,), 'c': None, 'd': True, } ",
            json!({"a": [1, 2], "b": [3], "c": null, "d": true}),
        );
        check(
            r#"{'title': "Don't", "x": 'say "hi"'}"#,
            json!({"title": "Don't", "x": "say \"hi\""}),
        );
        check(r"'a\n\t\'\x41\u00e9\U0001f600\101\\'", json!("a\n\t'Aé😀A\\"));
        check("u'é'", json!("é"));
        check(r#"'a' "b" 'c'"#, json!("abc"));
        check(r"r'\d+'", json!(r"\d+"));
        check("{1, 2}", json!([1, 2]));
        check("{}", json!({}));
        check("{1: 'a', (2,): 'b'}", json!({"1": "a", "[2]": "b"}));
        check("1_000", json!(1000));
        check("1e3", json!(1000.0));
    }

    #[test]
    fn json_is_understood_too() {
        check(
            r#"{"a": [true, false, null], "b": "\ud83d\ude00 \/"}"#,
            json!({"a": [true, false, null], "b": "😀 /"}),
        );
    }

    #[test]
    fn what_is_no_literal_says_where() {
        for (text, words) in [
            ("{'a': }", "a value at character 7"),
            ("{'a': 1", "`,` or `}` at character 8"),
            ("'never", "`'` at character 7"),
            ("datetime.date(2020, 1, 1)", "a value at character 1"),
            ("'\\ud800'", "surrogate"),
            ("'\\ud800\\u0041'", "surrogate"),
            ("1 2", "the end at character 3"),
            ("", "a value at character 1"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
        assert!(parse(&"[".repeat(100_000)).expect_err("deep").contains("levels"));
    }

    fn python(value: &Value) -> String {
        match value {
            Value::Null => "None".into(),
            Value::Bool(true) => "True".into(),
            Value::Bool(false) => "False".into(),
            Value::String(text) => {
                let escaped: String = text
                    .chars()
                    .map(|c| match c {
                        '\'' => "\\'".into(),
                        '\\' => "\\\\".into(),
                        '\n' => "\\n".into(),
                        c => c.to_string(),
                    })
                    .collect();
                format!("'{escaped}'")
            }
            Value::Array(items) => {
                format!("[{}]", items.iter().map(python).collect::<Vec<_>>().join(", "))
            }
            Value::Object(map) => {
                let entry = |(key, value): (&String, &Value)| {
                    format!("{}: {}", python(&Value::String(key.clone())), python(value))
                };
                format!("{{{}}}", map.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
            number => number.to_string(),
        }
    }

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_python_writes_is_read_back(value in any_value()) {
            prop_assert_eq!(parse(&python(&value)), Ok(value));
        }

        #[test]
        fn no_text_panics(text in any::<String>(), literal in "[\\[\\]{}()'\",:\\\\ux0-9a-fTrue ]{0,40}") {
            let _ = (parse(&text), parse(&literal));
        }
    }
}
