//! Lists the contents of a folder that is sent to a builder, in the order of sending. Links are sent as links and never
//! followed; the builder resolves them below its own root.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use landfast_core::bundle::IgnoreRules;
use landfast_core::image_build::{ContextPaths, parent_folders};

/// A failure to list a folder.
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
    /// The error with its cause, for callers that print no error chain.
    pub(super) fn with_cause(&self) -> String {
        match self {
            Self::Unreadable { source, .. } => format!("{self}: {source}"),
            Self::NotText { .. } => self.to_string(),
        }
    }
}

/// A file, folder or link of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Path relative to the folder, with `/` as separator.
    pub(super) path: String,
    pub(super) kind: Kind,
    /// Unix permission bits.
    pub(super) mode: u32,
    /// Size in bytes.
    pub(super) size: u64,
    /// Time of the last modification in nanoseconds since the Unix epoch.
    pub(super) changed: i64,
}

/// Type of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Folder,
    Link(String),
}

/// Contents of a folder. Each entry follows the folder that contains it.
#[derive(Debug, Default)]
pub(super) struct Listing {
    pub(super) entries: Vec<Entry>,
    /// Sockets, pipes and devices, which no build can use.
    pub(super) skipped: Vec<PathBuf>,
    /// Env files of other environments.
    pub(super) withheld: Vec<PathBuf>,
}

/// Lists the entries to send. Blocks.
pub(super) fn list(root: &Path, rules: &IgnoreRules, follow: &ContextPaths) -> Result<Listing, FolderError> {
    let follow = match follow {
        ContextPaths::Paths(paths) if paths.iter().all(|path| is_plain(root, path)) => follow,
        // The target of a link is required too, so everything is sent.
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
    /// Ignored folders, which are sent only if one of their entries is.
    pending: Vec<Entry>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &str) -> Result<(), FolderError> {
        for name in self.names(folder)? {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            if self.is_included(&path) {
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
            self.listing.skipped.push(absolute);
            return Ok(());
        };
        self.send(entry(path, kind, &metadata));
        Ok(())
    }

    fn send(&mut self, entry: Entry) {
        self.listing.entries.append(&mut self.pending);
        self.listing.entries.push(entry);
    }

    /// Names in byte order. Builders expect this order, with each folder before its contents.
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

    fn is_included(&self, path: &str) -> bool {
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
