//! The coordinator's state: releases, journals and epochs, as bytes in a key-value store.
//!
//! Other modules depend only on the trait [`Store`]. The only implementation is the embedded store.

mod embedded;
mod overlay;
#[cfg(test)]
mod tests;
mod user;

use std::path::{Path, PathBuf};

use futures::future::BoxFuture;

use crate::Hint;

pub use user::User;

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
    #[error("{path} is in use by {}", user.as_ref().map_or_else(|| "another landfast process".to_owned(), ToString::to_string))]
    Locked { path: String, user: Option<Box<User>> },
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

impl Hint for StoreError {
    fn hint(&self) -> Option<String> {
        let waiting = "run the command again when the other one has ended, or pass --wait 10m to wait for it";
        matches!(self, Self::Locked { .. }).then(|| waiting.to_owned())
    }
}

/// A part of a range of records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Keys and values, in the order of the keys.
    pub records: Vec<(String, Versioned)>,
    /// Version of the last change of the store before the page was read.
    pub revision: u64,
    /// Whether there are more records after these.
    pub has_more: bool,
}

/// Number of records of a page.
pub const PAGE: usize = 500;

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

    /// At most `limit` records whose keys begin with `prefix` and are greater than `after`, in order. All records of a page
    /// are as they were at its revision.
    fn page<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>>;
}

impl dyn Store + '_ {
    /// All records whose keys begin with `prefix`, in order, as they were at one revision.
    pub async fn range(&self, prefix: &str) -> Result<Vec<(String, Versioned)>, StoreError> {
        'again: loop {
            let mut page = self.page(prefix, None, PAGE).await?;
            let mut records = std::mem::take(&mut page.records);
            while page.has_more {
                let after = records.last().map(|(key, _)| key.clone());
                let next = self.page(prefix, after.as_deref(), PAGE).await?;
                if next.revision != page.revision {
                    // The store has changed since the first page.
                    continue 'again;
                }
                page = next;
                records.append(&mut page.records);
            }
            return Ok(records);
        }
    }

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
/// open; the others are told who that is.
pub fn open(path: &Path, user: Option<&User>) -> Result<Box<dyn Store>, StoreError> {
    let opened = embedded::Embedded::open(PathBuf::from(path), user);
    Ok(Box::new(opened.map_err(|error| user::named(error, path))?))
}

/// Opens a copy in memory of the store in this file; an empty one if there is no file. It can be read while another process has
/// the store open, and what is written to it is lost.
pub fn open_copy(path: &Path) -> Result<Box<dyn Store>, StoreError> {
    Ok(Box::new(embedded::Embedded::copy(PathBuf::from(path))?))
}
