//! Generates a key on the machine that uses it, and the request for its certificate.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use crate::Error;
use crate::authority::{common_name, crypto, new_key};
use crate::files::{self, Access};

/// Creates a certificate request (PEM) for the key in `folder/key.pem`.
///
/// Generates the key (mode 0600, in a folder of mode 0700) if it does not exist yet, so that a repeated request is for
/// the same key. The key never leaves the folder; the request is not secret. The request's subject has no meaning: the
/// authority decides which identity the certificate names.
pub fn key_and_request(folder: &Path) -> Result<String, Error> {
    files::private_folder(folder)?;
    let path = folder.join("key.pem");
    let key = if path.exists() { load_key(&path)? } else { make_key(&path)? };
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name("landfast");
    let request = params.serialize_request(&key).map_err(|error| crypto("create a certificate request", &error))?;
    request.pem().map_err(|error| crypto("encode a certificate request", &error))
}

fn load_key(path: &Path) -> Result<KeyPair, Error> {
    KeyPair::from_pem(&files::read_key(path)?)
        .map_err(|error| Error::Malformed { path: path.to_owned(), problem: error.to_string() })
}

fn make_key(path: &Path) -> Result<KeyPair, Error> {
    let key = new_key()?;
    files::write(path, &key.serialize_pem(), Access::Owner)?;
    Ok(key)
}
