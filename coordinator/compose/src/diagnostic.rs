//! What the loader has to say about a file, and where: values for the caller to print.
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use super::snippet::snippet;

/// A place in a file; line and column count from 1, 0 stands for the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Location {
    /// As given to the loader or as `include`, `extends` or `env_file` led to it.
    pub file: Arc<Path>,
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
}

impl Location {
    /// The file as a whole.
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

/// One mistake, or one thing to know. In order of place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Diagnostic {
    /// Where it stands, when it stands anywhere.
    pub location: Option<Location>,
    /// The dotted path of the key, empty when there is none.
    pub path: String,
    /// What is wrong; a lower-case sentence without a full stop.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
    /// Who has the mistake, where several can have it for one reason: see [`Self::used_by`].
    pub users: Box<[String]>,
}

impl Diagnostic {
    /// A message about a place.
    pub fn at(location: &Location, message: impl Into<String>) -> Self {
        Self { location: Some(location.clone()), ..Self::nowhere(message) }
    }

    /// A message about no place in particular.
    pub fn nowhere(message: impl Into<String>) -> Self {
        let message = clipped(message.into());
        Self { location: None, path: String::new(), message, hint: None, users: Box::default() }
    }

    /// The same, naming the key by its dotted path.
    pub fn key(mut self, path: impl Into<String>) -> Self {
        self.path = clipped(path.into());
        self
    }

    /// The same, saying what to do next.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

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

    /// Writes it, with the line it is about where the text of its file is known.
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

/// Users that are named; of more, the number is enough.
const MAX_NAMED: usize = 10;

/// Messages quote what people wrote, which may be as long as a file.
const MAX_LENGTH: usize = 1_000;

fn clipped(mut text: String) -> String {
    // In characters: a byte may stand inside one.
    if let Some((end, _)) = text.char_indices().nth(MAX_LENGTH) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// More mistakes than anybody reads at once.
pub(crate) const MAX_MISTAKES: usize = 100;

/// All that is wrong: never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    /// Nothing when nothing is wrong, else all that is, in order of place.
    ///
    /// # Errors
    /// All mistakes, when there is one.
    pub fn check(mut mistakes: Vec<Diagnostic>) -> Result<(), Self> {
        if mistakes.is_empty() {
            return Ok(());
        }
        mistakes.sort();
        Err(Self(mistakes))
    }

    /// The same text, with the lines that it is about, from the texts of their files.
    pub fn with_lines(&self, mut source: impl FnMut(&Path) -> Option<String>) -> String {
        let mut shown = String::new();
        let mut sources: BTreeMap<&Path, Option<String>> = BTreeMap::new();
        for diagnostic in &self.0 {
            let file = diagnostic.location.as_ref().map(|location| &*location.file);
            let text = file.and_then(|file| sources.entry(file).or_insert_with(|| source(file)).as_deref());
            let separator = if shown.is_empty() { "" } else { "\n" };
            shown.push_str(separator);
            diagnostic.write(&mut shown, text).expect("a String takes all that is written to it");
        }
        shown
    }
}

impl Diagnostics {
    /// See [`Diagnostic::used_by`].
    pub(crate) fn used_by(self, user: &str) -> Self {
        Self(self.0.into_iter().map(|diagnostic| diagnostic.used_by(user)).collect())
    }

    /// The first of them, and how many more there are.
    pub(crate) fn first(mut self) -> Self {
        if let Some(more) = self.0.len().checked_sub(MAX_MISTAKES).filter(|more| *more > 0) {
            self.0.truncate(MAX_MISTAKES);
            self.0.push(Diagnostic::nowhere(format!("and {more} mistakes more")));
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
