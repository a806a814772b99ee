//! Errors of live trees. Every message names the path.

use std::io;
use std::path::{Path, PathBuf};

use landfast_agent_core::tree::{Conflict, Invalid};

use crate::blobs::BlobError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum TreeError {
    #[error("{0:?} is not the name of a stack")]
    Name(String),
    #[error(transparent)]
    Refused(#[from] Invalid),
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(
        "nothing was changed in {stack}: {}; take the change over into the stack's folder, or move the file away on the host",
        list(conflicts)
    )]
    Conflicts { stack: String, conflicts: Vec<Conflict> },
    #[error("no room on this host's disk for {path}: nothing was changed; free some and run the same again")]
    NoRoom { path: PathBuf },
    #[error("{path}: a link, a device or something else stands where a plain file or folder must be")]
    Swapped { path: PathBuf },
    #[error("{path} is to be mounted and is not among the stack's files on this host")]
    NoSource { path: PathBuf },
    #[error("{path} is to be mounted and leads to a link whose target is missing")]
    Dangling { path: PathBuf },
    #[error("{path} is damaged ({why}): move it away, then files that differ from the bundle are named")]
    Journal { path: PathBuf, why: &'static str },
    #[error("{path}")]
    Io { path: PathBuf, source: io::Error },
}

impl TreeError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }

    pub(super) fn is_not_found(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}

/// Lists the first ten conflicts. The next ones follow when those are resolved.
fn list(conflicts: &[Conflict]) -> String {
    let mut list: Vec<String> = conflicts.iter().take(10).map(ToString::to_string).collect();
    if conflicts.len() > list.len() {
        list.push(format!("and {} more", conflicts.len() - list.len()));
    }
    list.join(", ")
}
