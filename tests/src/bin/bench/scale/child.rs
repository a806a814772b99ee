//! Child processes of this program that answer requests: one line of JSON each way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A child process. It ends when it is dropped, or when this process ends and closes its standard input.
pub(crate) struct Child {
    process: std::process::Child,
    requests: ChildStdin,
    answers: Receiver<String>,
}

impl Child {
    /// Starts this program again with other arguments.
    pub(crate) fn start(words: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(words).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let requests = process.stdin.take().context("the child has no standard input")?;
        let output = BufReader::new(process.stdout.take().context("the child has no standard output")?);
        let (sender, answers) = mpsc::channel();
        // The thread ends with the output of the child.
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Ok(Self { process, requests, answers })
    }

    /// Sends a request and waits for the answer.
    ///
    /// # Errors
    /// The child reports an error, ends, or exceeds the time limit.
    pub(crate) fn ask<A: DeserializeOwned>(&mut self, request: &impl Serialize, deadline: Instant) -> Result<A> {
        let began = Instant::now();
        writeln!(self.requests, "{}", serde_json::to_string(request)?).context("the child has ended")?;
        let limit = deadline.saturating_duration_since(began).max(Duration::from_secs(1));
        match self.answers.recv_timeout(limit) {
            Ok(line) => serde_json::from_str::<Result<A, String>>(&line)?.map_err(anyhow::Error::msg),
            Err(RecvTimeoutError::Timeout) => bail!("exceeded: no answer within {} s", limit.as_secs()),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.process.wait()?;
                let aborted = status.signal().is_some();
                let reason = if aborted { " (it may have exceeded its memory limit)" } else { "" };
                bail!("exceeded: the process ended with {status}{reason}")
            }
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // The process may have ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

/// Answers the requests on the standard input until it is closed.
pub(crate) fn answer<R: DeserializeOwned, A: Serialize>(mut answer: impl FnMut(R) -> Result<A>) -> Result<()> {
    for line in std::io::stdin().lines() {
        let answer = answer(serde_json::from_str(&line?)?).map_err(|error| format!("{error:#}"));
        println!("{}", serde_json::to_string(&answer)?);
    }
    Ok(())
}

/// Allows this process as many open files as it may have.
pub(crate) fn raise_file_limit() -> Result<()> {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    Ok(setrlimit(Resource::RLIMIT_NOFILE, most, most)?)
}

/// Limits the memory of this process. A larger one is ended.
pub(crate) fn limit_memory(bytes: u64) -> Result<()> {
    Ok(setrlimit(Resource::RLIMIT_AS, bytes, bytes)?)
}
