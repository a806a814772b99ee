//! Selection of the files of a context that a builder needs: all that are not ignored, or only the paths that it names.
use std::collections::BTreeSet;

/// Files of a context that a builder needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextPaths {
    /// All files.
    All,
    /// The files at and below these paths, which are relative and use `/`.
    Paths(BTreeSet<String>),
}

/// Selects the files for the paths that a builder requests. Sending more is allowed, so a wildcard selects all files.
pub fn context_paths(paths: &[String]) -> ContextPaths {
    let mut followed = BTreeSet::new();
    for path in paths {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
        if parts.is_empty() || parts.contains(&"..") || path.contains(['*', '?', '[', '\\']) {
            return ContextPaths::All;
        }
        followed.insert(parts.join("/"));
    }
    if followed.is_empty() { ContextPaths::All } else { ContextPaths::Paths(followed) }
}

/// Returns the parent folders of a path, outermost first: `a` and `a/b` for `a/b/c`.
pub fn parent_folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}
