//! The user's keys: what the key files and ssh-agent hold, and in which order they are shown.

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
    /// The public half, if it can be had without a passphrase.
    pub public: Option<KeyData>,
    pub private: Private,
}

/// What there is to sign with in a key file.
#[derive(Debug)]
pub enum Private {
    Ready(Box<PrivateKey>),
    /// A passphrase protects it.
    Locked,
    /// The file has the public half alone; ssh-agent must hold the other.
    Elsewhere,
    Missing,
    Unreadable(russh::keys::Error),
}

impl KeyFile {
    /// Reads the file, and `FILE.pub` where the public half is not in it.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_default();
        let private = match load_secret_key(path, None) {
            Ok(key) => Private::Ready(Box::new(key)),
            Err(russh::keys::Error::KeyIsEncrypted) => Private::Locked,
            Err(_) if is_locked(&text) => Private::Locked,
            Err(russh::keys::Error::IO(error)) if error.kind() == io::ErrorKind::NotFound => Private::Missing,
            Err(error) => Private::Unreadable(error),
        };
        let beside = fs::read_to_string(beside(path)).unwrap_or_default();
        let own = PublicKey::from_openssh(&text).ok();
        let private = if own.is_some() { Private::Elsewhere } else { private };
        let public = match &private {
            Private::Ready(key) => Some(key.public_key().key_data().clone()),
            _ => own
                .or_else(|| PrivateKey::from_openssh(&text).ok().map(|key| key.public_key().clone()))
                .or_else(|| PublicKey::from_openssh(&beside).ok())
                .map(|key| key.key_data().clone()),
        };
        Self { path: path.to_owned(), public, private }
    }

    /// How it is named to the user, with why it cannot be used by itself.
    pub fn label(&self) -> String {
        let path = self.path.display();
        match &self.private {
            Private::Ready(_) => path.to_string(),
            Private::Locked => format!("{path} (protected by a passphrase)"),
            Private::Elsewhere => format!("{path} (a public key, whose private key ssh-agent does not hold)"),
            Private::Missing => format!("{path} (not there)"),
            Private::Unreadable(error) => format!("{path} ({error})"),
        }
    }
}

/// The forms other than OpenSSH's own in which a passphrase protects a key (PKCS #8, and RFC 1421's).
fn is_locked(text: &str) -> bool {
    text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED")
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// ssh-agent, and the keys that it holds.
pub struct Agent {
    pub client: AgentClient<UnixStream>,
    pub held: Vec<Held>,
}

/// A key that ssh-agent holds.
#[derive(Debug, Clone)]
pub struct Held {
    pub key: PublicKey,
    pub comment: String,
}

impl Agent {
    /// Asks the agent what it holds. One that does not answer holds nothing.
    ///
    /// It learns before which host it is that the keys are for: some are held for some hosts only (`ssh-add -h`).
    pub async fn ask(socket: &Path, host: Option<&AgentSessionBinding>) -> Option<Self> {
        let mut client = AgentClient::connect_uds(socket).await.ok()?;
        if let Some(host) = host {
            // An agent that does not know the question holds no such keys.
            client.bind_session(host, false).await.ok();
        }
        let identities = client.request_identities().await.ok()?;
        let held = identities.into_iter().filter_map(|identity| match identity {
            AgentIdentity::PublicKey { key, comment } => Some(Held { key, comment }),
            AgentIdentity::Certificate { .. } => None,
        });
        let held = held.collect();
        Some(Self { client, held })
    }
}

/// What is shown to the host next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// The key that the agent holds at this place.
    Held(usize),
    /// The key of the file at this place.
    File(usize),
}

/// The order in which keys are shown. A host lets nobody in after a few wrong ones, so that files that were `named` go
/// first, each by the agent if it holds the key; the agent's other keys follow if they may. Where nothing was named, the
/// agent's keys go first.
pub fn offers(files: &[Option<&KeyData>], held: &[&KeyData], named: bool, others: bool) -> Vec<Offer> {
    let place = |file: &Option<&KeyData>| file.and_then(|file| held.iter().position(|key| *key == file));
    let by_agent: Vec<usize> = files.iter().filter_map(place).collect();
    let of_files = files.iter().enumerate();
    let rest = (0..held.len()).filter(|held| others && !by_agent.contains(held)).map(Offer::Held);
    if named {
        let of_files = of_files.map(|(index, file)| place(file).map_or(Offer::File(index), Offer::Held));
        return of_files.chain(rest).collect();
    }
    let first = by_agent.iter().copied().map(Offer::Held);
    let alone = of_files.filter(|(_, file)| place(file).is_none()).map(|(index, _)| Offer::File(index));
    first.chain(rest).chain(alone).collect()
}

#[cfg(test)]
mod tests {
    use super::Offer::{File, Held};
    use super::*;

    fn key(byte: u8) -> KeyData {
        KeyData::Ed25519(russh::keys::ssh_key::public::Ed25519PublicKey([byte; 32]))
    }

    #[test]
    fn keys_are_shown_in_the_order_that_spares_the_hosts_patience() {
        let (a, b, c) = (key(1), key(2), key(3));
        let held = [&a, &b];
        for (files, named, others, expected) in [
            // Named: the agent's copy of it and no other, or others after it.
            (vec![Some(&b)], true, false, vec![Held(1)]),
            (vec![Some(&b)], true, true, vec![Held(1), Held(0)]),
            (vec![Some(&c)], true, true, vec![File(0), Held(0), Held(1)]),
            (vec![None, Some(&a)], true, false, vec![File(0), Held(0)]),
            // The usual files: the agent first, with those keys that are in the files too at its head.
            (vec![Some(&c), Some(&b)], false, true, vec![Held(1), Held(0), File(0)]),
            (vec![None], false, true, vec![Held(0), Held(1), File(0)]),
            (vec![Some(&b)], false, false, vec![Held(1)]),
            (vec![], false, true, vec![Held(0), Held(1)]),
        ] {
            assert_eq!(offers(&files, &held, named, others), expected, "{files:?} {named} {others}");
        }
        assert_eq!(offers(&[Some(&c)], &[], false, true), [File(0)]);
    }
}
