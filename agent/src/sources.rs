//! Where mounts come from on this host: examines the sources of a container's mounts, and makes the folders that may be
//! made, as the engine does for a short-form bind mount.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _};
use std::path::{Path, PathBuf};

use landfast_agent_core::attempts::Severity;

/// What is at a path, with links followed.
#[derive(Debug)]
pub(crate) enum Found {
    /// A folder.
    Folder,
    /// A file, a socket, a pipe or a device: anything else that can be mounted.
    Other(Kind),
    /// Nothing; a folder can be made there.
    Missing,
    /// Nothing, and no folder can be made there.
    Impossible(SourceError),
}

/// What else than a folder can be mounted.
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
    #[error("{} is missing, and the mount does not let it be made: make it on the host", .0.display())]
    Missing(PathBuf),
    #[error("{} is a link to {}, which is missing", path.display(), target.display())]
    Dangling { path: PathBuf, target: PathBuf },
    #[error("{} cannot be made: {} is not a folder", path.display(), parent.display())]
    NotAFolder { path: PathBuf, parent: PathBuf },
    #[error("{} cannot be made: its file system is read-only", .0.display())]
    ReadOnly(PathBuf),
    #[error("{} cannot be examined", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the folder {} cannot be made", path.display())]
    NotMade {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl SourceError {
    /// Only a full disk passes by itself.
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

/// The path as the source of a mount: it is there, or `create` makes it a folder. Blocks.
pub(crate) fn prepare(path: &Path, create: bool) -> Result<(), SourceError> {
    match examine(path) {
        Found::Folder | Found::Other(_) => Ok(()),
        Found::Impossible(error) => Err(error),
        Found::Missing if !create => Err(SourceError::Missing(path.to_owned())),
        Found::Missing => make(path).map_err(|source| SourceError::NotMade { path: path.to_owned(), source }),
    }
}

/// A folder with its parents, each with the mode that Compose's engine gives it. What appears meanwhile is kept.
fn make(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o755).create(path)
}

/// Looks at a path and changes nothing. Blocks.
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

/// Whether a folder can be made where nothing is.
fn absent(path: &Path) -> Found {
    for place in path.ancestors() {
        if let Ok(target) = fs::read_link(place) {
            // A link that leads to something is followed: what is missing is below it.
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
