//! Going on after a mistake, so that all that is wrong with a project is said at once and not step by step.
//!
//! What is wrong is taken out of the tree, as much of it as one key of one service or resource, and the next steps see
//! the rest. What they then miss for it alone is not said.
use super::causes::unite;
use super::diagnostic::{Diagnostic, Diagnostics, MAX_MISTAKES};
use super::text::node::{Map, Node};

/// What was found to be wrong so far.
#[derive(Default)]
pub(super) struct Mistakes(Vec<Diagnostic>);

impl Mistakes {
    /// Notes what a step found and takes it out of the tree.
    ///
    /// # Errors
    /// What it found, when the steps to come could not tell it from its consequences: a whole service, or a section.
    pub(super) fn note(&mut self, project: &mut Node, step: Result<(), Diagnostics>) -> Result<(), Diagnostics> {
        let Err(Diagnostics(mut found)) = step else { return Ok(()) };
        // So many are not looked at one by one.
        if found.len() > MAX_MISTAKES {
            return Err(Diagnostics(found));
        }
        found.retain(|mistake| !self.explains(mistake));
        if !found.iter().all(|mistake| take_out(project, &mistake.path)) {
            return Err(Diagnostics(found));
        }
        self.0.extend(found);
        Ok(())
    }

    /// Whether a mistake is about what an earlier one was taken out of, or about a service that may have lost it with what
    /// it extends.
    fn explains(&self, mistake: &Diagnostic) -> bool {
        let mut rests = self.0.iter().filter_map(|earlier| earlier.path.strip_prefix(&mistake.path));
        let is_service = mistake.path.strip_prefix("services.").is_some_and(|name| !name.contains('.'));
        let extends =
            |earlier: &Diagnostic| earlier.path.ends_with(".extends") || earlier.path.ends_with(".extends.file");
        !mistake.path.is_empty() && rests.any(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            || is_service && self.0.iter().any(extends)
    }

    /// What came of it all.
    ///
    /// # Errors
    /// All that was found, in order of place.
    pub(super) fn verdict<T>(mut self, end: Result<T, Diagnostics>) -> Result<T, Diagnostics> {
        match end {
            Ok(value) if self.0.is_empty() => Ok(value),
            end => {
                self.0.extend(end.err().into_iter().flat_map(|Diagnostics(found)| found));
                self.0.sort();
                Err(Diagnostics(unite(self.0)).first())
            }
        }
    }
}

/// Takes the key of a service or resource out that a path leads to or through; whether the path leads so far.
fn take_out(project: &mut Node, path: &str) -> bool {
    let Some((section, rest)) = entry_mut(project, path) else { return false };
    let Some((resource, rest)) = entry_mut(section, rest) else { return false };
    let Some(map) = resource.as_map_mut() else { return false };
    if let Some(key) = key_of(map, rest) {
        map.remove(&key);
    }
    true
}

/// The entry of a mapping that a path begins with, and the rest of the path.
fn entry_mut<'a, 'p>(node: &'a mut Node, path: &'p str) -> Option<(&'a mut Node, &'p str)> {
    let key = key_of(node.as_map()?, path)?;
    let rest = path[key.len()..].strip_prefix('.')?;
    Some((node.at_key_mut(&key)?, rest))
}

/// Keys may have dots in them, so that the longest which fits is meant.
fn key_of(map: &Map, path: &str) -> Option<String> {
    let fits = |key: &&String| {
        path.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    map.keys().filter(fits).max_by_key(|key| key.len()).cloned()
}
