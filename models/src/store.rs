//! The folder of weights: what is in it, what of the catalog could be, and how it gets there.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::catalog::{Catalog, Entry, Role};
use crate::download::{self, Address};
use crate::setup::{Progress, State};

/// A model that can't be had or isn't known; one line that says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct FetchError(String);

/// Where weights are kept and asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Store<'a> {
    pub models_dir: &'a Path,
    /// A folder, or an http(s) address, that holds the catalog's files.
    pub mirror: Option<&'a str>,
}

impl<'a> Store<'a> {
    /// Where the entry's file is, or will be.
    pub fn path(&self, entry: &Entry) -> PathBuf {
        self.models_dir.join(&entry.file)
    }

    /// The mirror, if it is a folder.
    pub fn mirror_folder(&self) -> Option<&'a Path> {
        self.mirror.filter(|mirror| !download::is_http(mirror)).map(Path::new)
    }

    /// How the entry's file stands, by its size alone.
    pub fn glance(&self, entry: &Entry) -> State {
        match std::fs::metadata(self.path(entry)) {
            Ok(data) if data.is_file() && data.len() == entry.bytes => State::Ready,
            Ok(_) => State::Damaged,
            Err(_) => State::Missing,
        }
    }

    /// How the entry's file stands, its checksum computed.
    pub fn verify(&self, entry: &Entry) -> State {
        match (self.glance(entry), download::matches(&self.path(entry), entry)) {
            (State::Ready, Ok(true)) => State::Ready,
            (State::Missing, _) => State::Missing,
            _ => State::Damaged,
        }
    }

    /// The entries of a role that the settings lead to, best first: the one that is named; else the
    /// first whose file is on this machine; else all that have an address.
    pub fn candidates<'c>(
        &self,
        catalog: &'c Catalog,
        role: Role,
        named: Option<&str>,
    ) -> Result<Vec<&'c Entry>, FetchError> {
        if let Some(name) = named {
            let known = || {
                catalog
                    .of(role)
                    .map(|entry| entry.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            let unknown = || FetchError(format!("there is no {role} named {name:?}; choose one of {}", known()));
            return Ok(vec![catalog.find(role, name).ok_or_else(unknown)?]);
        }
        if let Some(here) = catalog.of(role).find(|entry| self.is_here(entry)) {
            return Ok(vec![here]);
        }
        let remote = |entry: &&Entry| self.addresses(entry).iter().any(|at| matches!(at, Address::Http(_)));
        let found: Vec<&Entry> = catalog.of(role).filter(remote).collect();
        if found.is_empty() {
            return Err(FetchError(format!(
                "the catalog has no {role} with an address; set MUSTER_MODELS_MIRROR to a folder that holds one"
            )));
        }
        Ok(found)
    }

    /// Whether the entry's file needs no network.
    fn is_here(&self, entry: &Entry) -> bool {
        let fits = |path: &Path| std::fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() == entry.bytes);
        let local = |address: &Address| matches!(address, Address::File(path) if fits(path));
        fits(&self.path(entry)) || self.addresses(entry).iter().any(local)
    }

    /// Where the entry's file may be had, in the order in which it is tried.
    fn addresses(&self, entry: &Entry) -> Vec<Address> {
        let mirror = self.mirror.map(|mirror| match self.mirror_folder() {
            Some(folder) => Address::File(folder.join(&entry.file)),
            None => Address::Http(format!("{}/{}", mirror.trim_end_matches('/'), entry.file)),
        });
        mirror
            .into_iter()
            .chain(entry.urls.iter().map(|url| Address::parse(url)))
            .collect()
    }

    /// The entry's file, right by its checksum; fetched if need be. Processes that share the folder
    /// wait for each other.
    pub fn ensure(&self, entry: &Entry, progress: Progress) -> Result<PathBuf, FetchError> {
        let target = self.path(entry);
        if self.verify(entry) == State::Ready {
            return Ok(target);
        }
        let _alone = self.lock()?;
        match self.verify(entry) {
            State::Ready => return Ok(target),
            State::Missing => {}
            State::Damaged => {
                tracing::warn!(path = %target.display(), "has the wrong checksum and is deleted");
                std::fs::remove_file(&target).map_err(|error| {
                    FetchError(format!(
                        "{} has the wrong checksum and can't be deleted ({error}); delete it",
                        target.display()
                    ))
                })?;
            }
        }
        let mut reasons = Vec::new();
        for address in self.addresses(entry) {
            match &address {
                // Most catalogs' local addresses aren't there, which is no news.
                Address::File(path) if !path.is_file() && self.mirror_folder().is_none_or(|m| !path.starts_with(m)) => {
                    continue;
                }
                _ => {}
            }
            match download::fetch(&address, entry, &target, progress) {
                Ok(()) => {
                    tracing::info!(model = entry.name, from = %address, "fetched");
                    return Ok(target);
                }
                Err(reason) => reasons.push(format!("{address}: {reason}")),
            }
        }
        Err(self.not_had(entry, &reasons))
    }

    fn not_had(&self, entry: &Entry, reasons: &[String]) -> FetchError {
        let why = if reasons.is_empty() {
            "it has no address".into()
        } else {
            reasons.join("; ")
        };
        FetchError(crate::runtime::one_line(&format!(
            "the model {} couldn't be fetched ({why}); put its file at {} yourself, or set MUSTER_MODELS_MIRROR to a \
             folder or an address that holds {}",
            entry.name,
            self.path(entry).display(),
            entry.file
        )))
    }

    fn lock(&self) -> Result<File, FetchError> {
        let locked = || {
            std::fs::create_dir_all(self.models_dir)?;
            let file = File::create(self.models_dir.join(".lock"))?;
            file.lock().map(|()| file)
        };
        locked().map_err(|error: std::io::Error| {
            FetchError(format!(
                "the models folder {} can't be written ({error}); give this user the right, or choose another folder",
                self.models_dir.display()
            ))
        })
    }
}

#[cfg(test)]
mod tests;
