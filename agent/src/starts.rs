//! Records incomplete starts: the container runs, but the commands after its start did not all succeed. The engine does not
//! know of these commands, and the agent may be restarted meanwhile, so the record is kept in a file of the state folder.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::durable;
use crate::error_text::in_one_line;

/// Reason of an incomplete start that the agent did not see the end of.
const CUT_OFF: &str = "the agent ended while the commands after the start were running";

/// Reasons of incomplete starts, by container id. The record in memory is the one on the disk.
#[derive(Debug)]
pub(crate) struct Starts {
    path: PathBuf,
    unfinished: Mutex<BTreeMap<String, String>>,
}

impl Starts {
    /// Reads the record from the agent's state folder. A file that cannot be read counts as empty.
    pub(crate) fn open(folder: &Path) -> Self {
        let path = folder.join("starts");
        let unfinished = match fs_err::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).unwrap_or_else(|error| {
                tracing::warn!(path = %path.display(), error = in_one_line(&error), "record of incomplete starts not read");
                BTreeMap::new()
            }),
            Err(error) if error.kind() == ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => {
                tracing::warn!(path = %path.display(), error = in_one_line(&error), "record of incomplete starts not read");
                BTreeMap::new()
            }
        };
        Starts { path, unfinished: Mutex::new(unfinished) }
    }

    /// Records that a container is about to be started, and that commands follow. Blocks briefly.
    pub(crate) fn begin(&self, container: &str) -> io::Result<()> {
        self.change(|unfinished| drop(unfinished.insert(container.to_owned(), CUT_OFF.to_owned())))
    }

    /// Records that the commands succeeded, or why one failed. Blocks briefly.
    pub(crate) fn end(&self, container: &str, failure: Option<String>) -> io::Result<()> {
        self.change(|unfinished| match failure {
            Some(message) => drop(unfinished.insert(container.to_owned(), message)),
            None => drop(unfinished.remove(container)),
        })
    }

    /// Returns why a container's start is incomplete; `None` if it is complete.
    pub(crate) fn problem(&self, container: &str) -> Option<String> {
        self.unfinished().get(container).cloned()
    }

    /// Forgets containers that are gone. A write that fails is tried again next time.
    pub(crate) fn retain(&self, is_there: impl Fn(&str) -> bool) {
        if self.unfinished().keys().all(|container| is_there(container)) {
            return;
        }
        if let Err(error) = self.change(|unfinished| unfinished.retain(|container, _| is_there(container))) {
            tracing::warn!(path = %self.path.display(), error = in_one_line(&error), "record of incomplete starts not written");
        }
    }

    fn unfinished(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.unfinished.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, String>)) -> io::Result<()> {
        let mut unfinished = self.unfinished();
        let mut changed = unfinished.clone();
        change(&mut changed);
        if changed != *unfinished {
            // The output of a command may be confidential, so only root can read the file.
            durable::replace(&self.path, &[&serde_json::to_vec(&changed)?])?;
            *unfinished = changed;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_finished_is_known_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        let starts = Starts::open(folder.path());
        for container in ["cut-off", "failed", "whole", "gone"] {
            starts.begin(container).expect("written");
        }
        starts.end("failed", Some("no such table".to_owned())).expect("written");
        starts.end("whole", None).expect("written");
        starts.retain(|container| container != "gone");
        let again = Starts::open(folder.path());
        let known = ["cut-off", "failed", "whole", "gone"].map(|container| again.problem(container));
        assert_eq!(known, [Some(CUT_OFF.to_owned()), Some("no such table".to_owned()), None, None]);
    }

    #[test]
    fn a_damaged_file_keeps_no_container_from_starting() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("starts"), "{").expect("written");
        let starts = Starts::open(folder.path());
        assert_eq!(starts.problem("any"), None);
        starts.begin("any").expect("written over");
    }

    #[test]
    fn what_cannot_be_written_is_not_taken_for_known() {
        let folder = tempfile::tempdir().expect("a folder");
        let starts = Starts::open(&folder.path().join("missing"));
        assert!(starts.begin("any").is_err());
        assert_eq!(starts.problem("any"), None);
    }
}
