//! The fleet's certificate authority: decides the contents of each certificate and signs it.
//!
//! Certificates follow RFC 5280 with ECDSA P-256 keys; the authority's path length is 0. A leaf carries one identity as
//! a URI SAN. An agent's leaf also carries the DNS name of its server. Nothing but the key is taken from a request.

use std::fmt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PublicKeyData, SanType,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use x509_parser::time::ASN1Time;

use crate::files::{self, Access};
use crate::identity::{authority_uri, checked_name, fleet_of_authority};
use crate::{Credentials, Error, Identity, tls};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const AUTHORITY_LIFE: Duration = DAY.saturating_mul(3650);

/// Period in which a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Start of the period.
    pub not_before: SystemTime,
    /// End of the period.
    pub not_after: SystemTime,
}

impl Validity {
    /// How far the start of a certificate is dated back, because the clocks of hosts differ.
    pub const BACKDATE: Duration = Duration::from_secs(60 * 60);

    /// Returns the default period: 90 days from `now`, with the start dated back by [`Self::BACKDATE`].
    pub fn standard(now: SystemTime) -> Self {
        Self::lasting(now, DAY * 90)
    }

    /// Returns a period that ends `life` after `now`, with the start dated back by [`Self::BACKDATE`].
    pub fn lasting(now: SystemTime, life: Duration) -> Self {
        Self { not_before: now - Self::BACKDATE, not_after: now + life }
    }
}

/// A fleet's certificate authority: its certificate and the private key that signs every identity of the fleet.
pub struct Authority {
    fleet: String,
    certificate_pem: String,
    key_pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    /// Creates an authority with a new key, valid for ten years. Writes nothing to disk: see [`Authority::save`].
    pub fn create(fleet: &str, now: SystemTime) -> Result<Self, Error> {
        let key = new_key()?;
        let mut params = CertificateParams::default();
        set_validity(&mut params, Validity::lasting(now, AUTHORITY_LIFE))?;
        params.distinguished_name = common_name(&format!("landfast authority of {}", checked_name(fleet)?));
        params.subject_alt_names = vec![SanType::URI(ia5(&authority_uri(fleet))?)];
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate =
            params.self_signed(&key).map_err(|error| crypto("sign the authority's certificate", &error))?;
        Ok(Self {
            fleet: fleet.to_owned(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
            issuer: Issuer::new(params, key),
        })
    }

    /// Reads `ca.pem` and `ca-key.pem` from `folder`. Refuses a key that other users can read, and a key that does not
    /// match the certificate.
    pub fn load(folder: &Path) -> Result<Self, Error> {
        let (certificate_path, key_path) = (folder.join("ca.pem"), folder.join("ca-key.pem"));
        let certificate_pem = files::read(&certificate_path)?;
        let key_pem = files::read_key(&key_path)?;
        let malformed = |path: &Path, problem: String| Error::Malformed { path: path.to_owned(), problem };
        let der = CertificateDer::from_pem_slice(certificate_pem.as_bytes())
            .map_err(|error| malformed(&certificate_path, error.to_string()))?;
        let fleet = fleet_of_authority(&der).map_err(|error| malformed(&certificate_path, error.to_string()))?;
        let key = KeyPair::from_pem(&key_pem).map_err(|error| malformed(&key_path, error.to_string()))?;
        if !tls::certifies(&der, &key.subject_public_key_info()) {
            return Err(malformed(&key_path, format!("it is not the key of {}", certificate_path.display())));
        }
        let issuer =
            Issuer::from_ca_cert_der(&der, key).map_err(|error| malformed(&certificate_path, error.to_string()))?;
        Ok(Self { fleet, certificate_pem, key_pem, issuer })
    }

    /// Writes `ca.pem` and `ca-key.pem` (mode 0600) into `folder`, which is created with mode 0700 if it is missing.
    /// Never overwrites an authority.
    pub fn save(&self, folder: &Path) -> Result<(), Error> {
        files::private_folder(folder)?;
        let (certificate_path, key_path) = (folder.join("ca.pem"), folder.join("ca-key.pem"));
        files::refuse_existing(&certificate_path)?;
        files::refuse_existing(&key_path)?;
        files::write(&key_path, &self.key_pem, Access::Owner)?;
        files::write(&certificate_path, &self.certificate_pem, Access::Everyone)
    }

    /// Name of the fleet that the authority signs for.
    pub fn fleet(&self) -> &str {
        &self.fleet
    }

    /// Certificate of the authority as PEM. Every member of the fleet holds a copy.
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Generates a key and signs a certificate for it: for operators, and for agents whose credentials are copied by
    /// hand.
    pub fn issue(&self, identity: &Identity, validity: Validity) -> Result<Credentials, Error> {
        let key = new_key()?;
        let certificate_pem = self.certify(&key, identity, validity)?;
        Credentials::new(self.certificate_pem.clone(), certificate_pem, key.serialize_pem())
    }

    /// Signs a certificate (PEM) for the key in a request (PEM).
    ///
    /// Only the key is taken from the request. Its subject, names, usages and constraints are ignored, because its
    /// sender is not trusted. Errors: the text is not a request, the request is not signed with its own key, or the key
    /// is not P-256.
    pub fn sign(&self, request_pem: &str, identity: &Identity, validity: Validity) -> Result<String, Error> {
        let unusable = |problem: String| Error::Unusable { what: "the certificate request", problem };
        let request =
            CertificateSigningRequestParams::from_pem(request_pem).map_err(|error| unusable(error.to_string()))?;
        if PublicKeyData::algorithm(&request.public_key) != &PKCS_ECDSA_P256_SHA256 {
            return Err(unusable("its key is not ECDSA P-256".to_owned()));
        }
        self.certify(&request.public_key, identity, validity)
    }

    fn certify(&self, key: &impl PublicKeyData, identity: &Identity, validity: Validity) -> Result<String, Error> {
        if identity.fleet() != self.fleet {
            return Err(Error::OtherFleet { authority: self.fleet.clone(), asked: identity.fleet().to_owned() });
        }
        let certificate = leaf(identity, validity)?
            .signed_by(key, &self.issuer)
            .map_err(|error| crypto("sign the certificate", &error))?;
        Ok(certificate.pem())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("fleet", &self.fleet).field("key", &"[redacted]").finish()
    }
}

fn leaf(identity: &Identity, validity: Validity) -> Result<CertificateParams, Error> {
    // The variants are public, so this identity may not have passed the checks of the constructors.
    let identity: Identity = identity.to_string().parse()?;
    let mut params = CertificateParams::default();
    set_validity(&mut params, validity)?;
    params.distinguished_name = common_name(identity.name());
    params.subject_alt_names = vec![SanType::URI(ia5(&identity.to_string())?)];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    if let Identity::Agent { fleet, host } = &identity {
        params.subject_alt_names.push(SanType::DnsName(ia5(&tls::agent_dns_name(fleet, host))?));
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
    }
    Ok(params)
}

pub(crate) fn new_key() -> Result<KeyPair, Error> {
    KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(|error| crypto("generate a key", &error))
}

pub(crate) fn crypto(what: &'static str, error: &rcgen::Error) -> Error {
    Error::Crypto { what, problem: error.to_string() }
}

pub(crate) fn common_name(name: &str) -> DistinguishedName {
    let mut subject = DistinguishedName::new();
    subject.push(DnType::CommonName, name);
    subject
}

fn ia5(text: &str) -> Result<Ia5String, Error> {
    Ia5String::try_from(text).map_err(|error| crypto("encode a name", &error))
}

/// Sets both dates. rcgen takes the date type of a library that is not a dependency here; x509-parser converts to it.
fn set_validity(params: &mut CertificateParams, validity: Validity) -> Result<(), Error> {
    params.not_before = moment(validity.not_before)?.to_datetime();
    params.not_after = moment(validity.not_after)?.to_datetime();
    Ok(())
}

fn moment(time: SystemTime) -> Result<ASN1Time, Error> {
    let refused = |problem: String| Error::Crypto { what: "encode a date", problem };
    let since_1970 = time.duration_since(UNIX_EPOCH).map_err(|error| refused(error.to_string()))?;
    let seconds = i64::try_from(since_1970.as_secs()).map_err(|error| refused(error.to_string()))?;
    ASN1Time::from_timestamp(seconds).map_err(|error| refused(error.to_string()))
}
