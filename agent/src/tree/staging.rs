//! Prepares all new files beside the live tree, where no container sees them. A lack of room or a damaged blob fails here,
//! before the tree is changed.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use landfast_agent_core::tree::{Digest, Mode, Step, TreePath};

use super::{Counted, Progress, TreeError, make_folder};
use crate::blobs::{BlobError, BlobStore};

/// Number of files above which one sync of the file system is cheaper than one for each file.
const SYNC_EACH_MAX: usize = 32;

/// The files, links and folders of a plan, each named by the number of its step. They are removed when this is dropped.
pub(super) struct Staging {
    path: PathBuf,
    folder: File,
}

impl Staging {
    /// Prepares what `steps` write. It is durable when this returns.
    pub(super) fn fill(
        stack_folder: &Path,
        blobs: &BlobStore,
        steps: &[Step],
        progress: &Progress,
    ) -> Result<Self, TreeError> {
        let path = stack_folder.join("staging");
        clear(&path)?;
        make_folder(&path, 0o700)?;
        let folder = File::open(&path).map_err(TreeError::io(&path))?;
        let staging = Self { path, folder };
        let files = steps.iter().filter(|step| matches!(step, Step::Write { .. })).count();
        for (index, step) in steps.iter().enumerate() {
            staging.stage(index, step, (blobs, progress), files <= SYNC_EACH_MAX)?;
            progress.add(1);
        }
        if files > SYNC_EACH_MAX {
            rustix::fs::syncfs(&staging.folder).map_err(|error| TreeError::io(&staging.path)(error.into()))?;
        }
        Ok(staging)
    }

    /// Returns the folder, to rename files out of it.
    pub(super) fn folder(&self) -> &File {
        &self.folder
    }

    /// Returns the name of what is staged for the step with this number.
    pub(super) fn name(index: usize) -> String {
        index.to_string()
    }

    /// Removes what is left.
    pub(super) fn remove(self) -> Result<(), TreeError> {
        clear(&self.path)
    }

    fn stage(&self, index: usize, step: &Step, source: (&BlobStore, &Progress), sync: bool) -> Result<(), TreeError> {
        let staged = self.path.join(Self::name(index));
        match step {
            Step::Write { path, digest, size, mode, .. } => {
                stage_file(&staged, source, (digest, *size), *mode, sync).map_err(|error| error.naming(path))
            }
            Step::Link { path, target, .. } => symlink(target.as_str(), &staged).map_err(on(path)),
            Step::MakeFolder(path, mode) => {
                // The folder is created where no container sees it, and gets its mode without the umask before it appears
                // in the tree.
                DirBuilder::new().mode(0o700).create(&staged).map_err(on(path))?;
                fs::set_permissions(&staged, Permissions::from_mode(mode.bits())).map_err(on(path))
            }
            Step::Remove(_) | Step::RemoveFolder(_) | Step::SetMode(..) => Ok(()),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if let Err(error) = clear(&self.path) {
            tracing::warn!(error = &error as &dyn std::error::Error, "staging not removed");
        }
    }
}

fn stage_file(
    staged: &Path,
    (blobs, progress): (&BlobStore, &Progress),
    (digest, size): (&Digest, u64),
    mode: Mode,
    sync: bool,
) -> Result<(), StageError> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(staged)?;
    blobs.copy(digest, size, &mut Counted { to: &mut file, progress })?;
    file.set_permissions(Permissions::from_mode(mode.bits()))?;
    if sync { Ok(file.sync_all()?) } else { Ok(()) }
}

#[derive(Debug, thiserror::Error)]
enum StageError {
    #[error(transparent)]
    Blob(#[from] BlobError),
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StageError {
    fn naming(self, path: &TreePath) -> TreeError {
        match self {
            Self::Blob(BlobError::NoRoom { .. }) => TreeError::NoRoom { path: path.as_str().into() },
            Self::Blob(error) => TreeError::Blob(error),
            Self::Io(error) => on(path)(error),
        }
    }
}

fn on(path: &TreePath) -> impl FnOnce(io::Error) -> TreeError {
    let path = PathBuf::from(path.as_str());
    move |source| match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => TreeError::NoRoom { path },
        _ => TreeError::Io { path, source },
    }
}

fn clear(path: &Path) -> Result<(), TreeError> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(TreeError::io(path)(source)),
        _ => Ok(()),
    }
}
