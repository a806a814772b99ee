//! Identities of a fleet, the authority that certifies them, and the TLS settings of both sides.
//!
//! - [`identity`]: names, roles and identities, which a certificate carries as a URI SAN;
//! - [`authority`]: the fleet's certificate authority, which signs them;
//! - [`credentials`]: one party's key, its certificate and the authority's certificate;
//! - [`request`]: generates a key on the machine that uses it, and the request for its certificate;
//! - [`tls`]: TLS 1.3 settings for both sides, with both sides' certificates required.
//!
//! There is no anonymous and no plaintext mode. Keys are ECDSA P-256. The cryptography provider is aws-lc-rs, selected
//! in one place, [`install_provider`].
#![warn(missing_docs)]

pub mod authority;
pub mod credentials;
pub mod error;
mod files;
pub mod identity;
mod peer;
pub mod request;
pub mod tls;

pub use authority::{Authority, Validity};
pub use credentials::Credentials;
pub use error::Error;
pub use identity::{Identity, Role};
pub use peer::peer_config;
pub use request::key_and_request;
pub use tls::{client_config, install_provider, server_config, server_name};
