//! Secret blobs: the contents of secrets and configs, as hosts keep them.

use crate::digest::{Digest, digest};

/// Returns the blob with these contents: the salt, then the contents. The salt makes it impossible to guess short contents
/// from the digest of the blob alone.
#[must_use]
pub fn blob(salt: &str, contents: &[u8]) -> Vec<u8> {
    [salt.as_bytes(), contents].concat()
}

/// Returns the digest of the blob with these contents.
#[must_use]
pub fn blob_digest(salt: &str, contents: &[u8]) -> Digest {
    digest(&blob(salt, contents))
}

/// Returns the contents of a blob; `None` if it does not begin with the salt.
#[must_use]
pub fn contents<'a>(salt: &str, blob: &'a [u8]) -> Option<&'a [u8]> {
    blob.strip_prefix(salt.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::{blob, blob_digest, contents};

    #[test]
    fn the_vector_holds() {
        let expected = "0e7791cf827a4b75428ffcb34952b69ab62d327516253f1b0f936a929d674093";
        assert_eq!(blob_digest("pepper", b"hunter2").as_str(), expected);
    }

    #[test]
    fn contents_are_found_again_and_another_salt_finds_nothing() {
        let blob = blob("pepper", b"hunter2");
        assert_eq!(contents("pepper", &blob), Some(b"hunter2".as_slice()));
        assert_eq!(contents("salt", &blob), None);
    }
}
