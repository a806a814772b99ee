//! Standard error: what a command says to people. A reader that goes away ends the talking and never the work.
//!
//! `eprintln!` panics when standard error is closed, as by `landfast up 2>&1 | head -1`. This module is the only one that
//! writes there; clippy.toml bans the macros everywhere else.

use std::io::{self, IsTerminal as _, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Whether the reader is known to be gone.
static IS_CLOSED: AtomicBool = AtomicBool::new(false);

/// Writes a text as it is.
pub fn text(text: &str) {
    // A text that cannot be said is lost: there is no other place to say so.
    drop(Stderr.write_all(text.as_bytes()));
}

/// Writes one line.
pub fn line(line: &str) {
    text(&format!("{line}\n"));
}

/// Writes a question.
///
/// # Errors
/// It cannot be written, and so the answer would be one to something else.
pub fn question(text: &str) -> io::Result<()> {
    if IS_CLOSED.load(Ordering::Relaxed) {
        return Err(io::ErrorKind::BrokenPipe.into());
    }
    stderr().write_all(text.as_bytes())
}

/// Whether standard error is a terminal.
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
        // In one piece, so that lines of several threads do not mix.
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
