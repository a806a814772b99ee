//! The manifest of a bundle, as types that cannot hold what a tree must not contain. It is checked once, when it is
//! decoded.

use std::collections::{BTreeMap, BTreeSet};

use landfast_agreement::{Digest, InvalidDigest};

use super::path::{InvalidPath, TreePath};

/// Permission bits, without set-uid, set-gid and sticky.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mode(u32);

/// Target of a symbolic link: relative, with `..` only in front, and not above the root of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkTarget(String);

/// What is at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A regular file.
    File {
        /// Digest of the file's bytes.
        digest: Digest,
        /// Size in bytes.
        size: u64,
    },
    /// A symbolic link.
    Link(LinkTarget),
    /// A folder that has its own entry because it holds nothing else of the bundle.
    Folder,
}

/// What a bundle brings to one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Permission bits of the file or the folder. They mean nothing for a link.
    pub mode: Mode,
    /// What is at the path.
    pub content: Content,
}

/// Everything that a bundle brings, in path order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    entries: BTreeMap<TreePath, Entry>,
    folders: BTreeSet<TreePath>,
}

/// Reason to refuse a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// A path could leave the tree, or is not valid on a file system.
    #[error(transparent)]
    Path(#[from] InvalidPath),
    /// A digest is not 64 lower-case hex digits.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// A mode has other bits than permission bits, such as set-uid, set-gid or sticky.
    #[error("{path}: mode {mode:o} has other bits than permission bits")]
    Mode {
        /// Path of the entry.
        path: String,
        /// Mode as it was received.
        mode: u32,
    },
    /// A link leads out of the tree, or may do so.
    #[error("{path}: link target {target:?} {why}")]
    Link {
        /// Path of the link.
        path: String,
        /// Target as it was received.
        target: String,
        /// What is wrong with the target.
        why: &'static str,
    },
    /// Two entries have the same path.
    #[error("{0} has two entries")]
    Twice(TreePath),
    /// An entry is inside something that is not a folder.
    #[error("{path} is inside {parent}, which is not a folder")]
    InsideFile {
        /// Path of the entry.
        path: TreePath,
        /// Path of the file or link above it.
        parent: TreePath,
    },
}

impl Mode {
    /// Mode of folders that a bundle implies without an entry.
    pub const FOLDER: Self = Self(0o755);

    /// Checks the mode of the entry at `path`.
    ///
    /// # Errors
    ///
    /// [`Invalid::Mode`] if it has other bits than permission bits.
    pub fn parse(path: &str, mode: u32) -> Result<Self, Invalid> {
        if mode & !0o777 == 0 { Ok(Self(mode)) } else { Err(Invalid::Mode { path: path.to_owned(), mode }) }
    }

    /// Returns the permission bits of a mode on the disk.
    #[must_use]
    pub fn of_disk(mode: u32) -> Self {
        Self(mode & 0o777)
    }

    /// Returns the bits.
    #[must_use]
    pub fn bits(self) -> u32 {
        self.0
    }
}

impl LinkTarget {
    /// Checks the target of the link at `path`.
    ///
    /// `..` is allowed only in front. The folders above the link are real ones, since no entry is behind a link, so the
    /// levels can be counted. Behind another link's name they could not.
    ///
    /// # Errors
    ///
    /// [`Invalid::Link`] if the target leads out of the tree, or may do so.
    pub fn parse(path: &TreePath, target: &str) -> Result<Self, Invalid> {
        match link_fault(path, target) {
            None => Ok(Self(target.to_owned())),
            Some(why) => Err(Invalid::Link { path: path.to_string(), target: target.to_owned(), why }),
        }
    }

    /// Returns the target as written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn link_fault(path: &TreePath, target: &str) -> Option<&'static str> {
    if target.starts_with('/') {
        return Some("is absolute");
    }
    let mut rest = target;
    let mut above = 0;
    while let Some(shorter) = rest.strip_prefix("../").or_else(|| (rest == "..").then_some("")) {
        rest = shorter;
        above += 1;
    }
    if above > path.depth() {
        return Some("leads out of the tree");
    }
    if rest.is_empty() {
        return (above == 0).then_some("is empty");
    }
    TreePath::parse(rest).err().map(|fault| fault.why)
}

impl Manifest {
    /// Builds a manifest from its entries.
    ///
    /// # Errors
    ///
    /// [`Invalid::Twice`] and [`Invalid::InsideFile`].
    pub fn new(entries: impl IntoIterator<Item = (TreePath, Entry)>) -> Result<Self, Invalid> {
        let mut manifest = Self::default();
        for (path, entry) in entries {
            // Each folder is visited once: if it is known, those above it are known too.
            let own = (entry.content == Content::Folder).then(|| path.clone());
            for folder in own.into_iter().chain(path.ancestors()) {
                if !manifest.folders.insert(folder) {
                    break;
                }
            }
            if manifest.entries.insert(path.clone(), entry).is_some() {
                return Err(Invalid::Twice(path));
            }
        }
        manifest.refuse_entries_inside_files()?;
        Ok(manifest)
    }

    fn refuse_entries_inside_files(&self) -> Result<(), Invalid> {
        let is_no_folder = |path: &&TreePath| self.get(path).is_some_and(|entry| entry.content != Content::Folder);
        let Some(parent) = self.folders.iter().find(is_no_folder) else { return Ok(()) };
        let inside = self.entries.keys().find(|path| path.is_beneath(parent)).unwrap_or(parent);
        Err(Invalid::InsideFile { path: inside.clone(), parent: parent.clone() })
    }

    /// Returns the entry at `path`.
    #[must_use]
    pub fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// Iterates over all entries in path order.
    pub fn entries(&self) -> impl Iterator<Item = (&TreePath, &Entry)> {
        self.entries.iter()
    }

    /// Every folder that the bundle needs: those with an entry, and those above its entries.
    #[must_use]
    pub fn folders(&self) -> &BTreeSet<TreePath> {
        &self.folders
    }

    /// Whether the manifest has no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Digests of all files, each once, with their sizes.
    #[must_use]
    pub fn blobs(&self) -> BTreeMap<&Digest, u64> {
        let of_file = |entry| match entry {
            &Entry { content: Content::File { ref digest, size }, .. } => Some((digest, size)),
            _ => None,
        };
        self.entries.values().filter_map(of_file).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(path: &str) -> TreePath {
        TreePath::parse(path).expect("a path")
    }

    fn link_at(at: &str, target: &str) -> Result<LinkTarget, Invalid> {
        LinkTarget::parse(&path(at), target)
    }

    #[test]
    fn t16_a_link_may_not_lead_out_of_the_tree() {
        for (at, target) in [
            ("l", ".."),
            ("l", "../x"),
            ("a/l", "../../x"),
            ("a/l", "../.."),
            ("l", "/etc"),
            ("l", ""),
            // Behind another link, `..` does not lead to the folder that the text suggests.
            ("a/b/l", "other/../../../x"),
            ("l", "a/.."),
            ("l", "./x"),
            ("l", "a\0b"),
            ("a/l", "..//etc"),
        ] {
            assert!(link_at(at, target).is_err(), "{at} -> {target:?} is taken");
        }
    }

    #[test]
    fn a_link_inside_the_tree_is_taken_as_written() {
        for (at, target) in
            [("l", "x"), ("l", "a/b"), ("a/l", "../x"), ("a/b/l", "../../x"), ("a/l", ".."), ("a/l", "...")]
        {
            assert_eq!(link_at(at, target).expect(target).as_str(), target);
        }
    }

    #[test]
    fn t16_set_uid_set_gid_and_sticky_are_refused_by_path() {
        for mode in [0o4755, 0o2755, 0o1777, 0o100_644] {
            let refusal = Mode::parse("bin/su", mode).expect_err("refused").to_string();
            assert!(refusal.starts_with("bin/su: mode"), "{refusal}");
        }
        assert_eq!(Mode::parse("x", 0o640).expect("a mode").bits(), 0o640);
    }

    #[test]
    fn an_entry_inside_a_link_or_a_file_and_a_path_named_twice_are_refused() {
        let link = || Entry { mode: Mode::FOLDER, content: Content::Link(link_at("a", "b").expect("a link")) };
        let folder = || Entry { mode: Mode::FOLDER, content: Content::Folder };
        let inside = Manifest::new([(path("a"), link()), (path("a/x/y"), folder())]);
        assert_eq!(inside, Err(Invalid::InsideFile { path: path("a/x/y"), parent: path("a") }));
        assert_eq!(Manifest::new([(path("a"), link()), (path("a"), folder())]), Err(Invalid::Twice(path("a"))));
    }

    #[test]
    fn the_folders_of_a_manifest_are_the_named_and_the_implied() {
        let folder = Entry { mode: Mode::FOLDER, content: Content::Folder };
        let manifest = Manifest::new([(path("a/b/c"), folder)]).expect("a manifest");
        assert_eq!(manifest.folders().iter().map(TreePath::as_str).collect::<Vec<_>>(), ["a", "a/b", "a/b/c"]);
    }
}
