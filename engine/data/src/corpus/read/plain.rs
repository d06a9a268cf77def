//! Plain files: the whole file is one document, its row is 1. It has no columns, so no filter can match it.

use std::io::Read;
use std::path::Path;

use super::{ROW_BYTES_MAX, bytes, describe_io};
use crate::DataError;
use crate::corpus::intake::Intake;
use crate::progress::Meter;

pub(crate) fn read(
    path: &Path,
    intake: &mut Intake,
    kept: &mut bytes::Decompressor,
    meter: &Meter,
) -> Result<(), DataError> {
    let content = bytes::open(path, kept, meter)
        .map_err(|e| describe_io(&e))
        .and_then(|file| whole(file, "cut it or use JSON Lines"));
    let content = match content {
        Ok(content) => content,
        Err(message) => return intake.unreadable(Some(1), message),
    };
    match text(&content) {
        Ok(text) if intake.admits(1, |_, _| None::<&str>)? => intake.text(1, text),
        Ok(_) => Ok(()),
        Err(message) => intake.unreadable(Some(1), message),
    }
}

/// All of a file that is to be one document, within the limit.
pub(super) fn whole(file: impl Read, help: &str) -> Result<Vec<u8>, String> {
    let mut content = Vec::new();
    match file.take(ROW_BYTES_MAX as u64 + 1).read_to_end(&mut content) {
        Err(e) => Err(describe_io(&e)),
        Ok(bytes) if bytes > ROW_BYTES_MAX => {
            Err(format!("the file is longer than {ROW_BYTES_MAX} bytes; {help}"))
        }
        Ok(_) => Ok(content),
    }
}

/// The content as text, or where it is none.
pub(super) fn text(content: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(content).map_err(|e| {
        let before = &content[..e.valid_up_to()];
        let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
        format!("invalid UTF-8 at byte {} (line {line})", e.valid_up_to() + 1)
    })
}
