//! Owns the connection to one host. Commands and file transfers run one at a time, each on its own channel, because
//! some hosts allow only one session.

use std::path::Path;
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};

use crate::output::progress::Printer;

use super::command::{Command, Frame, plain_path};
use super::connect::{Connection, connect};
use super::error::SshError;
use super::login::log_in;
use super::route::Hop;

/// Time limit of a remote command.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum size of a command's output in bytes. The rest is discarded.
const OUTPUT_LIMIT: usize = 256 * 1024;
const CHUNK: usize = 256 * 1024;
/// Maximum number of attempts to open a channel. A host that allows one session at a time may notice late that the
/// previous one ended.
const OPEN_TRIES: usize = 50;

/// Exit code and output of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub code: u32,
    pub stdout: String,
    pub stderr: String,
}

/// A session on a host that the user is logged in to.
pub struct Session {
    link: Connection,
    /// Connections to the jump hosts, in order. Each carries the next connection.
    jumps: Vec<Connection>,
    destination: String,
    frame: Frame,
    /// Words before every command: none for root, `sudo -n` for other users.
    sudo: &'static [&'static str],
}

impl Session {
    /// Connects to each host of the route in order, verifies its host key and logs in.
    pub async fn open(hops: &[Hop], say: &dyn Printer) -> Result<Self, SshError> {
        let mut links: Vec<Connection> = Vec::new();
        for (index, hop) in hops.iter().enumerate() {
            let before = index.checked_sub(1).and_then(|before| Some((hops.get(before)?, links.last()?)));
            let mut link = connect(hop, before, say).await?;
            log_in(&mut link, hop).await?;
            links.push(link);
        }
        let (Some(link), Some(hop)) = (links.pop(), hops.last()) else { return Err(russh::Error::Disconnect.into()) };
        let mut secret = [0; 16];
        aws_lc_rs::rand::fill(&mut secret).map_err(|_| russh::Error::Inconsistent)?;
        let destination = hop.destination.to_string();
        let mut session = Self { link, jumps: links, destination, frame: Frame::new(secret), sudo: &[] };
        if session.run(["id", "-u"]).await?.trim() != "0" {
            session.sudo = &["sudo", "-n"];
        }
        Ok(session)
    }

    /// Runs a command as root and returns its standard output.
    ///
    /// # Errors
    /// Any exit code except 0.
    pub async fn run<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<String, SshError> {
        let command = self.command(words)?;
        self.exec(&command, &[], |_| ()).await.and_then(|output| succeeded(&command, output))
    }

    /// Runs a command as root and returns whether its exit code is 0.
    pub async fn succeeds<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<bool, SshError> {
        Ok(self.exec(&self.command(words)?, &[], |_| ()).await?.code == 0)
    }

    fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<Command, SshError> {
        Ok(Command::new(self.sudo.iter().copied().chain(words))?)
    }

    /// Runs a command as the user who is logged in.
    async fn run_plain<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<String, SshError> {
        let command = Command::new(words)?;
        self.exec(&command, &[], |_| ()).await.and_then(|output| succeeded(&command, output))
    }

    /// Runs a command with `input` as its standard input. Calls `progress` with the size of each part that was sent.
    async fn exec(&self, command: &Command, input: &[u8], progress: impl Fn(u64)) -> Result<Output, SshError> {
        let channel = self.channel().await?;
        channel.exec(true, self.frame.wrap(command)).await?;
        let (read, write) = channel.split();
        let slow = || SshError::CommandTimeout { command: command.as_str().to_owned(), limit: COMMAND_TIMEOUT };
        let receive = receive(read);
        tokio::pin!(receive);
        let output = tokio::select! {
            // The command ended without reading its whole input, so the rest is not sent.
            output = &mut receive => output?,
            sent = send(write, input, progress) => {
                sent.map_err(|_| slow())?;
                tokio::time::timeout(COMMAND_TIMEOUT, receive).await.map_err(|_| slow())??
            }
        };
        match self.frame.extract(&output.stdout) {
            Ok(stdout) => Ok(Output { stdout: stdout.to_owned(), ..output }),
            Err(_) => {
                let text = format!("{} {}", output.stdout.trim(), output.stderr.trim()).trim().to_owned();
                Err(SshError::Shell { command: command.as_str().to_owned(), output: text })
            }
        }
    }

    async fn channel(&self) -> Result<Channel<Msg>, SshError> {
        let mut tries = 0;
        loop {
            match self.link.handle.channel_open_session().await {
                Err(russh::Error::ChannelOpenFailure(_)) if tries < OPEN_TRIES => {
                    tries += 1;
                    // Waits for one round trip, so that the host finishes what it received before.
                    self.link.handle.send_ping().await?;
                }
                Err(source @ russh::Error::ChannelOpenFailure(_)) => {
                    return Err(SshError::NoSession { destination: self.destination.clone(), source });
                }
                opened => return Ok(opened?),
            }
        }
    }

    /// Writes a file with this mode to a folder of the user. Calls `progress` with the size of each part that was sent.
    ///
    /// The file is written with `dd`, because not every host has an SFTP server and `dd` needs no redirection.
    pub async fn write(&self, path: &str, contents: &[u8], mode: u32, progress: impl Fn(u64)) -> Result<(), SshError> {
        let failed = |problem: String| SshError::File { path: path.to_owned(), problem };
        let command = Command::new(["dd", "bs=65536", &format!("of={path}")])?;
        let output = self.exec(&command, contents, progress).await?;
        if output.code != 0 {
            return Err(failed(output.stderr.trim().to_owned()));
        }
        self.run_plain(["chmod", &format!("{mode:04o}"), path]).await?;
        let counted = self.run_plain(["wc", "-c", path]).await?;
        match counted.split_whitespace().next() {
            Some(bytes) if bytes == contents.len().to_string() => Ok(()),
            other => Err(failed(format!("{} of {} bytes arrived", other.unwrap_or("none"), contents.len()))),
        }
    }

    /// Creates a temporary folder that only the user who is logged in can access.
    pub async fn make_staging(&self) -> Result<String, SshError> {
        let words = ["mktemp", "-d", "-t", "landfast.XXXXXXXX"];
        let folder = self.run_plain(words).await?.trim().to_owned();
        match plain_path(Path::new(&folder)) {
            Ok(_) => Ok(folder),
            Err(_) => Err(SshError::Command { command: words.join(" "), code: 0, output: folder }),
        }
    }

    /// Removes the folder and its contents.
    pub async fn remove_staging(&self, folder: &str) -> Result<(), SshError> {
        self.run(["rm", "-rf", "--", folder]).await.map(drop)
    }

    /// Disconnects from all hosts, the last one first. Errors are ignored, because the connection may already be
    /// closed.
    pub async fn close(self) {
        for link in std::iter::once(&self.link).chain(self.jumps.iter().rev()) {
            drop(link.handle.disconnect(russh::Disconnect::ByApplication, "", "").await);
        }
    }
}

fn succeeded(command: &Command, output: Output) -> Result<String, SshError> {
    if output.code == 0 {
        return Ok(output.stdout);
    }
    let text = if output.stderr.trim().is_empty() { output.stdout } else { output.stderr };
    let (command, code) = (command.as_str().to_owned(), output.code);
    Err(SshError::Command { command, code, output: text.trim().to_owned() })
}

/// The input was not sent within the time limit.
struct SendTimeout;

async fn send(write: ChannelWriteHalf<Msg>, input: &[u8], progress: impl Fn(u64)) -> Result<(), SendTimeout> {
    for chunk in input.chunks(CHUNK) {
        let sent = tokio::time::timeout(COMMAND_TIMEOUT, write.data_bytes(chunk.to_vec())).await;
        if sent.map_err(|_| SendTimeout)?.is_err() {
            // The channel is closed. The output of the command gives the reason.
            return Ok(());
        }
        progress(chunk.len() as u64);
    }
    drop(write.eof().await);
    Ok(())
}

async fn receive(mut read: ChannelReadHalf) -> Result<Output, SshError> {
    let (mut code, mut stdout, mut stderr) = (None, Vec::new(), Vec::new());
    while let Some(message) = read.wait().await {
        match message {
            ChannelMsg::Data { data } => keep(&mut stdout, &data),
            ChannelMsg::ExtendedData { data, ext: 1 } => keep(&mut stderr, &data),
            ChannelMsg::ExitStatus { exit_status } => code = Some(exit_status),
            // The exit code that a shell reports for a signal.
            ChannelMsg::ExitSignal { .. } => code = Some(128),
            // The host runs no commands.
            ChannelMsg::Failure => {
                code = Some(126);
                break;
            }
            _ => {}
        }
    }
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let code = code.ok_or(russh::Error::Disconnect)?;
    Ok(Output { code, stdout: text(stdout), stderr: text(stderr) })
}

fn keep(kept: &mut Vec<u8>, data: &[u8]) {
    let room = OUTPUT_LIMIT.saturating_sub(kept.len());
    kept.extend_from_slice(&data[..data.len().min(room)]);
}
