//! Errors of commands, and how they are printed: the message with its causes, then a hint.

use std::error::Error;

use crate::output::{escape, stderr};

use crate::Exit;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The command line is invalid, and nothing was done.
    #[error("{message}")]
    Usage { message: String, hint: String },
    /// Mistakes in files, already formatted with their locations.
    #[error("{0}")]
    Mistakes(String),
    /// Any other error, with its source and a hint if there is one.
    #[error("{message}")]
    Failed {
        message: String,
        hint: Option<String>,
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl CliError {
    /// Creates a usage error.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    /// Creates an error from a message and its cause.
    pub fn failed(message: impl Into<String>, source: impl Error + Send + Sync + 'static) -> Self {
        Self::Failed { message: message.into(), hint: None, source: Some(Box::new(source)) }
    }

    /// Creates an error from another one, whose causes become part of the message.
    pub fn of(error: impl Error + Send + Sync + 'static) -> Self {
        let source = chain(&error).skip(1).map(ToString::to_string).collect::<Vec<_>>();
        let message = std::iter::once(error.to_string()).chain(source).collect::<Vec<_>>().join(": ");
        Self::Failed { message, hint: None, source: None }
    }

    /// Sets the hint that says what to do next.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Failed { message, source, .. } => Self::Failed { message, hint: Some(hint.into()), source },
            Self::Usage { message, .. } => Self::Usage { message, hint: hint.into() },
            mistakes @ Self::Mistakes(_) => mistakes,
        }
    }

    /// Returns the exit code for this error.
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Mistakes(_) | Self::Failed { .. } => Exit::Failed,
        }
    }
}

/// Prints the message with its causes and then the hint on stderr. Control characters are escaped, because messages may
/// contain text from other machines (T36).
pub(super) fn print(error: &CliError) {
    if let CliError::Mistakes(text) = error {
        stderr::line(&escape::lines(text.trim_end()));
        return;
    }
    let causes = chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ");
    stderr::line(&format!("error: {}", escape::lines(&causes)));
    if let CliError::Usage { hint, .. } | CliError::Failed { hint: Some(hint), .. } = error {
        stderr::line(&format!("hint: {}", escape::lines(hint)));
    }
}

fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
