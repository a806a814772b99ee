//! Owns the live trees: `<state>/stacks/<stack>/live`, one for each stack, kept equal to the stack's bundle.
//!
//! [`landfast_agent_core::tree`] decides what to do to which file. Here it is carried out so that planning again recovers
//! from a crash at any moment: all new files are staged beside the tree, the journal records what is under way, each file
//! is put in place by one rename, and the journal records the end.

mod error;
mod journal;
mod live;
mod staging;
mod survey;

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use landfast_agent_core::tree::{Digest, Invalid, Manifest, Step, Survey, TreePath, drift, plan, survey_paths};

use landfast_agreement::{StackName, paths};

use crate::blobs::BlobStore;
use crate::sources;

pub(crate) use error::TreeError;
use journal::Journal;
use live::LiveTree;
use staging::Staging;
use survey::HashCache;

/// Mode of a live tree. The user of any container may enter it.
const LIVE_MODE: u32 = 0o755;

/// All live trees of this host. All users share one handle. A tree that is being changed is locked for other changes of it,
/// and for nothing else.
#[derive(Debug)]
pub(crate) struct Trees {
    root: PathBuf,
    blobs: BlobStore,
    /// What is known of each tree, by stack. This lock is held only to find one.
    known: Mutex<BTreeMap<String, Arc<Known>>>,
}

/// What is known of one tree.
#[derive(Debug, Default)]
struct Known {
    memory: Mutex<Memory>,
    /// Files and bytes that the change under way has written.
    progress: Progress,
}

/// A number that grows while a tree is being changed.
#[derive(Debug, Default)]
struct Progress(AtomicU64);

impl Progress {
    fn add(&self, work: u64) {
        self.0.fetch_add(work, Ordering::Relaxed);
    }
}

/// Counts what is written.
struct Counted<'a, W> {
    to: W,
    progress: &'a Progress,
}

impl<W: io::Write> io::Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.progress.add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Caches of one tree that save reading every file again each time it is observed. It is locked while the tree is changed.
#[derive(Debug, Default)]
struct Memory {
    hashes: HashCache,
    manifest: Option<(Digest, Arc<Manifest>)>,
}

/// A live tree as it was observed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Bundle that the tree is; `None` if there is none, if the tree is becoming another one, or if the journal or the manifest
    /// cannot be read. Then [`Trees::apply`] reports why.
    pub(crate) manifest: Option<String>,
    /// Files of the bundle that were changed or removed by hand; `None` while the tree is being changed.
    pub(crate) drift: Option<Vec<String>>,
    /// Work that the change under way has done; 0 while the tree is not being changed.
    pub(crate) progress: u64,
}

/// Files that [`Trees::apply`] and [`Trees::remove`] left unchanged on purpose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Left {
    /// Files of the bundle that were changed on the host and that the bundle does not change.
    pub(crate) drift: Vec<String>,
    /// Files that were changed on the host and that are no longer in the bundle.
    pub(crate) kept: Vec<String>,
}

impl Trees {
    /// Opens the trees in the agent's state folder, and finishes what a crash interrupted. A tree that cannot be finished
    /// now, because the disk is full for example, stays unfinished: [`Trees::observe`] reports it, and [`Trees::apply`]
    /// tries again.
    pub(crate) fn open(state_dir: &Path, blobs: BlobStore) -> Result<Self, TreeError> {
        let root = state_dir.join(paths::STACKS);
        make_folder(&root, 0o700)?;
        let trees = Self { root, blobs, known: Mutex::default() };
        for stack in trees.folders()? {
            trees.open_to_containers(&stack)?;
            if let Ok(journal) = trees.journal(&stack) {
                trees.blobs.need(&stack, journal.brought().cloned());
            }
            if let Err(error) = trees.recover(&stack) {
                tracing::warn!(stack, error = &error as &dyn std::error::Error, "live tree not recovered");
            }
        }
        Ok(trees)
    }

    /// Sets the mode of a live tree. Agents that were started with a strict umask created trees that no container's user
    /// could enter.
    fn open_to_containers(&self, stack: &str) -> Result<(), TreeError> {
        let live = self.path(stack)?;
        match fs::set_permissions(&live, Permissions::from_mode(LIVE_MODE)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(TreeError::io(&live)(source)),
            _ => Ok(()),
        }
    }

    fn recover(&self, stack: &str) -> Result<(), TreeError> {
        let Journal::Underway { target, .. } = self.journal(stack)? else { return Ok(()) };
        tracing::info!(stack, target = target.as_ref().map(Digest::as_str), "finishing an interrupted live tree");
        match target {
            Some(target) => self.make(stack, Some(&target)).map(drop),
            None => self.remove(stack).map(drop),
        }
    }

    /// Stacks that have a bundle here, complete or not. A folder where only data is left does not count.
    pub(crate) fn stacks(&self) -> Result<Vec<String>, TreeError> {
        let mut stacks = self.folders()?;
        stacks.retain(|stack| !matches!(self.journal(stack), Ok(Journal::Settled(None))));
        Ok(stacks)
    }

    fn folders(&self) -> Result<Vec<String>, TreeError> {
        let mut stacks = Vec::new();
        for folder in fs::read_dir(&self.root).map_err(TreeError::io(&self.root))? {
            let name = folder.map_err(TreeError::io(&self.root))?.file_name();
            stacks.extend(name.into_string().ok().filter(|name| StackName::is_valid(name)));
        }
        stacks.sort();
        Ok(stacks)
    }

    /// Observes a tree. It does not wait for a change of the tree.
    pub(crate) fn observe(&self, stack: &str) -> Result<Seen, TreeError> {
        match self.look(stack) {
            Err(error @ (TreeError::Journal { .. } | TreeError::Blob(_))) => {
                tracing::warn!(
                    stack,
                    error = &error as &dyn std::error::Error,
                    "journal or manifest of a live tree not read"
                );
                Ok(Seen { drift: Some(Vec::new()), ..Seen::default() })
            }
            seen => seen,
        }
    }

    fn look(&self, stack: &str) -> Result<Seen, TreeError> {
        let known = self.known(stack);
        let mut memory = match known.memory.try_lock() {
            Ok(memory) => memory,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => {
                let manifest = match self.journal(stack)? {
                    Journal::Settled(digest) => digest.map(|digest| digest.as_str().to_owned()),
                    Journal::Underway { .. } => None,
                };
                let progress = known.progress.0.load(Ordering::Relaxed);
                return Ok(Seen { manifest, drift: None, progress });
            }
        };
        let Journal::Settled(Some(digest)) = self.journal(stack)? else {
            return Ok(Seen { drift: Some(Vec::new()), ..Seen::default() });
        };
        let manifest = self.manifest(&mut memory, &digest)?;
        let survey = self.survey(&mut memory, stack, &[&manifest])?;
        let drift = strings(drift(&manifest, &survey));
        Ok(Seen { manifest: Some(digest.as_str().to_owned()), drift: Some(drift), progress: 0 })
    }

    /// Makes the tree equal to the bundle of this manifest. Does nothing if it is that already.
    ///
    /// Nothing is changed if a file that the bundle changes was changed on the host too, or if there is no room.
    pub(crate) fn apply(&self, stack: &str, manifest: &str) -> Result<Left, TreeError> {
        self.make(stack, Some(&Digest::parse(manifest).map_err(Invalid::from)?))
    }

    /// Removes what bundles brought. If other files are beside it, they stay, and so does the folder.
    pub(crate) fn remove(&self, stack: &str) -> Result<Left, TreeError> {
        let known = self.known(stack);
        let mut memory = lock(&known.memory);
        let left = self.make_with(&mut memory, &known.progress, stack, None)?;
        *memory = Memory::default();
        self.clear_away(stack)?;
        Ok(left)
    }

    /// Returns the folder with the stack's files.
    pub(crate) fn path(&self, stack: &str) -> Result<PathBuf, TreeError> {
        Ok(self.folder(stack)?.join(paths::LIVE))
    }

    /// Returns the path on the host of a path in the tree, for the engine to mount. Links are followed and must stay inside
    /// the tree. `create` makes it a folder if it is missing.
    pub(crate) fn source(&self, stack: &str, path: &str, create: bool) -> Result<PathBuf, TreeError> {
        let root = self.path(stack)?;
        if create || path.is_empty() {
            self.make_folders(stack)?;
        }
        if path.is_empty() {
            return Ok(root);
        }
        let path = TreePath::parse(path).map_err(|source| TreeError::Refused(source.into()))?;
        LiveTree::open(&root)?.source(&path, create)?;
        Ok(root.join(path.as_str()))
    }

    /// Examines what a mount of this path would find. Creates nothing.
    pub(crate) fn examine(&self, stack: &str, path: &str) -> Result<sources::Found, TreeError> {
        let root = self.path(stack)?;
        if path.is_empty() {
            return Ok(sources::examine(&root));
        }
        let path = TreePath::parse(path).map_err(|source| TreeError::Refused(source.into()))?;
        Ok(sources::examine(&root.join(path.as_str())))
    }

    /// Keeps the manifests that containers were started with, to compare them with later ones.
    pub(crate) fn keep_started_with<'a>(&self, manifests: impl Iterator<Item = &'a str>) {
        self.blobs.keep_started_with(manifests);
    }

    fn make(&self, stack: &str, target: Option<&Digest>) -> Result<Left, TreeError> {
        let known = self.known(stack);
        self.make_with(&mut lock(&known.memory), &known.progress, stack, target)
    }

    fn make_with(
        &self,
        memory: &mut Memory,
        progress: &Progress,
        stack: &str,
        target: Option<&Digest>,
    ) -> Result<Left, TreeError> {
        progress.add(1);
        let journal = self.journal(stack)?;
        if target.is_none() && journal == Journal::default() {
            return Ok(Left::default());
        }
        let before = self.manifests_before(stack, &journal);
        let before: Vec<&Manifest> = before.iter().collect();
        let wanted = match target {
            Some(digest) => self.manifest(memory, digest)?,
            None => Arc::default(),
        };
        let known: Vec<&Manifest> = before.iter().copied().chain([&*wanted]).collect();
        self.make_folders(stack)?;
        let survey = self.survey(memory, stack, &known)?;
        let plan = plan(&before, &wanted, &survey)
            .map_err(|conflicts| TreeError::Conflicts { stack: stack.to_owned(), conflicts })?;
        if !plan.steps.is_empty() || journal != Journal::Settled(target.cloned()) {
            self.carry_out((stack, progress), &journal, target.cloned(), &plan.steps)?;
        }
        Ok(Left { drift: strings(plan.drift), kept: strings(plan.kept) })
    }

    fn carry_out(
        &self,
        (stack, progress): (&str, &Progress),
        before: &Journal,
        target: Option<Digest>,
        steps: &[Step],
    ) -> Result<(), TreeError> {
        let folder = self.folder(stack)?;
        let (underway, settled) = (before.towards(target.clone()), Journal::Settled(target));
        let live = LiveTree::open(&self.path(stack)?)?;
        let need = |journal: &Journal| self.blobs.need(stack, journal.brought().cloned());
        need(&underway);
        let staging = self.stage(&folder, steps, progress).inspect_err(|_| need(before))?;
        underway.save(&folder)?;
        for (index, step) in steps.iter().enumerate() {
            tracing::debug!(stack, %step, "live tree");
            live.carry_out(step, &staging, index)?;
            progress.add(1);
        }
        live.sync(steps)?;
        settled.save(&folder)?;
        need(&settled);
        staging.remove()
    }

    /// Stages the new files. If there is no room, blobs of earlier bundles are removed first.
    fn stage(&self, folder: &Path, steps: &[Step], progress: &Progress) -> Result<Staging, TreeError> {
        match Staging::fill(folder, &self.blobs, steps, progress) {
            Err(TreeError::NoRoom { .. }) => {
                self.blobs.make_room()?;
                Staging::fill(folder, &self.blobs, steps, progress)
            }
            staged => staged,
        }
    }

    /// Manifests of the bundles that may have left files here. A manifest that is lost is left out: its files then count as
    /// files of no bundle.
    fn manifests_before(&self, stack: &str, journal: &Journal) -> Vec<Manifest> {
        let load = |digest| match self.blobs.manifest(digest) {
            Ok(manifest) => Some(manifest),
            Err(error) => {
                tracing::warn!(stack, %digest, error = &error as &dyn std::error::Error, "manifest of an earlier bundle not read");
                None
            }
        };
        journal.brought().filter_map(load).collect()
    }

    fn manifest(&self, memory: &mut Memory, digest: &Digest) -> Result<Arc<Manifest>, TreeError> {
        if let Some((_, manifest)) = memory.manifest.as_ref().filter(|(known, _)| known == digest) {
            return Ok(Arc::clone(manifest));
        }
        let manifest = Arc::new(self.blobs.manifest(digest)?);
        memory.manifest = Some((digest.clone(), Arc::clone(&manifest)));
        Ok(manifest)
    }

    fn survey(&self, memory: &mut Memory, stack: &str, manifests: &[&Manifest]) -> Result<Survey, TreeError> {
        let live = match LiveTree::open(&self.path(stack)?) {
            Ok(live) => live,
            Err(error) if error.is_not_found() => return Ok(BTreeMap::new()),
            Err(error) => return Err(error),
        };
        survey::survey(&live, &survey_paths(manifests), manifests, &mut memory.hashes)
    }

    /// Creates the folders of a tree. Only root can enter the folder around it; containers get the tree or a part of it
    /// mounted.
    fn make_folders(&self, stack: &str) -> Result<(), TreeError> {
        make_folder(&self.folder(stack)?, 0o700)?;
        make_folder(&self.path(stack)?, LIVE_MODE)
    }

    /// Removes the stack's folder once its tree is empty.
    fn clear_away(&self, stack: &str) -> Result<(), TreeError> {
        let folder = self.folder(stack)?;
        match fs::remove_dir(folder.join(paths::LIVE)) {
            Ok(()) => fs::remove_dir_all(&folder).map_err(TreeError::io(&folder)),
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(TreeError::io(&folder)(source)),
        }
    }

    fn journal(&self, stack: &str) -> Result<Journal, TreeError> {
        Journal::load(&self.folder(stack)?)
    }

    fn folder(&self, stack: &str) -> Result<PathBuf, TreeError> {
        if StackName::is_valid(stack) { Ok(self.root.join(stack)) } else { Err(TreeError::Name(stack.to_owned())) }
    }

    /// Returns what is known of a tree.
    fn known(&self, stack: &str) -> Arc<Known> {
        lock(&self.known).entry(stack.to_owned()).or_default().clone()
    }
}

/// Locks caches. A panic while they were locked can at worst leave an entry in them; the journal has the truth.
fn lock<T>(caches: &Mutex<T>) -> MutexGuard<'_, T> {
    caches.lock().unwrap_or_else(PoisonError::into_inner)
}

fn make_folder(path: &Path, mode: u32) -> Result<(), TreeError> {
    match fs::DirBuilder::new().mode(mode).create(path) {
        Err(source) if source.kind() != io::ErrorKind::AlreadyExists => Err(TreeError::io(path)(source)),
        _ => Ok(()),
    }
}

fn strings(paths: impl IntoIterator<Item = TreePath>) -> Vec<String> {
    paths.into_iter().map(|path| path.as_str().to_owned()).collect()
}

#[cfg(test)]
mod tests;
