//! Output of commands: data on stdout, messages on stderr.

pub mod escape;
pub mod progress;
pub mod stderr;
pub mod table;
pub mod words;

use std::io::{self, IsTerminal as _, Write as _};

use landfast_engine::Hint;

/// A failure to write to standard output.
#[derive(Debug, thiserror::Error)]
#[error("standard output cannot be written")]
pub struct StdoutError(#[from] io::Error);

impl Hint for StdoutError {
    fn hint(&self) -> Option<String> {
        None
    }
}

/// Prints a value as JSON on stdout, followed by a line end.
pub fn json(value: &impl serde::Serialize) -> Result<(), StdoutError> {
    let mut text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
    text.push('\n');
    print(&text)
}

/// Prints text on stdout. A reader that closed its end early (`| head`) is not an error.
pub fn print(text: &str) -> Result<(), StdoutError> {
    stream(text).map(drop)
}

/// Prints text on stdout, and returns whether the reader still exists.
pub fn stream(text: &str) -> Result<Reader, StdoutError> {
    let mut out = stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(Reader::Here),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Reader::Gone),
        Err(error) => Err(error.into()),
    }
}

/// State of the reader of standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reader {
    /// The reader exists.
    Here,
    /// The reader has closed its end.
    Gone,
}

/// Returns whether standard output is a terminal.
pub fn is_terminal() -> bool {
    stdout().is_terminal()
}

#[allow(clippy::disallowed_methods, reason = "this is the module that writes there")]
fn stdout() -> io::Stdout {
    io::stdout()
}

/// Returns a number with its noun: `1 file`, `2 files`.
pub fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}
