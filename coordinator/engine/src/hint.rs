//! What a caller can show beside an error.

use std::error::Error;
use std::iter;

use landfast_compose::Diagnostics;

/// Iterates over an error and its causes, from the outermost to the innermost.
pub fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    iter::successors(Some(error), |error| (*error).source())
}

/// An error that is shown to users, with what they can do about it.
pub trait Hint: Error + Send + Sync + 'static {
    /// Returns the next step for the user, if one is known.
    fn hint(&self) -> Option<String>;

    /// Returns the mistakes in files that the error consists of. A caller that can read the files quotes their lines.
    fn mistakes(&self) -> Option<&Diagnostics> {
        None
    }

    /// Formats the error and its hint as one line.
    fn with_hint(&self) -> String {
        match self.hint() {
            Some(hint) => format!("{self}; {hint}"),
            None => self.to_string(),
        }
    }
}

impl Hint for Diagnostics {
    /// Each diagnostic has its own hint.
    fn hint(&self) -> Option<String> {
        None
    }

    fn mistakes(&self) -> Option<&Diagnostics> {
        Some(self)
    }
}
