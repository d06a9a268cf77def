//! A file's bytes, decompressed by what its first bytes say. Knows compression, not rows.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use zstd::zstd_safe::{DCtx, DParameter};

use crate::progress::Meter;

const BUFFER: usize = 1 << 17;
/// `--long=31`, the most that zstd can ask for.
const ZSTD_WINDOW_LOG_MAX: u32 = 31;

/// A decompressor that is kept from file to file: making one anew costs the clearing of megabytes. Beyond this size, of
/// a file with a window far above the usual 8 MiB, it is given up with its file.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// What one thread keeps from file to file.
#[derive(Default)]
pub(crate) struct Decompressor(Option<DCtx<'static>>);

impl Decompressor {
    fn zstd(&mut self) -> io::Result<&mut DCtx<'static>> {
        if self.0.as_ref().is_some_and(|kept| kept.sizeof() > KEPT_BYTES_MAX) {
            self.0 = None;
        }
        if self.0.is_none() {
            let mut made = DCtx::create();
            made.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))
                .map_err(|code| io::Error::other(zstd::zstd_safe::get_error_name(code)))?;
            self.0 = Some(made);
        }
        self.0.as_mut().ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }
}

/// Opens a file for reading as text: gzip (many members), zstd (many frames), xz and bzip2 (many streams) or as it is.
pub(crate) fn open<'a>(
    path: &Path,
    kept: &'a mut Decompressor,
    meter: &'a Meter,
) -> io::Result<Box<dyn BufRead + 'a>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut file = BufReader::with_capacity(BUFFER, Metered { file, meter });
    let head = file.fill_buf()?;
    if head.is_empty() && has_compressed_name(path) {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "a compressed file has at least a header",
        ));
    }
    if head.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file))));
    }
    if head.starts_with(&[0xfd, b'7', b'z', b'X', b'Z', 0]) {
        return Ok(Box::new(BufReader::with_capacity(
            BUFFER,
            xz2::bufread::XzDecoder::new_multi_decoder(file),
        )));
    }
    if is_bzip2(head) {
        let decoder = bzip2::bufread::MultiBzDecoder::new(file);
        return Ok(Box::new(BufReader::with_capacity(BUFFER, decoder)));
    }
    if is_zstd(head) {
        let decoder = zstd::stream::read::Decoder::with_context(file, kept.zstd()?);
        return Ok(Box::new(BufReader::with_capacity(BUFFER, decoder)));
    }
    Ok(Box::new(file))
}

/// A frame, or a skippable frame as pzstd writes first.
fn is_zstd(head: &[u8]) -> bool {
    head.starts_with(&[0x28, 0xb5, 0x2f, 0xfd])
        || (head.len() >= 4 && head[0] & 0xf0 == 0x50 && head[1..4] == [0x2a, 0x4d, 0x18])
}

/// `BZh`, the block size, and the number that starts a block or ends an empty file.
fn is_bzip2(head: &[u8]) -> bool {
    const BLOCK: [u8; 6] = [0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
    const END: [u8; 6] = [0x17, 0x72, 0x45, 0x38, 0x50, 0x90];
    head.starts_with(b"BZh") && head.get(4..10).is_some_and(|magic| magic == BLOCK || magic == END)
}

fn has_compressed_name(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| ["gz", "zst", "xz", "bz2"].iter().any(|known| extension == *known))
}

/// Counts the stored bytes read.
struct Metered<'a> {
    file: File,
    meter: &'a Meter,
}

impl Read for Metered<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(buffer)?;
        self.meter.add(read as u64);
        Ok(read)
    }
}
