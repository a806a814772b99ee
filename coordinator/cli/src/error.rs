//! What a command can fail with, and how that is printed: the chain once, at the edge, with the next step.

use std::error::Error;

use crate::output::{escape, stderr};

use crate::Exit;

#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Nothing was done, because what was asked for cannot be meant.
    #[error("{message}")]
    Usage { message: String, hint: String },
    /// Mistakes in files, each already a whole sentence with its place.
    #[error("{0}")]
    Mistakes(String),
    /// Everything else: some error with its sources, and what to do next where there is something.
    #[error("{message}")]
    Failed {
        message: String,
        hint: Option<String>,
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
}

impl CliError {
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Usage { message: message.into(), hint: hint.into() }
    }

    /// Something failed for a reason that `source` knows.
    pub fn failed(message: impl Into<String>, source: impl Error + Send + Sync + 'static) -> Self {
        Self::Failed { message: message.into(), hint: None, source: Some(Box::new(source)) }
    }

    /// The error that is the whole story.
    pub fn of(error: impl Error + Send + Sync + 'static) -> Self {
        let source = chain(&error).skip(1).map(ToString::to_string).collect::<Vec<_>>();
        let message = std::iter::once(error.to_string()).chain(source).collect::<Vec<_>>().join(": ");
        Self::Failed { message, hint: None, source: None }
    }

    /// With what to do next.
    pub fn hint(self, hint: impl Into<String>) -> Self {
        match self {
            Self::Failed { message, source, .. } => Self::Failed { message, hint: Some(hint.into()), source },
            Self::Usage { message, .. } => Self::Usage { message, hint: hint.into() },
            mistakes @ Self::Mistakes(_) => mistakes,
        }
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Mistakes(_) | Self::Failed { .. } => Exit::Failed,
        }
    }
}

/// On stderr: the message with its causes, then the hint. Names and messages of others may hold anything (T36).
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
