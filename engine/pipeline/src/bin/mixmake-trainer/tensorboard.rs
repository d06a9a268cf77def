//! Scalars as TensorBoard reads them: `Event` messages of protocol buffers in TFRecord frames.
//!
//! A frame is the length of its data (u64), the masked CRC-32C of those eight bytes, the data, and the
//! masked CRC-32C of the data, all little-endian. Of `Event` only these fields are written: 1 wall_time
//! (double), 2 step (int64), 3 file_version (string), 5 summary, whose field 1 is a value with 1 tag
//! (string) and 2 simple_value (float).

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// An event file that is being written.
#[derive(Debug)]
pub struct EventFile {
    file: File,
}

impl EventFile {
    /// A new file in `folder`; those of earlier runs stay, and TensorBoard reads them together.
    pub fn create(folder: &Path) -> io::Result<Self> {
        std::fs::create_dir_all(folder)?;
        let name = format!("events.out.tfevents.{:.0}.{}", now(), std::process::id());
        let mut file = File::create(folder.join(name))?;
        let mut event = Message::default();
        event.double(1, now());
        event.bytes(3, b"brain.Event:2");
        file.write_all(&frame(&event.0))?;
        Ok(Self { file })
    }

    /// Adds one event with `scalars` of `step`.
    pub fn scalars(&mut self, step: u64, scalars: &[(&str, f64)]) -> io::Result<()> {
        self.file.write_all(&frame(&event(now(), step, scalars)))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

fn event(time: f64, step: u64, scalars: &[(&str, f64)]) -> Vec<u8> {
    let mut summary = Message::default();
    for (tag, number) in scalars {
        let mut value = Message::default();
        value.bytes(1, tag.as_bytes());
        value.float(2, *number as f32);
        summary.bytes(1, &value.0);
    }
    let mut event = Message::default();
    event.double(1, time);
    event.varint(2, step);
    event.bytes(5, &summary.0);
    event.0
}

/// A message of protocol buffers.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn raw_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn tag(&mut self, field: u64, wire_type: u64) {
        self.raw_varint(field << 3 | wire_type);
    }

    fn varint(&mut self, field: u64, value: u64) {
        self.tag(field, 0);
        self.raw_varint(value);
    }

    fn double(&mut self, field: u64, value: f64) {
        self.tag(field, 1);
        self.0.extend(value.to_le_bytes());
    }

    fn bytes(&mut self, field: u64, value: &[u8]) {
        self.tag(field, 2);
        self.raw_varint(value.len() as u64);
        self.0.extend(value);
    }

    fn float(&mut self, field: u64, value: f32) {
        self.tag(field, 5);
        self.0.extend(value.to_le_bytes());
    }
}

fn frame(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let mut frame = length.to_vec();
    frame.extend(masked(crc32c(&length)).to_le_bytes());
    frame.extend(data);
    frame.extend(masked(crc32c(data)).to_le_bytes());
    frame
}

/// TFRecord's mask: a checksum of data that holds its own checksum would tell little.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: a few hundred bytes a second.
fn crc32c(data: &[u8]) -> u32 {
    let mut crc = !0_u32;
    for byte in data {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_castagnolis() {
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
    }

    /// The bytes that the Python package `tensorboard` reads back as step 300, loss 2.5.
    #[test]
    fn events_are_protocol_buffers_in_frames() {
        let data = event(1.0, 300, &[("loss", 2.5)]);
        let expected = [
            &[0x09][..],
            &1.0_f64.to_le_bytes(), // wall_time
            &[0x10, 0xac, 0x02],    // step, 300 in two groups of seven bits
            &[0x2a, 13, 0x0a, 11, 0x0a, 4],
            b"loss",
            &[0x15],
            &2.5_f32.to_le_bytes(),
        ]
        .concat();
        assert_eq!(data, expected);
        let framed = frame(&data);
        assert_eq!(framed.len(), 8 + 4 + data.len() + 4);
        assert_eq!(framed[..8], (data.len() as u64).to_le_bytes());
        assert_eq!(framed[12..12 + data.len()], data);
    }
}
