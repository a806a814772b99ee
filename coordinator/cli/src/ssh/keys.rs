//! The user's keys: the key files, the keys in ssh-agent, and the order in which they are offered.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use russh::keys::agent::client::AgentClient;
use russh::keys::agent::{AgentIdentity, AgentSessionBinding};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{PrivateKey, PublicKey, load_secret_key};
use tokio::net::UnixStream;

/// A key file.
#[derive(Debug)]
pub struct KeyFile {
    pub path: PathBuf,
    /// The public key, if it can be read without a passphrase.
    pub public: Option<KeyData>,
    pub private: PrivateKeyState,
}

/// The private key of a key file, or the reason why it is unavailable.
#[derive(Debug)]
pub enum PrivateKeyState {
    Ready(Box<PrivateKey>),
    /// A passphrase protects the private key.
    Encrypted,
    /// The file holds only the public key; ssh-agent must hold the private key.
    PublicOnly,
    Missing,
    Unreadable(russh::keys::Error),
}

impl KeyFile {
    /// Reads the key file. The public key comes from `FILE.pub` if the file itself does not contain it.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let private = match load_secret_key(path, None) {
            Ok(key) => PrivateKeyState::Ready(Box::new(key)),
            Err(russh::keys::Error::KeyIsEncrypted) => PrivateKeyState::Encrypted,
            Err(_) if is_encrypted(&text) => PrivateKeyState::Encrypted,
            Err(russh::keys::Error::IO(error)) if error.kind() == io::ErrorKind::NotFound => PrivateKeyState::Missing,
            Err(error) => PrivateKeyState::Unreadable(error),
        };
        let public_file = fs::read_to_string(public_key_path(path)).unwrap_or_default();
        let own = PublicKey::from_openssh(&text).ok();
        let private = if own.is_some() { PrivateKeyState::PublicOnly } else { private };
        let public = match &private {
            PrivateKeyState::Ready(key) => Some(key.public_key().key_data().clone()),
            _ => own
                .or_else(|| PrivateKey::from_openssh(&text).ok().map(|key| key.public_key().clone()))
                .or_else(|| PublicKey::from_openssh(&public_file).ok())
                .map(|key| key.key_data().clone()),
        };
        Self { path: path.to_owned(), public, private }
    }

    /// The file's path for error messages, with the reason if its key is unavailable.
    pub fn label(&self) -> String {
        let path = self.path.display();
        match &self.private {
            PrivateKeyState::Ready(_) => path.to_string(),
            PrivateKeyState::Encrypted => format!("{path} (protected by a passphrase)"),
            PrivateKeyState::PublicOnly => format!("{path} (a public key; ssh-agent does not hold its private key)"),
            PrivateKeyState::Missing => format!("{path} (not found)"),
            PrivateKeyState::Unreadable(error) => format!("{path} ({error})"),
        }
    }
}

/// Detects encrypted private keys in formats other than OpenSSH's own: PKCS #8 and RFC 1421.
fn is_encrypted(text: &str) -> bool {
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn public_key_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// A connection to ssh-agent, and the keys that it holds.
pub struct Agent {
    pub client: AgentClient<UnixStream>,
    pub keys: Vec<AgentKey>,
}

/// A key that ssh-agent holds.
#[derive(Debug, Clone)]
pub struct AgentKey {
    pub key: PublicKey,
    pub comment: String,
}

impl Agent {
    /// Connects to ssh-agent and lists its keys. Returns `None` if the agent does not answer.
    ///
    /// The agent receives the host's identity first, because some keys are restricted to certain hosts (`ssh-add -h`).
    pub async fn list_keys(socket: &Path, host: Option<&AgentSessionBinding>) -> Option<Self> {
        let mut client = AgentClient::connect_uds(socket).await.ok()?;
        if let Some(host) = host {
            // An agent that does not support this request holds no restricted keys.
            client.bind_session(host, false).await.ok();
        }
        let identities = client.request_identities().await.ok()?;
        let keys = identities.into_iter().filter_map(|identity| match identity {
            AgentIdentity::PublicKey { key, comment } => Some(AgentKey { key, comment }),
            AgentIdentity::Certificate { .. } => None,
        });
        let keys = keys.collect();
        Some(Self { client, keys })
    }
}

/// The next key to offer to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// Index of a key in ssh-agent.
    AgentKey(usize),
    /// Index of a key file.
    File(usize),
}

/// The order in which keys are offered. A host accepts only a few attempts, so files that the user `named` come first,
/// each through the agent if it holds the key. The agent's other keys follow if `others` is set. If no file was named,
/// the agent's keys come first.
pub fn offers(files: &[Option<&KeyData>], held: &[&KeyData], named: bool, others: bool) -> Vec<Offer> {
    let place = |file: &Option<&KeyData>| file.and_then(|file| held.iter().position(|key| *key == file));
    let by_agent: Vec<usize> = files.iter().filter_map(place).collect();
    let of_files = files.iter().enumerate();
    let rest = (0..held.len()).filter(|held| others && !by_agent.contains(held)).map(Offer::AgentKey);
    if named {
        let of_files = of_files.map(|(index, file)| place(file).map_or(Offer::File(index), Offer::AgentKey));
        return of_files.chain(rest).collect();
    }
    let first = by_agent.iter().copied().map(Offer::AgentKey);
    let alone = of_files.filter(|(_, file)| place(file).is_none()).map(|(index, _)| Offer::File(index));
    first.chain(rest).chain(alone).collect()
}

#[cfg(test)]
mod tests {
    use super::Offer::{AgentKey, File};
    use super::*;

    fn key(byte: u8) -> KeyData {
        KeyData::Ed25519(russh::keys::ssh_key::public::Ed25519PublicKey([byte; 32]))
    }

    #[test]
    fn the_most_likely_keys_are_offered_first() {
        let (a, b, c) = (key(1), key(2), key(3));
        let held = [&a, &b];
        for (files, named, others, expected) in [
            // Named files: the agent's copy of the key alone, or followed by the other keys.
            (vec![Some(&b)], true, false, vec![AgentKey(1)]),
            (vec![Some(&b)], true, true, vec![AgentKey(1), AgentKey(0)]),
            (vec![Some(&c)], true, true, vec![File(0), AgentKey(0), AgentKey(1)]),
            (vec![None, Some(&a)], true, false, vec![File(0), AgentKey(0)]),
            // Default files: the agent's keys first, starting with those that are also in a file.
            (vec![Some(&c), Some(&b)], false, true, vec![AgentKey(1), AgentKey(0), File(0)]),
            (vec![None], false, true, vec![AgentKey(0), AgentKey(1), File(0)]),
            (vec![Some(&b)], false, false, vec![AgentKey(1)]),
            (vec![], false, true, vec![AgentKey(0), AgentKey(1)]),
        ] {
            assert_eq!(offers(&files, &held, named, others), expected, "{files:?} {named} {others}");
        }
        assert_eq!(offers(&[Some(&c)], &[], false, true), [File(0)]);
    }
}
