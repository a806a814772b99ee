//! An OpenSSH server and an ssh-agent for tests, on the loopback interface.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::config::Family;
use super::super::host_key::{HostKeyError, Names, Trust};
use super::super::route::Keys;
use super::super::*;
use crate::output::progress;

/// A running sshd, with the keys and files that a login needs. It stops when it is dropped.
pub(super) struct Sshd {
    pub(super) folder: tempfile::TempDir,
    pub(super) process: Child,
    pub(super) port: u16,
}

/// Settings of an sshd that differ from the defaults of these tests.
#[derive(Default)]
pub(super) struct SshdOptions {
    /// Additional lines of sshd_config; `FOLDER` stands for the server's folder.
    pub(super) settings: &'static str,
    /// Names of the host keys; by default `host` and `host_ecdsa`.
    pub(super) host_keys: &'static [&'static str],
    /// A script that the login shell runs before every command.
    pub(super) greeting: &'static str,
}

impl Sshd {
    pub(super) fn start() -> Self {
        Self::with_options(&SshdOptions::default())
    }

    pub(super) fn with_options(options: &SshdOptions) -> Self {
        let program = Path::new("/usr/sbin/sshd");
        assert!(program.exists(), "no {}: install openssh-server, which these tests log in to", program.display());
        // OpenSSH's privilege separation requires this folder, which the package creates at boot.
        std::fs::create_dir_all("/run/sshd").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for key in ["host", "host_ecdsa", "user", "stranger"].iter().chain(options.host_keys) {
            if !path(key).exists() {
                make_key(&path(key), key.rsplit_once('_').map_or("ed25519", |(_, kind)| kind), "");
            }
        }
        std::fs::copy(path("user.pub"), path("authorized_keys")).unwrap();
        let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        std::fs::write(path("config"), config(options, folder.path(), port)).unwrap();
        let log = std::fs::File::create(path("log")).unwrap();
        let mut command = Command::new(program);
        command.args(["-D", "-e", "-f"]).arg(path("config")).stdin(Stdio::null()).stderr(log);
        let process = command.spawn().unwrap();
        let sshd = Self { folder, process, port };
        sshd.wait_until_it_listens();
        sshd
    }

    pub(super) fn wait_until_it_listens(&self) {
        wait_for("sshd listens", || std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_ok());
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap()
    }

    pub(super) fn destination(&self) -> Destination {
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        Destination { user: user.trim().to_owned(), host: "127.0.0.1".to_owned(), port: self.port }
    }

    /// Writes a `known_hosts` file with this text before the public key in `key`.
    pub(super) fn known_hosts(&self, before: &str, key: &str) -> PathBuf {
        let public = std::fs::read_to_string(self.path(key)).unwrap();
        self.known_hosts_with(&format!("# a comment\n{before} {public}"))
    }

    /// Writes a `known_hosts` file. `{host}` and similar stand for keys, and `NAME` stands for the host.
    pub(super) fn known_hosts_with(&self, text: &str) -> PathBuf {
        let mut text = text.replace("NAME", &self.name());
        for key in ["host", "host_ecdsa", "host_rsa", "stranger"] {
            let Ok(public) = std::fs::read_to_string(self.path(key).with_extension("pub")) else { continue };
            text = text.replace(&format!("{{{key}}}"), public.trim());
        }
        let file = self.path("known_hosts");
        std::fs::write(&file, text).unwrap();
        file
    }

    pub(super) fn name(&self) -> String {
        self.destination().known_hosts_name()
    }

    pub(super) fn hop(&self, trust: Trust) -> Hop {
        let names = Names { name: self.name(), without_port: Some("127.0.0.1".to_owned()) };
        let keys = Keys { files: vec![self.path("user")], named: true, required: true, ..Keys::default() };
        Hop { destination: self.destination(), names, trust, keys, family: Family::Any, limit: Duration::from_secs(30) }
    }

    pub(super) fn trusting(&self, file: PathBuf) -> Hop {
        self.hop(Trust::KnownHosts(vec![file]))
    }

    pub(super) fn known(&self) -> Hop {
        self.trusting(self.known_hosts(&self.name(), "host.pub"))
    }

    pub(super) fn fingerprint(&self, key: &str) -> String {
        let output = Command::new("ssh-keygen").arg("-lf").arg(self.path(key)).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
    }

    /// The reason why the host is not trusted with this `known_hosts`.
    pub(super) async fn refusal_of(&self, text: &str) -> HostKeyError {
        self.refusal(Trust::KnownHosts(vec![self.known_hosts_with(text)])).await
    }

    pub(super) async fn refusal(&self, trust: Trust) -> HostKeyError {
        match open(&self.hop(trust)).await {
            Err(SshError::HostKey(error)) => {
                // Nothing was sent: the server saw no login attempt.
                let log = self.log();
                assert!(!log.contains("Accepted publickey") && !log.contains("Failed publickey"), "{log}");
                error
            }
            Err(error) => panic!("{error:?}"),
            Ok(_) => panic!("logged in to an untrusted host"),
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

pub(super) fn config(options: &SshdOptions, folder: &Path, port: u16) -> String {
    let shown = folder.display().to_string();
    let host_keys = if options.host_keys.is_empty() { &["host", "host_ecdsa"] } else { options.host_keys };
    let mut config = format!("ListenAddress 127.0.0.1:{port}\n{}\n", options.settings.replace("FOLDER", &shown));
    for key in host_keys {
        config += &format!("HostKey {shown}/{key}\n");
    }
    if !options.greeting.is_empty() {
        let shell = format!("#!/bin/sh\n{}\nsh -c \"$SSH_ORIGINAL_COMMAND\"\n", options.greeting);
        let file = folder.join("shell");
        std::fs::write(&file, shell).unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).unwrap();
        config += &format!("ForceCommand {shown}/shell\n");
    }
    config
        + &format!(
            "PidFile none\nAuthorizedKeysFile {shown}/authorized_keys\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nPermitRootLogin yes\n"
        )
}

pub(super) fn make_key(file: &Path, kind: &str, passphrase: &str) {
    let bits = if kind == "rsa" { &["-b", "2048"][..] } else { &[] };
    run(Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", passphrase]).args(bits).arg("-f").arg(file));
}

pub(super) fn wait_for(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < deadline, "it takes too long until {what}");
        std::thread::yield_now();
    }
}

pub(super) async fn open(hop: &Hop) -> Result<Session, SshError> {
    Session::open(std::slice::from_ref(hop), &*progress::printer(true)).await
}

pub(super) async fn failure(hop: &Hop) -> SshError {
    match open(hop).await {
        Err(error) => error,
        Ok(_) => panic!("it logged in"),
    }
}

/// A running ssh-agent with keys. It stops when it is dropped.
pub(super) struct SshAgent {
    pub(super) socket: PathBuf,
    pub(super) process: Child,
}

impl SshAgent {
    pub(super) fn with(folder: &Path, keys: &[PathBuf]) -> Self {
        let socket = folder.join("agent");
        let process = Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap();
        let agent = Self { socket, process };
        wait_for("ssh-agent listens", || std::os::unix::net::UnixStream::connect(&agent.socket).is_ok());
        for key in keys {
            run(Command::new("ssh-add").arg("-q").arg(key).env("SSH_AUTH_SOCK", &agent.socket));
        }
        agent
    }
}

impl Drop for SshAgent {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

pub(super) fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
