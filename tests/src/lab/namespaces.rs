//! A set of namespaces that one first process keeps open, and the commands that enter them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::place::workspace;
use super::wait::{wait_for, wait_until};

/// The namespaces of a host or of the LAN. They end when this process closes the pipe to their first process.
pub(crate) struct Namespaces {
    child: Child,
    // Closing this pipe ends the namespaces.
    alive: Option<ChildStdin>,
    first: u32,
}

impl Namespaces {
    /// Runs a script of this folder as the first process of new namespaces and waits until it prints "ready".
    ///
    /// The lock is held until the last process of the namespaces is gone, so that the next namespaces with the same
    /// lock wait for it.
    pub(crate) fn start(
        namespaces: &[&str],
        script: &str,
        lock: &Path,
        environment: &[(&str, String)],
    ) -> Result<Self> {
        let script = workspace().join("tests/src/lab").join(script);
        let mut child = Command::new("sh")
            .args(["-c", "exec 9>\"$0\"; flock 9; exec unshare --pid --fork --kill-child \"$@\""])
            .arg(lock)
            .args(namespaces)
            .args(["--", "tini", "--", "sh"])
            .arg(script)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot create namespaces")?;
        let alive = child.stdin.take().context("standard input is not a pipe")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().context("standard output is not a pipe")?).read_line(&mut line)?;
        if line.trim() != "ready" {
            drop(alive);
            let output = child.wait_with_output()?;
            bail!("cannot set up the namespaces: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let first = wait_for("the namespaces have a first process", Duration::from_secs(5), || {
            let children = std::fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id()))?;
            Ok(children.split_whitespace().next().map(str::parse).transpose()?)
        })?;
        Ok(Self { child, alive: Some(alive), first })
    }

    /// Id of the first process in this machine's process namespace.
    pub(crate) fn first(&self) -> u32 {
        self.first
    }

    /// Prepares a command that runs inside all of the namespaces.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &self.first.to_string(), "--mount", "--uts", "--net", "--pid", "--root", "--wdns=/"]);
        // Do not pass on this machine's environment.
        command.args([
            "--",
            "env",
            "-i",
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME=/root",
        ]);
        command.args(["TERM=dumb", "LANG=C.UTF-8", program]);
        command
    }

    /// Prepares a program of this machine that runs inside the network namespace only.
    pub(crate) fn network_command(&self, program: &std::ffi::OsStr) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/proc/{}/ns/net", self.first)).arg("--").arg(program);
        command
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        drop(self.alive.take());
        let gone = wait_until("the namespaces are gone", Duration::from_secs(20), || Ok(!self.is_alive()));
        if gone.is_err() {
            // `--kill-child` also kills the first process, and its end kills all others.
            self.child.kill().ok();
            self.child.wait().ok();
        }
    }
}
