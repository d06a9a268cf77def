//! Plain files: the whole file is one document, its row is 1. It has no columns, so no filter can match it.

use std::io::Read;
use std::path::Path;

use super::{ROW_BYTES_MAX, bytes, describe_io};
use crate::DataError;
use crate::corpus::intake::Intake;
use crate::progress::Meter;

pub(crate) fn read(path: &Path, intake: &mut Intake, meter: &Meter) -> Result<(), DataError> {
    let mut content = Vec::new();
    let read = bytes::open(path, meter)
        .and_then(|file| file.take(ROW_BYTES_MAX as u64 + 1).read_to_end(&mut content));
    match read {
        Err(e) => intake.unreadable(Some(1), describe_io(&e)),
        Ok(bytes) if bytes > ROW_BYTES_MAX => {
            intake.unreadable(
                Some(1),
                format!("the file is longer than {ROW_BYTES_MAX} bytes; cut it or use JSON Lines"),
            );
        }
        Ok(_) => return take(&content, intake),
    }
    Ok(())
}

fn take(content: &[u8], intake: &mut Intake) -> Result<(), DataError> {
    match std::str::from_utf8(content) {
        Ok(text) => {
            if intake.admits(|_, _| None::<&str>) {
                intake.text(1, text)?;
            }
        }
        Err(e) => {
            let before = &content[..e.valid_up_to()];
            let line = before.iter().filter(|&&byte| byte == b'\n').count() + 1;
            intake.unreadable(
                Some(1),
                format!("invalid UTF-8 at byte {} (line {line})", e.valid_up_to() + 1),
            );
        }
    }
    Ok(())
}
