//! Records which bundle the live tree of a stack was when a container was started. A process keeps what it read at its
//! start, even if the tree changes later. The engine also starts containers by itself, and the agent may be restarted in
//! between, so the record is kept in a file of the state folder.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::durable;
use crate::error_text::in_one_line;

/// One start of a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Start {
    /// Time of the start by the engine's clock, in nanoseconds of Unix time.
    at: i64,
    /// Digest of the manifest that the live tree was.
    manifest: String,
}

/// The last start of each container that mounts a part of a live tree, by the container's id.
#[derive(Debug)]
pub(crate) struct Started {
    path: PathBuf,
    starts: BTreeMap<String, Start>,
    is_written: bool,
}

impl Started {
    /// Reads the record from the agent's state folder. A file that cannot be read counts as empty, and the bundles of
    /// earlier starts are then unknown.
    pub(crate) fn open(folder: &Path) -> Self {
        let path = folder.join("started");
        let read = match fs_err::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| in_one_line(&error)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(BTreeMap::new()),
            Err(error) => Err(in_one_line(&error)),
        };
        let starts = read.unwrap_or_else(|error| {
            tracing::warn!(path = %path.display(), error, "record of started bundles not read");
            BTreeMap::new()
        });
        Started { path, starts, is_written: true }
    }

    /// Returns the bundle that a container was started with, if its last start was at `at`. A start that is not recorded
    /// yet is recorded with `now`, the bundle that the tree is.
    pub(crate) fn with(&mut self, container: &str, at: i64, now: Option<&str>) -> Option<String> {
        if let Some(start) = self.starts.get(container).filter(|start| start.at == at) {
            return Some(start.manifest.clone());
        }
        let manifest = now?.to_owned();
        self.starts.insert(container.to_owned(), Start { at, manifest: manifest.clone() });
        self.is_written = false;
        Some(manifest)
    }

    /// Forgets containers that are gone.
    pub(crate) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        let before = self.starts.len();
        self.starts.retain(|container, _| is_there(container));
        self.is_written &= self.starts.len() == before;
    }

    /// Iterates over the bundles that containers were started with.
    pub(crate) fn manifests(&self) -> impl Iterator<Item = &str> {
        self.starts.values().map(|start| start.manifest.as_str())
    }

    /// Writes the record if it has changed. A write that fails is tried again next time. Blocks.
    pub(crate) fn save(&mut self) {
        if self.is_written {
            return;
        }
        let written = serde_json::to_vec(&self.starts).map_err(Into::into);
        match written.and_then(|bytes| durable::replace(&self.path, &[&bytes])) {
            Ok(()) => self.is_written = true,
            Err(error) => {
                tracing::warn!(path = %self.path.display(), error = in_one_line(&error), "record of started bundles not written");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundle_of_a_start_is_known_until_the_next_start_and_after_a_restart_of_the_agent() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut started = Started::open(folder.path());
        assert_eq!(started.with("web", 1, None), None, "the tree is on its way from one bundle to another");
        assert_eq!(started.with("web", 1, Some("one")).as_deref(), Some("one"));
        assert_eq!(started.with("web", 1, Some("two")).as_deref(), Some("one"), "it has not been started since");
        started.save();
        let mut again = Started::open(folder.path());
        assert_eq!(again.with("web", 1, Some("two")).as_deref(), Some("one"));
        assert_eq!(again.with("web", 2, Some("two")).as_deref(), Some("two"));
        assert_eq!(again.manifests().collect::<Vec<_>>(), ["two"]);
        again.retain(|container| container != "web");
        again.save();
        assert_eq!(Started::open(folder.path()).manifests().count(), 0);
    }

    #[test]
    fn a_damaged_file_counts_as_empty_and_is_written_anew() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("started"), "{").expect("written");
        let mut started = Started::open(folder.path());
        assert_eq!(started.with("web", 1, Some("one")).as_deref(), Some("one"));
        started.save();
        assert_eq!(Started::open(folder.path()).manifests().collect::<Vec<_>>(), ["one"]);
    }
}
