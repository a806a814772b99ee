//! Why a host cannot be logged in to or worked on, and what to do then.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::command::UnsafeWord;
use super::host_key::HostKeyError;
use super::resolve::NoAddress;
use super::rsa::SignError;

/// Why a host cannot be worked on.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    #[error("{destination} is not known here")]
    Name {
        destination: String,
        #[source]
        source: NoAddress,
    },
    #[error("{destination} cannot be reached")]
    Unreachable {
        destination: String,
        #[source]
        source: io::Error,
    },
    #[error("{destination} cannot be reached over {jump}")]
    Forward {
        destination: String,
        jump: String,
        #[source]
        source: Box<russh::Error>,
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
    #[error("the key {} cannot be used", path.display())]
    Rsa {
        path: PathBuf,
        #[source]
        source: SignError,
    },
    #[error("the key {} is protected by a passphrase, and ssh-agent does not hold it", path.display())]
    Locked { path: PathBuf },
    #[error("{} is a public key, and ssh-agent does not hold its private key", path.display())]
    PublicOnly { path: PathBuf },
    #[error("{destination} refuses the login; tried {tried}{}", other_ways(methods))]
    Login {
        destination: String,
        tried: String,
        /// Key files that could not be tried, as a passphrase protects them.
        locked: Vec<PathBuf>,
        /// Other ways in that the host offers.
        methods: String,
    },
    #[error("{destination} ends the connection after {count} of your keys: {said}; tried {tried}")]
    CutOff { destination: String, count: usize, tried: String, said: String },
    #[error("{destination} does not open a session for commands")]
    NoSession {
        destination: String,
        #[source]
        source: russh::Error,
    },
    #[error("the connection to the host broke")]
    Broken(#[from] russh::Error),
    #[error("{path} cannot be written on the host: {problem}")]
    File { path: String, problem: String },
    #[error("`{command}` failed on the host with exit code {code}: {output}")]
    Command { command: String, code: u32, output: String },
    #[error("the host does not run `{command}`, but something else{}", said_instead(output))]
    Shell { command: String, output: String },
    #[error(transparent)]
    Word(#[from] UnsafeWord),
    #[error("`{command}` takes longer than {} s", limit.as_secs())]
    Slow { command: String, limit: Duration },
}

fn other_ways(methods: &str) -> String {
    if methods.is_empty() { String::new() } else { format!("; the host would take {methods}, which is not supported") }
}

fn said_instead(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!("; it says: {output}") }
}

impl SshError {
    /// What to do next, where there is something.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::HostKey(error) => return error.hint(),
            Self::Name { .. } => "write its address, or name it as a Host of ~/.ssh/config with a HostName".to_owned(),
            Self::Unreachable { .. } | Self::Silent { .. } => {
                "is the host switched on, and does `ssh` reach it from here?".to_owned()
            }
            Self::Forward { jump, .. } => format!("is the host switched on, and does sshd on {jump} allow forwarding?"),
            Self::Key { .. } | Self::Rsa { .. } => {
                "ed25519, ECDSA and RSA keys can be read; let ssh-agent hold others (`ssh-add`)".to_owned()
            }
            Self::Locked { path } => format!("`ssh-add {}` asks for the passphrase once", path.display()),
            Self::PublicOnly { path } => {
                format!("let ssh-agent hold the private key, or name it in place of {}", path.display())
            }
            Self::Login { locked, .. } if !locked.is_empty() => {
                let files = locked.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
                format!("`ssh-add {files}` lets ssh-agent hold the key that a passphrase protects")
            }
            Self::Login { destination, .. } => {
                format!("`ssh-copy-id {}` lets your key in; name another one with --identity", as_ssh(destination))
            }
            Self::CutOff { .. } => "the host takes only so many tries (MaxAuthTries): name the right key with \
                                    --identity, or with `IdentityFile` and `IdentitiesOnly yes` in ~/.ssh/config"
                .to_owned(),
            Self::NoSession { .. } => {
                "check that sshd on the host allows sessions (MaxSessions) and that this user has a shell".to_owned()
            }
            Self::Shell { .. } => "log in as a user with a shell: commands must run there as they are given".to_owned(),
            Self::File { .. } => "is the disk full?".to_owned(),
            Self::Command { command, .. } if command.starts_with("sudo") => {
                "log in as root, or let this user run sudo without a password".to_owned()
            }
            Self::Broken(_) | Self::Command { .. } | Self::Word(_) | Self::Slow { .. } => return None,
        })
    }
}

/// `user@host`, or `-p port user@host`, as the tools of OpenSSH take it.
fn as_ssh(destination: &str) -> String {
    match destination.split_once("@[").and_then(|(user, rest)| Some((user, rest.split_once("]:")?))) {
        Some((user, (host, port))) => format!("-p {port} {user}@{host}"),
        None => destination.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_can_be_typed() {
        assert_eq!(as_ssh("anna@box"), "anna@box");
        assert_eq!(as_ssh("anna@[10.0.0.1]:2222"), "-p 2222 anna@10.0.0.1");
        assert_eq!(as_ssh("anna@[fe80::1]:2222"), "-p 2222 anna@fe80::1");
    }
}
