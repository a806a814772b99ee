//! Errors of SSH connections and sessions, with hints.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::command::UnsafeWord;
use super::host_key::HostKeyError;
use super::resolve::NoAddress;
use super::rsa::SignError;
use landfast_engine::Hint;

/// A failure to connect to a host or to work on it.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    #[error("the host name of {destination} cannot be resolved")]
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
    #[error("{destination} cannot be reached through {jump}")]
    Forward {
        destination: String,
        jump: String,
        #[source]
        source: Box<russh::Error>,
    },
    #[error("{destination} did not respond within {} s", limit.as_secs())]
    Timeout { destination: String, limit: Duration },
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
    EncryptedKey { path: PathBuf },
    #[error("{} is a public key, and ssh-agent does not hold its private key", path.display())]
    PublicOnly { path: PathBuf },
    #[error("{destination} rejected the login; tried {tried}{}", other_methods(methods))]
    Login {
        destination: String,
        tried: String,
        /// Key files that were skipped because a passphrase protects them.
        encrypted: Vec<PathBuf>,
        /// Other authentication methods that the host offers.
        methods: String,
    },
    #[error("{destination} closed the connection after {count} of your keys: {reason}; tried {tried}")]
    Disconnected { destination: String, count: usize, tried: String, reason: String },
    #[error("{destination} refused to open a session")]
    NoSession {
        destination: String,
        #[source]
        source: russh::Error,
    },
    #[error("the connection to the host was lost")]
    Broken(#[from] russh::Error),
    #[error("{path} cannot be written on the host: {problem}")]
    File { path: String, problem: String },
    #[error("`{command}` failed on the host with exit code {code}: {output}")]
    Command { command: String, code: u32, output: String },
    #[error("the host did not run `{command}`{}", shell_output(output))]
    Shell { command: String, output: String },
    #[error(transparent)]
    Word(#[from] UnsafeWord),
    #[error("`{command}` did not finish on the host within {} s", limit.as_secs())]
    CommandTimeout { command: String, limit: Duration },
}

fn other_methods(methods: &str) -> String {
    if methods.is_empty() { String::new() } else { format!("; the host offers only {methods}, which is not supported") }
}

fn shell_output(output: &str) -> String {
    if output.is_empty() { String::new() } else { format!("; its shell printed: {output}") }
}

impl Hint for SshError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::HostKey(error) => return error.hint(),
            Self::Name { .. } => "use its address, or add a Host with a HostName for it to ~/.ssh/config".to_owned(),
            Self::Unreachable { .. } | Self::Timeout { .. } => {
                "check that the host is running and that `ssh` reaches it from this machine".to_owned()
            }
            Self::Forward { jump, .. } => {
                format!("check that the host is running and that sshd on {jump} allows TCP forwarding")
            }
            Self::Key { .. } | Self::Rsa { .. } => {
                "supported key types are ed25519, ECDSA and RSA; add other keys to ssh-agent with `ssh-add`".to_owned()
            }
            Self::EncryptedKey { path } => format!("run `ssh-add {}`: it asks for the passphrase once", path.display()),
            Self::PublicOnly { path } => {
                format!("add the private key to ssh-agent with `ssh-add`, or pass it instead of {}", path.display())
            }
            Self::Login { encrypted, .. } if !encrypted.is_empty() => {
                let files = encrypted.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ");
                format!("run `ssh-add {files}` to add the keys that a passphrase protects to ssh-agent")
            }
            Self::Login { destination, .. } => {
                format!(
                    "authorize your key with `ssh-copy-id {}`, or choose another key with --identity",
                    as_ssh(destination)
                )
            }
            Self::Disconnected { .. } => {
                "the host limits the number of attempts (MaxAuthTries): choose the right key with \
                                    --identity, or with `IdentityFile` and `IdentitiesOnly yes` in ~/.ssh/config"
                    .to_owned()
            }
            Self::NoSession { .. } => {
                "check that sshd on the host allows sessions (MaxSessions) and that this user has a shell".to_owned()
            }
            Self::Shell { .. } => "log in as a user whose login shell runs commands".to_owned(),
            Self::File { .. } => "check that the host's disk has free space".to_owned(),
            Self::Command { command, .. } if command.starts_with("sudo") => {
                "log in as root, or allow this user to run sudo without a password".to_owned()
            }
            Self::Broken(_) | Self::Command { .. } | Self::Word(_) | Self::CommandTimeout { .. } => return None,
        })
    }
}

/// The destination as arguments for OpenSSH's tools: `user@host`, or `-p port user@host`.
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
    fn hints_use_the_arguments_of_openssh() {
        assert_eq!(as_ssh("anna@box"), "anna@box");
        assert_eq!(as_ssh("anna@[10.0.0.1]:2222"), "-p 2222 anna@10.0.0.1");
        assert_eq!(as_ssh("anna@[fe80::1]:2222"), "-p 2222 anna@fe80::1");
    }
}
