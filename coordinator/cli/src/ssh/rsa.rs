//! Signs with the user's RSA keys through aws-lc, whose private key operations run in constant time. The `rsa` crate, a
//! dependency of russh, has a timing side channel there (RUSTSEC-2023-0071). It only verifies the signatures of hosts
//! and reads key files.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512};
use russh::Signer;
use russh::keys::agent::AgentIdentity;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::{HashAlg, PrivateKey, pkcs8};

/// A failure to sign.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the key is not an RSA key of 2048 to 8192 bits")]
    Key,
    #[error("the signature cannot be created")]
    Sign,
    #[error("the connection was lost")]
    Send(#[from] russh::SendError),
}

/// An RSA private key.
pub struct RsaSigner(KeyPair);

impl RsaSigner {
    /// Prepares a key for signing.
    pub fn new(key: &PrivateKey) -> Result<Self, SignError> {
        let encoded = pkcs8::encode_pkcs8(key).map_err(|_| SignError::Key)?;
        KeyPair::from_pkcs8(&encoded).map(Self).map_err(|_| SignError::Key)
    }

    /// Creates a signature in the format of RFC 8332: the name of the algorithm, then the signature itself.
    fn sign(&self, hash: Option<HashAlg>, data: &[u8]) -> Result<Vec<u8>, SignError> {
        let (name, algorithm) = match hash {
            Some(HashAlg::Sha256) => ("rsa-sha2-256", &RSA_PKCS1_SHA256),
            _ => ("rsa-sha2-512", &RSA_PKCS1_SHA512),
        };
        let mut number = vec![0; self.0.public_modulus_len()];
        self.0.sign(algorithm, &SystemRandom::new(), data, &mut number).map_err(|_| SignError::Sign)?;
        let mut signature = Vec::new();
        name.encode(&mut signature).and_then(|()| number.encode(&mut signature)).map_err(|_| SignError::Sign)?;
        Ok(signature)
    }
}

impl Signer for RsaSigner {
    type Error = SignError;

    /// Returns the data followed by its signature.
    async fn auth_sign(
        &mut self,
        _key: &AgentIdentity,
        hash: Option<HashAlg>,
        mut data: Vec<u8>,
    ) -> Result<Vec<u8>, SignError> {
        let signature = self.sign(hash, &data)?;
        signature.encode(&mut data).map_err(|_| SignError::Sign)?;
        Ok(data)
    }
}
