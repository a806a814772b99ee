//! A command that was run: what it said, and sentences about it.

use std::fmt;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;

/// What a finished command left.
#[derive(Debug, Clone)]
pub struct Output {
    /// The command, for messages.
    pub command: String,
    /// Its exit code; 128 and the signal when it was killed.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// How long it ran.
    pub took: Duration,
}

impl Output {
    /// Runs a command to its end, with nothing on its standard input.
    pub fn of(command: &mut Command) -> Result<Self> {
        Self::with_input(command, b"")
    }

    /// Runs a command to its end, with these bytes on its standard input.
    pub fn with_input(command: &mut Command, input: &[u8]) -> Result<Self> {
        let began = Instant::now();
        let said = words(command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {said}"))?;
        // A command that ends before it has read everything is judged by its exit code.
        child.stdin.take().context("standard input is a pipe")?.write_all(input).ok();
        let output = child.wait_with_output()?;
        Ok(Self {
            command: said,
            code: code_of(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: began.elapsed(),
        })
    }

    /// The command succeeded, or the test says why it did not.
    pub fn succeeds(self) -> Result<Self> {
        ensure!(self.code == 0, "it should succeed: {self}");
        Ok(self)
    }

    /// The command ended with this exit code.
    pub fn exits(self, code: i32) -> Result<Self> {
        ensure!(self.code == code, "it should exit {code}: {self}");
        Ok(self)
    }

    /// Standard output or error has this in it.
    pub fn says(self, text: &str) -> Result<Self> {
        ensure!(self.stdout.contains(text) || self.stderr.contains(text), "it should say {text:?}: {self}");
        Ok(self)
    }

    /// Neither standard output nor error has this in it.
    pub fn never_says(self, text: &str) -> Result<Self> {
        ensure!(!self.stdout.contains(text) && !self.stderr.contains(text), "it should never say {text:?}: {self}");
        Ok(self)
    }

    /// Standard output as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => Ok(value),
            Err(error) => bail!("not the JSON it should be ({error}): {self}"),
        }
    }

    /// Standard output without the space around it.
    pub fn text(&self) -> &str {
        self.stdout.trim()
    }
}

impl fmt::Display for Output {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "`{}` exited {} after {:.1?}", self.command, self.code, self.took)?;
        writeln!(out, "--- stdout\n{}", self.stdout.trim_end())?;
        write!(out, "--- stderr\n{}", self.stderr.trim_end())
    }
}

pub(crate) fn code_of(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// The command as one would type it, without the way into the namespace.
pub(crate) fn words(command: &Command) -> String {
    let all: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let inner = all.iter().position(|word| word == "--").map_or(0, |end| end + 1);
    all.get(inner..).unwrap_or(&all).join(" ")
}
