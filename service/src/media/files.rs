//! What a media store that is a folder needs of the file system beside its objects: that they last, and that what nobody
//! finished goes.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Files that are open at a time.
const OPEN: usize = 64;

/// Has these files last, and every folder from theirs up to the root, any of which may have been made for them: whoever
/// made it may have ended before it was synced.
///
/// For many small files that were written before this is far less work than syncing each as it is written: the disk has
/// all of them at once, and the first sync takes most of what is to be known of the others.
pub(super) fn sync(root: &Path, files: &[PathBuf]) -> io::Result<()> {
    sync_by(root, files, sync_all, |folder| File::open(folder)?.sync_all())
}

fn sync_all(files: &[PathBuf]) -> io::Result<()> {
    for some in files.chunks(OPEN) {
        let some: Vec<File> = some.iter().map(File::open).collect::<io::Result<_>>()?;
        some.iter().for_each(begin_writing);
        some.iter().try_for_each(File::sync_all)?;
    }
    Ok(())
}

/// Has the file's data be on their way to the disk. Linux begins to write what it is told will not be needed; elsewhere,
/// and where it takes no advice, syncing the file does it.
fn begin_writing(file: &File) {
    #[cfg(target_os = "linux")]
    let _ = rustix::fs::fadvise(file, 0, None, rustix::fs::Advice::DontNeed);
    #[cfg(not(target_os = "linux"))]
    let _ = file;
}

fn sync_by(
    root: &Path,
    files: &[PathBuf],
    sync_files: impl FnOnce(&[PathBuf]) -> io::Result<()>,
    sync_folder: impl FnMut(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let above = files.iter().flat_map(|file| file.ancestors().skip(1));
    let folders: BTreeSet<&Path> = above.filter(|folder| folder.starts_with(root)).collect();
    sync_files(files)?;
    folders.into_iter().rev().try_for_each(sync_folder)
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
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn files_are_synced_and_then_each_folder_above_them_within_the_root() {
        let files = ["/media/crops/a/1/x", "/media/crops/a/1/y", "/media/crops/b/1/z"].map(PathBuf::from);
        let synced = RefCell::new(Vec::new());
        let note = |path: &Path| {
            synced.borrow_mut().push(path.to_str().unwrap().to_owned());
            Ok(())
        };
        let note_all = |files: &[PathBuf]| files.iter().try_for_each(|file| note(file));
        sync_by(Path::new("/media"), &files, note_all, note).unwrap();
        let synced = synced.into_inner();
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
    fn more_files_than_may_be_open_are_synced_in_parts() {
        let root = tempfile::tempdir().unwrap();
        let file = |nth: usize| root.path().join(nth.to_string());
        let files: Vec<PathBuf> = (0..=2 * OPEN).map(file).collect();
        for file in &files {
            fs::write(file, "x").unwrap();
        }
        sync(root.path(), &files).unwrap();
        for file in &files {
            assert_eq!(fs::read(file).unwrap(), b"x");
        }
        fs::remove_file(&files[2 * OPEN]).unwrap();
        assert!(sync(root.path(), &files).is_err());
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
