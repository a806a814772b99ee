//! Owns the blob store: contents under `<state>/blobs`, each named by the BLAKE3 digest of its bytes.
//!
//! The store never holds a part of a blob: a blob is received beside it, verified, synced and renamed. Small blobs are
//! synced together, at the latest before a caller learns that they are here. A blob is verified again when it is read for
//! use, and a damaged one is dropped, so that it counts as missing and is sent again. Blobs of earlier bundles stay, for a
//! rollback, as long as there is room.

mod error;
mod incoming;
mod manifest;
mod pending;
mod room;

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use fs_err as fs;
use fs_err::File;
use landfast_agent_core::tree::{Digest, Invalid, Manifest};
use landfast_agreement::limits::MANIFEST_MAX;

pub(crate) use error::BlobError;
pub(crate) use incoming::Incoming;
use pending::Pending;
use room::Needed;

/// Mode of the store's folders. Blobs hold passwords of stacks, so only root can read them.
const FOLDER_MODE: u32 = 0o700;

/// A handle on the store. Clones share the store.
#[derive(Clone, Debug)]
pub(crate) struct BlobStore {
    root: Arc<Path>,
    /// Blobs that are verified and not yet synced.
    pending: Arc<Pending>,
    /// Blobs that stay when there is no room.
    needed: Arc<Needed>,
}

impl BlobStore {
    /// Opens the store in the agent's state folder, and creates it if it is missing. Complete blobs that were being
    /// received when the agent ended are kept.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, BlobError> {
        Self::open_at(&state_dir.join("blobs"))
    }

    /// Opens the store in this folder.
    pub(crate) fn open_at(root: &Path) -> Result<Self, BlobError> {
        make_folder(root)?;
        let pending = Arc::new(Pending::open(root)?);
        Ok(Self { root: root.into(), pending, needed: Arc::default() })
    }

    /// Returns those of these blobs that are missing.
    pub(crate) fn missing_blobs(&self, digests: &[String]) -> Result<Vec<String>, BlobError> {
        self.pending.settle(&self.root)?;
        select(digests, |digest| Ok(!self.has(digest, None)))
    }

    /// Returns those of these manifests that are missing, or of which a blob is missing.
    pub(crate) fn missing_manifests(&self, digests: &[String]) -> Result<Vec<String>, BlobError> {
        self.pending.settle(&self.root)?;
        let mut here = BTreeSet::new();
        let missing = select(digests, |digest| {
            let is_here = match self.manifest(digest) {
                Ok(manifest) => manifest.blobs().into_iter().all(|(digest, size)| self.has(digest, Some(size))),
                Err(BlobError::Absent(_) | BlobError::Damaged(_)) => false,
                Err(error) => return Err(error),
            };
            here.extend(is_here.then(|| digest.clone()));
            Ok(!is_here)
        })?;
        self.needed.asked(here);
        Ok(missing)
    }

    /// Begins to receive a blob. If there is no room, blobs that are not needed are removed. If that is not enough, all
    /// blobs of this push are removed too, so that a push that does not fit leaves nothing.
    pub(crate) fn receive(&self, digest: &str, size: u64) -> Result<Incoming, BlobError> {
        let digest = Digest::parse(digest).map_err(Invalid::from)?;
        match Incoming::begin(self, digest.clone(), size) {
            Err(BlobError::NoRoom { .. }) => {}
            begun => return begun,
        }
        self.make_room()?;
        let begun = Incoming::begin(self, digest, size);
        if let Err(BlobError::NoRoom { .. }) = begun {
            self.needed.sweep(self, room::Spare::Nothing)?;
        }
        begun
    }

    /// Removes blobs that no live tree needs and that are not recent.
    pub(crate) fn make_room(&self) -> Result<(), BlobError> {
        self.needed.sweep(self, room::Spare::Recent)
    }

    /// Keeps the manifests that a stack's live tree is made from, and the blobs that they name.
    pub(crate) fn need(&self, stack: &str, manifests: impl IntoIterator<Item = Digest>) {
        self.needed.by_tree(stack, manifests);
    }

    /// Keeps the manifests that containers were started with, without the blobs that they name.
    pub(crate) fn keep_started_with<'a>(&self, manifests: impl Iterator<Item = &'a str>) {
        self.needed.started_with(manifests.filter_map(|digest| Digest::parse(digest).ok()).collect());
    }

    /// Keeps the deployments and manifests that the history names, without the blobs that a manifest names.
    pub(crate) fn keep_releases(&self, digests: &[String]) {
        self.needed.by_releases(digests.iter().filter_map(|digest| Digest::parse(digest).ok()).collect());
    }

    /// Removes the blobs that are not among these, except recent ones.
    pub(crate) fn remove_others(&self, needed: &BTreeSet<Digest>) -> Result<(), BlobError> {
        room::remove_others(self, needed, room::Spare::Recent)
    }

    /// Makes a blob recent.
    pub(crate) fn renew(&self, digest: &Digest) -> Result<(), BlobError> {
        let file = fs::OpenOptions::new().write(true).open(self.path(digest))?;
        Ok(file.into_file().set_modified(SystemTime::now())?)
    }

    /// Opens a blob to send it. The receiver verifies it.
    pub(crate) fn file(&self, digest: &str) -> Result<std::fs::File, BlobError> {
        Ok(self.open_blob(&Digest::parse(digest).map_err(Invalid::from)?)?.into_file())
    }

    /// Reads and checks the manifest of a bundle.
    pub(crate) fn manifest(&self, digest: &Digest) -> Result<Manifest, BlobError> {
        let mut bytes = Vec::new();
        self.copy(digest, MANIFEST_MAX, &mut bytes)?;
        manifest::decode(&bytes).map_err(|source| BlobError::Manifest { digest: digest.clone(), source })
    }

    /// Copies a blob of at most `limit` bytes and verifies it. After an error, what was written is not the blob.
    pub(crate) fn copy(&self, digest: &Digest, limit: u64, to: &mut impl Write) -> Result<(), BlobError> {
        let mut from = self.open_blob(digest)?;
        let size = from.metadata()?.len();
        if size > limit {
            return Err(BlobError::TooLarge { digest: digest.clone(), size, limit });
        }
        let mut hasher = blake3::Hasher::new();
        let mut buffer = vec![0; 256 << 10];
        loop {
            let read = match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(source) if source.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            };
            hasher.update(&buffer[..read]);
            to.write_all(&buffer[..read]).map_err(|source| BlobError::write(digest, size, source))?;
        }
        if hasher.finalize().to_hex().as_str() == digest.as_str() { Ok(()) } else { Err(self.drop_damaged(digest)) }
    }

    fn drop_damaged(&self, digest: &Digest) -> BlobError {
        tracing::warn!(%digest, "damaged blob dropped");
        match fs::remove_file(self.path(digest)) {
            Ok(()) => BlobError::Damaged(digest.clone()),
            Err(error) => error.into(),
        }
    }

    fn open_blob(&self, digest: &Digest) -> Result<File, BlobError> {
        self.pending.settle(&self.root)?;
        File::open(self.path(digest)).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => BlobError::Absent(digest.clone()),
            _ => error.into(),
        })
    }

    /// Whether the store has the blob, with this size if one is given.
    fn has(&self, digest: &Digest, size: Option<u64>) -> bool {
        fs::metadata(self.path(digest))
            .is_ok_and(|found| found.is_file() && size.is_none_or(|size| found.len() == size))
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        path(&self.root, digest)
    }
}

fn path(root: &Path, digest: &Digest) -> PathBuf {
    root.join(&digest.as_str()[..2]).join(digest.as_str())
}

fn select(
    digests: &[String],
    mut is_missing: impl FnMut(&Digest) -> Result<bool, BlobError>,
) -> Result<Vec<String>, BlobError> {
    let mut missing = Vec::new();
    for digest in digests {
        if is_missing(&Digest::parse(digest).map_err(Invalid::from)?)? {
            missing.push(digest.clone());
        }
    }
    Ok(missing)
}

fn make_folder(path: &Path) -> io::Result<()> {
    let made = DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path);
    made.map_err(|error| io::Error::new(error.kind(), format!("cannot create the folder {}: {error}", path.display())))
}

#[cfg(test)]
mod tests;
