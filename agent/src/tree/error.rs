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
        "no file of {stack} was changed, because the new bundle conflicts with files on this host: {}; make the change in the stack's folder too, or move the file away on the host",
        list(conflicts)
    )]
    Conflicts { stack: String, conflicts: Vec<Conflict> },
    #[error(
        "no space left on this host's disk for {path}, and no file was changed: free some space and run the command again"
    )]
    NoRoom { path: PathBuf },
    #[error("{path} is a link, a device or something else where a plain file or folder must be: remove it on the host")]
    NotPlain { path: PathBuf },
    #[error("the mount source {path} is not among the stack's files on this host")]
    NoSource { path: PathBuf },
    #[error("the mount source {path} is a link whose target is missing")]
    Dangling { path: PathBuf },
    #[error("{path} is damaged ({why}): move it away; the next deployment lists the files that differ from the bundle")]
    Journal { path: PathBuf, why: &'static str },
    #[error("cannot access {path}")]
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
