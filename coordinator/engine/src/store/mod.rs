//! The coordinator's state: releases, journals and epochs, as bytes in a key-value store.
//!
//! Other modules depend only on the trait [`Store`]. The only implementation is the embedded store.

mod embedded;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use futures::future::BoxFuture;

/// A value with its version, which the next compare-and-set of the key must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    /// Stored bytes.
    pub value: Vec<u8>,
    /// Version of the change that wrote the value. Versions grow with every change of the store and are never reused,
    /// not even after a key is deleted.
    pub version: u64,
}

/// A failure of the store. The messages contain the next step for the user where there is one.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has the store open.
    #[error("another landfast process is using {path}: wait until it ends, or stop it")]
    Locked { path: String },
    /// The key has another version than the expected one.
    #[error("another operator changed {key} in the meantime: run the command again")]
    Conflict { key: String },
    /// The file is damaged, or is not a store.
    #[error(
        "{path} is damaged ({problem}); nothing was changed. `landfast recover` moves the file away and makes a new one from \
         what the hosts know"
    )]
    Damaged { path: String, problem: String },
    /// The file cannot be opened, read or written.
    #[error("the store at {path} cannot be used")]
    Unusable {
        path: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// A change of one key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The key.
    pub key: String,
    /// Version that the key must have; `None` for a key that must not exist.
    pub expected: Option<u64>,
    /// Value to write; `None` deletes the key.
    pub value: Option<Vec<u8>>,
}

/// A key-value store. Keys are paths, such as `releases/data/0000000007`.
pub trait Store: Send + Sync {
    /// The value of a key, with its version.
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>>;

    /// Makes all of these changes, or none. They are durable when the future completes. Returns the version that the
    /// changed keys have.
    ///
    /// # Errors
    /// [`StoreError::Conflict`] if a key has another version than the expected one.
    fn txn(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<u64, StoreError>>;

    /// The records whose keys begin with `prefix`, in order.
    fn range<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>>;
}

impl dyn Store + '_ {
    /// Makes one change: see [`Store::txn`].
    pub async fn compare_and_set(
        &self,
        key: &str,
        expected: Option<u64>,
        value: Option<Vec<u8>>,
    ) -> Result<u64, StoreError> {
        self.txn(vec![Change { key: key.to_owned(), expected, value }]).await
    }

    /// Returns the change that writes a value over whatever the key has now.
    pub async fn overwrite(&self, key: String, value: Vec<u8>) -> Result<Change, StoreError> {
        let expected = self.get(&key).await?.map(|found| found.version);
        Ok(Change { key, expected, value: Some(value) })
    }
}

/// Opens the embedded store in this file, and creates it if it does not exist. Only one process at a time can have it
/// open.
pub fn open(path: &Path) -> Result<Box<dyn Store>, StoreError> {
    Ok(Box::new(embedded::Embedded::open(PathBuf::from(path))?))
}
