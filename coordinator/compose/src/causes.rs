//! One message for one cause: a missing file is reported once, with all services that use it.
use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Diagnostic, Diagnostics};

impl Diagnostics {
    /// Once for each cause: of the messages that are the same for several users, the first stays, with all of them.
    #[must_use]
    pub fn united(self) -> Self {
        Self(unite(self.0))
    }
}

/// Of the messages that are the same for several users, only the first stays, with all of them. The order stays too.
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

/// Each user once.
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
