//! CSV and TSV as text, with the line on which every row starts: a bad cell is told by its place.

use csv::{ByteRecord, ReaderBuilder};

use super::Cell;

/// A CSV in memory.
pub(super) struct Csv {
    pub columns: Vec<String>,
    /// By column.
    pub cells: Vec<Vec<Cell>>,
    /// Of every row, from 1; the header is line 1 where nothing stands before it.
    pub lines: Vec<u64>,
}

/// Reads a header and rows; blank lines are no rows, and missing fields at a row's end are blank.
///
/// # Errors
/// What is wrong, with the line.
pub(super) fn read(bytes: &[u8], separator: u8) -> Result<Csv, String> {
    let mut reader = ReaderBuilder::new()
        .delimiter(separator)
        .has_headers(false)
        .flexible(true)
        .from_reader(bytes);
    let mut record = ByteRecord::new();
    let mut csv: Option<Csv> = None;
    loop {
        let start = reader.position().clone();
        let more = reader.read_byte_record(&mut record).map_err(|error| error.to_string())?;
        if !more {
            break;
        }
        let line = line_of(bytes, usize::try_from(start.byte()).unwrap_or(0), start.line());
        let fields = fields(&record, line)?;
        match &mut csv {
            None => {
                other_separator(&fields, separator)?;
                csv = Some(Csv::under(fields));
            }
            Some(csv) => csv.add(fields, line)?,
        }
    }
    open_quote(bytes, csv.as_ref())?;
    csv.ok_or_else(|| "it is empty".to_owned())
}

/// A header that is one field, of which another usual separator makes several, was written with that.
fn other_separator(columns: &[String], separator: u8) -> Result<(), String> {
    let [only] = columns else { return Ok(()) };
    let usual = [(b';', "semicolons"), (b'\t', "tabs"), (b'|', "vertical bars"), (b',', "commas")];
    let words =
        |wanted: u8| usual.iter().find(|(each, _)| *each == wanted).map(|(_, words)| *words);
    let found = usual.iter().find(|(each, _)| *each != separator && only.as_bytes().contains(each));
    match (found, words(separator)) {
        (Some((_, found)), Some(expected)) => {
            Err(format!("its columns are separated by {found} where {expected} are expected"))
        }
        _ => Ok(()),
    }
}

impl Csv {
    fn under(header: Vec<String>) -> Self {
        Self { cells: vec![Vec::new(); header.len()], columns: header, lines: Vec::new() }
    }

    fn add(&mut self, fields: Vec<String>, line: u64) -> Result<(), String> {
        if fields.iter().all(String::is_empty) {
            return Ok(());
        }
        let (found, header) = (fields.len(), self.columns.len());
        if found > header {
            return Err(format!("line {line} has {found} fields, the header {header}"));
        }
        let blanks = std::iter::repeat_with(String::new);
        for (column, field) in self.cells.iter_mut().zip(fields.into_iter().chain(blanks)) {
            column.push(if field.is_empty() { Cell::Blank } else { Cell::Text(field) });
        }
        self.lines.push(line);
        Ok(())
    }
}

/// The reader's position is before the blank lines that it skips.
fn line_of(bytes: &[u8], start: usize, line: u64) -> u64 {
    let skipped = bytes[start.min(bytes.len())..]
        .iter()
        .take_while(|byte| matches!(byte, b'\n' | b'\r'))
        .filter(|byte| **byte == b'\n');
    line + skipped.count() as u64
}

fn fields(record: &ByteRecord, line: u64) -> Result<Vec<String>, String> {
    let text = |field: &[u8]| match std::str::from_utf8(field) {
        Ok(text) => Ok(text.trim().to_owned()),
        Err(_) => Err(format!("line {line} is not UTF-8")),
    };
    record.iter().map(text).collect()
}

/// A quotation mark that is never closed swallows every line below it.
fn open_quote(bytes: &[u8], csv: Option<&Csv>) -> Result<(), String> {
    let marks = bytes.iter().filter(|byte| **byte == b'"').count();
    let last = csv.and_then(|csv| csv.lines.last()).copied().unwrap_or(1);
    let text = bytes.trim_ascii_end();
    let lines = 1 + text.iter().filter(|byte| **byte == b'\n').count() as u64;
    if marks % 2 == 1 && last < lines {
        return Err(format!("line {last}: a quotation mark is not closed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_bad_line() {
        let check = |text: &[u8], expected: &str| {
            let problem = read(text, b',').err();
            assert_eq!(problem.as_deref(), Some(expected), "{}", String::from_utf8_lossy(text));
        };
        check(b"", "it is empty");
        check(b"a,b\n1,2\n3,4,5\n", "line 3 has 3 fields, the header 2");
        check(b"a,b\n1,2\n\"1,\n2\",2\n\"1,2\n3,4\n", "line 5: a quotation mark is not closed");
        check(b"a,b\nb\xfccher,2\n", "line 2 is not UTF-8");
    }

    #[test]
    fn another_separator_is_named() {
        let check = |text: &str, separator: u8, expected: Option<&str>| {
            assert_eq!(read(text.as_bytes(), separator).err().as_deref(), expected, "{text}");
        };
        let commas = "where commas are expected";
        let semicolons = format!("its columns are separated by semicolons {commas}");
        check("a;b\n1,5;2\n", b',', Some(&semicolons));
        check("a;b\n1;2\n", b',', Some(&semicolons));
        check("a\tb\n1\t2\n", b',', Some(&format!("its columns are separated by tabs {commas}")));
        check(
            "a,b\n1,2\n",
            b'\t',
            Some("its columns are separated by commas where tabs are expected"),
        );
        check("a\n1\n", b',', None);
        check("a;b,c\n1,2\n", b',', None);
    }

    #[test]
    fn rows_know_their_lines() {
        let check = |text: &str, lines: &[u64]| {
            let csv = read(text.as_bytes(), b',').map_err(|problem| format!("{text}: {problem}"));
            assert_eq!(csv.map(|csv| csv.lines), Ok(lines.to_vec()), "{text}");
        };
        check("a,b\n1,2\n3\n", &[2, 3]);
        check("a,b\r\n\r\n1,2\r\n\r\n\r\n3,4\r\n", &[3, 6]);
        check("a,b\n\"1,\n2\",2\n5,6", &[2, 4]);
        check("\n\na,b\n,\n1,2", &[5]);
        check("\u{feff}a,b\n1,5\"\n", &[2]);
    }

    #[test]
    fn a_mark_of_byte_order_is_no_letter() {
        let csv = read("\u{feff}a,b\n1,2\n".as_bytes(), b',').expect("read");
        assert_eq!(csv.columns, ["a", "b"]);
    }
}
