//! Credentials of one party, and their files on disk: `ca.pem`, `cert.pem` and `key.pem`.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{KeyPair, PublicKeyData as _};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::files::{self, Access};
use crate::{Error, Identity, tls};

/// A private key, its certificate, and the certificate of the authority that signed it.
///
/// The constructor checks that the key matches the certificate.
#[derive(Clone)]
pub struct Credentials {
    authority_pem: String,
    certificate_pem: String,
    key_pem: String,
    identity: Identity,
    validity: (SystemTime, SystemTime),
}

impl Credentials {
    /// Combines the three parts. Errors: a part is malformed, the certificate does not name exactly one identity, or
    /// the key does not match the certificate.
    pub fn new(authority_pem: String, certificate_pem: String, key_pem: String) -> Result<Self, Error> {
        let unusable = |what: &'static str, problem: String| Error::Unusable { what, problem };
        CertificateDer::from_pem_slice(authority_pem.as_bytes())
            .map_err(|error| unusable("the authority's certificate", error.to_string()))?;
        let certificate = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|error| unusable("the certificate", error.to_string()))?;
        let key = KeyPair::from_pem(&key_pem).map_err(|error| unusable("the key", error.to_string()))?;
        if !tls::certifies(&certificate, &key.subject_public_key_info()) {
            return Err(unusable("the key", "it does not match the certificate".to_owned()));
        }
        let identity = Identity::of_certificate(&certificate)?;
        let validity = validity_of(&certificate)?;
        Ok(Self { authority_pem, certificate_pem, key_pem, identity, validity })
    }

    /// Reads `ca.pem`, `cert.pem` and `key.pem` from `folder`. Refuses a key that other users can read.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let key_pem = files::read_key(&folder.join("key.pem"))?;
        let certificate_pem = files::read(&folder.join("cert.pem"))?;
        let authority_pem = files::read(&folder.join("ca.pem"))?;
        Self::new(authority_pem, certificate_pem, key_pem)
            .map_err(|error| Error::Malformed { path: folder.to_owned(), problem: error.to_string() })
    }

    /// Writes `ca.pem`, `cert.pem` and `key.pem` (mode 0600) into `folder`, which is created with mode 0700 if it is
    /// missing. Overwrites existing files.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        files::private_folder(folder)?;
        files::write(&folder.join("key.pem"), &self.key_pem, Access::Owner)?;
        files::write(&folder.join("cert.pem"), &self.certificate_pem, Access::Everyone)?;
        files::write(&folder.join("ca.pem"), &self.authority_pem, Access::Everyone)
    }

    /// Identity that the certificate names.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Start of the certificate's validity.
    pub fn not_before(&self) -> SystemTime {
        self.validity.0
    }

    /// End of the certificate's validity.
    pub fn not_after(&self) -> SystemTime {
        self.validity.1
    }

    /// Certificate of the authority as PEM.
    pub fn authority_pem(&self) -> &str {
        &self.authority_pem
    }

    /// Certificate of the holder as PEM.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    pub(crate) fn authority_der(&self) -> Result<CertificateDer<'static>, Error> {
        CertificateDer::from_pem_slice(self.authority_pem.as_bytes())
            .map_err(|error| Error::Unusable { what: "the authority's certificate", problem: error.to_string() })
    }

    pub(crate) fn certificate_der(&self) -> Result<CertificateDer<'static>, Error> {
        CertificateDer::from_pem_slice(self.certificate_pem.as_bytes())
            .map_err(|error| Error::Unusable { what: "the certificate", problem: error.to_string() })
    }

    pub(crate) fn key_der(&self) -> Result<PrivateKeyDer<'static>, Error> {
        PrivateKeyDer::from_pem_slice(self.key_pem.as_bytes())
            .map_err(|error| Error::Unusable { what: "the key", problem: error.to_string() })
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("identity", &self.identity.to_string()).field("key", &"[redacted]").finish()
    }
}

fn validity_of(der: &[u8]) -> Result<(SystemTime, SystemTime), Error> {
    let unusable = |problem: String| Error::Unusable { what: "the certificate", problem };
    let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|error| unusable(error.to_string()))?;
    let moment = |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    let validity = certificate.validity();
    Ok((moment(validity.not_before.timestamp()), moment(validity.not_after.timestamp())))
}
