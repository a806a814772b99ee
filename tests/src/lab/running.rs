//! A command that is still running.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::output::{Output, code_of};
use super::wait::wait_for;

/// A running command. Its output is read as it arrives, so that the command never blocks on a full pipe.
pub struct Running {
    child: Child,
    began: Instant,
    command: String,
    readers: Vec<JoinHandle<String>>,
}

impl Running {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        let command_line = super::output::words(command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().with_context(|| format!("cannot run {command_line}"))?;
        let stdout = child.stdout.take().context("standard output is not a pipe")?;
        let stderr = child.stderr.take().context("standard error is not a pipe")?;
        let readers = vec![reader(stdout), reader(stderr)];
        Ok(Self { child, began: Instant::now(), command: command_line, readers })
    }

    /// Returns whether the command still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Kills the command to simulate a crash.
    pub fn kill(mut self) -> Result<Output> {
        self.child.kill()?;
        self.ends(Duration::from_secs(10))
    }

    /// Waits until the command exits. After `limit`, kills it and fails with its output.
    pub fn ends(mut self, limit: Duration) -> Result<Output> {
        let what = format!("`{}` ends", self.command);
        let status = match wait_for(&what, limit, || Ok(self.child.try_wait()?)) {
            Ok(status) => status,
            Err(late) => {
                self.child.kill()?;
                let status = self.child.wait()?;
                return Err(late.context(self.output(status).to_string()));
            }
        };
        Ok(self.output(status))
    }

    fn output(&mut self, status: ExitStatus) -> Output {
        let took = self.began.elapsed();
        let mut outputs = self.readers.drain(..).map(|reader| reader.join().unwrap_or_default());
        let (stdout, stderr) = (outputs.next().unwrap_or_default(), outputs.next().unwrap_or_default());
        drop(outputs);
        Output { command: self.command.clone(), code: code_of(status), stdout, stderr, took }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn reader(mut stream: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).ok();
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
