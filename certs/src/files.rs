//! Reads and writes the files of keys and certificates. Only its owner can read a private file, and every write is
//! atomic.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use crate::Error;

/// Who may read a file.
#[derive(Clone, Copy)]
pub(crate) enum Access {
    /// The owner only: mode 0600.
    Owner,
    /// Everyone: mode 0644.
    Everyone,
}

/// Creates a folder that only its owner may enter. An existing folder keeps its mode, because each key file has its
/// own.
pub(crate) fn private_folder(path: &Path) -> Result<(), Error> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| Error::Write { path: path.to_owned(), source })
}

/// Replaces a file atomically and durably.
pub(crate) fn write(path: &Path, contents: &str, access: Access) -> Result<(), Error> {
    replace(path, contents, access).map_err(|source| Error::Write { path: path.to_owned(), source })
}

fn replace(path: &Path, contents: &str, access: Access) -> io::Result<()> {
    let mode = match access {
        Access::Owner => 0o600,
        Access::Everyone => 0o644,
    };
    let temporary = path.with_extension("new");
    if let Err(error) = fs::remove_file(&temporary)
        && error.kind() != io::ErrorKind::NotFound
    {
        return Err(error);
    }
    // Create the file with its final mode, so that no other user can ever open it.
    let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
    file.write_all(contents.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

pub(crate) fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })
}

/// Reads a key file. Refuses it if anyone but its owner has access.
pub(crate) fn read_key(path: &Path) -> Result<String, Error> {
    let read_error = |source| Error::Read { path: path.to_owned(), source };
    let mode = fs::metadata(path).map_err(read_error)?.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::Exposed { path: path.to_owned(), mode });
    }
    read(path)
}

pub(crate) fn refuse_existing(path: &Path) -> Result<(), Error> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(Error::Exists { path: path.to_owned() }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(Error::Read { path: path.to_owned(), source }),
    }
}
