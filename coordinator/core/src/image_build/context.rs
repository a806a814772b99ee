//! What of a context is sent: all but what is ignored, with the folders around it; or, when the builder names what it
//! needs, that.
use std::collections::BTreeSet;

/// What a builder needs of a context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContextPaths {
    /// All of it.
    All,
    /// What is at these paths and beneath them; relative, with `/`.
    Paths(BTreeSet<String>),
}

/// What these paths of a builder ask for. It may send more than it is asked: with a wildcard it is everything.
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

/// The folders that lead to a path, outermost first: `a`, `a/b` for `a/b/c`.
pub fn parent_folders(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').map(|(at, _)| &path[..at])
}
