//! Trust: who is who in a fleet, who says so, and the TLS settings that follow from it.
//!
//! - [`identity`]: names, roles and identities, as they stand in a certificate's URI SAN;
//! - [`authority`]: the fleet's own certificate authority, which signs them;
//! - [`credentials`]: what one party holds: its key, its certificate and the authority's certificate;
//! - [`request`]: a key made where it stays, and the request for a certificate to go with it;
//! - [`tls`]: TLS 1.3 settings for both sides, with both sides' certificates required.
//!
//! There is no anonymous and no plaintext mode. Keys are ECDSA P-256; the cryptography is aws-lc-rs, chosen in one
//! place, [`install_provider`].
#![warn(missing_docs)]

pub mod authority;
pub mod credentials;
pub mod error;
mod files;
pub mod identity;
pub mod request;
pub mod tls;

pub use authority::{Authority, Validity};
pub use credentials::Credentials;
pub use error::Error;
pub use identity::{Identity, Role};
pub use request::key_and_request;
pub use tls::{client_config, install_provider, server_config, server_name};
