//! Errors of commands, and how they are printed: the message with its causes, then a hint.

use std::error::Error;
use std::fmt::Display;
use std::path::Path;

use landfast_compose::Diagnostics;
use landfast_engine::folder::FolderError;
use landfast_engine::project::{self, shorten};
use landfast_engine::{EngineError, Hint, causes};

use crate::Exit;
use crate::output::{escape, stderr};

/// Why a command failed.
#[derive(Debug)]
pub enum CliError {
    /// The command line is invalid, and nothing was done.
    Usage { message: String, hint: String },
    /// Mistakes in files. Their lines are read when the error is printed.
    Mistakes(Diagnostics),
    /// Any other error, with the next step for the user if one is known.
    Failed { error: Box<dyn Error + Send + Sync>, hint: Option<String> },
}

/// An error with a message about what the command tried to do.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Failure {
    message: String,
    source: Box<dyn Error + Send + Sync>,
}

impl CliError {
    /// Creates a usage error.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    /// Creates an error from a message and its cause.
    pub fn failed(message: impl Into<String>, source: impl Error + Send + Sync + 'static) -> Self {
        Self::of(Failure { message: message.into(), source: Box::new(source) })
    }

    /// Creates an error from another one that has no hint of its own.
    pub fn of(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed { error: error.into(), hint: None }
    }

    /// Sets the hint that says what to do next.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Failed { error, .. } => Self::Failed { error, hint: Some(hint.into()) },
            Self::Usage { message, .. } => Self::Usage { message, hint: hint.into() },
            mistakes @ Self::Mistakes(_) => mistakes,
        }
    }

    /// Returns the exit code for this error.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Failed { error, .. } if names_no_stack(&**error) => Exit::Usage,
            Self::Mistakes(_) | Self::Failed { .. } => Exit::Failed,
        }
    }

    /// Formats the message with its causes and then the hint, each on a line that begins with its kind. Mistakes are
    /// shown with the lines of their files, if these can be read again.
    fn report(&self, current_dir: &Path) -> String {
        if let Self::Mistakes(all) = self {
            return quoted(all, current_dir);
        }
        let (message, hint) = self.parts();
        let hint = hint.map(|hint| format!("\nhint: {hint}")).unwrap_or_default();
        format!("error: {message}{hint}")
    }

    /// Returns the message with its causes, and the hint if there is one.
    fn parts(&self) -> (String, Option<&str>) {
        match self {
            Self::Mistakes(all) => (all.to_string(), None),
            Self::Usage { message, hint } => (message.clone(), Some(hint)),
            Self::Failed { error, hint } => (in_one_line(&**error), hint.as_deref()),
        }
    }
}

/// Formats as one line, without the name of a kind: the message with its causes, then the hint.
impl Display for CliError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (message, hint) = self.parts();
        write!(f, "{message}")?;
        hint.map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl<E: Hint> From<E> for CliError {
    fn from(error: E) -> Self {
        if let Some(mistakes) = error.mistakes() {
            return Self::Mistakes(mistakes.clone());
        }
        Self::Failed { hint: error.hint(), error: Box::new(error) }
    }
}

/// Returns whether the command line names a stack that the fleet does not have.
fn names_no_stack(error: &(dyn Error + 'static)) -> bool {
    let folder = match error.downcast_ref() {
        Some(EngineError::Folder(error)) => Some(error),
        _ => error.downcast_ref(),
    };
    matches!(folder, Some(FolderError::NoStack { .. }))
}

/// Returns the message of an error followed by those of its causes.
fn in_one_line(error: &(dyn Error + 'static)) -> String {
    causes(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Formats mistakes with the lines of their files.
fn quoted(mistakes: &Diagnostics, current_dir: &Path) -> String {
    let source = |file: &Path| project::reader(&current_dir.join(file)).ok().flatten();
    shorten(mistakes.clone(), current_dir).with_lines(source)
}

/// Prints an error on stderr. Control characters are escaped, because messages may contain text from other machines
/// (T36).
pub(super) fn print(error: &CliError) {
    let current_dir = std::env::current_dir().unwrap_or_default();
    stderr::line(&escape::lines(error.report(&current_dir).trim_end()));
}

#[cfg(test)]
mod tests {
    use std::io;

    use landfast_compose::{Diagnostic, Location};
    use landfast_engine::project::ProjectError;

    use super::*;

    #[test]
    fn the_causes_of_an_error_are_kept_and_printed() {
        let source = io::Error::from(io::ErrorKind::PermissionDenied);
        let error = CliError::from(ProjectError::Unreadable { path: "compose.yaml".into(), source });
        assert_eq!(error.report(Path::new("/")), "error: compose.yaml cannot be read: permission denied");
        let CliError::Failed { error, .. } = error else { panic!("{error}") };
        let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
        assert_eq!(cause.map(io::Error::kind), Some(io::ErrorKind::PermissionDenied));
    }

    #[test]
    fn an_unknown_stack_is_a_usage_error_however_it_is_found() {
        let unknown = || FolderError::NoStack { name: "web".to_owned(), known: vec!["db".to_owned()] };
        for error in [CliError::from(unknown()), CliError::from(EngineError::from(unknown()))] {
            assert_eq!(error.exit(), Exit::Usage);
            assert!(error.report(Path::new("/")).contains("\nhint: "), "{error}");
        }
        let other = FolderError::NoFleet { start: "/".into() };
        assert_eq!(CliError::from(other).exit(), Exit::Failed);
    }

    #[test]
    fn mistakes_are_shown_with_their_lines() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("compose.yaml");
        std::fs::write(&file, "services:\n  db: 3\n").unwrap();
        let location = Location { line: 2, column: 7, ..Location::whole(&file) };
        let mistakes = Diagnostics::from(Diagnostic::at(&location, "expected a mapping"));
        let errors = [
            CliError::from(mistakes.clone()),
            CliError::from(ProjectError::Mistakes(mistakes.clone())),
            CliError::from(EngineError::from(ProjectError::Mistakes(mistakes.clone()))),
            CliError::from(EngineError::from(FolderError::Mistakes(mistakes.clone()))),
            CliError::from(EngineError::Mistakes(mistakes)),
        ];
        for error in errors {
            let report = error.report(folder.path());
            assert!(report.starts_with("compose.yaml:2:7: expected a mapping\n"), "{report}");
            assert!(report.contains("db: 3"), "{report}");
        }
    }
}
