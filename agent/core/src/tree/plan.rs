//! Plans the steps from what earlier bundles brought, what the new one brings and what is on the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use landfast_agreement::Digest;

use super::manifest::{Content, Entry, LinkTarget, Manifest, Mode};
use super::path::TreePath;

/// What is on the disk at a path. Nothing is at a path that is not in the survey.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// A regular file.
    File {
        /// Digest of the file's bytes.
        digest: Digest,
        /// Permission bits of the file.
        mode: Mode,
    },
    /// A symbolic link, with its target as it is on the disk.
    Link(String),
    /// A folder.
    Folder {
        /// Whether it holds something at a path that was not surveyed.
        foreign: bool,
    },
    /// Something that no bundle brought: a device, a socket, a pipe, or a file of another size.
    Other,
}

/// What is on the disk at the paths of [`survey_paths`].
pub type Survey = BTreeMap<TreePath, Found>;

/// One change of the live tree. Everything that is not a folder is replaced as a whole, by a rename.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Delete a file or a link that an earlier bundle brought.
    Remove(TreePath),
    /// Delete a folder if it is empty.
    RemoveFolder(TreePath),
    /// Create a folder.
    MakeFolder(TreePath, Mode),
    /// Write a file.
    Write {
        /// Path of the file.
        path: TreePath,
        /// Digest of the file's bytes.
        digest: Digest,
        /// Size in bytes.
        size: u64,
        /// Permission bits of the file.
        mode: Mode,
        /// Whether something that an earlier bundle brought is there. Otherwise nothing may be there.
        replaces: bool,
    },
    /// Create a symbolic link.
    Link {
        /// Path of the link.
        path: TreePath,
        /// Target of the link.
        target: LinkTarget,
        /// Whether something that an earlier bundle brought is there, as in [`Step::Write`].
        replaces: bool,
    },
    /// Change the permission bits of a file.
    SetMode(TreePath, Mode),
}

/// Everything that has to be done, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Steps in order.
    pub steps: Vec<Step>,
    /// Files that were changed on the host and are the same in both bundles. They stay as they are.
    pub drift: BTreeSet<TreePath>,
    /// Files that were changed on the host and are not in the new bundle. They stay as they are, and belong to no bundle
    /// from now on.
    pub kept: BTreeSet<TreePath>,
}

/// A path that the new bundle changes and that was changed on the host too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Conflict {
    /// An earlier bundle brought the file, and it was changed on the host since.
    Edited(TreePath),
    /// No bundle brought what is there.
    Occupied(TreePath),
    /// A file must take the place of a folder that holds files of no bundle.
    FolderInUse(TreePath),
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited(path) => write!(f, "{path} was changed on the host"),
            Self::Occupied(path) => write!(f, "{path} is already there and is not the bundle's"),
            Self::FolderInUse(path) => write!(f, "{path} is a folder that holds other files"),
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let replace = |replaces: &bool| if *replaces { "replace" } else { "write" };
        match self {
            Self::Remove(path) => write!(f, "remove {path}"),
            Self::RemoveFolder(path) => write!(f, "remove folder {path}"),
            Self::MakeFolder(path, mode) => write!(f, "make folder {path} {:o}", mode.bits()),
            Self::Write { path, digest, mode, replaces, .. } => {
                write!(f, "{} {path} {:o} {:.8}", replace(replaces), mode.bits(), digest.as_str())
            }
            Self::Link { path, target, replaces } => write!(f, "{} {path} -> {}", replace(replaces), target.as_str()),
            Self::SetMode(path, mode) => write!(f, "set mode of {path} to {:o}", mode.bits()),
        }
    }
}

/// Returns the paths whose state on the disk must be known for a plan or a list of drift.
#[must_use]
pub fn survey_paths(manifests: &[&Manifest]) -> BTreeSet<TreePath> {
    let of_one = |manifest: &&Manifest| {
        manifest.entries().map(|(path, _)| path).chain(manifest.folders()).cloned().collect::<Vec<_>>()
    };
    manifests.iter().flat_map(of_one).collect()
}

/// Returns the files of a bundle that are not as it brought them.
#[must_use]
pub fn drift(manifest: &Manifest, survey: &Survey) -> BTreeSet<TreePath> {
    let differs =
        |(path, entry): &(&TreePath, &Entry)| !survey.get(*path).is_some_and(|found| is_exactly(found, entry));
    manifest.entries().filter(differs).map(|(path, _)| path.clone()).collect()
}

/// Plans how the tree becomes `target`.
///
/// `brought` are the bundles that may have left files here: the last one, and after a crash those that were being brought.
/// What one of them brought may be replaced and deleted if it is unchanged.
///
/// # Errors
///
/// Every path where continuing would destroy what no bundle brought. Nothing may be done then.
pub fn plan(brought: &[&Manifest], target: &Manifest, survey: &Survey) -> Result<Plan, Vec<Conflict>> {
    let mut planner = Planner { brought, target, survey, plan: Plan::default(), conflicts: Vec::new() };
    let removals = planner.removals();
    let (first, last): (Vec<_>, Vec<_>) = removals.into_iter().partition(|path| planner.is_in_the_way(path));
    planner.remove(first);
    planner.bring();
    planner.remove(last);
    if planner.conflicts.is_empty() { Ok(planner.plan) } else { Err(planner.conflicts) }
}

struct Planner<'a> {
    brought: &'a [&'a Manifest],
    target: &'a Manifest,
    survey: &'a Survey,
    plan: Plan,
    conflicts: Vec<Conflict>,
}

impl Planner<'_> {
    /// Plans the removal of what earlier bundles brought, is unchanged, and is not in the new bundle. Children come before
    /// their folders.
    fn removals(&mut self) -> Vec<TreePath> {
        let mut removals = Vec::new();
        // Folders that something stays in.
        let mut in_use = BTreeSet::new();
        for path in survey_paths(self.brought).into_iter().rev() {
            let Some(found) = self.survey.get(&path) else { continue };
            let is_ours = match found {
                Found::Folder { foreign } => !foreign && !in_use.contains(&path),
                _ => self.is_ours(&path, found),
            };
            if !self.is_wanted(&path, found) && is_ours {
                removals.push(path);
                continue;
            }
            if !self.is_known_to_target(&path) && !is_folder(found) {
                self.plan.kept.insert(path.clone());
            }
            in_use.extend(path.parent());
        }
        removals
    }

    /// Whether the new bundle has something of the same kind at this path, so that it is replaced and not removed.
    fn is_wanted(&self, path: &TreePath, found: &Found) -> bool {
        match found {
            Found::Folder { .. } => self.target.folders().contains(path),
            _ => self.target.get(path).is_some_and(|entry| entry.content != Content::Folder),
        }
    }

    fn is_known_to_target(&self, path: &TreePath) -> bool {
        self.target.get(path).is_some() || self.target.folders().contains(path)
    }

    /// Whether the new bundle needs the place of this path, or of a folder above it.
    fn is_in_the_way(&self, path: &TreePath) -> bool {
        self.target.folders().contains(path)
            || std::iter::once(path.clone())
                .chain(path.ancestors())
                .any(|place| self.target.get(&place).is_some_and(|entry| entry.content != Content::Folder))
    }

    fn remove(&mut self, paths: Vec<TreePath>) {
        for path in paths {
            let step = match self.survey.get(&path) {
                Some(Found::Folder { .. }) => Step::RemoveFolder(path),
                _ => Step::Remove(path),
            };
            self.plan.steps.push(step);
        }
    }

    /// Plans the folders, files and links of the new bundle. Parents come before their contents.
    fn bring(&mut self) {
        let removed: BTreeSet<_> = self.plan.steps.iter().filter_map(Step::removes).cloned().collect();
        let mut obstacle: Option<TreePath> = None;
        for path in survey_paths(&[self.target]) {
            if let Some(obstacle) = obstacle.as_ref().filter(|obstacle| path.is_beneath(obstacle)) {
                let obstacle = obstacle.clone();
                self.leave(&path, obstacle);
                continue;
            }
            let found = self.survey.get(&path).filter(|_| !removed.contains(&path));
            if self.target.folders().contains(&path) {
                if self.bring_folder(&path, found).is_err() {
                    obstacle = Some(path);
                }
            } else if let Some(entry) = self.target.get(&path) {
                self.bring_entry(&path, entry, found);
            }
        }
    }

    /// Plans a folder. Returns `Err` if something else is there and stays, so that nothing below can be reached.
    fn bring_folder(&mut self, path: &TreePath, found: Option<&Found>) -> Result<(), ()> {
        match found {
            Some(Found::Folder { .. }) => return Ok(()),
            Some(_) => {
                self.leave(path, path.clone());
                return Err(());
            }
            None => {}
        }
        let mode = self.target.get(path).map_or(Mode::FOLDER, |entry| entry.mode);
        self.plan.steps.push(Step::MakeFolder(path.clone(), mode));
        Ok(())
    }

    fn bring_entry(&mut self, path: &TreePath, entry: &Entry, found: Option<&Found>) {
        match found {
            None => self.put(path, entry, false),
            Some(found) if is_exactly(found, entry) => {}
            Some(found) if holds(found, entry) => self.set_mode(path, entry),
            Some(found) if !is_folder(found) && self.is_ours(path, found) => self.put(path, entry, true),
            // The engine created the folder for a mount whose file was missing, and nothing was put into it since.
            Some(found) if self.is_empty_folder(path, found) => {
                self.plan.steps.push(Step::RemoveFolder(path.clone()));
                self.put(path, entry, false);
            }
            Some(_) => self.leave(path, path.clone()),
        }
    }

    fn put(&mut self, path: &TreePath, entry: &Entry, replaces: bool) {
        let (path, mode) = (path.clone(), entry.mode);
        self.plan.steps.push(match &entry.content {
            Content::File { digest, size } => Step::Write { path, digest: digest.clone(), size: *size, mode, replaces },
            Content::Link(target) => Step::Link { path, target: target.clone(), replaces },
            Content::Folder => Step::MakeFolder(path, mode),
        });
    }

    /// Plans a change of mode if the new bundle changes it. A container may have reason to change the mode of a file that
    /// stays the same.
    fn set_mode(&mut self, path: &TreePath, entry: &Entry) {
        if self.is_unchanged(path) {
            self.plan.drift.insert(path.clone());
        } else {
            self.plan.steps.push(Step::SetMode(path.clone(), entry.mode));
        }
    }

    /// Leaves `path` out because what is at `obstacle` is not of a bundle. It is a conflict only if the new bundle changes
    /// `path`.
    fn leave(&mut self, path: &TreePath, obstacle: TreePath) {
        if self.target.get(path).is_none() {
            return; // An implied folder: what lies in it speaks for it.
        }
        if self.is_unchanged(path) {
            self.plan.drift.insert(path.clone());
            return;
        }
        let conflict = match self.survey.get(&obstacle) {
            Some(Found::Folder { .. }) => Conflict::FolderInUse(obstacle),
            _ if brings(self.brought, &obstacle) => Conflict::Edited(obstacle),
            _ => Conflict::Occupied(obstacle),
        };
        if !self.conflicts.contains(&conflict) {
            self.conflicts.push(conflict);
        }
    }

    /// Whether an empty folder is at this path that no bundle has.
    fn is_empty_folder(&self, path: &TreePath, found: &Found) -> bool {
        *found == Found::Folder { foreign: false } && !self.survey.keys().any(|other| other.is_beneath(path))
    }

    /// Whether every earlier bundle brought exactly what the new one has at this path.
    fn is_unchanged(&self, path: &TreePath) -> bool {
        !self.brought.is_empty() && self.brought.iter().all(|manifest| manifest.get(path) == self.target.get(path))
    }

    /// Whether an earlier bundle brought what is at this path.
    fn is_ours(&self, path: &TreePath, found: &Found) -> bool {
        self.brought.iter().any(|manifest| manifest.get(path).is_some_and(|entry| holds(found, entry)))
    }
}

impl Step {
    /// Returns the path that the step changes.
    #[must_use]
    pub fn path(&self) -> &TreePath {
        match self {
            Self::Remove(path) | Self::RemoveFolder(path) | Self::MakeFolder(path, _) | Self::SetMode(path, _) => path,
            Self::Write { path, .. } | Self::Link { path, .. } => path,
        }
    }

    fn removes(&self) -> Option<&TreePath> {
        match self {
            Self::Remove(path) | Self::RemoveFolder(path) => Some(path),
            _ => None,
        }
    }
}

fn brings(manifests: &[&Manifest], path: &TreePath) -> bool {
    manifests.iter().any(|manifest| manifest.get(path).is_some() || manifest.folders().contains(path))
}

fn is_folder(found: &Found) -> bool {
    matches!(found, Found::Folder { .. })
}

/// Whether the contents are the same, whatever the mode.
fn holds(found: &Found, entry: &Entry) -> bool {
    match (found, &entry.content) {
        (Found::File { digest, .. }, Content::File { digest: brought, .. }) => digest == brought,
        (Found::Link(target), Content::Link(brought)) => target == brought.as_str(),
        (Found::Folder { .. }, Content::Folder) => true,
        _ => false,
    }
}

/// Whether the contents are the same and, for a file, the mode. Whoever uses a folder may change its mode.
fn is_exactly(found: &Found, entry: &Entry) -> bool {
    holds(found, entry) && !matches!(found, Found::File { mode, .. } if *mode != entry.mode)
}

#[cfg(test)]
mod tests;
