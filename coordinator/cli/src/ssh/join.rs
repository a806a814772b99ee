//! Adds a host to the fleet: installs the agent's binary, generates a key on the host, signs its certificate request,
//! starts the agent, and waits until it answers over mutual TLS. Running it again updates the binary and the
//! certificate.

use std::io;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use landfast_certs::{Authority, Credentials, Identity, Validity};
use landfast_engine::Hint;
use landfast_proto::v1::DescribeResponse;
use tokio::time::Instant;

use crate::output::progress::Printer;
use landfast_engine::connect::{Agent, Ask, ConnectError, Target};

use super::command::{UnsafeWord, plain_path};
use super::error::SshError;
use super::route::Hop;
use super::service::{AgentOptions, NAME, Supervisor, UNIT};
use super::session::Session;

/// Maximum time from the start of the agent to its first answer.
const START_TIMEOUT: Duration = Duration::from_secs(30);
const RETRY_INTERVAL: Duration = Duration::from_millis(200);

/// Everything that joining a host requires.
#[derive(Debug)]
pub struct Join<'a> {
    /// Hosts to log in to, each through the previous one; the last is the host that joins.
    pub hops: Vec<Hop>,
    pub target: Target,
    pub authority: &'a Authority,
    pub operator: &'a Credentials,
    /// Path of the agent's binary on this machine.
    pub binary: PathBuf,
    /// Paths and options of the agent on the host.
    pub agent: AgentOptions,
    /// The supervisor to use; `None` selects systemd if the host runs it.
    pub supervisor: Option<Supervisor>,
}

/// A failure to join a host.
#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error("the agent's binary {} cannot be read", path.display())]
    Binary {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} cannot run on the host: its processor is {machine}", path.display())]
    Machine { path: PathBuf, machine: String },
    #[error("the host runs {found}, not Linux")]
    System { found: String },
    #[error(transparent)]
    Word(#[from] UnsafeWord),
    #[error(transparent)]
    Ssh(#[from] SshError),
    #[error("the certificate request of {host} cannot be signed")]
    Certificate {
        host: String,
        #[source]
        source: landfast_certs::Error,
    },
    #[error("the agent was started but does not answer: {error}{log}")]
    NoAnswer { error: ConnectError, log: String },
}

impl Hint for JoinError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Binary { .. } => Some("pass the path of the agent's binary with --agent".to_owned()),
            Self::Machine { machine, .. } => {
                Some(format!("build landfast-agent for {machine}, and pass its path with --agent"))
            }
            Self::Ssh(error) => error.hint(),
            Self::NoAnswer { error, .. } => error.hint(),
            Self::System { .. } | Self::Word(_) | Self::Certificate { .. } => None,
        }
    }
}

/// Joins the host and returns the description that its agent sends.
pub async fn join(join: &Join<'_>, printer: &dyn Printer) -> Result<DescribeResponse, JoinError> {
    let binary =
        std::fs::read(&join.binary).map_err(|source| JoinError::Binary { path: join.binary.clone(), source })?;
    let destinations: Vec<String> = join.hops.iter().rev().map(|hop| hop.destination.to_string()).collect();
    printer.say(&format!("logging in to {}", destinations.join(", over ")));
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
    if !session.succeeds(["test", "-S", plain_path(&join.agent.docker)?]).await? {
        printer.warn(&format!("no Docker Engine at {} on {}", join.agent.docker.display(), join.target.host));
    }
    // The user who logs in creates the staging folder and is its only writer. Installed files belong to root.
    let staging = session.make_staging().await?;
    let result = install(join, session, binary, &staging, printer).await;
    session.remove_staging(&staging).await?;
    result?;
    printer.say(&format!("waiting for {} to answer at {}", join.target.host, join.target.socket()));
    match wait_for_agent(join).await {
        Ok(description) => Ok(description),
        Err(error) => Err(JoinError::NoAnswer { error, log: log_tail(join, session).await }),
    }
}

async fn install(
    join: &Join<'_>,
    session: &Session,
    binary: &[u8],
    staging: &str,
    printer: &dyn Printer,
) -> Result<(), JoinError> {
    let program = plain_path(&join.agent.program)?;
    let transfer = printer.transfer(&format!("{NAME} to {}", join.target.host), binary.len() as u64);
    let staged = format!("{staging}/agent");
    session.write(&staged, binary, 0o700, |bytes| transfer.advance(bytes)).await?;
    drop(transfer);
    install_file(session, &staged, program, "0755").await?;

    printer.say(&format!("{} makes its key and asks for a certificate", join.target.host));
    let certificate = sign(join, session, program).await?;
    let identity = plain_path(&join.agent.identity)?;
    for (name, contents) in [("ca.pem", join.authority.certificate_pem()), ("cert.pem", certificate.as_str())] {
        let staged = format!("{staging}/{name}");
        session.write(&staged, contents.as_bytes(), 0o600, |_| ()).await?;
        install_file(session, &staged, &format!("{identity}/{name}"), "0644").await?;
    }
    start(join, session, staging, printer).await
}

async fn sign(join: &Join<'_>, session: &Session, program: &str) -> Result<String, JoinError> {
    let (fleet, host) = (join.authority.fleet(), join.target.host.as_str());
    let identity = plain_path(&join.agent.identity)?;
    let request = session.run([program, "request", "--identity", identity, "--host", host, "--fleet", fleet]).await?;
    let signed = Identity::agent(fleet, host)
        .and_then(|identity| join.authority.sign(&request, &identity, Validity::standard(SystemTime::now())));
    signed.map_err(|source| JoinError::Certificate { host: host.to_owned(), source })
}

/// Installs a staged file: writes it next to the target, then renames it, so that the target is never incomplete.
async fn install_file(session: &Session, staged: &str, target: &str, mode: &str) -> Result<(), SshError> {
    let temporary = format!("{target}.landfast-new");
    session.run(["install", "-D", "-m", mode, staged, &temporary]).await?;
    session.run(["mv", "-f", &temporary, target]).await?;
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
        session.write(&staged, join.agent.unit()?.as_bytes(), 0o600, |_| ()).await?;
        install_file(session, &staged, UNIT, "0644").await?;
        session.run(["systemctl", "daemon-reload"]).await?;
        session.run(["systemctl", "enable", NAME]).await?;
        session.run(["systemctl", "restart", NAME]).await?;
    } else {
        printer.say(&format!("starting {NAME} on {}, as a process: there is no systemd", join.target.host));
        session.write(&staged, join.agent.script()?.as_bytes(), 0o600, |_| ()).await?;
        session.run(["sh", &staged]).await?;
    }
    Ok(())
}

/// Connects until the agent answers. While the agent starts, connections fail or reach the previous agent.
async fn wait_for_agent(join: &Join<'_>) -> Result<DescribeResponse, ConnectError> {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        let fleet = join.authority.fleet();
        match Agent::connect(fleet, &join.target, join.operator, Ask::Described).await {
            Ok(agent) if !agent.is_too_old() => return Ok(agent.description().clone()),
            Ok(_) if Instant::now() >= deadline => {
                let problem = "an older agent, which another program has started, still answers: stop it".to_owned();
                return Err(ConnectError::Failed { host: join.target.host.clone(), problem });
            }
            Err(error) if Instant::now() >= deadline => return Err(error),
            Ok(_) | Err(_) => tokio::time::sleep(RETRY_INTERVAL).await,
        }
    }
}

/// The last lines of the agent's log, to be printed below the error. Empty if the log cannot be read.
async fn log_tail(join: &Join<'_>, session: &Session) -> String {
    let mut log = String::new();
    let file = plain_path(&join.agent.log).unwrap_or_default();
    for words in [&["tail", "-n", "10", file][..], &["journalctl", "-u", NAME, "-n", "10", "--no-pager", "-o", "cat"]] {
        log = session.run(words.iter().copied()).await.unwrap_or_default();
        if !log.trim().is_empty() {
            break;
        }
    }
    if log.trim().is_empty() { log } else { format!("\nits log ends with:\n{}", log.trim_end()) }
}

/// Checks the host's system and processor against the binary before anything is written to the host.
async fn check_machine(join: &Join<'_>, session: &Session, binary: &[u8]) -> Result<(), JoinError> {
    let machine = session.run(["uname", "-sm"]).await?;
    let (system, machine) = machine.trim().split_once(' ').unwrap_or((machine.trim(), ""));
    if system != "Linux" {
        return Err(JoinError::System { found: system.to_owned() });
    }
    match elf_machine(binary) {
        Some(built_for) if built_for == machine => Ok(()),
        // A script runs on every processor.
        None if binary.starts_with(b"#!") => Ok(()),
        _ => Err(JoinError::Machine { path: join.binary.clone(), machine: machine.to_owned() }),
    }
}

/// The output of `uname -m` on machines that run this ELF file.
fn elf_machine(binary: &[u8]) -> Option<&'static str> {
    let machine = binary.starts_with(b"\x7fELF").then(|| binary.get(18..20)).flatten()?;
    match u16::from_le_bytes([machine[0], machine[1]]) {
        62 => Some("x86_64"),
        183 => Some("aarch64"),
        243 => Some("riscv64"),
        _ => None,
    }
}
