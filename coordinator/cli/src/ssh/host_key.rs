//! Verifies a host's key against `known_hosts` files or against a fingerprint that the user accepts. There is no other
//! way to trust a host, and no key is added to `known_hosts` automatically (T34).

use std::fs;
use std::io;
use std::path::PathBuf;

use landfast_engine::Hint;
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::known_hosts::{self, HostEntries};

/// The reason why a host key is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    #[error("the host key of {host} is unknown: {kind} {fingerprint}{}", notes.iter().map(|text| format!("; {text}")).collect::<String>())]
    Unknown {
        host: String,
        kind: &'static str,
        fingerprint: String,
        /// The file that the user can add the key to.
        file: Option<PathBuf>,
        /// Further information: entries that almost match the host.
        notes: Vec<String>,
    },
    #[error(
        "THE HOST KEY OF {host} HAS CHANGED: the host presents {kind} {fingerprint}, but {} line {line} has another key", file.display()
    )]
    Changed { host: String, kind: &'static str, fingerprint: String, file: PathBuf, line: usize },
    #[error(
        "{host} presents a host key of another type than its known key: {kind} {fingerprint}, but {} line {line} has \
         its {known} key", file.display()
    )]
    OtherKind { host: String, kind: &'static str, fingerprint: String, file: PathBuf, line: usize, known: &'static str },
    #[error("the host key of {host} is revoked in {} line {line}: {fingerprint}", file.display())]
    Revoked { host: String, fingerprint: String, file: PathBuf, line: usize },
    #[error("the host key of {host} is {kind} {fingerprint}, not {accepted}")]
    NotAccepted { host: String, kind: &'static str, fingerprint: String, accepted: String },
    #[error("{} cannot be read", file.display())]
    Unreadable {
        file: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{host} presents a host certificate instead of a host key, which is not supported")]
    Certificate { host: String },
}

impl Hint for HostKeyError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { kind, fingerprint, file, .. } => Some(unknown_hint(kind, fingerprint, file.as_ref())),
            Self::Changed { host, file, line, .. } => Some(format!(
                "the connection may be intercepted. If the host was reinstalled, remove line {line} of {} (`ssh-keygen -f {} \
                 -R {host}`) and compare the new fingerprint on the host itself",
                file.display(),
                file.display()
            )),
            Self::OtherKind { kind, fingerprint, file, .. } => {
                Some(format!("the host may have lost its known key. {}", unknown_hint(kind, fingerprint, Some(file))))
            }
            Self::NotAccepted { .. } => {
                Some("check where you got the fingerprint from; the connection may be intercepted".to_owned())
            }
            Self::Revoked { .. } | Self::Unreadable { .. } | Self::Certificate { .. } => None,
        }
    }
}

fn unknown_hint(kind: &str, fingerprint: &str, file: Option<&PathBuf>) -> String {
    let learn = file.map(|file| format!(", or add its key to {}", file.display()));
    format!(
        "compare it with the output of `ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub` on the host itself; if they are the \
         same, add --accept-fingerprint {fingerprint}{}",
        learn.unwrap_or_default()
    )
}

/// Names of a host in `known_hosts`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// Host name, `[name]:port` or alias, in lower case.
    pub name: String,
    /// Host name without the port, if the port is not 22. An entry for it counts if there is none for the name with the
    /// port.
    pub without_port: Option<String>,
}

/// Source of trust for a host key.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The keys in these files, in OpenSSH's format. The first file is the user's own.
    KnownHosts(Vec<PathBuf>),
    /// The one accepted fingerprint: `SHA256:…`.
    Fingerprint(String),
}

/// Verifies the key of one host. Created before the host presents its key.
#[derive(Debug, Clone)]
pub struct HostKeyVerifier {
    name: String,
    trust: Trust,
    files: Vec<FileEntries>,
}

/// Entries of one file for each name of the host.
#[derive(Debug, Clone)]
struct FileEntries {
    file: PathBuf,
    by_name: HostEntries,
    without_port: HostEntries,
    by_address: HostEntries,
}

impl Trust {
    /// Looks up the host in the files. Only the names can make a host trusted; the address only improves error
    /// messages.
    pub fn look_up(&self, names: &Names, address: Option<&str>) -> Result<HostKeyVerifier, HostKeyError> {
        let files = match self {
            Self::Fingerprint(_) => &[],
            Self::KnownHosts(files) => files.as_slice(),
        };
        let mut found = Vec::new();
        for file in files {
            let text = read(file)?;
            let by = |name: Option<&str>| name.map(|name| known_hosts::read(&text, name)).unwrap_or_default();
            found.push(FileEntries {
                file: file.clone(),
                by_name: by(Some(&names.name)),
                without_port: by(names.without_port.as_deref()),
                by_address: by(address),
            });
        }
        Ok(HostKeyVerifier { name: names.name.clone(), trust: self.clone(), files: found })
    }
}

impl HostKeyVerifier {
    /// Algorithms of the known keys. The host is asked for these first, so that a host with several keys presents the
    /// known one. Empty if no key is known.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let kinds = |entries: fn(&FileEntries) -> &HostEntries| {
            let keys = self.files.iter().flat_map(move |found| &entries(found).keys);
            keys.map(|known| known.key.algorithm()).collect::<Vec<_>>()
        };
        let by_name = kinds(|found| &found.by_name);
        if by_name.is_empty() { kinds(|found| &found.without_port) } else { by_name }
    }

    /// Warnings about lines that may concern the host and cannot be parsed.
    pub fn notes(&self) -> Vec<String> {
        let invalid = |found: &FileEntries| {
            let file = found.file.display().to_string();
            let line = move |invalid: &known_hosts::InvalidLine| {
                format!("{file} line {} is ignored: {}", invalid.line, invalid.reason)
            };
            found.by_name.invalid.iter().map(line).collect::<Vec<_>>()
        };
        self.files.iter().flat_map(invalid).collect()
    }

    /// Verifies a key that the host presents.
    pub fn verify(&self, key: &PublicKey) -> Result<(), HostKeyError> {
        let (host, fingerprint) = (self.name.clone(), key.fingerprint(HashAlg::Sha256).to_string());
        if let Trust::Fingerprint(accepted) = &self.trust {
            let (accepted, kind) = (accepted.clone(), kind(key));
            let same = accepted == fingerprint;
            return if same { Ok(()) } else { Err(HostKeyError::NotAccepted { host, kind, fingerprint, accepted }) };
        }
        if let Some((file, line)) = self.line(key, |found| &found.by_name.revoked) {
            return Err(HostKeyError::Revoked { host, fingerprint, file, line });
        }
        if self.line(key, |found| &found.by_name.keys).is_some() {
            return Ok(());
        }
        if let Some(changed) = self.changed(key, &fingerprint) {
            return Err(changed);
        }
        if self.line(key, |found| &found.without_port.keys).is_some() {
            return Ok(());
        }
        let file = self.files.first().map(|found| found.file.clone()).filter(|file| !file.starts_with("/dev"));
        Err(HostKeyError::Unknown { host, kind: kind(key), fingerprint, file, notes: self.near_matches(key) })
    }

    /// Finds the key among the selected entries.
    fn line(
        &self,
        key: &PublicKey,
        among: impl Fn(&FileEntries) -> &Vec<known_hosts::KnownKey>,
    ) -> Option<(PathBuf, usize)> {
        self.files.iter().find_map(|found| {
            let known = among(found).iter().find(|known| known.key.key_data() == key.key_data())?;
            Some((found.file.clone(), known.line))
        })
    }

    /// Reports that the host is known by another key, preferably by one of the same type.
    fn changed(&self, key: &PublicKey, fingerprint: &str) -> Option<HostKeyError> {
        let (host, fingerprint, kind) = (self.name.clone(), fingerprint.to_owned(), kind(key));
        let mut others = self.files.iter().flat_map(|found| found.by_name.keys.iter().map(move |known| (found, known)));
        let first = others.clone().next()?;
        match others.find(|(_, known)| known.key.algorithm() == key.algorithm()) {
            Some((found, known)) => {
                let (file, line) = (found.file.clone(), known.line);
                Some(HostKeyError::Changed { host, kind, fingerprint, file, line })
            }
            None => {
                let (file, line, known) = (first.0.file.clone(), first.1.line, self::kind(&first.1.key));
                Some(HostKeyError::OtherKind { host, kind, fingerprint, file, line, known })
            }
        }
    }

    /// Describes entries that almost match an unknown host.
    fn near_matches(&self, key: &PublicKey) -> Vec<String> {
        let mut notes = Vec::new();
        for found in &self.files {
            let file = found.file.display();
            for line in &found.by_name.authorities {
                notes.push(format!(
                    "{file} line {line} is a certificate authority for host keys, which is not supported"
                ));
            }
            for invalid in &found.by_name.invalid {
                notes.push(format!("{file} line {} cannot be read: {}", invalid.line, invalid.reason));
            }
        }
        if let Some((file, line)) = self.line(key, |found| &found.by_address.keys) {
            notes.push(format!(
                "{} line {line} has this key for the host's address, but not for its name",
                file.display()
            ));
        }
        notes
    }
}

/// Type of the key as in the name of the host's key file.
fn kind(key: &PublicKey) -> &'static str {
    kind_of(&key.algorithm())
}

pub(super) fn kind_of(algorithm: &Algorithm) -> &'static str {
    match algorithm {
        Algorithm::Rsa { .. } => "rsa",
        Algorithm::Ecdsa { .. } => "ecdsa",
        Algorithm::Dsa => "dsa",
        _ => "ed25519",
    }
}

/// Reads a `known_hosts` file. A missing file counts as empty, and comments need not be UTF-8.
fn read(file: &PathBuf) -> Result<String, HostKeyError> {
    match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(HostKeyError::Unreadable { file: file.clone(), source }),
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOwk9QmtC3Z4gMYZA2XpqUEkevrjswzUuyromOoHX6Fo";
    const OTHER: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAB8TyjYp04VooBOWiblN4AX6lJj6PLupx5iaEcUwJeL";
    const ECDSA: &str = "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBEKe/fpdlbK6nYdDkh304Cif0S7KAUwMqhwXRoLvSYnjCVCkaraKHsOtXCrQDkGSkj23Hxvs4odbwW6YfzxP70Q=";

    /// The verdict on `KEY`, presented by host `box` on port 2222, as a short text.
    fn verdict(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let names = Names { name: "[box]:2222".to_owned(), without_port: Some("box".to_owned()) };
        let trust = Trust::KnownHosts(vec!["/nowhere/known_hosts".into(), file.path().into()]);
        let verifier = trust.look_up(&names, Some("[10.0.0.1]:2222")).unwrap();
        match verifier.verify(&PublicKey::from_openssh(KEY).unwrap()) {
            Ok(()) => "known".to_owned(),
            Err(HostKeyError::Unknown { notes, .. }) if notes.is_empty() => "unknown".to_owned(),
            Err(HostKeyError::Unknown { notes, .. }) => {
                format!("unknown: {}", notes.join("; ").replace(&file.path().display().to_string(), "FILE"))
            }
            Err(HostKeyError::Changed { line, .. }) => format!("changed since line {line}"),
            Err(HostKeyError::OtherKind { line, known, .. }) => format!("line {line} has {known}"),
            Err(HostKeyError::Revoked { line, .. }) => format!("revoked in line {line}"),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_host_is_verified_by_the_entries_for_its_name() {
        for (text, expected) in [
            ("[box]:2222 KEY", "known"),
            ("[box]:2222 OTHER\n[box]:2222 KEY", "known"),
            ("[box]:2222 OTHER", "changed since line 1"),
            ("\n[box]:2222 ECDSA", "line 2 has ecdsa"),
            ("[box]:2222 ECDSA\n[box]:2222 OTHER", "changed since line 2"),
            ("", "unknown"),
            // Like ssh, an entry without the port makes the host known but never reports a changed key.
            ("box KEY", "known"),
            ("box OTHER", "unknown"),
            ("[box]:2222 OTHER\nbox KEY", "changed since line 1"),
            ("@revoked * KEY\n[box]:2222 KEY", "revoked in line 1"),
            ("[10.0.0.1]:2222 KEY", "unknown: FILE line 1 has this key for the host's address, but not for its name"),
            ("[10.0.0.1]:2222 OTHER", "unknown"),
            (
                "@cert-authority * OTHER",
                "unknown: FILE line 1 is a certificate authority for host keys, which is not supported",
            ),
            ("[box]:2222 ssh-ed25519 AAAA", "unknown: FILE line 1 cannot be read: its key is invalid"),
            ("[box]:2222 ssh-ed25519 AAAA\n[box]:2222 KEY", "known"),
        ] {
            let text = text.replace("OTHER", OTHER).replace("ECDSA", ECDSA).replace("KEY", KEY);
            assert_eq!(verdict(&text), expected, "{text}");
        }
    }
}
