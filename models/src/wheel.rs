//! Fetches ONNX Runtime's library out of Python's package of it, the one build for every platform
//! that needs neither an installer nor a compiler. pip downloads and Python unzips: pip knows the
//! proxies, indexes and certificates that the machine was set up with, and where there is pip,
//! Python's own unzipping costs no dependency.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::runtime::{OLDEST, RuntimeError, one_line};

/// The fetched library is kept in a folder of this name and the version.
pub(crate) const FOLDER: &str = "onnxruntime-";

/// Writes the library, and only it, beside the package: `extract(package, folder)`.
const EXTRACT: &str = r"
import os, shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as package:
    for name in package.namelist():
        folder, _, file = name.rpartition('/')
        if folder.endswith('/capi') and file.startswith(('libonnxruntime.so', 'libonnxruntime.', 'onnxruntime.dll')):
            with package.open(name) as source, open(os.path.join(sys.argv[2], file), 'wb') as target:
                shutil.copyfileobj(source, target)
                target.flush()
                os.fsync(target.fileno())
";

/// Whether a file of this name is the library itself, not one of its providers.
pub(crate) fn is_library(name: &str) -> bool {
    let stem = format!("{}onnxruntime", std::env::consts::DLL_PREFIX);
    name.strip_prefix(&stem).is_some_and(|rest| {
        rest.starts_with('.') && rest.contains(std::env::consts::DLL_SUFFIX.trim_start_matches('.'))
    })
}

/// Fetches the newest version into `models_dir` and answers the library's path.
pub(crate) fn fetch(models_dir: &Path) -> Result<PathBuf, RuntimeError> {
    fetch_with(models_dir, &mut |command| command)
}

/// `adapt` is for tests, which must not reach for the network.
fn fetch_with(models_dir: &Path, adapt: &mut dyn FnMut(&mut Command) -> &mut Command) -> Result<PathBuf, RuntimeError> {
    let failed = |what: String| {
        RuntimeError(one_line(&format!(
            "ONNX Runtime couldn't be fetched ({what}); install it or download it elsewhere, and set ORT_DYLIB_PATH \
             to its library, version {OLDEST} or later"
        )))
    };
    std::fs::create_dir_all(models_dir).map_err(|error| failed(error.to_string()))?;
    // In the models folder, so that the last step is a rename within one file system.
    let work = tempfile::Builder::new()
        .prefix(".onnxruntime-")
        .tempdir_in(models_dir)
        .map_err(|error| failed(error.to_string()))?;
    let library = work.path().join("library");
    std::fs::create_dir(&library).map_err(|error| failed(error.to_string()))?;

    let mut download = Command::new("python3");
    download
        .args([
            "-m",
            "pip",
            "download",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
        ])
        .args(["--no-deps", "--only-binary", ":all:", "--dest"])
        .arg(work.path())
        .arg(format!("onnxruntime>={OLDEST}"));
    run(adapt(&mut download)).map_err(failed)?;
    let (package, version) = package(work.path()).ok_or_else(|| failed("pip brought no package".into()))?;
    let mut extract = Command::new("python3");
    extract.args(["-c", EXTRACT]).arg(&package).arg(&library);
    run(&mut extract).map_err(failed)?;

    let target = models_dir.join(format!("{FOLDER}{version}"));
    let renamed = std::fs::rename(&library, &target);
    // Another process may have been faster; then its copy is as good.
    find(&target).ok_or_else(|| {
        failed(
            renamed
                .err()
                .map_or("the package holds no library".into(), |error| error.to_string()),
        )
    })
}

/// The downloaded package, and the version in its name.
fn package(folder: &Path) -> Option<(PathBuf, String)> {
    std::fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        .find_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let (version, _) = name.strip_suffix(".whl")?.strip_prefix(FOLDER)?.split_once('-')?;
            Some((entry.path(), version.to_owned()))
        })
}

fn find(folder: &Path) -> Option<PathBuf> {
    std::fs::read_dir(folder)
        .ok()?
        .filter_map(Result::ok)
        .find_map(|entry| {
            let name = entry.file_name();
            is_library(name.to_str()?).then(|| entry.path())
        })
}

/// Runs to the end; of a failure the last line of what it said is told.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("python3 can't be started: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().map(str::trim).rfind(|line| !line.is_empty());
    Err(format!("pip: {}", last.unwrap_or("failed without a word")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_library_is_told_from_its_companions() {
        if cfg!(target_os = "linux") {
            assert!(is_library("libonnxruntime.so"));
            assert!(is_library("libonnxruntime.so.1.31.1"));
        }
        for other in [
            "libonnxruntime_providers_shared.so",
            "onnxruntime_pybind11_state.so",
            "libonnxruntime",
        ] {
            assert!(!is_library(other), "{other}");
        }
    }

    #[test]
    fn a_failed_download_is_one_line_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let error = fetch_with(folder.path(), &mut |command| {
            command.args(["--no-index", "--no-cache-dir"])
        })
        .unwrap_err()
        .to_string();
        assert!(error.contains("ORT_DYLIB_PATH") && !error.contains('\n'), "{error}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_version_is_read_from_the_packages_name() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(package(folder.path()), None);
        std::fs::write(
            folder
                .path()
                .join("onnxruntime-1.31.1-cp311-cp311-manylinux_2_28_x86_64.whl"),
            b"",
        )
        .unwrap();
        assert_eq!(package(folder.path()).unwrap().1, "1.31.1");
    }
}
