//! Where a CSV breaks: asked only once reading it has failed, to name the line.

/// What is wrong with the first line that is not text or has more fields than the header.
pub(super) fn bad_line(bytes: &[u8], separator: u8) -> Option<String> {
    let mut expected = None;
    let mut quoted = false;
    let mut fields = 1;
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if std::str::from_utf8(line).is_err() {
            return Some(format!("line {} is not UTF-8", number + 1));
        }
        for byte in line {
            match *byte {
                b'"' => quoted = !quoted,
                byte if byte == separator && !quoted => fields += 1,
                _ => {}
            }
        }
        // A quoted cell may go on over several lines.
        if quoted {
            continue;
        }
        let header = *expected.get_or_insert(fields);
        if fields > header {
            return Some(format!("line {} has {fields} fields, the header {header}", number + 1));
        }
        fields = 1;
    }
    quoted.then(|| "a quotation mark is not closed".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_line() {
        let check = |text: &[u8], expected: Option<&str>| {
            assert_eq!(bad_line(text, b',').as_deref(), expected);
        };
        check(b"", None);
        check(b"a,b\n1,2\n3\n", None);
        check(b"a,b\n1,2\n3,4,5\n", Some("line 3 has 3 fields, the header 2"));
        check(b"a,b\n\"1,\n2\",2\n", None);
        check(b"a,b\n\"1,2\n", Some("a quotation mark is not closed"));
        check(b"a,b\nb\xfccher,2\n", Some("line 2 is not UTF-8"));
    }
}
