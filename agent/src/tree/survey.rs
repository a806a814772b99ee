//! Surveys the disk for a plan: what is at each path, and the digests of files. Links are not followed.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use landfast_agent_core::tree::{Content, Digest, Found, Manifest, Mode, Survey, TreePath};
use rustix::fs::{AtFlags, FileType, OFlags, Stat};
use rustix::io::Errno;

use super::TreeError;
use super::live::{LiveTree, by_descriptor};

/// Seconds during which a file that has changed may change again without a new time stamp. Its digest is not cached before
/// they have passed.
const SETTLED_AFTER_SECONDS: i64 = 2;

/// Digests of files that have not changed since they were read.
pub(super) type HashCache = BTreeMap<TreePath, (Signature, Digest)>;

/// Attributes of a file. If they are unchanged, so are its bytes, because only the kernel sets the change time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Signature {
    device: u64,
    inode: u64,
    size: i64,
    changed: (i64, u64),
}

/// Surveys `paths`. `cache` holds the digests from the last survey of this tree.
pub(super) fn survey(
    live: &LiveTree,
    paths: &BTreeSet<TreePath>,
    manifests: &[&Manifest],
    cache: &mut HashCache,
) -> Result<Survey, TreeError> {
    let mut surveyor = Surveyor { live, paths, manifests, known: std::mem::take(cache), fresh: cache, folder: None };
    let mut survey = Survey::new();
    for path in paths {
        let found = surveyor.look(path).map_err(|error| TreeError::io(Path::new(path.as_str()))(error.into()))?;
        survey.extend(found.map(|found| (path.clone(), found)));
    }
    Ok(survey)
}

struct Surveyor<'a> {
    live: &'a LiveTree,
    paths: &'a BTreeSet<TreePath>,
    manifests: &'a [&'a Manifest],
    known: HashCache,
    fresh: &'a mut HashCache,
    /// The folder that was opened last. The next path is mostly in the same one.
    folder: Option<(Option<TreePath>, OwnedFd)>,
}

impl Surveyor<'_> {
    /// Returns what is at a path; `None` if nothing is there, or if the path leads through something that is not a folder.
    fn look(&mut self, path: &TreePath) -> Result<Option<Found>, Errno> {
        match self.look_in_folder(path) {
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => Ok(None),
            found => found.map(Some),
        }
    }

    fn look_in_folder(&mut self, path: &TreePath) -> Result<Found, Errno> {
        let parent = path.parent();
        if self.folder.as_ref().is_none_or(|(open, _)| *open != parent) {
            self.folder = Some((parent.clone(), self.live.folder(parent.as_ref())?));
        }
        let (_, folder) = self.folder.as_ref().expect("it was opened just now");
        let stat = rustix::fs::statat(folder, path.name(), AtFlags::SYMLINK_NOFOLLOW)?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile if self.may_be_brought(path, stat.st_size) => {
                let mode = Mode::of_disk(stat.st_mode);
                let file = rustix::fs::openat(
                    folder,
                    path.name(),
                    OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                    rustix::fs::Mode::empty(),
                )?;
                Ok(self.digest(path, &file)?.map_or(Found::Other, |digest| Found::File { digest, mode }))
            }
            FileType::Symlink => Ok(read_link(folder, path.name())?.map_or(Found::Other, Found::Link)),
            FileType::Directory => {
                let folder = rustix::fs::openat(
                    folder,
                    path.name(),
                    OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                    rustix::fs::Mode::empty(),
                )?;
                Ok(Found::Folder { foreign: self.holds_foreign(path, &folder)? })
            }
            _ => Ok(Found::Other),
        }
    }

    /// Whether a bundle may have brought a file of this size. Other files are not read, because a container may have made
    /// them huge.
    fn may_be_brought(&self, path: &TreePath, size: i64) -> bool {
        let is_of_size = |manifest: &&Manifest| match manifest.get(path).map(|entry| &entry.content) {
            Some(Content::File { size: brought, .. }) => i64::try_from(*brought) == Ok(size),
            _ => false,
        };
        self.manifests.iter().any(is_of_size)
    }

    /// Returns the digest of a file; `None` if it is not a plain file after all. The descriptor has not opened the file for
    /// reading, so a device in its place is not touched.
    fn digest(&mut self, path: &TreePath, file: &OwnedFd) -> Result<Option<Digest>, Errno> {
        let stat = rustix::fs::fstat(file)?;
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
            return Ok(None);
        }
        let signature = Signature::of(&stat);
        let digest = match self.known.remove(path) {
            Some((known, digest)) if known == signature => digest,
            _ => hash(file)?,
        };
        if signature.is_settled() {
            self.fresh.insert(path.clone(), (signature, digest.clone()));
        }
        Ok(Some(digest))
    }

    fn holds_foreign(&self, path: &TreePath, folder: &OwnedFd) -> Result<bool, Errno> {
        for entry in rustix::fs::Dir::read_from(folder)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if name == b"." || name == b".." {
                continue;
            }
            let child = std::str::from_utf8(name).ok().and_then(|name| TreePath::parse(&format!("{path}/{name}")).ok());
            if child.is_none_or(|child| !self.paths.contains(&child)) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Returns the target of a link; `None` if it is not UTF-8, so that no bundle can have brought it.
fn read_link(folder: &impl AsFd, name: &str) -> Result<Option<String>, Errno> {
    Ok(rustix::fs::readlinkat(folder, name, Vec::new())?.into_string().ok())
}

fn hash(file: &OwnedFd) -> Result<Digest, Errno> {
    let io = |error: std::io::Error| Errno::from_io_error(&error).unwrap_or(Errno::IO);
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(File::open(by_descriptor(file)).map_err(io)?).map_err(io)?;
    Ok(Digest::parse(hasher.finalize().to_hex().as_str()).expect("a digest prints as one"))
}

impl Signature {
    fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev,
            inode: stat.st_ino,
            size: stat.st_size,
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }

    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs());
        self.changed.0.saturating_add(SETTLED_AFTER_SECONDS) < i64::try_from(now).unwrap_or(i64::MAX)
    }
}
