//! TLS settings of an agent that calls other agents. It knows the addresses of other hosts and not their names, so it cannot
//! say in advance whose certificate it expects.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme, version};

use crate::tls::{provider, roots, server_name};
use crate::{Credentials, Error, Identity};

/// Creates the TLS settings of an agent that calls other agents. The handshake refuses everything but an agent of the same
/// fleet with a certificate of the same authority, whatever its host. The caller reads from the certificate which host it
/// is, with [`Identity::of_certificate`](crate::Identity::of_certificate).
pub fn peer_config(credentials: &Credentials) -> Result<Arc<ClientConfig>, Error> {
    let refused = |problem: String| Error::Crypto { what: "set up TLS", problem };
    let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots(credentials)?), provider())
        .build()
        .map_err(|error| refused(error.to_string()))?;
    let verifier = AnyAgent { fleet: credentials.identity().fleet().to_owned(), chain };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&version::TLS13])
        .map_err(|error| refused(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_auth_cert(vec![credentials.certificate_der()?], credentials.key_der()?)
        .map_err(|error| refused(error.to_string()))?;
    config.alpn_protocols = vec![b"h2".to_vec()];
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// Verifies that a server is an agent of the fleet. Everything is verified as a coordinator does it, except that the name is
/// the one of the host that the certificate names.
#[derive(Debug)]
struct AnyAgent {
    fleet: String,
    chain: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for AnyAgent {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The identity counts only together with the verification of the chain, which follows.
        let name = match Identity::of_certificate(end_entity) {
            Ok(Identity::Agent { fleet, host }) if fleet == self.fleet => server_name(&fleet, &host).ok(),
            _ => None,
        };
        let name = name.ok_or(rustls::Error::InvalidCertificate(CertificateError::NotValidForName))?;
        self.chain.verify_server_cert(end_entity, intermediates, &name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
