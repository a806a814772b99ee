//! The sources of mounts on this host: examines them, and creates the folders that may be created, as the engine does for a
//! short-form bind mount.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _};
use std::path::{Path, PathBuf};

use landfast_agent_core::attempts::Severity;

/// What is at a path, after following links.
#[derive(Debug)]
pub(crate) enum Found {
    /// A folder.
    Folder,
    /// A file, a socket, a pipe or a device.
    Other(Kind),
    /// Nothing, but a folder can be created there.
    Missing,
    /// Nothing, and no folder can be created there.
    Impossible(SourceError),
}

/// Kind of a mountable object that is not a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Socket,
    Pipe,
    Device,
}

/// Why a path cannot be the source of a mount.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("{} does not exist, and the mount does not allow it to be created: create it on the host", .0.display())]
    Missing(PathBuf),
    #[error("{} is a link to {}, which is missing", path.display(), target.display())]
    Dangling { path: PathBuf, target: PathBuf },
    #[error("{} cannot be created: {} is not a folder", path.display(), parent.display())]
    NotAFolder { path: PathBuf, parent: PathBuf },
    #[error("{} cannot be created: its file system is read-only", .0.display())]
    ReadOnly(PathBuf),
    #[error("{} cannot be examined", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the folder {} cannot be created", path.display())]
    NotMade {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl SourceError {
    /// Whether another attempt may succeed. Only a full disk is a problem that passes by itself.
    pub(crate) fn severity(&self) -> Severity {
        match self {
            SourceError::NotMade { source, .. }
                if matches!(source.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) =>
            {
                Severity::Counted
            }
            _ => Severity::Final,
        }
    }
}

/// Makes sure that a path can be the source of a mount: it exists, or `create` makes it a folder. Blocks.
pub(crate) fn prepare(path: &Path, create: bool) -> Result<(), SourceError> {
    match examine(path) {
        Found::Folder | Found::Other(_) => Ok(()),
        Found::Impossible(error) => Err(error),
        Found::Missing if !create => Err(SourceError::Missing(path.to_owned())),
        Found::Missing => make(path).map_err(|source| SourceError::NotMade { path: path.to_owned(), source }),
    }
}

/// Creates a folder and its parents, with the mode that the engine uses. Folders that appear meanwhile are kept.
fn make(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// Examines a path without changing anything. Blocks.
pub(crate) fn examine(path: &Path) -> Found {
    match fs::metadata(path) {
        Ok(found) if found.is_dir() => Found::Folder,
        Ok(found) => Found::Other(kind(found.file_type())),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => absent(path),
        Err(source) => Found::Impossible(SourceError::Unreadable { path: path.to_owned(), source }),
    }
}

fn kind(found: fs::FileType) -> Kind {
    if found.is_socket() {
        Kind::Socket
    } else if found.is_fifo() {
        Kind::Pipe
    } else if found.is_block_device() || found.is_char_device() {
        Kind::Device
    } else {
        Kind::File
    }
}

/// Whether a folder can be created at a path where nothing is.
fn absent(path: &Path) -> Found {
    for place in path.ancestors() {
        if let Ok(target) = fs::read_link(place) {
            // The link leads to something, so what is missing is below its target.
            if fs::metadata(place).is_err() {
                return Found::Impossible(SourceError::Dangling { path: place.to_owned(), target });
            }
        }
        match fs::metadata(place) {
            Ok(found) if !found.is_dir() => {
                let error = SourceError::NotAFolder { path: path.to_owned(), parent: place.to_owned() };
                return Found::Impossible(error);
            }
            Ok(_) if is_read_only(place) => return Found::Impossible(SourceError::ReadOnly(path.to_owned())),
            Ok(_) => return Found::Missing,
            Err(_) => {}
        }
    }
    Found::Missing
}

fn is_read_only(folder: &Path) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|found| found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

#[cfg(test)]
mod tests;
