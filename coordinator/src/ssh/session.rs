//! Owns one SSH connection: the host key is judged before anything is sent, then a login with a key, then commands and
//! files.

use std::borrow::Cow;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use russh::client::{self, AuthResult, Handle};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{ChannelMsg, Preferred};
use russh_sftp::client::SftpSession;
use russh_sftp::client::error::Error as SftpError;
use russh_sftp::protocol::{FileAttributes, OpenFlags};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::Destination;
use super::command::{Command, UnsafeWord, plain_path};
use super::host_key::{HostKeyError, Trust};

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
/// Each command over there is a short one.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// What a command may say before it is cut off.
const OUTPUT_LIMIT: usize = 256 * 1024;
const CHUNK: usize = 256 * 1024;

/// Why a host cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    #[error("{destination} cannot be reached")]
    Unreachable {
        destination: String,
        #[source]
        source: io::Error,
    },
    #[error("{destination} does not answer within {} s", limit.as_secs())]
    Silent { destination: String, limit: Duration },
    #[error(transparent)]
    HostKey(HostKeyError),
    #[error("the key {} cannot be used", path.display())]
    Key {
        path: PathBuf,
        #[source]
        source: russh::keys::Error,
    },
    #[error("{destination} refuses the login; tried {tried}")]
    Login { destination: String, tried: String },
    #[error("the connection to the host broke")]
    Broken(#[from] russh::Error),
    #[error("{path} cannot be written on the host")]
    File {
        path: String,
        #[source]
        source: SftpError,
    },
    #[error("`{command}` failed on the host with exit code {code}: {output}")]
    Command { command: String, code: u32, output: String },
    #[error(transparent)]
    Word(#[from] UnsafeWord),
    #[error("`{command}` takes longer than {} s", COMMAND_LIMIT.as_secs())]
    Slow { command: String },
}

impl SshError {
    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::HostKey(error) => error.hint(),
            Self::Unreachable { .. } | Self::Silent { .. } => {
                Some("is the host switched on, and does `ssh` reach it from here?".to_owned())
            }
            Self::Key { .. } => Some(
                "ed25519 and ECDSA keys without a passphrase can be read; for others, and for RSA, let ssh-agent hold an \
                 ed25519 key (`ssh-add`)"
                    .to_owned(),
            ),
            Self::Login { destination, .. } => {
                Some(format!("`ssh-copy-id {destination}` lets your key in; name another one with --identity"))
            }
            Self::File { .. } => Some("is the disk full, and is sftp allowed over there?".to_owned()),
            Self::Command { command, .. } if command.starts_with("sudo") => {
                Some("log in as root, or let this user run sudo without a password".to_owned())
            }
            Self::Broken(_) | Self::Command { .. } | Self::Word(_) | Self::Slow { .. } => None,
        }
    }
}

/// Where to log in, and with what.
#[derive(Debug, Clone)]
pub struct Login {
    pub destination: Destination,
    pub trust: Trust,
    /// Key files, tried in order. One that is not there is an error only when it was `named`.
    pub keys: Vec<PathBuf>,
    /// Whether the keys were named by the user: then the agent's keys are not tried.
    pub named: bool,
    /// ssh-agent's socket.
    pub agent: Option<PathBuf>,
}

/// What a command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub code: u32,
    pub stdout: String,
    pub stderr: String,
}

/// A host one is logged in to.
pub struct Session {
    handle: Handle<Judge>,
    sftp: SftpSession,
    /// Put before every command: nothing for root, sudo for others.
    sudo: &'static [&'static str],
}

/// Judges the host key; russh asks before anything else is sent.
struct Judge {
    destination: Destination,
    trust: Trust,
}

impl client::Handler for Judge {
    type Error = SshError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, SshError> {
        let verdict = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.trust.judge(&self.destination, key),
            PublicKeyOrCertificate::Certificate(_) => {
                Err(HostKeyError::Certificate { host: self.destination.known_as() })
            }
        };
        verdict.map(|()| true).map_err(SshError::HostKey)
    }
}

impl Session {
    /// Connects, judges the host key, and logs in.
    pub async fn open(login: &Login) -> Result<Self, SshError> {
        let mut handle = connect(login).await?;
        authenticate(&mut handle, login).await?;
        let channel = handle.channel_open_session().await?;
        channel.request_subsystem(true, "sftp").await?;
        let sftp = SftpSession::new(channel.into_stream()).await;
        let sftp = sftp.map_err(|source| SshError::File { path: "anything".to_owned(), source })?;
        let mut session = Self { handle, sftp, sudo: &[] };
        if session.run(["id", "-u"]).await?.trim() != "0" {
            session.sudo = &["sudo", "-n"];
        }
        Ok(session)
    }

    /// Runs a command as root and returns what it said on stdout. Errors: any exit code but 0.
    pub async fn run<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<String, SshError> {
        let command = self.command(words)?;
        let output = self.exec(&command).await?;
        if output.code == 0 {
            return Ok(output.stdout);
        }
        let said = if output.stderr.trim().is_empty() { output.stdout } else { output.stderr };
        let (command, code) = (command.as_str().to_owned(), output.code);
        Err(SshError::Command { command, code, output: said.trim().to_owned() })
    }

    /// Runs a command as root, and says whether it exited with 0.
    pub async fn succeeds<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<bool, SshError> {
        Ok(self.exec(&self.command(words)?).await?.code == 0)
    }

    fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<Command, SshError> {
        self::words(self.sudo.iter().copied().chain(words))
    }

    async fn exec(&self, command: &Command) -> Result<Output, SshError> {
        let finished = tokio::time::timeout(COMMAND_LIMIT, self.exec_unlimited(command)).await;
        finished.unwrap_or_else(|_| Err(SshError::Slow { command: command.as_str().to_owned() }))
    }

    async fn exec_unlimited(&self, command: &Command) -> Result<Output, SshError> {
        let mut channel = self.handle.channel_open_session().await?;
        channel.exec(true, command.as_str()).await?;
        let (mut code, mut stdout, mut stderr) = (None, Vec::new(), Vec::new());
        while let Some(message) = channel.wait().await {
            match message {
                ChannelMsg::Data { data } => keep(&mut stdout, &data),
                ChannelMsg::ExtendedData { data, ext: 1 } => keep(&mut stderr, &data),
                ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status),
                // As a shell would say it.
                ChannelMsg::ExitSignal { .. } => code = Some(128),
                _ => {}
            }
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        let code = code.ok_or(russh::Error::Disconnect)?;
        Ok(Output { code, stdout: text(stdout), stderr: text(stderr) })
    }

    /// Writes a new file with this mode, telling `progress` of every piece.
    pub async fn write(&self, path: &str, contents: &[u8], mode: u32, progress: impl Fn(u64)) -> Result<(), SshError> {
        let failed = |source: SftpError| SshError::File { path: path.to_owned(), source };
        let flags = OpenFlags::CREATE | OpenFlags::EXCLUDE | OpenFlags::WRITE;
        let attributes = FileAttributes { permissions: Some(mode), ..FileAttributes::empty() };
        let opened = self.sftp.open_with_flags_and_attributes(path, flags, attributes).await;
        let mut file = opened.map_err(failed)?;
        for chunk in contents.chunks(CHUNK) {
            file.write_all(chunk).await.map_err(|error| failed(error.into()))?;
            progress(chunk.len() as u64);
        }
        file.close().await.map_err(|error| failed(error.into()))
    }

    /// A new folder that the user logged in as alone may enter.
    pub async fn make_staging(&self) -> Result<String, SshError> {
        let command = words(["mktemp", "-d", "-t", "landfast.XXXXXXXX"])?;
        let output = self.exec(&command).await?;
        let folder = output.stdout.trim().to_owned();
        match plain_path(Path::new(&folder)) {
            Ok(_) if output.code == 0 => Ok(folder),
            _ => Err(SshError::Command {
                command: command.as_str().to_owned(),
                code: output.code,
                output: output.stderr,
            }),
        }
    }

    /// Removes the folder and what is in it.
    pub async fn remove_staging(&self, folder: &str) -> Result<(), SshError> {
        self.run(["rm", "-rf", "--", folder]).await.map(drop)
    }

    /// Says good-bye. A connection that is gone already is closed too.
    pub async fn close(self) {
        drop(self.sftp.close().await);
        drop(self.handle.disconnect(russh::Disconnect::ByApplication, "", "").await);
    }
}

fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Command, SshError> {
    Command::new(words).map_err(SshError::Word)
}

fn keep(kept: &mut Vec<u8>, data: &[u8]) {
    let room = OUTPUT_LIMIT.saturating_sub(kept.len());
    kept.extend_from_slice(&data[..data.len().min(room)]);
}

async fn connect(login: &Login) -> Result<Handle<Judge>, SshError> {
    let destination = &login.destination;
    let silent = || SshError::Silent { destination: destination.to_string(), limit: CONNECT_LIMIT };
    let known = login.trust.algorithms(destination).map_err(SshError::HostKey)?;
    let config = Arc::new(client::Config {
        preferred: preferred(known),
        inactivity_timeout: Some(COMMAND_LIMIT * 2),
        nodelay: true,
        ..client::Config::default()
    });
    let judge = Judge { destination: destination.clone(), trust: login.trust.clone() };
    let tcp = TcpStream::connect((destination.address, destination.port));
    let tcp = tokio::time::timeout(CONNECT_LIMIT, tcp).await.map_err(|_| silent())?;
    let tcp = tcp.map_err(|source| SshError::Unreachable { destination: destination.to_string(), source })?;
    let connected = tokio::time::timeout(CONNECT_LIMIT, client::connect_stream(config, tcp, judge)).await;
    connected.map_err(|_| silent())?
}

/// A host that is known by some keys is asked for those kinds first; for others after them, so that another key is
/// noticed as changed and not as a failure to agree.
fn preferred(known: Vec<Algorithm>) -> Preferred {
    let defaults = Preferred::default();
    let others = defaults.key.iter().filter(|algorithm| !known.contains(algorithm)).cloned().collect::<Vec<_>>();
    Preferred { key: Cow::Owned([known, others].concat()), ..defaults }
}

async fn authenticate(handle: &mut Handle<Judge>, login: &Login) -> Result<(), SshError> {
    let mut tried = Vec::new();
    if !login.named
        && let Some(socket) = &login.agent
        && with_agent(handle, login, socket, &mut tried).await?
    {
        return Ok(());
    }
    for path in &login.keys {
        let Some(key) = load_key(path, login.named)? else { continue };
        tried.push(path.display().to_string());
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), None);
        if handle.authenticate_publickey(&login.destination.user, key).await?.success() {
            return Ok(());
        }
    }
    let tried = if tried.is_empty() { "no key, because none was found".to_owned() } else { tried.join(", ") };
    Err(SshError::Login { destination: login.destination.to_string(), tried })
}

fn load_key(path: &Path, named: bool) -> Result<Option<PrivateKey>, SshError> {
    match load_secret_key(path, None) {
        Ok(key) => Ok(Some(key)),
        Err(_) if !named => Ok(None),
        Err(source) => Err(SshError::Key { path: path.to_owned(), source }),
    }
}

/// Tries the keys that ssh-agent holds. An agent that does not answer holds none.
async fn with_agent(
    handle: &mut Handle<Judge>,
    login: &Login,
    socket: &Path,
    tried: &mut Vec<String>,
) -> Result<bool, SshError> {
    let Ok(mut agent) = AgentClient::connect_uds(socket).await else { return Ok(false) };
    let Ok(identities) = agent.request_identities().await else { return Ok(false) };
    for identity in identities {
        let AgentIdentity::PublicKey { key, comment } = identity else { continue };
        if key.algorithm().is_rsa() {
            continue;
        }
        tried.push(format!("{comment} of ssh-agent"));
        let user = &login.destination.user;
        let result = handle.authenticate_publickey_with(user, key, None, &mut agent).await;
        if matches!(result, Ok(AuthResult::Success)) {
            return Ok(true);
        }
    }
    Ok(false)
}
