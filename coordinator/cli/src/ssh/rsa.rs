//! Signs with an RSA key of the user's, by aws-lc, whose private operations take the same time whatever the key. The `rsa`
//! crate, which russh brings along, has a timing side channel there (RUSTSEC-2023-0071): it checks signatures of hosts and
//! reads key files, and signs nothing.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeyPair;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA512};
use russh::Signer;
use russh::keys::agent::AgentIdentity;
use russh::keys::ssh_encoding::Encode as _;
use russh::keys::{HashAlg, PrivateKey, pkcs8};

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("the key is no RSA key of 2048 to 8192 bits")]
    Key,
    #[error("nothing could be signed")]
    Sign,
    #[error("the connection broke")]
    Send(#[from] russh::SendError),
}

/// A private key.
pub struct RsaSigner(KeyPair);

impl RsaSigner {
    pub fn new(key: &PrivateKey) -> Result<Self, SignError> {
        let encoded = pkcs8::encode_pkcs8(key).map_err(|_| SignError::Key)?;
        KeyPair::from_pkcs8(&encoded).map(Self).map_err(|_| SignError::Key)
    }

    /// A signature as RFC 8332 writes it: the name of the algorithm, then the number.
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

    /// The data with the signature behind it.
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
