//! What a coordinator remembers: releases, journals and epochs, as bytes behind one small trait.
//!
//! Nothing else ever learns which store it is: the embedded one today, etcd when there are several coordinators.

mod embedded;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

use futures::future::BoxFuture;
use futures::stream::BoxStream;

/// A value and the version that a compare-and-set has to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Versioned {
    pub value: Vec<u8>,
    /// Grows with every change of the store; never used twice, not even for a key that was deleted and made again.
    pub version: u64,
}

/// What a watch sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The key has a new value, or none any more.
    Set { key: String, now: Option<Versioned> },
    /// Changes came faster than they were read, and some are lost: read the range again.
    Missed,
}

/// Why the store did not do what it was asked. Each says what to do, where there is something.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("another landfast is using {path}: wait for it, or end it")]
    Locked { path: String },
    #[error("{key} was changed by somebody else")]
    Conflict { key: String },
    #[error("{name} is being done by somebody else")]
    Held { name: String },
    #[error(
        "{path} is damaged ({problem}); nothing was changed. To go on without the history in it, move it away: what \
         runs, the hosts themselves say"
    )]
    Damaged { path: String, problem: String },
    #[error("the store at {path} cannot be used")]
    Unusable {
        path: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Keys are paths: `releases/data/0000000007`.
pub trait Store: Send + Sync {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>>;

    /// Writes if the key still has this version, `None` for a key that must not be there yet; `value` `None` deletes.
    /// Durable when it returns. Returns the version that this change made. Errors: [`StoreError::Conflict`].
    fn compare_and_set<'a>(
        &'a self,
        key: &'a str,
        expected: Option<u64>,
        value: Option<Vec<u8>>,
    ) -> BoxFuture<'a, Result<u64, StoreError>>;

    /// All keys that begin with `prefix`, in order.
    fn range<'a>(&'a self, prefix: &'a str) -> BoxFuture<'a, Result<Vec<(String, Versioned)>, StoreError>>;

    /// Every change from now on to a key that begins with `prefix`.
    fn watch(&self, prefix: &str) -> BoxStream<'static, Change>;

    /// The sole right to do something, until the lease is dropped or its holder is gone. Does not wait. Errors:
    /// [`StoreError::Held`].
    fn lease<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Lease, StoreError>>;
}

/// The sole right to do something; given back when dropped.
pub struct Lease {
    name: String,
    give_back: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl Lease {
    fn new(name: String, give_back: impl FnOnce() + Send + Sync + 'static) -> Self {
        Self { name, give_back: Some(Box::new(give_back)) }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if let Some(give_back) = self.give_back.take() {
            give_back();
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("name", &self.name).finish()
    }
}

/// Opens the embedded store in this file, and makes it when there is none. One process at a time.
pub fn open(path: &Path) -> Result<Box<dyn Store>, StoreError> {
    Ok(Box::new(embedded::Embedded::open(PathBuf::from(path))?))
}
