//! Combines messages by cause, so that a missing file is reported once, with all services that use it.
use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Diagnostic, Diagnostics};

impl Diagnostics {
    /// Combines the diagnostics of each cause: see [`unite`].
    #[must_use]
    pub fn united(self) -> Self {
        Self(unite(self.0))
    }
}

/// Combines diagnostics that have the same message and hint and only differ in their users.
///
/// The first one stays in its place and gets all users.
pub fn unite(diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut united: Vec<Diagnostic> = Vec::with_capacity(diagnostics.len());
    let mut causes: BTreeMap<_, (usize, Users)> = BTreeMap::new();
    for diagnostic in diagnostics {
        if diagnostic.users.is_empty() {
            united.push(diagnostic);
            continue;
        }
        let cause = (diagnostic.message.clone(), diagnostic.hint.clone());
        let (_, users) = causes.entry(cause).or_insert_with(|| (united.len(), Users::default()));
        let is_first = users.in_order.is_empty();
        diagnostic.users.iter().for_each(|user| users.add(user));
        if is_first {
            united.push(diagnostic);
        }
    }
    for (at, users) in causes.into_values() {
        united[at].users = users.in_order.into();
    }
    united
}

/// A list of distinct users.
#[derive(Default)]
struct Users {
    in_order: Vec<String>,
    known: BTreeSet<String>,
}

impl Users {
    fn add(&mut self, user: &str) {
        if self.known.insert(user.to_owned()) {
            self.in_order.push(user.to_owned());
        }
    }
}
