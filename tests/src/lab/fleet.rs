//! A fleet of the lab: its folder, and the coordinator that manages it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::Lab;
use super::binaries::{agent_binary, coordinator_binary};
use super::host::Host;
use super::output::Output;
use super::place::workspace;
use super::running::Running;

/// A copy of an example fleet in the test's folder.
pub struct Fleet<'lab> {
    lab: &'lab Lab,
    folder: PathBuf,
}

impl<'lab> Fleet<'lab> {
    pub(crate) fn copy(lab: &'lab Lab, name: &str) -> Result<Self> {
        let source = workspace().join("tests/fleets").join(name);
        let folder = lab.folder().join(name);
        Output::of(Command::new("cp").arg("-a").arg(source).arg(&folder))?.succeeds()?;
        Self::open(lab, folder)
    }

    pub(crate) fn empty(lab: &'lab Lab, name: &str) -> Result<Self> {
        let folder = lab.folder().join(name);
        fs::create_dir_all(&folder)?;
        Self::open(lab, folder)
    }

    fn open(lab: &'lab Lab, folder: PathBuf) -> Result<Self> {
        let known: String = lab.hosts().map(|host| format!("{}\n", host.known_hosts())).collect();
        fs::write(lab.folder().join("known_hosts"), known)?;
        fs::create_dir_all(lab.folder().join("home"))?;
        Ok(Self { lab, folder })
    }

    /// Folder of the fleet.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Returns the path of a file of the fleet.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.folder.join(relative)
    }

    /// Reads a file of the fleet.
    pub fn read(&self, relative: &str) -> Result<String> {
        fs::read_to_string(self.path(relative)).with_context(|| format!("cannot read {relative}"))
    }

    /// Writes a file of the fleet.
    pub fn write(&self, relative: &str, text: &str) -> Result<()> {
        let path = self.path(relative);
        fs::create_dir_all(path.parent().context("the path has no parent")?)?;
        fs::write(&path, text).with_context(|| format!("cannot write {relative}"))
    }

    /// Replaces a text in a file of the fleet. Fails if the file does not contain the text.
    pub fn edit(&self, relative: &str, from: &str, to: &str) -> Result<()> {
        let text = self.read(relative)?;
        anyhow::ensure!(text.contains(from), "{relative} has no {from:?} to edit");
        self.write(relative, &text.replace(from, to))
    }

    /// Prepares a `landfast` command for this fleet that runs on the lab's LAN.
    pub fn command(&self, arguments: &[&str]) -> Result<Command> {
        self.command_of(&coordinator_binary()?, arguments)
    }

    /// Prepares a command of another version of `landfast`.
    pub fn command_of(&self, program: &Path, arguments: &[&str]) -> Result<Command> {
        let mut command = self.lab.lan().command(program);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("HOME", self.lab.folder().join("home"));
        command.env("LANG", "C.UTF-8").env("RUST_BACKTRACE", "1").current_dir(&self.folder);
        command.arg("--fleet").arg(&self.folder).args(arguments);
        Ok(command)
    }

    /// Runs `landfast` and waits until it exits.
    pub fn landfast(&self, arguments: &[&str]) -> Result<Output> {
        self.landfast_with(arguments, "")
    }

    /// Runs `landfast` with this text on its standard input and waits until it exits.
    pub fn landfast_with(&self, arguments: &[&str], input: &str) -> Result<Output> {
        let output = Output::with_input(&mut self.command(arguments)?, input.as_bytes())?;
        self.keep(&output)?;
        Ok(output)
    }

    /// Runs `landfast` with these variables and waits until it exits. If a host is given, its engine is used as the
    /// engine of the coordinator's machine.
    pub fn landfast_in(&self, engine: Option<&Host>, variables: &[(&str, &str)], arguments: &[&str]) -> Result<Output> {
        let mut command = self.command(arguments)?;
        command.envs(engine.map(|host| ("DOCKER_HOST", format!("unix://{}", host.socket().display()))));
        command.envs(variables.iter().copied());
        let output = Output::with_input(&mut command, b"")?;
        self.keep(&output)?;
        Ok(output)
    }

    /// Runs `landfast` on a terminal and types this text.
    pub fn landfast_on_a_terminal(&self, arguments: &[&str], typed: &str) -> Result<Output> {
        let inner = self.command(arguments)?;
        let words: Vec<_> = std::iter::once(inner.get_program())
            .chain(inner.get_args())
            .map(|word| format!("'{}'", word.to_string_lossy()))
            .collect();
        let mut command = Command::new("script");
        command.args(["--quiet", "--return", "--command", &words.join(" "), "/dev/null"]).current_dir(&self.folder);
        command.env("HOME", self.lab.folder().join("home")).env("TERM", "dumb");
        let output = Output::with_input(&mut command, typed.as_bytes())?;
        self.keep(&output)?;
        Ok(output)
    }

    /// Starts `landfast` without waiting for it.
    pub fn start(&self, arguments: &[&str]) -> Result<Running> {
        Running::start(&mut self.command(arguments)?)
    }

    fn keep(&self, output: &Output) -> Result<()> {
        use std::io::Write;
        let path = self.lab.folder().join("commands.log");
        let mut log = fs::File::options().create(true).append(true).open(path)?;
        writeln!(log, "{output}\n")?;
        Ok(())
    }

    /// Creates the fleet's authority and installs an agent on every host of the lab, which is faster than joining.
    pub fn install_agents(&self) -> Result<()> {
        self.landfast(&["init"])?.succeeds()?;
        self.lab.hosts().try_for_each(|host| self.install_agent(host))
    }

    /// Creates the fleet's authority and joins every host of the lab over its sshd.
    pub fn join_all(&self) -> Result<()> {
        self.landfast(&["init"])?.succeeds()?;
        for host in self.lab.hosts() {
            self.join(host)?.succeeds()?;
        }
        Ok(())
    }

    /// Runs `landfast host add` over the host's sshd.
    pub fn join(&self, host: &Host) -> Result<Output> {
        self.add(host, &host.address().to_string())
    }

    /// Runs `landfast host add --upgrade` over the host's sshd.
    pub fn upgrade(&self, host: &Host) -> Result<Output> {
        self.add(host, "--upgrade")
    }

    fn add(&self, host: &Host, place: &str) -> Result<Output> {
        let known = self.lab.folder().join("known_hosts");
        let agent = agent_binary()?;
        let ssh = format!("root@{}", host.address());
        self.landfast(&[
            "host",
            "add",
            host.name(),
            place,
            "--ssh",
            &ssh,
            "--identity",
            text(host.client_key())?,
            "--known-hosts",
            text(&known)?,
            "--agent",
            text(&agent)?,
        ])
    }

    /// Issues an identity for a host, copies it there and starts the host's agent.
    pub fn install_agent(&self, host: &Host) -> Result<()> {
        let out = self.lab.folder().join(format!("identity-{}", host.name()));
        self.landfast(&["cert", "issue", "agent", host.name(), "--out", text(&out)?])?.succeeds()?;
        host.run_agent(&out)
    }
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}
