//! What can be wrong with keys, certificates and names, and what to do about it.

use std::io;
use std::path::PathBuf;

/// Anything that keeps a party from having, or proving, an identity.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file or folder could not be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something is already there that must not be lost.
    #[error("{} exists already; it is never overwritten: move it away first if you mean to replace it", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A private key that others on the machine can read.
    #[error("{} can be read by others (mode {mode:04o}); run `chmod 600 {}`", path.display(), path.display())]
    Exposed {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A file holds something other than it should.
    #[error("{}: {problem}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A certificate, key or request given as text or bytes, not as a file.
    #[error("{what} is not usable: {problem}")]
    Unusable {
        /// Which one.
        what: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A fleet, host or operator name that could not stand in an identity.
    #[error("`{name}` is not a name: use 1 to 63 of a-z, 0-9 and `-`, starting with a letter or a digit")]
    Name {
        /// The name.
        name: String,
    },
    /// A role that does not exist.
    #[error("`{role}` is not a role: use viewer, deployer or admin")]
    Role {
        /// The role.
        role: String,
    },
    /// An identity URI that is none.
    #[error(
        "`{uri}` is not an identity: expected landfast://FLEET/agent/HOST, landfast://FLEET/coordinator/NAME or \
         landfast://FLEET/operator/NAME?role=ROLE"
    )]
    Uri {
        /// The URI.
        uri: String,
    },
    /// A certificate without exactly one Landfast identity.
    #[error("the certificate names {found} Landfast identities; exactly one is needed")]
    Anonymous {
        /// How many it names.
        found: usize,
    },
    /// An authority was asked to vouch for someone of another fleet.
    #[error("the authority of fleet `{authority}` does not sign for fleet `{asked}`")]
    OtherFleet {
        /// The authority's fleet.
        authority: String,
        /// The fleet of the identity asked for.
        asked: String,
    },
    /// The cryptography refused.
    #[error("cannot {what}: {problem}")]
    Crypto {
        /// What was tried.
        what: &'static str,
        /// Why not.
        problem: String,
    },
}
