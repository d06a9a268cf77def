//! Tar archives: every regular file is one document. Its row is its place among them, from 1; its one column is
//! `path`, the member's name, so that filters can use it.

use std::io::Read;
use std::path::Path;

use tar::{Archive, EntryType};

use super::{bytes, describe_io, plain};
use crate::DataError;
use crate::corpus::intake::Intake;
use crate::progress::Meter;

pub(crate) fn read(
    path: &Path,
    intake: &mut Intake,
    kept: &mut bytes::Decompressor,
    meter: &Meter,
) -> Result<(), DataError> {
    let file = match bytes::open(path, kept, meter) {
        Ok(file) => file,
        Err(e) => return intake.unreadable(None, describe_io(&e)),
    };
    let mut archive = Archive::new(file);
    let entries = match archive.entries() {
        Ok(entries) => entries,
        Err(e) => return intake.unreadable(None, format!("not a tar archive: {e}")),
    };
    let mut row = 0;
    for entry in entries {
        // The archive is a stream: behind what cannot be read nothing can be found.
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(e) => {
                return intake.unreadable(None, format!("after file {row}: {}", describe_io(&e)));
            }
        };
        if !matches!(entry.header().entry_type(), EntryType::Regular | EntryType::Continuous) {
            continue;
        }
        row += 1;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        take(row, &name, &mut entry, intake)?;
    }
    Ok(())
}

fn take(row: u64, name: &str, file: impl Read, intake: &mut Intake) -> Result<(), DataError> {
    let content = plain::whole(file, "take it out of the archive");
    let content = match &content {
        Ok(content) => plain::text(content),
        Err(message) => Err(message.clone()),
    };
    match content {
        Ok(text) => {
            if intake.admits(row, |_, column| (column == "path").then_some(name))? {
                intake.text(row, text)?;
            }
            Ok(())
        }
        Err(message) => intake.unreadable(Some(row), format!("`{name}`: {message}")),
    }
}
