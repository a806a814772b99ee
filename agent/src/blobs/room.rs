//! Removes blobs that are not needed: those of bundles that no live tree is made from when the disk is full.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fs_err as fs;
use landfast_agent_core::tree::Digest;

use super::{BlobError, BlobStore};

/// Age below which a blob is recent. It is longer than the time from a bundle's first blob to its live tree.
const RECENT: Duration = Duration::from_secs(3600);

/// Which blobs that are not needed stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spare {
    Recent,
    Nothing,
}

/// The manifests that are needed, and with them the blobs that they name.
#[derive(Debug, Default)]
pub(super) struct Needed(Mutex<Manifests>);

#[derive(Debug, Default)]
struct Manifests {
    of_trees: BTreeMap<String, BTreeSet<Digest>>,
    /// Manifests that are complete in the store and were asked about last. They may be assigned soon.
    asked: BTreeSet<Digest>,
    /// Manifests that containers were started with. They stay for comparison, without the blobs that they name.
    started_with: BTreeSet<Digest>,
    /// Deployments and manifests of the history. They stay, without the blobs that a manifest names.
    of_releases: BTreeSet<Digest>,
}

impl Needed {
    pub(super) fn by_tree(&self, stack: &str, manifests: impl IntoIterator<Item = Digest>) {
        self.manifests().of_trees.insert(stack.to_owned(), manifests.into_iter().collect());
    }

    pub(super) fn asked(&self, manifests: BTreeSet<Digest>) {
        self.manifests().asked = manifests;
    }

    pub(super) fn started_with(&self, manifests: BTreeSet<Digest>) {
        self.manifests().started_with = manifests;
    }

    pub(super) fn by_releases(&self, blobs: BTreeSet<Digest>) {
        self.manifests().of_releases = blobs;
    }

    /// Removes the blobs that are not needed.
    pub(super) fn sweep(&self, store: &BlobStore, spare: Spare) -> Result<(), BlobError> {
        store.pending.settle(&store.root)?;
        remove_others(store, &self.blobs(store), spare)
    }

    /// Returns the blobs that are needed. A manifest that cannot be read keeps no other blobs.
    fn blobs(&self, store: &BlobStore) -> BTreeSet<Digest> {
        let (manifests, alone): (BTreeSet<Digest>, BTreeSet<Digest>) = {
            let manifests = self.manifests();
            let whole = manifests.of_trees.values().flatten().chain(&manifests.asked);
            (whole.cloned().collect(), &manifests.started_with | &manifests.of_releases)
        };
        let named = |digest| store.manifest(digest).map(|manifest| manifest.blobs().into_keys().cloned().collect());
        let named: Vec<Vec<Digest>> = manifests.iter().filter_map(|digest| named(digest).ok()).collect();
        manifests.into_iter().chain(named.into_iter().flatten()).chain(alone).collect()
    }

    fn manifests(&self) -> MutexGuard<'_, Manifests> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes the blobs that are not among these.
pub(super) fn remove_others(store: &BlobStore, needed: &BTreeSet<Digest>, spare: Spare) -> Result<(), BlobError> {
    let mut freed = 0;
    for folder in entries(&store.root)?.filter(|folder| folder.file_name().is_some_and(|name| name.len() == 2)) {
        for blob in entries(&folder)? {
            let digest = blob.file_name().and_then(|name| Digest::parse(name.to_str()?).ok());
            if digest.is_some_and(|digest| !needed.contains(&digest)) && !(spare == Spare::Recent && is_recent(&blob)) {
                freed += fs::metadata(&blob).map_or(0, |found| found.len());
                fs::remove_file(&blob)?;
            }
        }
    }
    if freed > 0 {
        tracing::info!(bytes = freed, "unneeded blobs removed");
    }
    Ok(())
}

fn entries(folder: &Path) -> Result<impl Iterator<Item = std::path::PathBuf>, BlobError> {
    let entries = fs::read_dir(folder)?;
    Ok(entries.filter_map(|entry| Some(entry.ok()?.path())))
}

fn is_recent(blob: &Path) -> bool {
    let age = fs::metadata(blob).and_then(|found| found.modified()).ok().and_then(|modified| modified.elapsed().ok());
    age.is_none_or(|age| age < RECENT)
}
