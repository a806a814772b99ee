//! Continues after a mistake, so that the mistakes of all steps are reported at once.
//!
//! The key of the service or resource that has the mistake is removed from the tree, and the next steps process the rest.
//! Mistakes that only follow from the removal are not reported.
use super::causes::unite;
use super::diagnostic::{Diagnostic, Diagnostics, MAX_MISTAKES};
use super::text::node::{Map, Node};

/// The mistakes found so far.
#[derive(Default)]
pub(super) struct Mistakes(Vec<Diagnostic>);

impl Mistakes {
    /// Records the mistakes of a step and removes their keys from the tree.
    ///
    /// # Errors
    /// Returns the mistakes when the next steps could not continue, because a whole service or section is wrong.
    pub(super) fn record(&mut self, project: &mut Node, step: Result<(), Diagnostics>) -> Result<(), Diagnostics> {
        let Err(Diagnostics(mut found)) = step else { return Ok(()) };
        // The comparison below would take too long, and not all are reported.
        if found.len() > MAX_MISTAKES {
            return Err(Diagnostics(found));
        }
        found.retain(|mistake| !self.is_cause_of(mistake));
        if !found.iter().all(|mistake| remove(project, &mistake.path)) {
            return Err(Diagnostics(found));
        }
        self.0.extend(found);
        Ok(())
    }

    /// Whether a mistake may follow from an earlier one: its key contains the removed key, or it is about a service while an
    /// `extends` is wrong.
    fn is_cause_of(&self, mistake: &Diagnostic) -> bool {
        let mut rests = self.0.iter().filter_map(|earlier| earlier.path.strip_prefix(&mistake.path));
        let is_service = mistake.path.strip_prefix("services.").is_some_and(|name| !name.contains('.'));
        let extends =
            |earlier: &Diagnostic| earlier.path.ends_with(".extends") || earlier.path.ends_with(".extends.file");
        !mistake.path.is_empty() && rests.any(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
            || is_service && self.0.iter().any(extends)
    }

    /// Returns the result of the last step if no step had mistakes.
    ///
    /// # Errors
    /// Returns all mistakes in the order of their locations.
    pub(super) fn finish<T>(mut self, end: Result<T, Diagnostics>) -> Result<T, Diagnostics> {
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

/// Removes the key of a service or resource that a path contains. Returns whether the path names a service or resource.
fn remove(project: &mut Node, path: &str) -> bool {
    let Some((section, rest)) = entry_mut(project, path) else { return false };
    let Some((resource, rest)) = entry_mut(section, rest) else { return false };
    let Some(map) = resource.as_map_mut() else { return false };
    if let Some(key) = key_of(map, rest) {
        map.remove(&key);
    }
    true
}

/// Finds the entry of a mapping that a path starts with. Returns its value and the rest of the path.
fn entry_mut<'a, 'p>(node: &'a mut Node, path: &'p str) -> Option<(&'a mut Node, &'p str)> {
    let key = key_of(node.as_map()?, path)?;
    let rest = path[key.len()..].strip_prefix('.')?;
    Some((node.at_key_mut(&key)?, rest))
}

/// Finds the key of a mapping that a path starts with. Keys may contain dots, so the longest match counts.
fn key_of(map: &Map, path: &str) -> Option<String> {
    let fits = |key: &&String| {
        path.strip_prefix(key.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    };
    map.keys().filter(fits).max_by_key(|key| key.len()).cloned()
}
