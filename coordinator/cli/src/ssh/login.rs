//! Logs in to a host that was judged, with the user's keys.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use russh::client::AuthResult;
use russh::keys::{HashAlg, PrivateKey, PrivateKeyWithHashAlg};
use russh::{MethodKind, MethodSet};

use super::connect::{Link, rsa_hash};
use super::error::SshError;
use super::keys::{Agent, KeyFile, Offer, Private, offers};
use super::route::Hop;
use super::rsa::RsaSigner;

/// ssh-agent says what it holds within this time.
const AGENT_LIMIT: Duration = Duration::from_secs(10);

/// Shows the keys in order until the host takes one.
pub(super) async fn log_in(link: &mut Link, hop: &Hop) -> Result<(), SshError> {
    let files: Vec<KeyFile> = hop.keys.files.iter().map(|path| KeyFile::read(path)).collect();
    let mut agent = match &hop.keys.agent {
        Some(socket) => {
            let asked = Agent::ask(socket, link.handle.agent_session_binding());
            tokio::time::timeout(AGENT_LIMIT, asked).await.ok().flatten()
        }
        None => None,
    };
    let held = agent.as_ref().map(|agent| agent.held.clone()).unwrap_or_default();
    let public: Vec<_> = files.iter().map(|file| file.public.as_ref()).collect();
    let held_keys: Vec<_> = held.iter().map(|held| held.key.key_data()).collect();
    let mut showing = Showing { link, hop, tried: Vec::new(), locked: Vec::new(), hash: None, methods: None };
    for offer in offers(&public, &held_keys, hop.keys.named, hop.keys.others) {
        let is_in = match (offer, agent.as_mut()) {
            (Offer::Held(index), Some(agent)) => showing.held(agent, index).await?,
            (Offer::File(index), _) => showing.file(&files[index]).await?,
            (Offer::Held(_), None) => false,
        };
        if is_in {
            return Ok(());
        }
    }
    Err(showing.refused())
}

/// What signs with the key of a file.
#[derive(Debug, PartialEq, Eq)]
enum Signing {
    Russh,
    /// RSA keys: the `rsa` crate, which russh would sign with, has a timing side channel (RUSTSEC-2023-0071).
    AwsLc,
}

impl Signing {
    fn with(key: &PrivateKey) -> Self {
        if key.algorithm().is_rsa() { Self::AwsLc } else { Self::Russh }
    }
}

struct Showing<'a> {
    link: &'a mut Link,
    hop: &'a Hop,
    tried: Vec<String>,
    locked: Vec<PathBuf>,
    hash: Option<HashAlg>,
    /// The ways in that the host named last.
    methods: Option<MethodSet>,
}

impl Showing<'_> {
    /// Shows a key that ssh-agent signs with.
    async fn held(&mut self, agent: &mut Agent, index: usize) -> Result<bool, SshError> {
        let held = &agent.held[index];
        self.tried.push(format!("{} of ssh-agent", held.comment));
        let hash = self.hash_for(held.key.algorithm().is_rsa()).await?;
        let (user, key) = (self.hop.destination.user.clone(), held.key.clone());
        let answer = self.link.handle.authenticate_publickey_with(user, key, hash, &mut agent.client).await;
        if answer.is_err() {
            self.remark("which it does not sign with");
        }
        self.judge(answer.ok())
    }

    /// Shows the key of a file, if there is one to sign with.
    async fn file(&mut self, file: &KeyFile) -> Result<bool, SshError> {
        let required = self.hop.keys.required;
        match &file.private {
            Private::Ready(key) => {
                self.tried.push(file.label());
                return self.private(key, file).await;
            }
            Private::Locked if required => return Err(SshError::Locked { path: file.path.clone() }),
            Private::Elsewhere if required => return Err(SshError::PublicOnly { path: file.path.clone() }),
            Private::Missing | Private::Unreadable(_) if required => {
                let source = russh::keys::load_secret_key(&file.path, None).err();
                let source = source.unwrap_or(russh::keys::Error::CouldNotReadKey);
                return Err(SshError::Key { path: file.path.clone(), source });
            }
            Private::Locked => self.locked.push(file.path.clone()),
            Private::Missing if !self.hop.keys.named => return Ok(false),
            Private::Missing | Private::Elsewhere | Private::Unreadable(_) => {}
        }
        self.tried.push(file.label());
        Ok(false)
    }

    async fn private(&mut self, key: &PrivateKey, file: &KeyFile) -> Result<bool, SshError> {
        let user = self.hop.destination.user.clone();
        let answer = match Signing::with(key) {
            Signing::AwsLc => {
                let mut signer = match RsaSigner::new(key) {
                    Ok(signer) => signer,
                    Err(source) if self.hop.keys.required => {
                        return Err(SshError::Rsa { path: file.path.clone(), source });
                    }
                    Err(source) => {
                        self.remark(&source.to_string());
                        return Ok(false);
                    }
                };
                let hash = self.hash_for(true).await?;
                let public = key.public_key().clone();
                self.link.handle.authenticate_publickey_with(user, public, hash, &mut signer).await.ok()
            }
            Signing::Russh => {
                let key = PrivateKeyWithHashAlg::new(Arc::new(key.clone()), None);
                self.link.handle.authenticate_publickey(user, key).await.ok()
            }
        };
        self.judge(answer)
    }

    /// Says why the key that was tried last is of no use.
    fn remark(&mut self, why: &str) {
        if let Some(last) = self.tried.last_mut() {
            *last += &format!(" ({why})");
        }
    }

    /// Asked once, as the answer may take a second.
    async fn hash_for(&mut self, is_rsa: bool) -> Result<Option<HashAlg>, SshError> {
        if is_rsa && self.hash.is_none() {
            self.hash = Some(rsa_hash(self.link).await?);
        }
        Ok(self.hash.filter(|_| is_rsa))
    }

    /// Whether the host lets the user in. An error when it has hung up.
    fn judge(&mut self, answer: Option<AuthResult>) -> Result<bool, SshError> {
        match answer {
            Some(AuthResult::Success) => return Ok(true),
            Some(AuthResult::Failure { remaining_methods, .. }) => self.methods = Some(remaining_methods),
            None => {}
        }
        let said = self.link.last_words();
        if said.is_none() && !self.link.handle.is_closed() {
            return Ok(false);
        }
        Err(SshError::CutOff {
            destination: self.hop.destination.to_string(),
            count: self.tried.len(),
            tried: self.tried.join(", "),
            said: said.unwrap_or_else(|| "no reason given".to_owned()),
        })
    }

    fn refused(self) -> SshError {
        let tried = match self.tried.as_slice() {
            [] => "no key, because none was found".to_owned(),
            tried => tried.join(", "),
        };
        let key = MethodKind::PublicKey;
        // A host that would take a key is not asked for other ways.
        let methods = self.methods.filter(|methods| !methods.contains(&key));
        let methods = methods.map(|methods| methods.iter().map(String::from).collect::<Vec<_>>().join(" or "));
        SshError::Login {
            destination: self.hop.destination.to_string(),
            tried,
            locked: self.locked,
            methods: methods.unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rsa_key_is_handed_to_russh_to_sign_with() {
        let folder = tempfile::tempdir().unwrap();
        for (kind, format, expected) in [
            ("rsa", "RFC4716", Signing::AwsLc),
            ("rsa", "PEM", Signing::AwsLc),
            ("rsa", "PKCS8", Signing::AwsLc),
            ("ecdsa", "RFC4716", Signing::Russh),
            ("ed25519", "RFC4716", Signing::Russh),
        ] {
            let file = folder.path().join(format!("{kind}-{format}"));
            let mut keygen = std::process::Command::new("ssh-keygen");
            keygen.args(["-q", "-t", kind, "-m", format, "-N", "", "-f"]).arg(&file);
            assert!(keygen.status().unwrap().success());
            let Private::Ready(key) = KeyFile::read(&file).private else { panic!("{kind} {format} is not read") };
            assert_eq!(Signing::with(&key), expected, "{kind} {format}");
            assert_eq!(RsaSigner::new(&key).is_ok(), expected == Signing::AwsLc, "{kind} {format}");
        }
    }
}
