//! The process that has a store open, so that others can say who it is. It is written beside the store, and counts only while the
//! store is locked.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::StoreError;

/// A process that uses a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// Person, machine and process: `anna@laptop, process 4711`.
    pub owner: String,
    /// What it does, as the arguments of its command: `up data web`.
    pub purpose: String,
    /// Time at which it opened the store, in RFC 3339 and UTC.
    pub since: String,
}

impl fmt::Display for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { owner, purpose, since } = self;
        write!(f, "{owner} (`landfast {purpose}`, since {since})")
    }
}

impl User {
    /// Describes a process that opens a store now.
    pub fn new(owner: String, purpose: &str) -> Self {
        let since = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        Self { owner, purpose: purpose.to_owned(), since }
    }

    /// Writes the user beside the store. A failure only makes a message of another process less precise.
    pub(super) fn record(&self, store: &Path) -> Option<Record> {
        let path = beside(store);
        let text = serde_json::to_string(self).ok()?;
        match std::fs::write(&path, text) {
            Ok(()) => Some(Record(path)),
            Err(error) => {
                tracing::debug!(path = %path.display(), %error, "user of the store not recorded");
                None
            }
        }
    }
}

/// What is written of a user. It is removed before the store is closed.
pub(super) struct Record(PathBuf);

impl Drop for Record {
    fn drop(&mut self) {
        // A file that is left says nothing while the store is not locked.
        drop(std::fs::remove_file(&self.0));
    }
}

fn beside(store: &Path) -> PathBuf {
    store.with_extension("user")
}

/// Adds to an error of opening a store who uses it.
pub(super) fn named(error: StoreError, store: &Path) -> StoreError {
    match error {
        StoreError::Locked { path, user: None } => {
            let text = std::fs::read_to_string(beside(store)).ok();
            let user = text.and_then(|text| serde_json::from_str(&text).ok());
            StoreError::Locked { path, user: user.map(Box::new) }
        }
        error => error,
    }
}
