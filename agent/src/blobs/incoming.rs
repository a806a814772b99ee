//! One blob that is being received. It is written beside the store, verified, and moved into the store once it is complete.

use std::io::{self, Write};
use std::path::PathBuf;

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use fs_err::{File, OpenOptions};
use landfast_agent_core::tree::Digest;
use landfast_agreement::limits::BLOB_MAX;
use rustix::fs::FallocateFlags;

use super::{BlobError, BlobStore};

/// A blob that is being received. If it is dropped before it is complete, nothing of it is left.
#[derive(Debug)]
pub(crate) struct Incoming {
    store: BlobStore,
    digest: Digest,
    size: u64,
    got: u64,
    hasher: blake3::Hasher,
    /// File that the bytes are written to; `None` if the store has the blob already, and the bytes are only counted and
    /// verified.
    staged: Option<Staged>,
}

#[derive(Debug)]
struct Staged {
    file: File,
    path: PathBuf,
}

impl Incoming {
    pub(super) fn begin(store: &BlobStore, digest: Digest, size: u64) -> Result<Self, BlobError> {
        if size > BLOB_MAX {
            return Err(BlobError::TooLarge { digest, size, limit: BLOB_MAX });
        }
        let known = store.pending.has(&digest) || store.has(&digest, Some(size));
        let staged = if known { None } else { Some(Staged::begin(store, &digest, size)?) };
        Ok(Self { store: store.clone(), digest, size, got: 0, hasher: blake3::Hasher::new(), staged })
    }

    /// Receives the next bytes.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        self.got += bytes.len() as u64;
        if self.got > self.size {
            return Err(self.wrong_size());
        }
        self.hasher.update(bytes);
        match &mut self.staged {
            Some(staged) => (staged.file.write_all(bytes)).map_err(|e| BlobError::write(&self.digest, self.size, e)),
            None => Ok(()),
        }
    }

    /// Verifies the blob and keeps it. Returns whether it is new to the store.
    pub(crate) fn finish(self) -> Result<bool, BlobError> {
        if self.got != self.size {
            return Err(self.wrong_size());
        }
        if self.hasher.finalize().to_hex().as_str() != self.digest.as_str() {
            return Err(BlobError::Mismatch(self.digest));
        }
        match self.staged {
            Some(staged) => {
                self.store.pending.add(&self.store.root, &staged.path, self.digest, self.size)?;
                Ok(true)
            }
            None => Ok(false),
        }
    }

    fn wrong_size(&self) -> BlobError {
        BlobError::Size { digest: self.digest.clone(), size: self.size, got: self.got }
    }
}

impl Staged {
    /// Opens the file and reserves the space, so that a full disk is known before the bytes have been sent.
    fn begin(store: &BlobStore, digest: &Digest, size: u64) -> Result<Self, BlobError> {
        let path = store.pending.next_path();
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(|source| BlobError::write(digest, size, source))?;
        let staged = Self { file, path };
        match rustix::fs::fallocate(&staged.file, FallocateFlags::empty(), 0, size) {
            Err(full @ (rustix::io::Errno::NOSPC | rustix::io::Errno::DQUOT)) => {
                Err(BlobError::write(digest, size, full.into()))
            }
            // The size is 0, or the file system cannot reserve space. A lack of room then shows while writing.
            _ => Ok(staged),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        match fs::remove_file(&self.path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {} // It was kept.
            Err(error) => tracing::warn!(path = %self.path.display(), %error, "unfinished blob not removed"),
        }
    }
}
