//! The part of a file that is there: bytes in order from the start, and of which content they are.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use ring::digest::{self, Context};

use crate::{Identity, RemoteError, RemoteFile};

/// The part and the hashes of what is in it.
pub struct Part {
    path: PathBuf,
    label: PathBuf,
    file: File,
    pub bytes: u64,
    hashes: Hashes,
}

/// Everything that the whole file may be checked by.
struct Hashes {
    blake3: blake3::Hasher,
    content: Option<Context>,
}

impl Part {
    /// What is in `scratch` of `file`, if it is of the content that `label` says; else an empty part.
    pub fn open(scratch: &Path, file: &RemoteFile) -> Result<Self, RemoteError> {
        let (path, label) = (scratch.join("part"), scratch.join("part.of"));
        fs::create_dir_all(scratch).map_err(at("create the folder", scratch))?;
        let opened = OpenOptions::new().read(true).append(true).create(true).open(&path);
        let opened = opened.map_err(at("write", &path))?;
        let mut part = Self { path, label, file: opened, bytes: 0, hashes: Hashes::of(file) };
        let known = fs::read_to_string(&part.label).unwrap_or_default();
        let is_same = known == words(file) && file.identity.joins_parts();
        if !is_same || part.length()? > file.bytes {
            part.restart(file)?;
        } else {
            part.read_through()?;
        }
        Ok(part)
    }

    fn length(&self) -> Result<u64, RemoteError> {
        Ok(self.file.metadata().map_err(at("read", &self.path))?.len())
    }

    /// Throws away what is there, to begin with the content of `file`.
    pub fn restart(&mut self, file: &RemoteFile) -> Result<(), RemoteError> {
        self.file.set_len(0).map_err(at("write", &self.path))?;
        // After the bytes are gone: a part must never have the label of another content.
        fs::write(&self.label, words(file)).map_err(at("write", &self.label))?;
        (self.bytes, self.hashes) = (0, Hashes::of(file));
        Ok(())
    }

    fn read_through(&mut self) -> Result<(), RemoteError> {
        let mut buffer = vec![0; 1 << 20];
        let mut file = File::open(&self.path).map_err(at("read", &self.path))?;
        loop {
            match file.read(&mut buffer).map_err(at("read", &self.path))? {
                0 => return Ok(()),
                count => {
                    self.hashes.update(&buffer[..count]);
                    self.bytes += count as u64;
                }
            }
        }
    }

    pub fn append(&mut self, bytes: &[u8]) -> Result<(), RemoteError> {
        self.file.write_all(bytes).map_err(at("write", &self.path))?;
        self.hashes.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    /// The path of the file, whole and as `file` and `digest` say it; else what was expected and what it is.
    pub fn finish(self, file: &RemoteFile, digest: Option<&str>) -> Result<PathBuf, Mismatch> {
        let Hashes { blake3, content } = self.hashes;
        let check = |name: &str, expected: &str, found: String| {
            let mismatch = || Mismatch {
                expected: format!("{name} {expected}"),
                found: format!("{name} {found}"),
            };
            if found.eq_ignore_ascii_case(expected) { Ok(()) } else { Err(mismatch()) }
        };
        match (&file.identity, content) {
            (Identity::Sha256(expected), Some(content)) => {
                check("SHA-256", expected, hex(content))?
            }
            (Identity::GitBlob(expected), Some(content)) => {
                check("git's object id", expected, hex(content))?;
            }
            _ => {}
        }
        if let Some(expected) = digest {
            check("BLAKE3", expected, blake3.finalize().to_hex().to_string())?;
        }
        Ok(self.path)
    }
}

/// A whole file that is not the one that was wanted.
pub struct Mismatch {
    pub expected: String,
    pub found: String,
}

impl Hashes {
    fn of(file: &RemoteFile) -> Self {
        let content = match &file.identity {
            Identity::Sha256(_) => Some(Context::new(&digest::SHA256)),
            Identity::GitBlob(_) => {
                // Git hashes a header with the length, too.
                let mut context = Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
                context.update(format!("blob {}\0", file.bytes).as_bytes());
                Some(context)
            }
            _ => None,
        };
        Self { blake3: blake3::Hasher::new(), content }
    }

    fn update(&mut self, bytes: &[u8]) {
        self.blake3.update(bytes);
        if let Some(content) = &mut self.content {
            content.update(bytes);
        }
    }
}

fn hex(context: Context) -> String {
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Of which content a part is. A part is not synced, so that after a power cut any of its bytes may be others: where
/// no hash will tell, it is good only until the machine starts anew.
fn words(file: &RemoteFile) -> String {
    let since = if file.identity.is_of_content() { String::new() } else { format!(" {}", start()) };
    format!("{} {}{since}\n", file.bytes, file.identity)
}

/// What tells this start of this machine from others.
fn start() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

fn at(verb: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RemoteError {
    let path = path.to_owned();
    move |source| RemoteError::File { verb, path, source }
}
