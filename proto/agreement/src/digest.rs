//! Digests of blobs and bundles.

use std::fmt;

/// BLAKE3 digest as 64 lower-case hex digits, which is safe as a file name.
///
/// A blob's digest covers its bytes. A bundle's digest covers the encoded manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(String);

/// Error of parsing a text that is not a [`Digest`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a digest")]
pub struct InvalidDigest(pub String);

/// Returns the digest of some bytes.
#[must_use]
pub fn digest(bytes: &[u8]) -> Digest {
    Digest(blake3::hash(bytes).to_hex().to_string())
}

impl Digest {
    /// Checks a digest that was received.
    ///
    /// # Errors
    ///
    /// [`InvalidDigest`] if the text is not 64 lower-case hex digits. It keeps the first 80 characters of the text.
    pub fn parse(digest: &str) -> Result<Self, InvalidDigest> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if digest.len() == 64 && digest.bytes().all(is_hex) {
            return Ok(Self(digest.to_owned()));
        }
        Err(InvalidDigest(digest.chars().take(80).collect()))
    }

    /// Returns the hex digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

#[cfg(test)]
mod tests {
    use super::{Digest, digest};

    #[test]
    fn the_vector_holds() {
        let expected = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(digest(b"").as_str(), expected);
        assert_eq!(Digest::parse(expected), Ok(digest(b"")));
    }

    #[test]
    fn what_is_not_a_digest_is_refused() {
        let upper = "AF".repeat(32);
        for text in ["", "af13", &"a".repeat(63), &"a".repeat(65), &upper, &"g".repeat(64), "../../etc/passwd"] {
            assert!(Digest::parse(text).is_err(), "{text}");
        }
    }
}
