//! The lines of a stream, one after the other, where they lie in the buffer. Knows newlines, not what is in a line.

use std::io::{self, Read};
use std::ops::Range;

/// Read at a time. Beyond the largest block of zstd, so that it is filled in few steps; small enough for a cache.
const FILL: usize = 1 << 19;
/// A buffer that a very long line has made larger than this is not kept for the next stream.
const KEPT_MAX: usize = 8 << 20;

/// Cuts a stream into lines. Memory is that of the longest line, up to `line_max`, and half a MiB.
pub(crate) struct Lines<'b, R> {
    stream: R,
    /// Of its length all may be used; it stays so for the next stream, since growing it costs clearing it.
    buffer: &'b mut Vec<u8>,
    /// What of the buffer has been read from the stream and not been given out.
    pending: Range<usize>,
    line_max: usize,
    ended: bool,
}

/// What [`Lines::next`] found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    /// A line without its newline; the last one may have had none.
    Whole(&'a [u8]),
    /// A line longer than allowed; it has been passed over.
    TooLong,
    /// The stream's end.
    End,
}

impl<'b, R: Read> Lines<'b, R> {
    pub fn new(stream: R, buffer: &'b mut Vec<u8>, line_max: usize) -> Self {
        if buffer.len() > KEPT_MAX {
            *buffer = Vec::new();
        }
        Self { stream, buffer, pending: 0..0, line_max, ended: false }
    }

    /// The next line, which may be at most `line_max` bytes long with its newline.
    pub fn next(&mut self) -> io::Result<Line<'_>> {
        // Where the search for a newline goes on: bytes before it were searched already.
        let mut searched = self.pending.start;
        loop {
            let found = memchr::memchr(b'\n', &self.buffer[searched..self.pending.end]);
            if let Some(newline) = found.map(|at| searched + at) {
                let start = self.pending.start;
                self.pending.start = newline + 1;
                if newline + 1 - start > self.line_max {
                    return Ok(Line::TooLong);
                }
                return Ok(Line::Whole(&self.buffer[start..newline]));
            }
            if self.pending.len() > self.line_max {
                self.skip()?;
                return Ok(Line::TooLong);
            }
            if self.ended {
                let rest = std::mem::replace(&mut self.pending, 0..0);
                return Ok(if rest.is_empty() {
                    Line::End
                } else {
                    Line::Whole(&self.buffer[rest])
                });
            }
            let unsearched = self.pending.len();
            self.fill()?;
            searched = self.pending.start + unsearched;
        }
    }

    /// Moves what is pending to the front and reads on behind it.
    fn fill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.pending.clone(), 0);
        self.pending = 0..self.pending.len();
        // Doubling, so that a long line is moved a few times only; no more than the longest line needs.
        let room =
            self.pending.end.min((self.line_max + 1).saturating_sub(self.pending.end)).max(FILL);
        if self.buffer.len() < self.pending.end + room {
            self.buffer.resize(self.pending.end + room, 0);
        }
        let read = loop {
            match self.stream.read(&mut self.buffer[self.pending.end..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => break read?,
            }
        };
        self.ended = read == 0;
        self.pending.end += read;
        Ok(())
    }

    /// Passes over the rest of a line.
    fn skip(&mut self) -> io::Result<()> {
        loop {
            self.pending = 0..0;
            self.fill()?;
            match memchr::memchr(b'\n', &self.buffer[self.pending.clone()]) {
                Some(at) => self.pending.start += at + 1,
                None if !self.ended => continue,
                None => self.pending = 0..0,
            }
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives at most so many bytes at a time.
    struct Slow<'a>(&'a [u8], usize);

    impl Read for Slow<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let count = self.1.min(self.0.len()).min(out.len());
            out[..count].copy_from_slice(&self.0[..count]);
            self.0 = &self.0[count..];
            Ok(count)
        }
    }

    fn check(text: &str, line_max: usize, expected: &[Option<&str>]) {
        for step in [1, 2, 3, 7, 1000] {
            // Also with what an earlier stream has left.
            let mut buffer = vec![b'\n'; step % 3];
            let mut lines = Lines::new(Slow(text.as_bytes(), step), &mut buffer, line_max);
            let mut found = Vec::new();
            loop {
                match lines.next().expect("read") {
                    Line::Whole(line) => {
                        found.push(Some(String::from_utf8_lossy(line).into_owned()))
                    }
                    Line::TooLong => found.push(None),
                    Line::End => break,
                }
            }
            let expected: Vec<_> = expected.iter().map(|line| line.map(String::from)).collect();
            assert_eq!(found, expected, "{text:?} by {step}");
        }
    }

    #[test]
    fn lines_are_the_same_whatever_the_reads() {
        check("", 10, &[]);
        check("\n", 10, &[Some("")]);
        check("a", 10, &[Some("a")]);
        check("a\n\nbc\n", 10, &[Some("a"), Some(""), Some("bc")]);
        check("a\nbc", 10, &[Some("a"), Some("bc")]);
        check("abc\nabcd\nabcde\nab\n", 5, &[Some("abc"), Some("abcd"), None, Some("ab")]);
        check("abcdefghijkl\nabcdefghijkl", 5, &[None, None]);
    }

    #[test]
    fn long_lines_grow_the_buffer() {
        let long = "x".repeat(3 * FILL);
        let text = format!("a\n{long}\nb");
        check(&text[..], 4 * FILL, &[Some("a"), Some(&long), Some("b")]);
    }
}
