//! Blobs that are verified and not yet durable. One sync for many of them costs as much as one for a single blob, so they
//! are collected.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs_err as fs;
use fs_err::File;
use landfast_agent_core::tree::Digest;

use super::{BlobError, make_folder, path};

/// Number of files or folders above which one sync of the file system is cheaper than one for each.
const SYNC_EACH_MAX: usize = 16;
/// Maximum number of blobs that wait for a sync. A power failure loses those that wait.
const COUNT_MAX: usize = 1024;
const BYTES_MAX: u64 = 16 << 20;

#[derive(Debug)]
pub(super) struct Pending {
    /// Folder of blobs that are being received.
    incoming: PathBuf,
    /// Folder of blobs that are verified, by digest.
    verified: PathBuf,
    next: AtomicU64,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    blobs: BTreeSet<Digest>,
    bytes: u64,
}

impl Pending {
    /// Removes the blobs that were being received when the agent ended, and keeps those that were verified. They are
    /// verified again, because a power failure, unlike a kill, may have damaged them.
    pub(super) fn open(root: &Path) -> Result<Self, BlobError> {
        let (incoming, verified) = (root.join("incoming"), root.join("verified"));
        if incoming.exists() {
            fs::remove_dir_all(&incoming)?;
        }
        for folder in [&incoming, &verified] {
            make_folder(folder)?;
        }
        let mut waiting = Waiting::default();
        for entry in fs::read_dir(&verified)? {
            let found = entry?.path();
            match verified_blob(&found)? {
                Some(digest) => drop(waiting.blobs.insert(digest)),
                None => fs::remove_file(&found)?,
            }
        }
        Ok(Self { incoming, verified, next: AtomicU64::new(0), waiting: Mutex::new(waiting) })
    }

    /// Returns the path for the next blob.
    pub(super) fn next_path(&self) -> PathBuf {
        self.incoming.join(self.next.fetch_add(1, Ordering::Relaxed).to_string())
    }

    pub(super) fn has(&self, digest: &Digest) -> bool {
        self.waiting().blobs.contains(digest)
    }

    /// Adds a blob that was received at `staged` and verified.
    pub(super) fn add(&self, root: &Path, staged: &Path, digest: Digest, size: u64) -> Result<(), BlobError> {
        let mut waiting = self.waiting();
        let kept = fs::rename(staged, self.verified.join(digest.as_str()));
        kept.map_err(|source| BlobError::write(&digest, size, source))?;
        waiting.blobs.insert(digest);
        waiting.bytes += size;
        if waiting.blobs.len() >= COUNT_MAX || waiting.bytes >= BYTES_MAX {
            self.settle_all(root, &mut waiting)?;
        }
        Ok(())
    }

    /// Moves all blobs that wait into the store. They are durable when this returns.
    pub(super) fn settle(&self, root: &Path) -> Result<(), BlobError> {
        self.settle_all(root, &mut self.waiting())
    }

    fn settle_all(&self, root: &Path, waiting: &mut Waiting) -> Result<(), BlobError> {
        if waiting.blobs.is_empty() {
            return Ok(());
        }
        self.move_in(root, &waiting.blobs)?;
        *waiting = Waiting::default();
        Ok(())
    }

    fn move_in(&self, root: &Path, blobs: &BTreeSet<Digest>) -> io::Result<()> {
        sync(root, blobs.iter().map(|digest| self.verified.join(digest.as_str())).collect())?;
        let mut folders = BTreeSet::from([root.to_owned()]);
        for digest in blobs {
            let to = path(root, digest);
            let folder = to.parent().unwrap_or(root);
            make_folder(folder)?;
            match fs::rename(self.verified.join(digest.as_str()), &to) {
                // An earlier attempt has moved this blob already.
                Err(error) if error.kind() == io::ErrorKind::NotFound && to.exists() => {}
                renamed => renamed?,
            }
            folders.insert(folder.to_owned());
        }
        sync(root, folders)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes these files or folders of one file system durable. Those that are missing were made durable by an earlier attempt.
fn sync(root: &Path, paths: BTreeSet<PathBuf>) -> io::Result<()> {
    if paths.len() > SYNC_EACH_MAX {
        return Ok(rustix::fs::syncfs(File::open(root)?)?);
    }
    for path in paths {
        match File::open(path) {
            Ok(file) => file.sync_all()?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns the digest that a file is named by, if its contents match.
fn verified_blob(file: &Path) -> io::Result<Option<Digest>> {
    let name = file.file_name().and_then(|name| name.to_str()).and_then(|name| Digest::parse(name).ok());
    let Some(digest) = name else { return Ok(None) };
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(file)?)?;
    Ok((hasher.finalize().to_hex().as_str() == digest.as_str()).then_some(digest))
}
