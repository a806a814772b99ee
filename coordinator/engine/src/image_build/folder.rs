//! What is in a folder that is sent to a builder, in the order in which it is sent. No link is followed: links are sent
//! as what they are, and the builder resolves them beneath its own root.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use landfast_core::bundle::IgnoreRules;
use landfast_core::image_build::{ContextPaths, parent_folders};

#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the name of {} is not UTF-8", .path.display())]
    NotText { path: PathBuf },
}

impl FolderError {
    /// With its reason, for somebody who gets no chain of errors.
    pub(super) fn sentence(&self) -> String {
        match self {
            Self::Unreadable { source, .. } => format!("{self}: {source}"),
            Self::NotText { .. } => self.to_string(),
        }
    }
}

/// One path of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Relative, with `/`.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// As Unix has it, without the type.
    pub(super) mode: u32,
    /// In bytes.
    pub(super) size: u64,
    /// In Unix nanoseconds.
    pub(super) changed: i64,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link(String),
}

/// A folder's contents, each after the folder that it is in.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) entries: Vec<Entry>,
    /// Sockets, pipes and devices: no build can want them.
    pub(super) left: Vec<PathBuf>,
    /// Env files of other environments.
    pub(super) withheld: Vec<PathBuf>,
}

/// Lists what of a folder is sent. Blocks.
pub(super) fn list(root: &Path, rules: &IgnoreRules, follow: &ContextPaths) -> Result<Listing, FolderError> {
    let follow = match follow {
        ContextPaths::Paths(paths) if paths.iter().all(|path| is_plain(root, path)) => follow,
        // What a link leads to is needed too: everything is more than enough.
        _ => &ContextPaths::All,
    };
    let mut walk = Walk { root, rules, follow, listing: Listing::default(), pending: Vec::new() };
    walk.folder("")?;
    Ok(walk.listing)
}

fn is_plain(root: &Path, path: &str) -> bool {
    let is_link = |path: &str| root.join(path).symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    !parent_folders(path).chain([path]).any(is_link)
}

struct Walk<'a> {
    root: &'a Path,
    rules: &'a IgnoreRules,
    follow: &'a ContextPaths,
    listing: Listing,
    /// Folders that are sent only if something in them is.
    pending: Vec<Entry>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &str) -> Result<(), FolderError> {
        for name in self.names(folder)? {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if self.is_wanted(&path) {
                self.path(path)?;
            }
        }
        Ok(())
    }

    fn path(&mut self, path: String) -> Result<(), FolderError> {
        let absolute = self.root.join(&path);
        let metadata = absolute.symlink_metadata().map_err(|source| unreadable(&absolute, source))?;
        if metadata.is_dir() {
            if self.rules.prunes(&path) {
                return Ok(());
            }
            let is_ignored = self.rules.matches(&path);
            let deep = self.pending.len();
            let folder = entry(path.clone(), Kind::Folder, &metadata);
            if is_ignored {
                self.pending.push(folder)
            } else {
                self.send(folder)
            }
            self.folder(&path)?;
            self.pending.truncate(deep);
            return Ok(());
        }
        if self.rules.matches(&path) {
            self.listing.withheld.extend(self.rules.withholds(&path).then_some(absolute));
            return Ok(());
        }
        let kind = if metadata.is_file() {
            Kind::File
        } else if metadata.is_symlink() {
            let target = absolute.read_link().map_err(|source| unreadable(&absolute, source))?;
            Kind::Link(target.into_os_string().into_string().map_err(|_| FolderError::NotText { path: absolute })?)
        } else {
            self.listing.left.push(absolute);
            return Ok(());
        };
        self.send(entry(path, kind, &metadata));
        Ok(())
    }

    fn send(&mut self, entry: Entry) {
        self.listing.entries.append(&mut self.pending);
        self.listing.entries.push(entry);
    }

    /// In the order of bytes, which with a folder before its contents is the order that builders expect.
    fn names(&self, folder: &str) -> Result<Vec<String>, FolderError> {
        let folder = self.root.join(folder);
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&folder).map_err(|source| unreadable(&folder, source))? {
            let name = entry.map_err(|source| unreadable(&folder, source))?.file_name();
            let name = name.into_string().map_err(|name| FolderError::NotText { path: folder.join(name) })?;
            names.push(name);
        }
        names.sort();
        Ok(names)
    }

    fn is_wanted(&self, path: &str) -> bool {
        let beneath = |path: &str, of: &str| path.strip_prefix(of).is_some_and(|rest| rest.starts_with('/'));
        match self.follow {
            ContextPaths::All => true,
            ContextPaths::Paths(paths) => {
                paths.iter().any(|one| one == path || beneath(path, one) || beneath(one, path))
            }
        }
    }
}

fn entry(path: String, kind: Kind, metadata: &Metadata) -> Entry {
    let changed = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
    let size = if kind == Kind::File { metadata.len() } else { 0 };
    Entry { path, kind, mode: metadata.mode() & 0o7777, size, changed }
}

fn unreadable(path: &Path, source: io::Error) -> FolderError {
    FolderError::Unreadable { path: path.to_owned(), source }
}
