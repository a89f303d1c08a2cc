//! What a media store that is a folder needs of the file system beside its objects: that they last, and that what nobody
//! finished goes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Has these files last, and every folder from theirs up to the root, any of which may have been made for them: whoever
/// made it may have ended before it was synced.
///
/// For many small files that were written before this is far less work than syncing each as it is written: the first
/// sync takes most of the others' data to the disk.
pub(super) fn sync(root: &Path, files: &[PathBuf]) -> io::Result<()> {
    sync_by(root, files, |path| File::open(path)?.sync_all())
}

fn sync_by(root: &Path, files: &[PathBuf], mut sync: impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    let mut folders = BTreeSet::new();
    for file in files {
        sync(file)?;
        let above = file.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
        folders.extend(above);
    }
    folders.into_iter().rev().try_for_each(sync)
}

/// What is gone before it is come to is no error: others are at it too.
fn or_gone(done: io::Result<()>) -> io::Result<()> {
    done.or_else(|error| match error.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(error),
    })
}

/// Removes what a process left that ended while it wrote a file, and folders that nothing is in, from before then; answers
/// how many files.
pub(super) fn tidy(folder: &Path, before: SystemTime) -> io::Result<u64> {
    let mut removed = 0;
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let is_old = |data: &fs::Metadata| data.modified().is_ok_and(|at| at < before);
        match entry.metadata() {
            Ok(data) if data.is_dir() => {
                removed += tidy(&path, before)?;
                if is_old(&data) {
                    // Refused where something is in it, which is as it should be.
                    let _ = fs::remove_dir(&path);
                }
            }
            Ok(data) if is_old(&data) && is_unfinished(&path) => {
                or_gone(fs::remove_file(&path))?;
                removed += 1;
            }
            Ok(_) => {}
            Err(error) => or_gone(Err(error))?,
        }
    }
    Ok(removed)
}

/// `object_store` writes beside the object's place, under its name with a number behind it.
fn is_unfinished(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.and_then(|name| name.split_once('#'))
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_synced_and_then_each_folder_above_them_within_the_root() {
        let files = ["/media/crops/a/1/x", "/media/crops/a/1/y", "/media/crops/b/1/z"].map(PathBuf::from);
        let mut synced = Vec::new();
        let note = |path: &Path| {
            synced.push(path.to_str().unwrap().to_owned());
            Ok(())
        };
        sync_by(Path::new("/media"), &files, note).unwrap();
        let (first, folders) = synced.split_at(3);
        assert_eq!(first, files.map(|file| file.to_str().unwrap().to_owned()));
        let expected = [
            "/media/crops/b/1",
            "/media/crops/b",
            "/media/crops/a/1",
            "/media/crops/a",
            "/media/crops",
            "/media",
        ];
        assert_eq!(folders, expected);
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        let there = root.path().join("there");
        fs::write(&there, "x").unwrap();
        sync(root.path(), std::slice::from_ref(&there)).unwrap();
        let gone = root.path().join("gone");
        assert_eq!(
            sync(root.path(), &[there, gone]).unwrap_err().kind(),
            io::ErrorKind::NotFound
        );
    }
}
