//! The photos on the disk: one folder a student, named by roll number.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::Failure;

pub(super) struct Folder {
    pub roll_number: String,
    /// By name.
    pub photos: Vec<Photo>,
}

pub(super) struct Photo {
    /// Folder and file, to be shown.
    pub name: String,
    pub path: PathBuf,
}

/// The folders of a folder, by name. What begins with a dot is none of ours; a photo beside the
/// folders belongs to nobody and is refused, since it was meant for somebody.
pub(super) fn read(folder: &Path) -> Result<Vec<Folder>, Failure> {
    let cannot = |at: &Path, error: io::Error| Failure::Failed(format!("{} cannot be read: {error}", at.display()));
    let mut folders = Vec::new();
    for (roll_number, path) in entries(folder).map_err(|error| cannot(folder, error))? {
        if !path.is_dir() {
            return Err(Failure::Failed(format!(
                "{} is in no student's folder; put it into one that is named by the roll number",
                path.display()
            )));
        }
        let photos = entries(&path).map_err(|error| cannot(&path, error))?;
        let photos = photos.into_iter().map(|(name, path)| Photo {
            name: format!("{roll_number}/{name}"),
            path,
        });
        folders.push(Folder {
            photos: photos.collect(),
            roll_number: roll_number.clone(),
        });
    }
    if folders.is_empty() {
        return Err(Failure::Failed(format!(
            "{} has no folders; it should have one a student, named by roll number",
            folder.display()
        )));
    }
    Ok(folders)
}

fn entries(folder: &Path) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

/// A file's bytes, or why there are none.
pub(super) async fn bytes(path: PathBuf) -> Result<Bytes, String> {
    /// Above what any organization may allow for a photo.
    const MOST: u64 = 100 << 20;
    let read = move || {
        let size = fs::metadata(&path)?.len();
        if size > MOST {
            return Err(io::Error::other(format!("it is larger than {} MB", MOST >> 20)));
        }
        fs::read(&path)
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(bytes)) => Ok(bytes.into()),
        Ok(Err(error)) => Err(format!("the file cannot be read: {error}")),
        Err(error) => Err(format!("the file cannot be read: {error}")),
    }
}
