//! Errors and warnings about Compose files, with their locations.
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::snippet::snippet;

/// A location in a file. Line 0 stands for the whole file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// Path of the file, as given to the loader or as resolved from `include`, `extends` or `env_file`.
    pub file: Arc<Path>,
    /// Line, counted from 1.
    pub line: usize,
    /// Column in characters, counted from 1.
    pub column: usize,
}

impl Location {
    /// The location of a whole file.
    pub fn whole(file: &Path) -> Self {
        Self { file: file.into(), line: 0, column: 0 }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        Ok(())
    }
}

/// One error or warning. Diagnostics are ordered by location.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Location in a file, if there is one.
    pub location: Option<Location>,
    /// Dotted path of the key; empty when there is none.
    pub path: String,
    /// What is wrong, as a lower-case sentence without a full stop.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// The services or keys that have the mistake, if several can have it for one cause: see [`Self::used_by`].
    pub users: Box<[String]>,
}

impl Diagnostic {
    /// Creates a message about a location.
    pub fn at(location: &Location, message: impl Into<String>) -> Self {
        Self { location: Some(location.clone()), ..Self::without_location(message) }
    }

    /// Creates a message without a location.
    pub fn without_location(message: impl Into<String>) -> Self {
        let message = clipped(message.into());
        Self { location: None, path: String::new(), message, hint: None, users: Box::default() }
    }

    /// Sets the dotted path of the key.
    pub fn key(mut self, path: impl Into<String>) -> Self {
        self.path = clipped(path.into());
        self
    }

    /// Sets the hint: what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets the service or key that has the mistake. [`unite`](crate::unite) combines the diagnostics of one cause.
    #[must_use]
    pub fn used_by(mut self, user: impl Into<String>) -> Self {
        self.users = Box::new([user.into()]);
        self
    }

    /// Sets the service or key that has the mistake, in place.
    pub fn needed_by(&mut self, user: &str) -> &mut Self {
        self.users = Box::new([user.to_owned()]);
        self
    }

    /// The users of the mistake, unless the path already names them.
    fn users(&self) -> Option<String> {
        let named = self.users.iter().take(MAX_NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
        match self.users.len() {
            0 => None,
            1 if self.path == named || self.path.starts_with(&format!("services.{named}.")) => None,
            all if all > MAX_NAMED => Some(format!("{named} and {} more", all - MAX_NAMED)),
            _ => Some(named),
        }
    }

    fn snippet(&self, source: &str) -> Option<String> {
        let Location { file, line, column } = self.location.as_ref()?;
        snippet(source, file, *line, *column, &self.path)
    }

    /// Writes the message, with a snippet if the text of the file is given.
    fn write(&self, f: &mut impl fmt::Write, source: Option<&str>) -> fmt::Result {
        if let Some(location) = &self.location {
            write!(f, "{location}: ")?;
        }
        write!(f, "{}", self.message)?;
        if !self.path.is_empty() {
            write!(f, " ({})", self.path)?;
        }
        if let Some(users) = self.users() {
            write!(f, ", used by {users}")?;
        }
        if let Some(snippet) = source.and_then(|source| self.snippet(source)) {
            write!(f, "\n{snippet}")?;
        }
        if let Some(hint) = &self.hint {
            write!(f, "\n  hint: {hint}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, None)
    }
}

/// Number of users that a message names.
const MAX_NAMED: usize = 10;

/// Longest message in characters. Messages quote values, which may be as long as a file.
const MAX_LENGTH: usize = 1_000;

fn clipped(mut text: String) -> String {
    // A byte index may be inside a character.
    if let Some((end, _)) = text.char_indices().nth(MAX_LENGTH) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Number of mistakes that are reported at once.
pub(crate) const MAX_MISTAKES: usize = 100;

/// One or more diagnostics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Succeeds when there are no mistakes.
    ///
    /// # Errors
    /// Returns all mistakes in the order of their locations.
    pub fn check(mut mistakes: Vec<Diagnostic>) -> Result<(), Self> {
        if mistakes.is_empty() {
            return Ok(());
        }
        mistakes.sort();
        Err(Self(mistakes))
    }

    /// Formats the diagnostics with snippets. `source` returns the text of a file.
    pub fn with_lines(&self, mut source: impl FnMut(&Path) -> Option<String>) -> String {
        let mut shown = String::new();
        let mut sources: BTreeMap<&Path, Option<String>> = BTreeMap::new();
        for diagnostic in &self.0 {
            let file = diagnostic.location.as_ref().map(|location| &*location.file);
            let text = file.and_then(|file| sources.entry(file).or_insert_with(|| source(file)).as_deref());
            let separator = if shown.is_empty() { "" } else { "\n" };
            shown.push_str(separator);
            diagnostic.write(&mut shown, text).expect("writing to a String does not fail");
        }
        shown
    }
}

impl Diagnostics {
    /// Sets the user of all diagnostics: see [`Diagnostic::used_by`].
    pub(crate) fn used_by(self, user: &str) -> Self {
        Self(self.0.into_iter().map(|diagnostic| diagnostic.used_by(user)).collect())
    }

    /// Keeps the first diagnostics, and adds how many more there are.
    pub(crate) fn first(mut self) -> Self {
        if let Some(more) = self.0.len().checked_sub(MAX_MISTAKES).filter(|more| *more > 0) {
            self.0.truncate(MAX_MISTAKES);
            self.0.push(Diagnostic::without_location(format!("and {more} more mistakes")));
        }
        self
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(one: Diagnostic) -> Self {
        Self(vec![one])
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.0.iter().enumerate() {
            if index > 0 {
                writeln!(f)?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}
