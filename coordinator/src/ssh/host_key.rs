//! Decides whether a host is the one that was meant: by `known_hosts`, or by a fingerprint that somebody vouches for.
//! There is no third way, and nothing is learned on the way (T34).

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use russh::keys::{Algorithm, HashAlg, PublicKey, known_hosts};

use super::Destination;

/// Why a host is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    #[error("the host key of {host} is not known: {fingerprint}")]
    Unknown { host: String, address: String, port: u16, fingerprint: String, file: PathBuf },
    #[error(
        "THE HOST KEY OF {host} HAS CHANGED: it shows {fingerprint}, and {} line {line} says another one", file.display()
    )]
    Changed { host: String, fingerprint: String, file: PathBuf, line: usize },
    #[error("the host key of {host} is revoked in {}: {fingerprint}", file.display())]
    Revoked { host: String, fingerprint: String, file: PathBuf },
    #[error("the host key of {host} is {fingerprint}, not {accepted}")]
    NotAccepted { host: String, fingerprint: String, accepted: String },
    #[error("{} cannot be read", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} holds a line that cannot be read", file.display())]
    Malformed {
        file: PathBuf,
        #[source]
        source: russh::keys::Error,
    },
    #[error("{host} shows a certificate in place of a host key, which is not supported")]
    Certificate { host: String },
}

impl HostKeyError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { address, port, fingerprint, file, .. } => Some(format!(
                "compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` says on the host itself; if it is \
                 the same, add --accept-fingerprint {fingerprint}, or learn the key with `ssh-keyscan -p {port} {address} \
                 >> {}`",
                file.display()
            )),
            Self::Changed { host, file, line, .. } => Some(format!(
                "somebody may be in between. If the host was installed anew, remove line {line} of {} (`ssh-keygen -R \
                 {host}`) and compare the new fingerprint on the host itself",
                file.display()
            )),
            Self::NotAccepted { .. } => {
                Some("ask whoever gave you the fingerprint; somebody may be in between".to_owned())
            }
            Self::Revoked { .. } | Self::Unreadable { .. } | Self::Malformed { .. } | Self::Certificate { .. } => None,
        }
    }
}

/// What vouches for a host.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The keys in this file, in OpenSSH's format.
    KnownHosts(PathBuf),
    /// This fingerprint alone: `SHA256:…`.
    Fingerprint(String),
}

impl Trust {
    /// The kinds of key to ask the host for: those it is known by, so that a host with several keys shows the known one.
    /// Empty: any.
    pub fn algorithms(&self, destination: &Destination) -> Result<Vec<Algorithm>, HostKeyError> {
        match self {
            Self::Fingerprint(_) => Ok(Vec::new()),
            Self::KnownHosts(file) => Ok(known_keys(destination, file)?.iter().map(PublicKey::algorithm).collect()),
        }
    }

    /// Whether this key may be the host's. An error is the reason why not.
    pub fn judge(&self, destination: &Destination, key: &PublicKey) -> Result<(), HostKeyError> {
        let (host, fingerprint) = (destination.known_as(), key.fingerprint(HashAlg::Sha256).to_string());
        match self {
            Self::Fingerprint(accepted) if *accepted == fingerprint => Ok(()),
            Self::Fingerprint(accepted) => {
                Err(HostKeyError::NotAccepted { host, fingerprint, accepted: accepted.clone() })
            }
            Self::KnownHosts(file) => {
                if revoked(file, key)? {
                    return Err(HostKeyError::Revoked { host, fingerprint, file: file.clone() });
                }
                let known = known_keys(destination, file)?;
                if known.iter().any(|known| known.key_data() == key.key_data()) {
                    return Ok(());
                }
                match known.first() {
                    Some(known) => {
                        let line = line_of(file, known)?;
                        Err(HostKeyError::Changed { host, fingerprint, file: file.clone(), line })
                    }
                    None => Err(HostKeyError::Unknown {
                        host,
                        address: destination.address.to_string(),
                        port: destination.port,
                        fingerprint,
                        file: file.clone(),
                    }),
                }
            }
        }
    }
}

/// The keys a file has for the host. A file that is not there knows nobody.
fn known_keys(destination: &Destination, file: &Path) -> Result<Vec<PublicKey>, HostKeyError> {
    known_hosts::known_host_keys_path(&destination.address.to_string(), destination.port, file)
        .map(|keys| keys.into_iter().map(|(_, key)| key).collect())
        .map_err(|source| HostKeyError::Malformed { file: file.to_owned(), source })
}

/// The line, from 1, that holds this key. (russh's own count leaves out comments.)
fn line_of(file: &Path, key: &PublicKey) -> Result<usize, HostKeyError> {
    let text = read(file)?;
    let encoded = key.to_openssh().unwrap_or_default();
    let encoded = encoded.split(' ').nth(1).unwrap_or_default();
    Ok(text.lines().position(|line| line.contains(encoded)).map_or(0, |index| index + 1))
}

fn read(file: &Path) -> Result<String, HostKeyError> {
    match fs::read_to_string(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        other => other.map_err(|source| HostKeyError::Unreadable { file: file.to_owned(), source }),
    }
}

/// A revoked key is refused for whatever host the line names: nobody should hold it.
fn revoked(file: &Path, key: &PublicKey) -> Result<bool, HostKeyError> {
    let text = read(file)?;
    let revoked = text.lines().filter_map(|line| line.trim_start().strip_prefix("@revoked"));
    // Marker, hosts, kind, key.
    let mut keys = revoked.filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        PublicKey::from_openssh(&format!("{} {}", words.next()?, words.next()?)).ok()
    });
    Ok(keys.any(|revoked| revoked.key_data() == key.key_data()))
}
