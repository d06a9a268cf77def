//! Text for the width that there is: cutting, wrapping, colour, and when something was.

use std::io::IsTerminal;
use std::time::{SystemTime, UNIX_EPOCH};

use unicode_width::UnicodeWidthStr;

/// How text to standard output is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Columns; without bound where nobody looks, so that a pipe loses nothing.
    pub columns: usize,
    pub color: bool,
}

/// What colours say; the same words everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Good,
    Bad,
    Busy,
    Pending,
    Quiet,
    Strong,
}

impl Page {
    /// Of standard output.
    #[must_use]
    pub fn stdout() -> Self {
        let terminal = std::io::stdout().is_terminal();
        let columns = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
        let columns = if terminal { super::width() } else { columns.unwrap_or(usize::MAX) };
        Self { columns: columns.max(20), color: super::color(terminal) }
    }

    /// For standard error, which is read as it comes.
    #[must_use]
    pub fn stderr() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let size = rustix::termios::tcgetwinsize(std::io::stderr());
        let columns = match size {
            Ok(size) if terminal && size.ws_col > 0 => usize::from(size.ws_col),
            _ => usize::MAX,
        };
        Self { columns: columns.max(20), color: super::color(terminal) }
    }

    #[must_use]
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        let code = match tone {
            Tone::Good => "32",
            Tone::Bad => "31",
            Tone::Busy => "36",
            Tone::Pending => "33",
            Tone::Quiet => "2",
            Tone::Strong => "1",
        };
        if self.color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    /// `text` in as many columns as are left after `used`, with `…` for what does not fit.
    #[must_use]
    pub fn cut(&self, text: &str, used: usize) -> String {
        cut(text, self.columns.saturating_sub(used).max(8))
    }

    /// A line `indent` further right than it is, and its continuations four columns more.
    #[must_use]
    pub fn paragraph(&self, line: &str, indent: usize) -> String {
        let words = line.trim_start_matches(' ');
        let start = indent + line.len() - words.len();
        format!("{}{}\n", " ".repeat(start), self.wrap(words, start, start + 4))
    }

    /// Words in lines that all start with `indent` spaces but the first, which starts at `used`.
    #[must_use]
    pub fn wrap(&self, words: &str, used: usize, indent: usize) -> String {
        wrap(words, self.columns, used, indent)
    }
}

fn cut(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    for letter in text.chars() {
        kept.push(letter);
        if kept.width() > columns - 1 {
            kept.pop();
            break;
        }
    }
    kept + "…"
}

fn wrap(words: &str, columns: usize, used: usize, indent: usize) -> String {
    let mut text = String::new();
    let mut column = used;
    let mut is_start = true;
    for word in words.split(' ') {
        if !is_start && column + 1 + word.width() > columns {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            column = indent;
            is_start = true;
        }
        if !is_start {
            text.push(' ');
            column += 1;
        }
        text.push_str(word);
        column += word.width();
        is_start = false;
    }
    text
}

/// Columns that `text` takes.
#[must_use]
pub fn width_of(text: &str) -> usize {
    text.width()
}

/// `just now`, `5 min ago`, `3 h ago`, `2 days ago`; further back the day.
#[must_use]
pub fn ago(unix_seconds: f64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    ago_at(unix_seconds, now)
}

fn ago_at(then: f64, now: f64) -> String {
    let passed = (now - then).max(0.0) as u64;
    match passed {
        0..5 => "just now".to_owned(),
        5..60 => format!("{passed} s ago"),
        60..3600 => format!("{} min ago", passed / 60),
        3600..86_400 => format!("{} h ago", passed / 3600),
        86_400..172_800 => "yesterday".to_owned(),
        172_800..1_209_600 => format!("{} days ago", passed / 86_400),
        _ => date(then as i64)[..10].to_owned(),
    }
}

/// `2026-11-23 00:50:12`, in Coordinated Universal Time.
#[must_use]
pub fn date(unix_seconds: i64) -> String {
    let (days, second) = (unix_seconds.div_euclid(86_400), unix_seconds.rem_euclid(86_400));
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

/// The day of the Gregorian calendar that is `days` after 1970-01-01, by eras of 400 years that begin
/// in March, so that a leap day is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

/// `950 B`, `12.3 kB`, `1.2 MB`.
#[must_use]
pub fn bytes(count: u64) -> String {
    let scaled = |divisor: f64, unit: &str| format!("{:.1} {unit}", count as f64 / divisor);
    match count {
        0..1000 => format!("{count} B"),
        1000..1_000_000 => scaled(1e3, "kB"),
        1_000_000..1_000_000_000 => scaled(1e6, "MB"),
        _ => scaled(1e9, "GB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_fit() {
        assert_eq!(cut("ddo/small/rust", 14), "ddo/small/rust");
        assert_eq!(cut("ddo/small/rust", 8), "ddo/sma…");
        assert_eq!(cut("文字文字文字", 8), "文字文…");
        assert_eq!(wrap("one two three", 9, 2, 2), "one two\n  three");
        assert_eq!(wrap("7 of three", usize::MAX, 0, 2), "7 of three");
        assert_eq!(wrap("one two three", 9, 0, 2), "one two\n  three");
        assert_eq!(wrap("unbreakable-word", 4, 0, 2), "unbreakable-word");
    }

    #[test]
    fn days_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_795_400_000, "2026-11-23 02:13:20"),
            (4_107_542_399, "2100-02-28 23:59:59"),
            (4_107_542_400, "2100-03-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }

    #[test]
    fn passed_time_reads_naturally() {
        let now = 1_795_400_000.0;
        for (passed, text) in [
            (-5.0, "just now"),
            (59.0, "59 s ago"),
            (61.0, "1 min ago"),
            (7300.0, "2 h ago"),
            (90_000.0, "yesterday"),
            (5.0 * 86_400.0, "5 days ago"),
            (30.0 * 86_400.0, "2026-10-24"),
        ] {
            assert_eq!(ago_at(now - passed, now), text);
        }
    }

    #[test]
    fn sizes_read_naturally() {
        for (count, text) in [(999, "999 B"), (1200, "1.2 kB"), (3_400_000, "3.4 MB")] {
            assert_eq!(bytes(count), text);
        }
    }
}
