//! A file's bytes, decompressed by what its first bytes say. Knows compression, not rows.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;
use zstd::zstd_safe::{DCtx, DParameter};

use crate::memory::Room;
use crate::progress::Meter;

const BUFFER: usize = 1 << 17;
/// `--long=31`, the most that zstd can ask for.
const ZSTD_WINDOW_LOG_MAX: u32 = 31;

/// A decompressor that is kept from file to file: making one anew costs the clearing of megabytes. Beyond this size, of
/// a file with a window far above the usual 8 MiB, it is given up with its file.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// Files whose stored and raw bytes are no more than these are read whole: that spares the decompressor's own window, and
/// a copy of all bytes out of it.
const STORED_BYTES_MAX: u64 = 8 << 20;
pub(crate) const WHOLE_BYTES_MAX: usize = 16 << 20;

/// What one thread keeps from file to file.
#[derive(Default)]
pub(crate) struct Decompressor {
    zstd: Option<DCtx<'static>>,
    /// A file read whole, as stored and raw.
    stored: Vec<u8>,
    raw: Option<Room>,
}

impl Decompressor {
    fn zstd(&mut self) -> io::Result<&mut DCtx<'static>> {
        if self.zstd.as_ref().is_some_and(|kept| kept.sizeof() > KEPT_BYTES_MAX) {
            self.zstd = None;
        }
        if self.zstd.is_none() {
            let mut made = DCtx::create();
            made.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG_MAX))
                .map_err(|code| io::Error::other(zstd::zstd_safe::get_error_name(code)))?;
            self.zstd = Some(made);
        }
        self.zstd.as_mut().ok_or_else(|| io::ErrorKind::OutOfMemory.into())
    }

    /// Puts the raw bytes of a zstd file that is small enough into `raw`, and gives how many are stored and how many raw;
    /// `None` of any other, and of one that is not whole or damaged: what is wrong with it, and where, is for the stream to say.
    fn whole(&mut self, path: &Path) -> io::Result<Option<(u64, usize)>> {
        let mut file = File::open(path)?;
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() > STORED_BYTES_MAX {
            return Ok(None);
        }
        let mut stored = std::mem::take(&mut self.stored);
        stored.clear();
        // And a byte, so that the end is met without growing.
        stored.reserve(metadata.len() as usize + 1);
        file.by_ref().take(STORED_BYTES_MAX).read_to_end(&mut stored)?;
        let decompressed = self.decompress(&stored)?;
        let read = stored.len() as u64;
        self.stored = stored;
        Ok(decompressed.map(|raw| (read, raw)))
    }

    /// Raw bytes of frames of zstd, now decompressed; `None` of other things.
    fn decompress(&mut self, stored: &[u8]) -> io::Result<Option<usize>> {
        let Some(size) = raw_size(stored) else { return Ok(None) };
        // Room for any such file at once, most of it never touched: growing would copy.
        let mut raw = match self.raw.take() {
            Some(raw) => raw,
            None => Room::new(WHOLE_BYTES_MAX)?,
        };
        let found = self.zstd()?.decompress(&mut raw[..], stored);
        self.raw = Some(raw);
        Ok((found == Ok(size)).then_some(size))
    }
}

/// Raw bytes of frames of zstd, where all say how many and they are few enough.
fn raw_size(mut stored: &[u8]) -> Option<usize> {
    let mut size = 0u64;
    if !is_zstd(stored) {
        return None;
    }
    while !stored.is_empty() {
        size = size.checked_add(zstd::zstd_safe::get_frame_content_size(stored).ok()??)?;
        let frame = zstd::zstd_safe::find_frame_compressed_size(stored).ok()?;
        stored = stored.get(frame..)?;
    }
    usize::try_from(size).ok().filter(|size| *size <= WHOLE_BYTES_MAX)
}

/// A file's text: all of it, or as it comes.
pub(crate) enum Opened<'a> {
    Whole(&'a [u8]),
    Stream(Box<dyn BufRead + 'a>),
}

/// As [`open`], but a small file is read at once.
pub(crate) fn open_whole<'a>(
    path: &Path,
    kept: &'a mut Decompressor,
    meter: &'a Meter,
) -> io::Result<Opened<'a>> {
    if let Some((stored, raw)) = kept.whole(path)? {
        meter.add(stored);
        return Ok(Opened::Whole(kept.raw.as_ref().map_or(&[], |room| &room[..raw])));
    }
    open(path, kept, meter).map(Opened::Stream)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::progress::Work;

    /// Whether a file of these bytes was read at once, and what it gave.
    fn open(stored: &[u8]) -> (bool, io::Result<Vec<u8>>) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a.zst");
        std::fs::write(&path, stored).expect("written");
        let (mut kept, meter) = (Decompressor::default(), Meter::new(0, Work::Bytes));
        match open_whole(&path, &mut kept, &meter) {
            Ok(Opened::Whole(bytes)) => (true, Ok(bytes.to_vec())),
            Ok(Opened::Stream(mut stream)) => {
                let mut bytes = Vec::new();
                (false, stream.read_to_end(&mut bytes).map(|_| bytes))
            }
            Err(e) => (false, Err(e)),
        }
    }

    #[test]
    fn small_frames_are_read_at_once_and_all_others_as_they_come() {
        let text = "a line of text\n".repeat(20_000).into_bytes();
        let sized = zstd::bulk::compress(&text, 3).expect("compressed");
        let unsized_ = zstd::stream::encode_all(&text[..], 3).expect("compressed");
        let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3][..], &sized].concat();
        let twice = [&text[..], &text].concat();
        let given = |stored: &[u8]| {
            let (whole, bytes) = open(stored);
            (whole, bytes.expect("read"))
        };
        assert_eq!(given(&sized), (true, text.clone()));
        assert_eq!(given(&skippable), (true, text.clone()));
        assert_eq!(given(&[&sized[..], &sized].concat()), (true, twice.clone()));
        assert_eq!(given(&unsized_), (false, text.clone()));
        assert_eq!(given(&[&sized[..], &unsized_].concat()), (false, twice));
        assert_eq!(given(&text), (false, text.clone()));
        let large = zstd::bulk::compress(&vec![b'a'; WHOLE_BYTES_MAX + 1], 1).expect("compressed");
        assert_eq!(given(&large).1.len(), WHOLE_BYTES_MAX + 1);
        let (whole, truncated) = open(&sized[..sized.len() - 5]);
        assert!(!whole && truncated.is_err());
    }
}
