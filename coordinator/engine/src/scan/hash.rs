//! Hashes many files in parallel, reading each one once.

use std::collections::BTreeMap;
use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use landfast_agreement::limits::BLOB_MAX;

use super::ScanError;

/// Size of the read buffer in bytes: large enough to make system calls cheap, small enough for the processor's cache.
const BUFFER: usize = 256 * 1024;

type Digests = BTreeMap<String, (String, u64)>;

/// Digest and size of each file, keyed by path. The inner error is the first file that changed while it was read.
pub(super) fn all(root: &Path, paths: &[&str]) -> Result<Result<Digests, PathBuf>, ScanError> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(paths.len()));
    let work = || {
        let mut buffer = vec![0; BUFFER];
        while let Some(path) = paths.get(next.fetch_add(1, Ordering::Relaxed)) {
            let digest = digest(&root.join(path), &mut buffer);
            results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(((*path).to_owned(), digest));
        }
    };
    // A thread costs more than hashing a few small files.
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(paths.len() / 16 + 1);
    std::thread::scope(|scope| {
        (1..threads).for_each(|_| drop(scope.spawn(work)));
        work();
    });
    let mut digests = BTreeMap::new();
    for (path, result) in results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
        match result {
            Ok(Some(digest)) => digests.insert(path, digest),
            Ok(None) => return Ok(Err(root.join(path))),
            Err(source) if source.kind() == io::ErrorKind::NotFound => return Ok(Err(root.join(path))),
            Err(source) if source.kind() == io::ErrorKind::FileTooLarge => {
                return Err(ScanError::FileTooLarge { path: root.join(path) });
            }
            Err(source) => return Err(ScanError::Unreadable { path: root.join(path), source }),
        };
    }
    Ok(Ok(digests))
}

/// Hashes one file. Returns `None` if the file changed while it was read. A file that no agent accepts is not read.
fn digest(path: &Path, buffer: &mut [u8]) -> io::Result<Option<(String, u64)>> {
    let mut file = File::open(path)?;
    let before = file.metadata()?;
    if before.size() > BLOB_MAX {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    let mut hasher = blake3::Hasher::new();
    let mut size = 0;
    loop {
        match file.read(buffer) {
            Ok(0) => break,
            Ok(read) => {
                hasher.update(&buffer[..read]);
                size += read as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    // Compares the file at the path, so that a replaced file counts as changed.
    let unchanged = same(&before, &path.symlink_metadata()?) && size == before.size();
    Ok(unchanged.then(|| (hasher.finalize().to_hex().to_string(), size)))
}

fn same(before: &Metadata, after: &Metadata) -> bool {
    let identity = |of: &Metadata| (of.dev(), of.ino(), of.size(), of.mtime(), of.mtime_nsec(), of.mode());
    identity(before) == identity(after)
}
