//! Lists a folder in path order. Links out of the folder are refused.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Component, Path, PathBuf};

use landfast_core::bundle::IgnoreRules;

use crate::folder::STATE;

use super::ScanError;

/// A file, link or empty folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    File { mode: u32 },
    Link { target: String },
    Folder { mode: u32 },
}

const SPECIAL_BITS: u32 = 0o7000;
const PERMISSION_BITS: u32 = 0o777;

/// Lists everything that belongs to the bundle. A folder is listed only if none of its contents are.
pub(super) fn walk(root: &Path, rules: &IgnoreRules) -> Result<BTreeMap<String, Found>, ScanError> {
    let mut found = BTreeMap::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        let mut has_contents = false;
        // The local state contains the authority's private key. No ignore rule can include it.
        for name in names(&root.join(&folder))?.into_iter().filter(|name| name != STATE) {
            let path = if folder.is_empty() { name } else { format!("{folder}/{name}") };
            let absolute = root.join(&path);
            let metadata = absolute.symlink_metadata().map_err(|source| unreadable(&absolute, source))?;
            if metadata.is_dir() && !rules.prunes(&path) {
                has_contents |= !rules.matches(&path);
                folders.push(path);
            } else if !metadata.is_dir() && !rules.matches(&path) {
                has_contents = true;
                found.insert(path, leaf(root, &absolute, &metadata)?);
            }
        }
        if !has_contents && !folder.is_empty() && !rules.matches(&folder) {
            let absolute = root.join(&folder);
            let metadata = absolute.symlink_metadata().map_err(|source| unreadable(&absolute, source))?;
            found.insert(folder, Found::Folder { mode: mode(&absolute, &metadata)? });
        }
    }
    Ok(found)
}

fn names(folder: &Path) -> Result<Vec<String>, ScanError> {
    let unreadable = |source| unreadable(folder, source);
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        let path = folder.join(&name);
        let name = name.into_string().map_err(|_| refused(&path, "its name is not UTF-8"))?;
        if name.chars().any(char::is_control) {
            return Err(refused(&path, "its name has control characters"));
        }
        names.push(name);
    }
    Ok(names)
}

fn leaf(root: &Path, path: &Path, metadata: &Metadata) -> Result<Found, ScanError> {
    if metadata.is_file() {
        return Ok(Found::File { mode: mode(path, metadata)? });
    }
    if !metadata.is_symlink() {
        return Err(refused(path, "it is a device, a pipe or a socket"));
    }
    let target = path.read_link().map_err(|source| unreadable(path, source))?;
    if !stays_beneath(root, path, &target) {
        return Err(refused(path, "it is a link out of the stack's folder"));
    }
    let target = target.into_os_string().into_string().map_err(|_| refused(path, "its target is not UTF-8"))?;
    Ok(Found::Link { target })
}

/// Whether a link stays in the folder, judging by its text alone. The host refuses links through other links when it
/// writes.
fn stays_beneath(root: &Path, link: &Path, target: &Path) -> bool {
    let depth = link.strip_prefix(root).map_or(0, |path| path.components().count().saturating_sub(1));
    let steps = target.components().try_fold(depth, |depth, component| match component {
        Component::ParentDir => depth.checked_sub(1),
        Component::Normal(_) => Some(depth + 1),
        Component::CurDir => Some(depth),
        Component::RootDir | Component::Prefix(_) => None,
    });
    steps.is_some()
}

fn mode(path: &Path, metadata: &Metadata) -> Result<u32, ScanError> {
    let mode = metadata.permissions().mode();
    if metadata.is_file() && mode & SPECIAL_BITS != 0 {
        return Err(refused(path, "it is set-uid, set-gid or sticky"));
    }
    Ok(mode & PERMISSION_BITS)
}

fn unreadable(path: &Path, source: std::io::Error) -> ScanError {
    ScanError::Unreadable { path: path.to_owned(), source }
}

fn refused(path: &Path, why: &'static str) -> ScanError {
    ScanError::Refused { path: PathBuf::from(path), why }
}
