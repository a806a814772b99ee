//! Errors of keys, certificates and names.

use std::io;
use std::path::PathBuf;

/// Error of an operation on keys, certificates or identities.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// Path of the file.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// Path of the file or folder.
        path: PathBuf,
        /// Error of the operating system.
        source: io::Error,
    },
    /// A file exists that must not be overwritten.
    #[error("{} already exists and is never overwritten: to replace it, move it away first", path.display())]
    Exists {
        /// Path of the file.
        path: PathBuf,
    },
    /// A private key is readable by other users of the machine.
    #[error("{} is readable by other users (mode {mode:04o}): run `chmod 600 {}`", path.display(), path.display())]
    Exposed {
        /// Path of the key file.
        path: PathBuf,
        /// Permission bits of the file.
        mode: u32,
    },
    /// A file has invalid contents.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// Path of the file, or of the folder with the files.
        path: PathBuf,
        /// Description of the problem.
        problem: String,
    },
    /// A certificate, key or request that was passed as text or bytes is invalid.
    #[error("{what} is not usable: {problem}")]
    Unusable {
        /// Name of the input, for example `the certificate`.
        what: &'static str,
        /// Description of the problem.
        problem: String,
    },
    /// A fleet, host or operator name is invalid.
    #[error("`{name}` is not a valid name: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter or a digit")]
    Name {
        /// The rejected name.
        name: String,
    },
    /// A role does not exist.
    #[error("`{role}` is not a role: use viewer, deployer or admin")]
    Role {
        /// The rejected role.
        role: String,
    },
    /// A text is not an identity URI.
    #[error(
        "`{uri}` is not an identity: expected landfast://FLEET/agent/HOST, landfast://FLEET/coordinator/NAME or \
         landfast://FLEET/operator/NAME?role=ROLE"
    )]
    Uri {
        /// The rejected text.
        uri: String,
    },
    /// A certificate does not name exactly one Landfast identity.
    #[error("the certificate names {found} Landfast identities; exactly one is needed")]
    Anonymous {
        /// Number of identities in the certificate.
        found: usize,
    },
    /// An authority was asked to sign for an identity of another fleet.
    #[error("the authority of fleet `{authority}` does not sign for fleet `{asked}`")]
    OtherFleet {
        /// Fleet of the authority.
        authority: String,
        /// Fleet of the requested identity.
        asked: String,
    },
    /// A cryptographic operation failed.
    #[error("cannot {what}: {problem}")]
    Crypto {
        /// The operation as a verb phrase, for example `generate a key`.
        what: &'static str,
        /// Description of the problem.
        problem: String,
    },
}
