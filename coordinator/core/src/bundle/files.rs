//! Files of a bundle by the paths that compose files name.
use std::collections::BTreeMap;
use std::path::{Component, Path};

use super::{Content, Manifest};

/// Maximum number of links to follow, so that links that form a loop end.
const MAX_LINKS: usize = 8;

/// Returns the path relative to `root`, if it is inside. Paths are compared as text, without following links.
pub(crate) fn beneath(root: &Path, path: &Path) -> Option<String> {
    let plain = normalise(path);
    let rest = plain.strip_prefix(&normalise(root))?;
    match rest.strip_prefix('/') {
        Some(inner) => Some(inner.to_owned()),
        None => rest.is_empty().then(String::new),
    }
}

/// Resolves `.` and `..` as text: `/a/./b/../c` becomes `/a/c`, and `/` becomes empty.
pub(crate) fn normalise(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::ParentDir => drop(parts.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    parts.iter().map(|part| format!("/{part}")).collect()
}

/// Whether a bundle has anything at or below this path.
pub(crate) fn is_in_bundle(manifest: &Manifest, path: &str) -> bool {
    path.is_empty() || !files_at(manifest, path).is_empty()
}

/// Returns the files of a bundle at and below a path: path to digest and mode.
pub(crate) fn files_at(manifest: &Manifest, path: &str) -> BTreeMap<String, String> {
    let path = follow(manifest, path);
    let inside =
        |entry: &str| path.is_empty() || entry == path || entry.strip_prefix(&path).is_some_and(|r| r.starts_with('/'));
    let found = manifest.entries.iter().filter(|(entry, _)| inside(entry));
    let what = found.map(|(entry, what)| {
        let content = match &what.content {
            Content::File { digest, .. } => format!("{digest} {:o}", what.mode),
            Content::Link(target) => format!("link {target}"),
            Content::Folder => format!("folder {:o}", what.mode),
        };
        (entry.clone(), content)
    });
    what.collect()
}

/// Follows links in the bundle, and returns the path itself if it is not a link.
fn follow(manifest: &Manifest, path: &str) -> String {
    let mut path = path.to_owned();
    for _ in 0..MAX_LINKS {
        let Some(Content::Link(target)) = manifest.entries.get(&path).map(|entry| &entry.content) else { break };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        path = normalise(&Path::new("/").join(folder).join(target)).trim_start_matches('/').to_owned();
    }
    path
}
