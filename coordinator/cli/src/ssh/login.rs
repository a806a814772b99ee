//! Public key authentication on a host whose key is verified.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::client::AuthResult;
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};

use super::connect::{Connection, rsa_hash};
use super::error::SshError;
use super::keys::{Agent, KeyFile, Offer, PrivateKeyState, offers};
use super::route::Hop;
use super::rsa::RsaSigner;

/// Maximum time for ssh-agent to list its keys.
const AGENT_TIMEOUT: Duration = Duration::from_secs(10);

/// Offers the keys in order until the host accepts one.
pub(super) async fn log_in(link: &mut Connection, hop: &Hop) -> Result<(), SshError> {
    let files: Vec<KeyFile> = hop.keys.files.iter().map(|path| KeyFile::read(path)).collect();
    let mut agent = match &hop.keys.agent {
        Some(socket) => {
            let asked = Agent::list_keys(socket, link.handle.agent_session_binding());
            tokio::time::timeout(AGENT_TIMEOUT, asked).await.ok().flatten()
        }
        None => None,
    };
    let held = agent.as_ref().map(|agent| agent.keys.clone()).unwrap_or_default();
    let public: Vec<_> = files.iter().map(|file| file.public.as_ref()).collect();
    let agent_key_data: Vec<_> = held.iter().map(|held| held.key.key_data()).collect();
    let mut attempt = LoginAttempt { link, hop, tried: Vec::new(), encrypted: Vec::new(), hash: None, methods: None };
    for offer in offers(&public, &agent_key_data, hop.keys.named, hop.keys.others) {
        let logged_in = match (offer, agent.as_mut()) {
            (Offer::AgentKey(index), Some(agent)) => attempt.offer_agent_key(agent, index).await?,
            (Offer::File(index), _) => attempt.offer_key_file(&files[index]).await?,
            (Offer::AgentKey(_), None) => false,
        };
        if logged_in {
            return Ok(());
        }
    }
    Err(attempt.refusal())
}

/// The library that signs with the key of a file.
#[derive(Debug, PartialEq, Eq)]
enum SigningBackend {
    Russh,
    /// RSA keys. russh would sign with the `rsa` crate, which has a timing side channel (RUSTSEC-2023-0071).
    AwsLc,
}

impl SigningBackend {
    fn of(key: &PrivateKey) -> Self {
        if key.algorithm().is_rsa() { Self::AwsLc } else { Self::Russh }
    }
}

struct LoginAttempt<'a> {
    link: &'a mut Connection,
    hop: &'a Hop,
    tried: Vec<String>,
    encrypted: Vec<PathBuf>,
    hash: Option<HashAlg>,
    /// Authentication methods that the host listed last.
    methods: Option<MethodSet>,
}

impl LoginAttempt<'_> {
    /// Offers a key that ssh-agent signs with.
    async fn offer_agent_key(&mut self, agent: &mut Agent, index: usize) -> Result<bool, SshError> {
        let held = &agent.keys[index];
        self.tried.push(format!("{} of ssh-agent", held.comment));
        let hash = self.hash_for(held.key.algorithm().is_rsa()).await?;
        let (user, key) = (self.hop.destination.user.clone(), held.key.clone());
        let answer = self.link.handle.authenticate_publickey_with(user, key, hash, &mut agent.client).await;
        if answer.is_err() {
            self.annotate_last("the agent did not sign");
        }
        self.check_answer(answer.ok())
    }

    /// Offers the key of a file, if its private key is available.
    async fn offer_key_file(&mut self, file: &KeyFile) -> Result<bool, SshError> {
        let required = self.hop.keys.required;
        match &file.private {
            PrivateKeyState::Ready(key) => {
                self.tried.push(file.label());
                return self.sign_with_file(key, file).await;
            }
            PrivateKeyState::Encrypted if required => return Err(SshError::EncryptedKey { path: file.path.clone() }),
            PrivateKeyState::PublicOnly if required => return Err(SshError::PublicOnly { path: file.path.clone() }),
            PrivateKeyState::Missing | PrivateKeyState::Unreadable(_) if required => {
                let source = russh::keys::load_secret_key(&file.path, None).err();
                let source = source.unwrap_or(russh::keys::Error::CouldNotReadKey);
                return Err(SshError::Key { path: file.path.clone(), source });
            }
            PrivateKeyState::Encrypted => self.encrypted.push(file.path.clone()),
            PrivateKeyState::Missing if !self.hop.keys.named => return Ok(false),
            PrivateKeyState::Missing | PrivateKeyState::PublicOnly | PrivateKeyState::Unreadable(_) => {}
        }
        self.tried.push(file.label());
        Ok(false)
    }

    async fn sign_with_file(&mut self, key: &PrivateKey, file: &KeyFile) -> Result<bool, SshError> {
        let user = self.hop.destination.user.clone();
        let answer = match SigningBackend::of(key) {
            SigningBackend::AwsLc => {
                let mut signer = match RsaSigner::new(key) {
                    Ok(signer) => signer,
                    Err(source) if self.hop.keys.required => {
                        return Err(SshError::Rsa { path: file.path.clone(), source });
                    }
                    Err(source) => {
                        self.annotate_last(&source.to_string());
                        return Ok(false);
                    }
                };
                let hash = self.hash_for(true).await?;
                let public = key.public_key().clone();
                self.link.handle.authenticate_publickey_with(user, public, hash, &mut signer).await.ok()
            }
            SigningBackend::Russh => {
                let key = PrivateKeyWithHashAlg::new(Arc::new(key.clone()), None);
                self.link.handle.authenticate_publickey(user, key).await.ok()
            }
        };
        self.check_answer(answer)
    }

    /// Adds to the last tried key the reason why it was not usable.
    fn annotate_last(&mut self, why: &str) {
        if let Some(last) = self.tried.last_mut() {
            *last += &format!(" ({why})");
        }
    }

    /// The hash for RSA signatures. Requested from the host only once, because the answer may take a second.
    async fn hash_for(&mut self, is_rsa: bool) -> Result<Option<HashAlg>, SshError> {
        if is_rsa && self.hash.is_none() {
            self.hash = Some(rsa_hash(self.link).await?);
        }
        Ok(self.hash.filter(|_| is_rsa))
    }

    /// Returns whether the host accepted the key. An error means that the host closed the connection.
    fn check_answer(&mut self, answer: Option<AuthResult>) -> Result<bool, SshError> {
        match answer {
            Some(AuthResult::Success) => return Ok(true),
            Some(AuthResult::Failure { remaining_methods, .. }) => self.methods = Some(remaining_methods),
            None => {}
        }
        let reason = self.link.disconnect_message();
        if reason.is_none() && !self.link.handle.is_closed() {
            return Ok(false);
        }
        Err(SshError::Disconnected {
            destination: self.hop.destination.to_string(),
            count: self.tried.len(),
            tried: self.tried.join(", "),
            reason: reason.unwrap_or_else(|| "no reason given".to_owned()),
        })
    }

    fn refusal(self) -> SshError {
        let tried = match self.tried.as_slice() {
            [] => "no key, because no key was found".to_owned(),
            tried => tried.join(", "),
        };
        let key = MethodKind::PublicKey;
        // Other methods matter only if the host accepts no public keys.
        let methods = self.methods.filter(|methods| !methods.contains(&key));
        let methods = methods.map(|methods| methods.iter().map(String::from).collect::<Vec<_>>().join(" or "));
        SshError::Login {
            destination: self.hop.destination.to_string(),
            tried,
            encrypted: self.encrypted,
            methods: methods.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rsa_key_is_signed_with_by_russh() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, format, expected) in [
            ("rsa", "RFC4716", SigningBackend::AwsLc),
            ("rsa", "PEM", SigningBackend::AwsLc),
            ("rsa", "PKCS8", SigningBackend::AwsLc),
            ("ecdsa", "RFC4716", SigningBackend::Russh),
            ("ed25519", "RFC4716", SigningBackend::Russh),
        ] {
            let file = folder.path().join(format!("{kind}-{format}"));
            let mut keygen = std::process::Command::new("ssh-keygen");
            keygen.args(["-q", "-t", kind, "-m", format, "-N", "", "-f"]).arg(&file);
            assert!(keygen.status().unwrap().success());
            let PrivateKeyState::Ready(key) = KeyFile::read(&file).private else {
                panic!("{kind} {format} is not read")
            };
            assert_eq!(SigningBackend::of(&key), expected, "{kind} {format}");
            assert_eq!(RsaSigner::new(&key).is_ok(), expected == SigningBackend::AwsLc, "{kind} {format}");
        }
    }
}
