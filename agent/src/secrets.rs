//! Owns the contents of secrets and configs, in a store of their own: `<state>/secrets`, which only root can read. A secret blob
//! is on the host as long as a unit that is held or a record of the history needs it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::path::Path;

use landfast_agent_core::tree::{Digest, Invalid};
use landfast_agreement::secret;

use crate::blobs::{BlobError, BlobStore, Incoming};
use crate::wire::PlacedFile;

/// Size of the largest secret blob, in bytes. It is held in memory while it is placed in a container.
const SECRET_MAX: u64 = 16 << 20;

/// Why the contents of a file are not available.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    #[error("the contents of {target} are not available on this host: deploy the stack again to send them")]
    Unavailable {
        target: String,
        #[source]
        source: BlobError,
    },
    #[error("the contents of {target} do not begin with their salt: deploy the stack again")]
    OtherSalt { target: String },
}

/// A handle on the store. Clones share the store.
#[derive(Clone, Debug)]
pub(crate) struct Secrets(BlobStore);

impl Secrets {
    /// Opens the store in the agent's state folder, and creates it if it is missing.
    pub(crate) fn open(state: &Path) -> Result<Self, BlobError> {
        BlobStore::open_at(&state.join("secrets")).map(Self)
    }

    /// Returns those of these secrets that are missing. The others stay for some time, even if nothing needs them yet.
    pub(crate) fn missing(&self, digests: &[String]) -> Result<Vec<String>, BlobError> {
        let missing = self.0.missing_blobs(digests)?;
        for digest in digests.iter().filter(|digest| !missing.contains(digest)) {
            self.0.renew(&Digest::parse(digest).map_err(Invalid::from)?)?;
        }
        Ok(missing)
    }

    /// Begins to receive a secret blob.
    pub(crate) fn receive(&self, digest: &str, size: u64) -> Result<Incoming, BlobError> {
        if size > SECRET_MAX {
            let digest = Digest::parse(digest).map_err(Invalid::from)?;
            return Err(BlobError::TooLarge { digest, size, limit: SECRET_MAX });
        }
        self.0.receive(digest, size)
    }

    /// Opens a secret blob to send it.
    pub(crate) fn file(&self, digest: &str) -> Result<std::fs::File, BlobError> {
        self.0.file(digest)
    }

    /// Returns the contents of a file.
    pub(crate) fn contents<'a>(&self, file: &'a PlacedFile) -> Result<Cow<'a, [u8]>, SecretError> {
        if file.digest.is_empty() {
            return Ok(Cow::Borrowed(&file.contents));
        }
        let target = || file.target.clone();
        let unavailable = |source| SecretError::Unavailable { target: target(), source };
        let digest =
            Digest::parse(&file.digest).map_err(Invalid::from).map_err(BlobError::from).map_err(unavailable)?;
        let mut blob = Vec::new();
        self.0.copy(&digest, SECRET_MAX, &mut blob).map_err(unavailable)?;
        let contents =
            secret::contents(&file.salt, &blob).ok_or_else(|| SecretError::OtherSalt { target: target() })?;
        Ok(Cow::Owned(contents.to_vec()))
    }

    /// Removes the secrets that are not among these, except recent ones: their unit may be assigned soon.
    pub(crate) fn keep_only(&self, needed: &BTreeSet<String>) {
        let needed = needed.iter().filter_map(|digest| Digest::parse(digest).ok()).collect();
        if let Err(error) = self.0.remove_others(&needed) {
            tracing::warn!(error = &error as &dyn std::error::Error, "secrets that are not needed were not removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;
    use std::time::{Duration, SystemTime};

    use super::*;

    fn secrets() -> (tempfile::TempDir, Secrets) {
        let state = tempfile::tempdir().expect("a folder");
        let secrets = Secrets::open(state.path()).expect("a store");
        (state, secrets)
    }

    fn bring(secrets: &Secrets, contents: &str) -> PlacedFile {
        let blob = secret::blob("pepper", contents.as_bytes());
        let digest: String = secret::blob_digest("pepper", contents.as_bytes()).into();
        let mut incoming = secrets.receive(&digest, blob.len() as u64).expect("room");
        incoming.write(&blob).expect("written");
        incoming.finish().expect("whole");
        let (target, salt) = ("/run/secrets/key".to_owned(), "pepper".to_owned());
        PlacedFile { target, salt, digest, ..PlacedFile::default() }
    }

    fn path(state: &tempfile::TempDir, digest: &str) -> std::path::PathBuf {
        state.path().join("secrets").join(&digest[..2]).join(digest)
    }

    /// Makes a secret an hour and a minute old.
    fn age(state: &tempfile::TempDir, digest: &str) {
        let file = fs_err::File::options().write(true).open(path(state, digest)).expect("there");
        file.set_modified(SystemTime::now() - Duration::from_secs(3660)).expect("set");
    }

    #[test]
    fn contents_are_found_without_their_salt_and_only_root_can_read_them() {
        let (state, secrets) = secrets();
        let key = bring(&secrets, "hunter2");
        assert_eq!(secrets.contents(&key).expect("there").as_ref(), b"hunter2");
        let mode = |path: &Path| fs_err::metadata(path).expect("there").permissions().mode() & 0o777;
        let path = path(&state, &key.digest);
        assert_eq!((mode(&path), mode(&state.path().join("secrets"))), (0o600, 0o700));

        let inline = PlacedFile { contents: b"old".to_vec(), ..PlacedFile::default() };
        assert_eq!(secrets.contents(&inline).expect("in the unit").as_ref(), b"old");
        let salted = PlacedFile { salt: "salt".to_owned(), ..key.clone() };
        assert!(matches!(secrets.contents(&salted), Err(SecretError::OtherSalt { .. })));
        let other = PlacedFile { digest: "0".repeat(64), ..key };
        let error = secrets.contents(&other).expect_err("missing").to_string();
        assert!(error.contains("/run/secrets/key") && error.contains("deploy the stack again"), "{error}");
    }

    #[test]
    fn secrets_that_nothing_needs_are_removed_unless_they_are_recent_or_were_asked_for() {
        let (state, secrets) = secrets();
        let all = ["needed", "recent", "asked", "old"].map(|contents| bring(&secrets, contents).digest);
        let [needed, recent, asked, old] = all.clone();
        assert!(secrets.missing(&all).expect("readable").is_empty(), "all are in the store");
        [&needed, &asked, &old].into_iter().for_each(|digest| age(&state, digest));
        assert!(secrets.missing(std::slice::from_ref(&asked)).expect("readable").is_empty());
        secrets.keep_only(&[needed.clone()].into());
        assert_eq!(secrets.missing(&all).expect("readable"), std::slice::from_ref(&old));
        assert!(![needed, recent, asked].contains(&old));
    }

    #[test]
    fn a_secret_that_is_too_large_is_refused() {
        let (_state, secrets) = secrets();
        assert!(matches!(secrets.receive(&"0".repeat(64), SECRET_MAX + 1), Err(BlobError::TooLarge { .. })));
    }
}
