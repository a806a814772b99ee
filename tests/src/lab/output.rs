//! The result of a finished command, and checks of it.

use std::fmt;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::de::DeserializeOwned;

/// Result of a finished command.
#[derive(Debug, Clone)]
pub struct Output {
    /// Command line, for messages.
    pub command: String,
    /// Exit code; 128 plus the signal if the command was killed.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    /// Duration of the command.
    pub took: Duration,
}

impl Output {
    /// Runs a command with empty standard input and waits until it exits.
    pub fn of(command: &mut Command) -> Result<Self> {
        Self::with_input(command, b"")
    }

    /// Runs a command with these bytes on its standard input and waits until it exits.
    pub fn with_input(command: &mut Command, input: &[u8]) -> Result<Self> {
        let began = Instant::now();
        let command_line = words(command);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {command_line}"))?;
        // A command may exit before it has read all input. Its exit code decides.
        child.stdin.take().context("standard input is not a pipe")?.write_all(input).ok();
        let output = child.wait_with_output()?;
        Ok(Self {
            command: command_line,
            code: code_of(output.status),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            took: began.elapsed(),
        })
    }

    /// Checks that the command exited with 0.
    pub fn succeeds(self) -> Result<Self> {
        ensure!(self.code == 0, "it should succeed: {self}");
        Ok(self)
    }

    /// Checks that the command exited with this code.
    pub fn exits(self, code: i32) -> Result<Self> {
        ensure!(self.code == code, "it should exit {code}: {self}");
        Ok(self)
    }

    /// Checks that standard output or standard error contains this text.
    pub fn says(self, text: &str) -> Result<Self> {
        ensure!(self.stdout.contains(text) || self.stderr.contains(text), "it should say {text:?}: {self}");
        Ok(self)
    }

    /// Checks that neither standard output nor standard error contains this text.
    pub fn never_says(self, text: &str) -> Result<Self> {
        ensure!(!self.stdout.contains(text) && !self.stderr.contains(text), "it should never say {text:?}: {self}");
        Ok(self)
    }

    /// Parses standard output as JSON.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        match serde_json::from_str(&self.stdout) {
            Ok(value) => Ok(value),
            Err(error) => bail!("the output is not the expected JSON ({error}): {self}"),
        }
    }

    /// Standard output without surrounding white space.
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

/// Returns the command line without the prefix that enters a namespace.
pub(crate) fn words(command: &Command) -> String {
    let all: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let inner = all.iter().position(|word| word == "--").map_or(0, |end| end + 1);
    all.get(inner..).unwrap_or(&all).join(" ")
}
