//! Makes a host a member of the fleet: the binary goes there, a key is made there, its request is signed here, the agent
//! is started, and reached over mutual TLS. Done again, it brings the binary and the certificate up to date.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use landfast_certs::{Authority, Credentials, Identity, Validity};
use landfast_proto::v1::DescribeResponse;
use tokio::time::Instant;

use crate::output::progress::Printer;
use landfast_engine::connect::{Agent, Ask, ConnectError, Target};

use super::command::{UnsafeWord, plain_path};
use super::error::SshError;
use super::route::Hop;
use super::service::{NAME, Run, Supervisor, UNIT};
use super::session::Session;

/// An agent that was started answers within this time, or its log says why not.
const START_LIMIT: Duration = Duration::from_secs(30);
const RETRY: Duration = Duration::from_millis(200);

/// What joining a host needs.
#[derive(Debug)]
pub struct Join<'a> {
    /// The hosts to log in to, each over the one before; the host itself last.
    pub hops: Vec<Hop>,
    pub target: Target,
    pub authority: &'a Authority,
    pub operator: &'a Credentials,
    /// The agent's binary on this machine.
    pub binary: PathBuf,
    /// How the agent is to run over there.
    pub run: Run,
    /// `None`: systemd where it runs.
    pub supervisor: Option<Supervisor>,
}

/// Why a host did not join.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("the agent's binary {} cannot be read", path.display())]
    Binary {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} is not a program for the host's {machine} processor", path.display())]
    Machine { path: PathBuf, machine: String },
    #[error("the host runs {found}, not Linux")]
    System { found: String },
    #[error(transparent)]
    Word(#[from] UnsafeWord),
    #[error(transparent)]
    Ssh(#[from] SshError),
    #[error("no certificate could be signed for {host}")]
    Certificate {
        host: String,
        #[source]
        source: landfast_certs::Error,
    },
    #[error("the agent was started, and does not answer: {error}{log}")]
    NoAnswer { error: ConnectError, log: String },
}

impl JoinError {
    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Binary { .. } => Some("name it with --agent".to_owned()),
            Self::Machine { machine, .. } => {
                Some(format!("build landfast-agent for {machine}, and name it with --agent"))
            }
            Self::Ssh(error) => error.hint(),
            Self::NoAnswer { error, .. } => Some(error.hint()),
            Self::System { .. } | Self::Word(_) | Self::Certificate { .. } => None,
        }
    }
}

/// Joins the host and returns what its agent says it is.
pub async fn join(join: &Join<'_>, printer: &dyn Printer) -> Result<DescribeResponse, JoinError> {
    let binary =
        std::fs::read(&join.binary).map_err(|source| JoinError::Binary { path: join.binary.clone(), source })?;
    let way: Vec<String> = join.hops.iter().rev().map(|hop| hop.destination.to_string()).collect();
    printer.say(&format!("logging in to {}", way.join(", over ")));
    let session = Session::open(&join.hops, printer).await?;
    let result = on_host(join, &session, &binary, printer).await;
    session.close().await;
    result
}

async fn on_host(
    join: &Join<'_>,
    session: &Session,
    binary: &[u8],
    printer: &dyn Printer,
) -> Result<DescribeResponse, JoinError> {
    check_machine(join, session, binary).await?;
    if !session.succeeds(["test", "-S", plain_path(&join.run.docker)?]).await? {
        printer.warn(&format!("no Docker Engine at {} on {}", join.run.docker.display(), join.target.host));
    }
    // Made by the user that is logged in, who alone may write there; what is installed belongs to root.
    let staging = session.make_staging().await?;
    let result = install(join, session, binary, &staging, printer).await;
    session.remove_staging(&staging).await?;
    result?;
    printer.say(&format!("waiting for {} to answer at {}", join.target.host, join.target.socket()));
    match answer(join).await {
        Ok(description) => Ok(description),
        Err(error) => Err(JoinError::NoAnswer { error, log: log_of(join, session).await }),
    }
}

async fn install(
    join: &Join<'_>,
    session: &Session,
    binary: &[u8],
    staging: &str,
    printer: &dyn Printer,
) -> Result<(), JoinError> {
    let program = plain_path(&join.run.program)?;
    let transfer = printer.transfer(&format!("{NAME} to {}", join.target.host), binary.len() as u64);
    let staged = format!("{staging}/agent");
    session.write(&staged, binary, 0o700, |bytes| transfer.advance(bytes)).await?;
    drop(transfer);
    place(session, &staged, program, "0755").await?;

    printer.say(&format!("{} makes its key and asks for a certificate", join.target.host));
    let certificate = sign(join, session, program).await?;
    let identity = plain_path(&join.run.identity)?;
    for (name, contents) in [("ca.pem", join.authority.certificate_pem()), ("cert.pem", certificate.as_str())] {
        let staged = format!("{staging}/{name}");
        session.write(&staged, contents.as_bytes(), 0o600, |_| ()).await?;
        place(session, &staged, &format!("{identity}/{name}"), "0644").await?;
    }
    start(join, session, staging, printer).await
}

async fn sign(join: &Join<'_>, session: &Session, program: &str) -> Result<String, JoinError> {
    let (fleet, host) = (join.authority.fleet(), join.target.host.as_str());
    let identity = plain_path(&join.run.identity)?;
    let request = session.run([program, "request", "--identity", identity, "--host", host, "--fleet", fleet]).await?;
    let signed = Identity::agent(fleet, host)
        .and_then(|identity| join.authority.sign(&request, &identity, Validity::standard(SystemTime::now())));
    signed.map_err(|source| JoinError::Certificate { host: host.to_owned(), source })
}

/// Puts a staged file in its place: beside it first, then over it, so that no half of it is ever there.
async fn place(session: &Session, staged: &str, target: &str, mode: &str) -> Result<(), SshError> {
    let beside = format!("{target}.landfast-new");
    session.run(["install", "-D", "-m", mode, staged, &beside]).await?;
    session.run(["mv", "-f", &beside, target]).await?;
    Ok(())
}

async fn start(join: &Join<'_>, session: &Session, staging: &str, printer: &dyn Printer) -> Result<(), JoinError> {
    let staged = format!("{staging}/start");
    let systemd = match join.supervisor {
        Some(supervisor) => supervisor == Supervisor::Systemd,
        None => session.succeeds(["test", "-d", "/run/systemd/system"]).await?,
    };
    if systemd {
        printer.say(&format!("starting the service {NAME} on {}", join.target.host));
        session.write(&staged, join.run.unit()?.as_bytes(), 0o600, |_| ()).await?;
        place(session, &staged, UNIT, "0644").await?;
        session.run(["systemctl", "daemon-reload"]).await?;
        session.run(["systemctl", "enable", NAME]).await?;
        session.run(["systemctl", "restart", NAME]).await?;
    } else {
        printer.say(&format!("starting {NAME} on {}, as a process: there is no systemd", join.target.host));
        session.write(&staged, join.run.script()?.as_bytes(), 0o600, |_| ()).await?;
        session.run(["sh", &staged]).await?;
    }
    Ok(())
}

/// Dials until the agent answers. One that is still starting refuses connections, or is the one before.
async fn answer(join: &Join<'_>) -> Result<DescribeResponse, ConnectError> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        let fleet = join.authority.fleet();
        match Agent::connect(fleet, &join.target, join.operator, Ask::Described).await {
            Ok(agent) => return Ok(agent.description().clone()),
            Err(error) if Instant::now() >= deadline => return Err(error),
            Err(_) => tokio::time::sleep(RETRY).await,
        }
    }
}

/// The last lines the agent wrote, to be shown below the error. Nothing, if they cannot be had.
async fn log_of(join: &Join<'_>, session: &Session) -> String {
    let mut log = String::new();
    let file = plain_path(&join.run.log).unwrap_or_default();
    for words in [&["tail", "-n", "10", file][..], &["journalctl", "-u", NAME, "-n", "10", "--no-pager", "-o", "cat"]] {
        log = session.run(words.iter().copied()).await.unwrap_or_default();
        if !log.trim().is_empty() {
            break;
        }
    }
    if log.trim().is_empty() { log } else { format!("\nits log ends with:\n{}", log.trim_end()) }
}

/// Found out before anything is written there: another system, or another processor than the binary is for.
async fn check_machine(join: &Join<'_>, session: &Session, binary: &[u8]) -> Result<(), JoinError> {
    let machine = session.run(["uname", "-sm"]).await?;
    let (system, machine) = machine.trim().split_once(' ').unwrap_or((machine.trim(), ""));
    if system != "Linux" {
        return Err(JoinError::System { found: system.to_owned() });
    }
    match elf_machine(binary) {
        Some(built_for) if built_for == machine => Ok(()),
        // A script runs anywhere.
        None if binary.starts_with(b"#!") => Ok(()),
        _ => Err(JoinError::Machine { path: join.binary.clone(), machine: machine.to_owned() }),
    }
}

/// What `uname -m` says on machines that run this ELF file.
fn elf_machine(binary: &[u8]) -> Option<&'static str> {
    let machine = binary.starts_with(b"\x7fELF").then(|| binary.get(18..20)).flatten()?;
    match u16::from_le_bytes([machine[0], machine[1]]) {
        62 => Some("x86_64"),
        183 => Some("aarch64"),
        243 => Some("riscv64"),
        _ => None,
    }
}
