//! Carries out steps on one live tree. Containers can write in it at the same time, so no path is trusted twice: every file
//! is opened from the descriptor of the tree, never through a link, and changed by the last part of its path alone.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use landfast_agent_core::tree::{Mode, Step, TreePath};
use rustix::fs::{AtFlags, FileType, OFlags, RenameFlags, ResolveFlags};
use rustix::io::Errno;

use super::TreeError;
use super::staging::Staging;

const BENEATH: ResolveFlags = ResolveFlags::BENEATH.union(ResolveFlags::NO_MAGICLINKS);
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
/// Number of folders above which one sync of the file system is cheaper than one for each folder.
const SYNC_EACH_MAX: usize = 32;

pub(super) struct LiveTree {
    root: OwnedFd,
}

impl LiveTree {
    pub(super) fn open(path: &Path) -> Result<Self, TreeError> {
        let root = rustix::fs::open(path, FOLDER | OFlags::NOFOLLOW, rustix::fs::Mode::empty());
        Ok(Self { root: root.map_err(|error| TreeError::io(path)(error.into()))? })
    }

    /// Opens a folder of the tree without following a link. `None` is the root of the tree.
    pub(super) fn folder(&self, path: Option<&TreePath>) -> Result<OwnedFd, Errno> {
        self.open_at(path.map_or(".", TreePath::as_str), FOLDER)
    }

    fn open_at(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::CLOEXEC;
        rustix::fs::openat2(&self.root, path, flags, rustix::fs::Mode::empty(), BENEATH | ResolveFlags::NO_SYMLINKS)
    }

    /// Carries out one step of a plan. What it writes is staged under `index`.
    pub(super) fn carry_out(&self, step: &Step, staging: &Staging, index: usize) -> Result<(), TreeError> {
        let path = step.path();
        let done = match step {
            Step::Remove(path) => self.remove(path, AtFlags::empty()),
            Step::RemoveFolder(path) => self.remove_folder(path),
            Step::MakeFolder(path, _) => self.put(staging, index, path, false),
            Step::Write { path, replaces, .. } | Step::Link { path, replaces, .. } => {
                self.put(staging, index, path, *replaces)
            }
            Step::SetMode(path, mode) => self.set_mode(path, *mode),
        };
        done.map_err(|error| failure(path, error))
    }

    /// Puts a staged file in place by one rename, so that the old or the new one is there at any time. No link is followed,
    /// and unless `replaces` is set nothing is replaced.
    fn put(&self, staging: &Staging, index: usize, path: &TreePath, replaces: bool) -> Result<(), Errno> {
        let folder = self.folder(path.parent().as_ref())?;
        let (staged, name) = (Staging::name(index), path.name());
        if replaces {
            return rustix::fs::renameat(staging.folder(), &staged, &folder, name);
        }
        match rustix::fs::renameat_with(staging.folder(), &staged, &folder, name, RenameFlags::NOREPLACE) {
            // The file system does not support the flag. The survey has just shown that nothing is there.
            Err(Errno::INVAL) => rustix::fs::renameat(staging.folder(), &staged, &folder, name),
            done => done,
        }
    }

    fn remove(&self, path: &TreePath, flags: AtFlags) -> Result<(), Errno> {
        rustix::fs::unlinkat(self.folder(path.parent().as_ref())?, path.name(), flags)
    }

    /// Removes a folder. One that is no longer empty stays, and so does a mount point.
    fn remove_folder(&self, path: &TreePath) -> Result<(), Errno> {
        match self.remove(path, AtFlags::REMOVEDIR) {
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::BUSY) => Ok(()),
            done => done,
        }
    }

    /// Sets the mode through a descriptor of a plain file with a single name, so that the target of a link or a device is
    /// never changed.
    fn set_mode(&self, path: &TreePath, mode: Mode) -> Result<(), Errno> {
        let file = self.open_at(path.as_str(), OFlags::PATH | OFlags::NOFOLLOW)?;
        let found = rustix::fs::fstat(&file)?;
        if FileType::from_raw_mode(found.st_mode) != FileType::RegularFile || found.st_nlink != 1 {
            return Err(Errno::LOOP);
        }
        let permissions = Permissions::from_mode(mode.bits());
        fs::set_permissions(by_descriptor(&file), permissions)
            .map_err(|e| Errno::from_io_error(&e).unwrap_or(Errno::IO))
    }

    /// Checks that a container can mount a path. The links of a bundle are followed, but none leads out of the tree.
    pub(super) fn source(&self, path: &TreePath, create: bool) -> Result<(), TreeError> {
        let mut found = self.source_at(path);
        if create && matches!(found, Err(Errno::NOENT)) {
            found = self.make_folders(path).and_then(|()| self.source_at(path));
        }
        match found {
            Err(Errno::NOENT) if create => Err(TreeError::Dangling { path: path.as_str().into() }),
            Err(Errno::NOENT) => Err(TreeError::NoSource { path: path.as_str().into() }),
            found => found.map(drop).map_err(|error| failure(path, error)),
        }
    }

    fn source_at(&self, path: &TreePath) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        rustix::fs::openat2(&self.root, path.as_str(), flags, rustix::fs::Mode::empty(), BENEATH)
    }

    fn make_folders(&self, path: &TreePath) -> Result<(), Errno> {
        let mut folders: Vec<TreePath> = path.ancestors().collect();
        folders.reverse();
        for folder in folders.iter().chain([path]) {
            let parent = self.folder(folder.parent().as_ref())?;
            match rustix::fs::mkdirat(parent, folder.name(), rustix::fs::Mode::from_raw_mode(Mode::FOLDER.bits())) {
                Ok(()) | Err(Errno::EXIST) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Makes the changes of these steps durable.
    pub(super) fn sync(&self, steps: &[Step]) -> Result<(), TreeError> {
        let folders: BTreeSet<Option<TreePath>> = steps.iter().map(|step| step.path().parent()).collect();
        let sync = || {
            if folders.len() > SYNC_EACH_MAX || steps.iter().any(|step| matches!(step, Step::SetMode(..))) {
                return rustix::fs::syncfs(&self.root);
            }
            for folder in &folders {
                match self.folder(folder.as_ref()) {
                    Ok(folder) => rustix::fs::fsync(folder)?,
                    // A file has replaced the folder, or it was removed. The folder above it is synced.
                    Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        };
        sync().map_err(|error| TreeError::io(Path::new("live"))(error.into()))
    }
}

/// Returns a path that opens what the descriptor refers to, even if something else has taken its place in the tree.
pub(super) fn by_descriptor(file: &OwnedFd) -> String {
    use std::os::fd::AsRawFd;
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

fn failure(path: &TreePath, error: Errno) -> TreeError {
    match error {
        Errno::LOOP | Errno::NOTDIR | Errno::XDEV | Errno::EXIST | Errno::ISDIR => {
            TreeError::NotPlain { path: path.as_str().into() }
        }
        Errno::NOSPC | Errno::DQUOT => TreeError::NoRoom { path: path.as_str().into() },
        error => TreeError::io(Path::new(path.as_str()))(error.into()),
    }
}
