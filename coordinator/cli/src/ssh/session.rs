//! Owns the connection to one host: commands and files, one after another over one channel at a time, as some hosts
//! allow no more.

use std::path::Path;
use std::time::Duration;

use russh::client::Msg;
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};

use crate::output::progress::Printer;

use super::command::{Command, Frame, plain_path};
use super::connect::{Link, connect};
use super::error::SshError;
use super::login::log_in;
use super::route::Hop;

/// Each command over there is a short one.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// What a command may say before it is cut off.
const OUTPUT_LIMIT: usize = 256 * 1024;
const CHUNK: usize = 256 * 1024;
/// A host that allows one session at a time may take a moment to notice that the last one ended.
const OPEN_TRIES: usize = 50;

/// What a command said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    pub code: u32,
    pub stdout: String,
    pub stderr: String,
}

/// A host one is logged in to.
pub struct Session {
    link: Link,
    /// The hosts on the way, in order. Their connections carry the next one's.
    over: Vec<Link>,
    destination: String,
    frame: Frame,
    /// Put before every command: nothing for root, sudo for others.
    sudo: &'static [&'static str],
}

impl Session {
    /// Connects, judges the host key, and logs in: to each host on the way, and to the last.
    pub async fn open(hops: &[Hop], say: &dyn Printer) -> Result<Self, SshError> {
        let mut links: Vec<Link> = Vec::new();
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
        let mut session = Self { link, over: links, destination, frame: Frame::new(secret), sudo: &[] };
        if session.run(["id", "-u"]).await?.trim() != "0" {
            session.sudo = &["sudo", "-n"];
        }
        Ok(session)
    }

    /// Runs a command as root and returns what it said on stdout. Errors: any exit code but 0.
    pub async fn run<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<String, SshError> {
        let command = self.command(words)?;
        self.exec(&command, &[], |_| ()).await.and_then(|output| succeeded(&command, output))
    }

    /// Runs a command as root, and says whether it exited with 0.
    pub async fn succeeds<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<bool, SshError> {
        Ok(self.exec(&self.command(words)?, &[], |_| ()).await?.code == 0)
    }

    fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<Command, SshError> {
        Ok(Command::new(self.sudo.iter().copied().chain(words))?)
    }

    /// Runs a command as the user that is logged in.
    async fn run_plain<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Result<String, SshError> {
        let command = Command::new(words)?;
        self.exec(&command, &[], |_| ()).await.and_then(|output| succeeded(&command, output))
    }

    /// Runs a command with this on its standard input, telling `progress` of every piece that has gone.
    async fn exec(&self, command: &Command, input: &[u8], progress: impl Fn(u64)) -> Result<Output, SshError> {
        let channel = self.channel().await?;
        channel.exec(true, self.frame.around(command)).await?;
        let (read, write) = channel.split();
        let slow = || SshError::Slow { command: command.as_str().to_owned(), limit: COMMAND_LIMIT };
        let receive = receive(read);
        tokio::pin!(receive);
        let output = tokio::select! {
            // It has ended without reading all: what is left need not be sent.
            output = &mut receive => output?,
            sent = send(write, input, progress) => {
                sent.map_err(|_| slow())?;
                tokio::time::timeout(COMMAND_LIMIT, receive).await.map_err(|_| slow())??
            }
        };
        match self.frame.within(&output.stdout) {
            Ok(said) => Ok(Output { stdout: said.to_owned(), ..output }),
            Err(_) => {
                let said = format!("{} {}", output.stdout.trim(), output.stderr.trim()).trim().to_owned();
                Err(SshError::Shell { command: command.as_str().to_owned(), output: said })
            }
        }
    }

    async fn channel(&self) -> Result<Channel<Msg>, SshError> {
        let mut tries = 0;
        loop {
            match self.link.handle.channel_open_session().await {
                Err(russh::Error::ChannelOpenFailure(_)) if tries < OPEN_TRIES => {
                    tries += 1;
                    // There and back once: what the host had to do before, it has done then.
                    self.link.handle.send_ping().await?;
                }
                Err(source @ russh::Error::ChannelOpenFailure(_)) => {
                    return Err(SshError::NoSession { destination: self.destination.clone(), source });
                }
                opened => return Ok(opened?),
            }
        }
    }

    /// Writes a file with this mode into a folder of the user's, telling `progress` of every piece.
    ///
    /// `dd` does it, as not every host has an sftp server. Its words are plain, and it needs no redirection.
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

    /// A new folder that the user logged in as alone may enter.
    pub async fn make_staging(&self) -> Result<String, SshError> {
        let words = ["mktemp", "-d", "-t", "landfast.XXXXXXXX"];
        let folder = self.run_plain(words).await?.trim().to_owned();
        match plain_path(Path::new(&folder)) {
            Ok(_) => Ok(folder),
            Err(_) => Err(SshError::Command { command: words.join(" "), code: 0, output: folder }),
        }
    }

    /// Removes the folder and what is in it.
    pub async fn remove_staging(&self, folder: &str) -> Result<(), SshError> {
        self.run(["rm", "-rf", "--", folder]).await.map(drop)
    }

    /// Says good-bye, to the last host first. A connection that is gone already is closed too.
    pub async fn close(self) {
        for link in std::iter::once(&self.link).chain(self.over.iter().rev()) {
            drop(link.handle.disconnect(russh::Disconnect::ByApplication, "", "").await);
        }
    }
}

fn succeeded(command: &Command, output: Output) -> Result<String, SshError> {
    if output.code == 0 {
        return Ok(output.stdout);
    }
    let said = if output.stderr.trim().is_empty() { output.stdout } else { output.stderr };
    let (command, code) = (command.as_str().to_owned(), output.code);
    Err(SshError::Command { command, code, output: said.trim().to_owned() })
}

/// The input did not go within the limit.
struct Stuck;

async fn send(write: ChannelWriteHalf<Msg>, input: &[u8], progress: impl Fn(u64)) -> Result<(), Stuck> {
    for chunk in input.chunks(CHUNK) {
        let sent = tokio::time::timeout(COMMAND_LIMIT, write.data_bytes(chunk.to_vec())).await;
        if sent.map_err(|_| Stuck)?.is_err() {
            // The channel is closed: what the command said tells why.
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
            // As a shell would say it.
            ChannelMsg::ExitSignal { .. } => code = Some(128),
            // The host runs no commands at all.
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
