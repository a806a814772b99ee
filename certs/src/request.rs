//! Makes a key where it stays, and the request for a certificate to go with it.

use std::path::Path;

use rcgen::{CertificateParams, KeyPair};

use crate::Error;
use crate::authority::{common_name, crypto, new_key};
use crate::files::{self, Access};

/// The certificate request (PEM) for the key in `folder/key.pem`, which is made (0600, the folder 0700) if it is not
/// there yet, so asking again asks for the same key. The key never leaves the folder; the request is not secret.
///
/// The request's subject means nothing: the authority decides whom the certificate names.
pub fn key_and_request(folder: &Path) -> Result<String, Error> {
    files::private_folder(folder)?;
    let path = folder.join("key.pem");
    let key = if path.exists() { load_key(&path)? } else { make_key(&path)? };
    let mut params = CertificateParams::default();
    params.distinguished_name = common_name("landfast");
    let request = params.serialize_request(&key).map_err(|error| crypto("make a certificate request", &error))?;
    request.pem().map_err(|error| crypto("write a certificate request", &error))
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
