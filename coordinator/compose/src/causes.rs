//! One message for one cause: a missing file is reported once, with all services that use it.
use std::collections::{BTreeMap, BTreeSet};

use super::diagnostic::{Diagnostic, Diagnostics};

/// Users that are named; of more, the number is enough.
const MAX_NAMED: usize = 10;

impl Diagnostic {
    /// The same, as a mistake that several users may have for the same reason. [`unite`] puts them together.
    #[must_use]
    pub fn used_by(mut self, user: impl Into<String>) -> Self {
        self.users = Box::new([user.into()]);
        self
    }

    /// The same, in place.
    pub fn needed_by(&mut self, user: &str) -> &mut Self {
        self.users = Box::new([user.to_owned()]);
        self
    }

    /// Who has it, when the path does not say so.
    pub(super) fn users(&self) -> Option<String> {
        let named = self.users.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.users.len() {
            0 => None,
            1 if self.path == named || self.path.starts_with(&format!("services.{named}.")) => None,
            all if all > MAX_NAMED => Some(format!("{named} and {} more", all - MAX_NAMED)),
            _ => Some(named),
        }
    }
}

impl Diagnostics {
    /// Once for each cause: of the messages that are the same for several users, the first stays, with all of them.
    #[must_use]
    pub fn united(self) -> Self {
        Self(unite(self.0))
    }

    /// See [`Diagnostic::used_by`].
    pub(super) fn used_by(self, user: &str) -> Self {
        Self(self.0.into_iter().map(|diagnostic| diagnostic.used_by(user)).collect())
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
