//! One module a format; each turns a file into rows for the [`Intake`]. Malformed rows are reported there;
//! a reader's own errors are only those that end the whole extraction (a full scratch disk).

mod bytes;
mod columns;
mod csv;
mod every_text;
mod json_lines;
mod json_scan;
mod json_text;
mod lines;
mod literal;
mod plain;
mod tables;
mod tar;

use std::sync::{Mutex, PoisonError};

pub(crate) use every_text::every_text;

use super::intake::Intake;
use super::spec::{Format, Source};
use crate::DataError;
use crate::progress::Meter;

/// The longest line, record or plain file: what bounds memory whatever the file. Longer ones are malformed.
pub(crate) const ROW_BYTES_MAX: usize = 64 << 20;

/// Memory that a thread uses again from file to file.
#[derive(Default)]
pub(crate) struct Buffers {
    decompressor: bytes::Decompressor,
    lines: Vec<u8>,
    text: Vec<u8>,
}

/// Of this process: what one domain was read with serves the next, so that the system need not clear as much anew.
static SPARE: Mutex<Vec<Buffers>> = Mutex::new(Vec::new());
/// Beyond so many they are given back: they are up to 40 MB each.
const SPARE_MAX: usize = 4;
const SPARE_BYTES_MAX: usize = 8 << 20;

impl Buffers {
    /// Spare ones, or new.
    pub fn take() -> Self {
        SPARE.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Keeps them for whoever reads next, but for what only a very long line needed.
    pub fn keep(mut self) {
        for buffer in [&mut self.lines, &mut self.text] {
            if buffer.capacity() > SPARE_BYTES_MAX {
                *buffer = Vec::new();
            }
        }
        let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
        if spare.len() < SPARE_MAX {
            spare.push(self);
        }
    }
}

/// Reads all rows of a source.
pub(crate) fn read(
    source: &Source,
    intake: &mut Intake,
    buffers: &mut Buffers,
    meter: &Meter,
) -> Result<(), DataError> {
    let kept = &mut buffers.decompressor;
    match source.format {
        Format::JsonLines => json_lines::read(&source.path, intake, buffers, meter),
        Format::Csv => csv::read(&source.path, b',', intake, kept, meter),
        Format::Tsv => csv::read(&source.path, b'\t', intake, kept, meter),
        Format::Plain => plain::read(&source.path, intake, kept, meter),
        Format::Tar => tar::read(&source.path, intake, kept, meter),
        Format::Parquet => tables::read_parquet(&source.path, intake, meter),
        Format::Arrow => tables::read_arrow(&source.path, intake, meter),
    }
}

/// In the words of a person who does not know which decoder failed.
pub(crate) fn describe_io(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::UnexpectedEof => {
            format!("the file ends too early, it is truncated ({error})")
        }
        _ => format!("cannot read on: {error}"),
    }
}
