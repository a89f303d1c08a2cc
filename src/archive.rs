//! The file of a backup: a tar archive of
//!
//! - `manifest.json`: what made it, when, and the schema of its database;
//! - `media/KEY`: every object of the media store that the database names;
//! - `secret.key`: the secrets, one a line, where the operator wanted them in it;
//! - `muster.db`: the database;
//! - `SHA256`: the digest of every byte before this entry, in hexadecimal.
//!
//! The last entry, with the two blocks of zeros that end a tar archive, is always as long and
//! follows from the digest alone: a file in which any byte was changed, lost or added is refused
//! before anything of it is used. Whoever means harm can seal what they changed: it is a check, no
//! signature.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

pub(crate) const MANIFEST: &str = "manifest.json";
pub(crate) const DATABASE: &str = "muster.db";
pub(crate) const SECRET: &str = "secret.key";
pub(crate) const MEDIA: &str = "media/";

/// Changes when an older program could not read the archive.
pub(crate) const FORMAT: u32 = 1;
const BLOCK: usize = 512;
/// Header and content of the last entry, and the end of the archive.
const SEAL: usize = 4 * BLOCK;

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Manifest {
    pub format: u32,
    /// The version of the program that made it.
    pub muster: String,
    pub made_at: chrono::DateTime<chrono::Utc>,
    /// The migrations that the database has behind it, in their order.
    pub schema: Vec<String>,
}

/// An archive that is being written.
pub(crate) struct Writer {
    file: BufWriter<File>,
    digest: Sha256,
}

fn header(name: &str, size: u64) -> io::Result<Header> {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Regular);
    header.set_path(name)?;
    header.set_size(size);
    header.set_mode(0o600);
    // A backup is of one time; the manifest says which.
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

fn padding(size: u64) -> &'static [u8] {
    const ZEROS: [u8; BLOCK] = [0; BLOCK];
    let over = usize::try_from(size % BLOCK as u64).unwrap_or_default();
    if over == 0 { &[] } else { &ZEROS[over..] }
}

impl Writer {
    pub fn new(file: File) -> Self {
        Self {
            file: BufWriter::with_capacity(1 << 20, file),
            digest: Sha256::new(),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.file.write_all(bytes)
    }

    pub fn append(&mut self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let size = bytes.len() as u64;
        self.write(header(name, size)?.as_bytes())?;
        self.write(bytes)?;
        self.write(padding(size))
    }

    /// The whole of a file, from its beginning.
    pub fn append_file(&mut self, name: &str, file: &File) -> io::Result<()> {
        let size = file.metadata()?.len();
        self.write(header(name, size)?.as_bytes())?;
        let mut piece = vec![0; 1 << 20];
        let (mut from, mut left) = (file, size);
        while left > 0 {
            let most = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
            let read = from.read(&mut piece[..most])?;
            if read == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file became shorter"));
            }
            self.write(&piece[..read])?;
            left -= read as u64;
        }
        self.write(padding(size))
    }

    /// Seals it and has it on the disk.
    pub fn finish(mut self) -> io::Result<()> {
        let seal = seal(&self.digest.finalize())?;
        self.file.write_all(&seal)?;
        let file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()
    }
}

/// The end of an archive whose other bytes have this digest.
fn seal(digest: &[u8]) -> io::Result<Vec<u8>> {
    let text = digest
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let size = text.len() as u64;
    let mut seal = header("SHA256", size)?.as_bytes().to_vec();
    seal.extend_from_slice(text.as_bytes());
    seal.extend_from_slice(padding(size));
    seal.resize(SEAL, 0);
    Ok(seal)
}

/// Reads an archive that is whole; an error of kind `InvalidData` says that it isn't.
pub(crate) fn open(file: File) -> io::Result<tar::Archive<io::Take<BufReader<File>>>> {
    let damaged = || {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "this is no archive of muster, or it is damaged",
        )
    };
    let length = file.metadata()?.len();
    let content = length.checked_sub(SEAL as u64).ok_or_else(damaged)?;
    let mut reader = BufReader::with_capacity(1 << 20, file);
    let mut digest = Sha256::new();
    let read = io::copy(&mut reader.by_ref().take(content), &mut Hasher(&mut digest))?;
    let mut end = Vec::with_capacity(SEAL);
    reader.read_to_end(&mut end)?;
    if read != content || end != seal(&digest.finalize())? {
        return Err(damaged());
    }
    reader.rewind()?;
    Ok(tar::Archive::new(reader.take(content)))
}

struct Hasher<'a>(&'a mut Sha256);

impl Write for Hasher<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    struct Temporary(PathBuf);

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    fn made(name: &str) -> Temporary {
        let path = std::env::temp_dir().join(format!("muster-archive-{name}-{}", std::process::id()));
        let inner = path.with_extension("inner");
        fs::write(&inner, vec![7; 513]).unwrap();
        let mut writer = Writer::new(File::create(&path).unwrap());
        writer.append(MANIFEST, b"{}").unwrap();
        writer.append("media/photos/0", b"").unwrap();
        writer.append("media/photos/1", &[9; 512]).unwrap();
        writer.append_file(DATABASE, &File::open(&inner).unwrap()).unwrap();
        writer.finish().unwrap();
        fs::remove_file(inner).unwrap();
        Temporary(path)
    }

    fn read(path: &Path) -> io::Result<Vec<(String, Vec<u8>)>> {
        let mut archive = open(File::open(path)?)?;
        let mut all = Vec::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            all.push((name, bytes));
        }
        Ok(all)
    }

    #[test]
    fn what_was_put_in_comes_out() {
        let archive = made("out");
        let expected = [
            (MANIFEST, b"{}".to_vec()),
            ("media/photos/0", vec![]),
            ("media/photos/1", vec![9; 512]),
            (DATABASE, vec![7; 513]),
        ]
        .map(|(name, bytes)| (name.to_owned(), bytes));
        assert_eq!(read(&archive.0).unwrap(), expected);
    }

    #[test]
    fn other_programs_read_it() {
        let archive = made("tar");
        // As any tar reads it: to the zeros at its end.
        let mut whole = tar::Archive::new(File::open(&archive.0).unwrap());
        let names: Vec<String> = whole
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(
            names,
            [MANIFEST, "media/photos/0", "media/photos/1", DATABASE, "SHA256"]
        );
    }

    #[test]
    fn no_byte_can_be_changed_lost_or_added() {
        let archive = made("byte");
        let whole = fs::read(&archive.0).unwrap();
        let refused = |bytes: &[u8]| {
            fs::write(&archive.0, bytes).unwrap();
            read(&archive.0).is_err_and(|error| error.kind() == io::ErrorKind::InvalidData)
        };
        for place in 0..whole.len() {
            let mut changed = whole.clone();
            changed[place] ^= 1;
            assert!(refused(&changed), "byte {place}");
        }
        for short in [0, 1, SEAL - 1, SEAL, whole.len() - 1] {
            assert!(refused(&whole[..short]), "the first {short} bytes");
        }
        assert!(refused(&[&whole[..], b"\0"].concat()));
        assert!(refused(&[b"\0", &whole[..]].concat()));
        assert!(!refused(&whole));
    }
}
