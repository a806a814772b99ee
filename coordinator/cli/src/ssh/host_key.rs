//! Decides whether a host is the one that was meant: by `known_hosts`, or by a fingerprint that somebody vouches for.
//! There is no third way, and nothing is learned on the way (T34).

use std::fs;
use std::io;
use std::path::PathBuf;

use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::known_hosts::{self, Findings};

/// Why a host is not to be trusted.
#[derive(Debug, thiserror::Error)]
pub enum HostKeyError {
    #[error("the host key of {host} is not known: {kind} {fingerprint}{}", besides.iter().map(|text| format!("; {text}")).collect::<String>())]
    Unknown {
        host: String,
        kind: &'static str,
        fingerprint: String,
        /// The file to write the key to.
        file: Option<PathBuf>,
        /// What else there is to say: lines that nearly vouch for the host.
        besides: Vec<String>,
    },
    #[error(
        "THE HOST KEY OF {host} HAS CHANGED: it shows {kind} {fingerprint}, but {} line {line} has another key", file.display()
    )]
    Changed { host: String, kind: &'static str, fingerprint: String, file: PathBuf, line: usize },
    #[error(
        "{host} shows another kind of host key than the one it is known by: {kind} {fingerprint}, and {} line {line} has \
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
    #[error("{host} shows a certificate in place of a host key, which is not supported")]
    Certificate { host: String },
}

impl HostKeyError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { kind, fingerprint, file, .. } => Some(unknown_hint(kind, fingerprint, file.as_ref())),
            Self::Changed { host, file, line, .. } => Some(format!(
                "the connection may be intercepted. If the host was reinstalled, remove line {line} of {} (`ssh-keygen -f {} \
                 -R {host}`) and compare the new fingerprint on the host itself",
                file.display(),
                file.display()
            )),
            Self::OtherKind { kind, fingerprint, file, .. } => {
                Some(format!("the host may have lost that key. {}", unknown_hint(kind, fingerprint, Some(file))))
            }
            Self::NotAccepted { .. } => {
                Some("check the fingerprint with its source; the connection may be intercepted".to_owned())
            }
            Self::Revoked { .. } | Self::Unreadable { .. } | Self::Certificate { .. } => None,
        }
    }
}

fn unknown_hint(kind: &str, fingerprint: &str, file: Option<&PathBuf>) -> String {
    let learn = file.map(|file| format!(", or add its key to {}", file.display()));
    format!(
        "compare it with what `ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub` says on the host itself; if it is the \
         same, add --accept-fingerprint {fingerprint}{}",
        learn.unwrap_or_default()
    )
}

/// What `known_hosts` calls a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names {
    /// `name`, `[name]:port`, or an alias; in small letters.
    pub name: String,
    /// The name alone, where the port is not 22: a line for it vouches too, if there is none for the port.
    pub without_port: Option<String>,
}

/// What vouches for a host.
#[derive(Debug, Clone)]
pub enum Trust {
    /// The keys in these files, in OpenSSH's format. The first is the user's own.
    KnownHosts(Vec<PathBuf>),
    /// This fingerprint alone: `SHA256:…`.
    Fingerprint(String),
}

/// What is known of a host before it shows its key.
#[derive(Debug, Clone)]
pub struct Vouched {
    name: String,
    trust: Trust,
    files: Vec<Found>,
}

/// What one file says of the host by each of its names.
#[derive(Debug, Clone)]
struct Found {
    file: PathBuf,
    by_name: Findings,
    without_port: Findings,
    by_address: Findings,
}

impl Trust {
    /// Reads what vouches for the host. Its address only helps to say more: it is the name that must be known.
    pub fn look_up(&self, names: &Names, address: Option<&str>) -> Result<Vouched, HostKeyError> {
        let files = match self {
            Self::Fingerprint(_) => &[],
            Self::KnownHosts(files) => files.as_slice(),
        };
        let mut found = Vec::new();
        for file in files {
            let text = read(file)?;
            let by = |name: Option<&str>| name.map(|name| known_hosts::read(&text, name)).unwrap_or_default();
            found.push(Found {
                file: file.clone(),
                by_name: by(Some(&names.name)),
                without_port: by(names.without_port.as_deref()),
                by_address: by(address),
            });
        }
        Ok(Vouched { name: names.name.clone(), trust: self.clone(), files: found })
    }
}

impl Vouched {
    /// The kinds of key to ask the host for: those it is known by, so that a host with several keys shows the known one.
    /// Empty: any.
    pub fn algorithms(&self) -> Vec<Algorithm> {
        let kinds = |findings: fn(&Found) -> &Findings| {
            let keys = self.files.iter().flat_map(move |found| &findings(found).keys);
            keys.map(|known| known.key.algorithm()).collect::<Vec<_>>()
        };
        let by_name = kinds(|found| &found.by_name);
        if by_name.is_empty() { kinds(|found| &found.without_port) } else { by_name }
    }

    /// The lines that might be about the host and cannot be read.
    pub fn notes(&self) -> Vec<String> {
        let broken = |found: &Found| {
            let file = found.file.display().to_string();
            let line = move |broken: &known_hosts::Broken| {
                format!("{file} line {} is passed over: {}", broken.line, broken.why)
            };
            found.by_name.broken.iter().map(line).collect::<Vec<_>>()
        };
        self.files.iter().flat_map(broken).collect()
    }

    /// Whether this key may be the host's. An error is the reason why not.
    pub fn judge(&self, key: &PublicKey) -> Result<(), HostKeyError> {
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
        Err(HostKeyError::Unknown { host, kind: kind(key), fingerprint, file, besides: self.besides(key) })
    }

    /// The line with this key, among those.
    fn line(&self, key: &PublicKey, among: impl Fn(&Found) -> &Vec<known_hosts::Known>) -> Option<(PathBuf, usize)> {
        self.files.iter().find_map(|found| {
            let known = among(found).iter().find(|known| known.key.key_data() == key.key_data())?;
            Some((found.file.clone(), known.line))
        })
    }

    /// The host is known by another key: of the same kind if there is one.
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

    /// What nearly vouches for an unknown host.
    fn besides(&self, key: &PublicKey) -> Vec<String> {
        let mut besides = Vec::new();
        for found in &self.files {
            let file = found.file.display();
            for line in &found.by_name.authorities {
                besides.push(format!(
                    "{file} line {line} is a certificate authority for host keys, which is not supported"
                ));
            }
            for broken in &found.by_name.broken {
                besides.push(format!("{file} line {} cannot be read: {}", broken.line, broken.why));
            }
        }
        if let Some((file, line)) = self.line(key, |found| &found.by_address.keys) {
            besides.push(format!("{} line {line} knows it by its address, not by this name", file.display()));
        }
        besides
    }
}

/// As in the name of the host's own file.
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

/// A file that is not there knows nobody. Comments need not be UTF-8.
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

    /// The verdict on `KEY`, shown by box on port 2222, in a word.
    fn verdict(text: &str) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        let names = Names { name: "[box]:2222".to_owned(), without_port: Some("box".to_owned()) };
        let trust = Trust::KnownHosts(vec!["/nowhere/known_hosts".into(), file.path().into()]);
        let vouched = trust.look_up(&names, Some("[10.0.0.1]:2222")).unwrap();
        match vouched.judge(&PublicKey::from_openssh(KEY).unwrap()) {
            Ok(()) => "known".to_owned(),
            Err(HostKeyError::Unknown { besides, .. }) if besides.is_empty() => "unknown".to_owned(),
            Err(HostKeyError::Unknown { besides, .. }) => {
                format!("unknown: {}", besides.join("; ").replace(&file.path().display().to_string(), "FILE"))
            }
            Err(HostKeyError::Changed { line, .. }) => format!("changed since line {line}"),
            Err(HostKeyError::OtherKind { line, known, .. }) => format!("line {line} has {known}"),
            Err(HostKeyError::Revoked { line, .. }) => format!("revoked in line {line}"),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_host_is_judged_by_the_lines_for_its_name() {
        for (text, expected) in [
            ("[box]:2222 KEY", "known"),
            ("[box]:2222 OTHER\n[box]:2222 KEY", "known"),
            ("[box]:2222 OTHER", "changed since line 1"),
            ("\n[box]:2222 ECDSA", "line 2 has ecdsa"),
            ("[box]:2222 ECDSA\n[box]:2222 OTHER", "changed since line 2"),
            ("", "unknown"),
            // As ssh does, a line without the port vouches too, but accuses nobody.
            ("box KEY", "known"),
            ("box OTHER", "unknown"),
            ("[box]:2222 OTHER\nbox KEY", "changed since line 1"),
            ("@revoked * KEY\n[box]:2222 KEY", "revoked in line 1"),
            ("[10.0.0.1]:2222 KEY", "unknown: FILE line 1 knows it by its address, not by this name"),
            ("[10.0.0.1]:2222 OTHER", "unknown"),
            (
                "@cert-authority * OTHER",
                "unknown: FILE line 1 is a certificate authority for host keys, which is not supported",
            ),
            ("[box]:2222 ssh-ed25519 AAAA", "unknown: FILE line 1 cannot be read: its key cannot be read"),
            ("[box]:2222 ssh-ed25519 AAAA\n[box]:2222 KEY", "known"),
        ] {
            let text = text.replace("OTHER", OTHER).replace("ECDSA", ECDSA).replace("KEY", KEY);
            assert_eq!(verdict(&text), expected, "{text}");
        }
    }
}
