//! Errors of the blob store, with what to do about them.

use std::io;

use landfast_agent_core::tree::{Digest, Invalid};

use super::manifest::ManifestError;

#[derive(Debug, thiserror::Error)]
pub(crate) enum BlobError {
    #[error(transparent)]
    Name(#[from] Invalid),
    #[error("blob {0} is not on this host")]
    Absent(Digest),
    #[error("blob {0} was damaged on this host's disk and was removed: run the command again to send it again")]
    Damaged(Digest),
    #[error("the bytes received do not have the digest {0}")]
    Mismatch(Digest),
    #[error("blob {digest} was announced with {size} bytes, and {got} were received")]
    Size { digest: Digest, size: u64, got: u64 },
    #[error("blob {digest} has {size} bytes, and the limit is {limit}")]
    TooLarge { digest: Digest, size: u64, limit: u64 },
    #[error(
        "no space left on this host's disk for blob {digest} of {size} bytes: free some space and run the command again"
    )]
    NoRoom { digest: Digest, size: u64 },
    #[error("manifest {digest} is refused")]
    Manifest { digest: Digest, source: ManifestError },
    /// An error of `fs_err`, which names the file.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl BlobError {
    /// An error of writing a blob. A full disk is a case of its own, because an operator can do something about it.
    pub(super) fn write(digest: &Digest, size: u64, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::NoRoom { digest: digest.clone(), size },
            _ => Self::Io(error),
        }
    }
}
