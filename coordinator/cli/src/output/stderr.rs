//! Writes messages for people to standard error. If the reader closes its end, the messages are dropped and the command
//! continues.
//!
//! `eprintln!` panics when standard error is closed, as by `landfast up 2>&1 | head -1`. This module is the only one that
//! writes there; clippy.toml bans the macros everywhere else.

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once a write has shown that the reader has closed its end.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Writes a text unchanged.
pub fn text(text: &str) {
    // There is nowhere else to report that standard error cannot be written.
    drop(Stderr.write_all(text.as_bytes()));
}

/// Writes one line.
pub fn line(line: &str) {
    text(&format!("{line}\n"));
}

/// Writes a question.
///
/// # Errors
/// Fails if the question cannot be written, because the answer would then be to a question that was not seen.
pub fn question(text: &str) -> io::Result<()> {
    if IS_CLOSED.load(Ordering::Relaxed) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    stderr().write_all(text.as_bytes())
}

/// Returns whether standard error is a terminal.
pub fn is_terminal() -> bool {
    stderr().is_terminal()
}

/// Standard error as a writer that never fails: it drops what it cannot write.
#[derive(Debug, Clone, Copy)]
pub struct Stderr;

impl Write for Stderr {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if IS_CLOSED.load(Ordering::Relaxed) {
            return Ok(bytes.len());
        }
        // Written in one call, so that lines of several threads do not mix.
        if let Err(error) = stderr().lock().write_all(bytes)
            && error.kind() == io::ErrorKind::BrokenPipe
        {
            IS_CLOSED.store(true, Ordering::Relaxed);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[allow(clippy::disallowed_methods, reason = "this is the module that writes there")]
fn stderr() -> io::Stderr {
    io::stderr()
}
