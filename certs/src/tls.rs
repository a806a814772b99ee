//! Decides how parties of a fleet talk: TLS 1.3 only, both sides with a certificate of the fleet's authority, HTTP/2.
//!
//! The certificate proves membership; who the peer is, is read from it afterwards with
//! [`Identity::of_certificate`](crate::Identity::of_certificate).

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::ServerName;
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig, version};

use crate::identity::checked_name;
use crate::{Credentials, Error};

/// Makes aws-lc-rs the process's cryptography: the first line of both mains. Calling it again changes nothing.
pub fn install_provider() {
    // An error means that one is installed already: there is only this one in the build.
    drop(aws_lc_rs::default_provider().install_default());
}

/// An agent's side. A caller without a certificate of the same authority is refused in the handshake, before HTTP/2.
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
    // A resumed session would not show its certificate again.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// A coordinator's side. An agent without a certificate of the same authority is refused in the handshake.
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

/// The name to ask a host's agent by: `alpha.agent.home.landfast.internal`. It is in the agent's certificate and in no
/// DNS. Errors: [`Error::Name`].
pub fn server_name(fleet: &str, host: &str) -> Result<ServerName<'static>, Error> {
    let name = agent_dns_name(&checked_name(fleet)?, &checked_name(host)?);
    ServerName::try_from(name.clone()).map_err(|_| Error::Name { name })
}

pub(crate) fn agent_dns_name(fleet: &str, host: &str) -> String {
    format!("{host}.agent.{fleet}.landfast.internal")
}

/// Whether a certificate (DER) is for this public key (SubjectPublicKeyInfo, DER).
pub(crate) fn certifies(certificate: &[u8], public_key: &[u8]) -> bool {
    x509_parser::parse_x509_certificate(certificate)
        .is_ok_and(|(_, certificate)| certificate.public_key().raw == public_key)
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

fn roots(credentials: &Credentials) -> Result<RootCertStore, Error> {
    let mut roots = RootCertStore::empty();
    roots
        .add(credentials.authority_der()?)
        .map_err(|error| Error::Unusable { what: "the authority's certificate", problem: error.to_string() })?;
    Ok(roots)
}
