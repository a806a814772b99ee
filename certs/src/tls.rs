//! TLS settings of a fleet: TLS 1.3 only, HTTP/2, and both sides present a certificate of the fleet's authority.
//!
//! The handshake proves membership of the fleet. The peer's identity is read from its certificate afterwards, with
//! [`Identity::of_certificate`](crate::Identity::of_certificate).

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};

use crate::identity::checked_name;
use crate::{Credentials, Error};

/// Installs aws-lc-rs as the cryptography provider of the process. Both binaries call this first; another call has no
/// effect.
pub fn install_provider() {
    // An error means that a provider is already installed, and the build contains only this one.
    drop(aws_lc_rs::default_provider().install_default());
}

/// Creates the TLS settings of an agent. The handshake refuses a caller without a certificate of the same authority.
pub fn server_config(credentials: &Credentials) -> Result<Arc<ServerConfig>, Error> {
    let refused = |problem: String| Error::Crypto { what: "set up TLS", problem };
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(credentials)?), provider())
        .build()
        .map_err(|error| refused(error.to_string()))?;
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| refused(error.to_string()))?
        .with_client_cert_verifier(verifier)
        .with_single_cert(vec![credentials.certificate_der()?], credentials.key_der()?)
        .map_err(|error| refused(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    // A resumed session would not present its certificate again.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Creates the TLS settings of a coordinator. The handshake refuses an agent without a certificate of the same
/// authority.
pub fn client_config(credentials: &Credentials) -> Result<Arc<ClientConfig>, Error> {
    let refused = |problem: String| Error::Crypto { what: "set up TLS", problem };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| refused(error.to_string()))?
        .with_root_certificates(roots(credentials)?)
        .with_client_auth_cert(vec![credentials.certificate_der()?], credentials.key_der()?)
        .map_err(|error| refused(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Returns the TLS server name of a host's agent: `alpha.agent.home.landfast.internal`. The name is in the agent's
/// certificate and in no DNS zone. Errors: [`Error::Name`].
pub fn server_name(fleet: &str, host: &str) -> Result<ServerName<'static>, Error> {
    let name = agent_dns_name(&checked_name(fleet)?, &checked_name(host)?);
    ServerName::try_from(name.clone()).map_err(|_| Error::Name { name })
}

pub(crate) fn agent_dns_name(fleet: &str, host: &str) -> String {
    format!("{host}.agent.{fleet}.landfast.internal")
}

/// Returns whether a certificate (DER) is for this public key (SubjectPublicKeyInfo, DER).
pub(crate) fn certifies(certificate: &[u8], public_key: &[u8]) -> bool {
    x509_parser::parse_x509_certificate(certificate)
        .is_ok_and(|(_, certificate)| certificate.public_key().raw == public_key)
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

pub(crate) fn roots(credentials: &Credentials) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots
        .add(credentials.authority_der()?)
        .map_err(|error| Error::Unusable { what: "the authority's certificate", problem: error.to_string() })?;
    Ok(roots)
}
