//! Creates a bundle from a stack's folder: lists the folder, hashes its files, and makes sure that nothing changed in
//! between. [`landfast_core::bundle`] decides which paths are left out.

mod hash;
mod walk;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use landfast_agreement::limits::{BLOB_MAX, MANIFEST_MAX};
use landfast_core::bundle::{Content, Entry, EnvFiles, IgnoreRules, InvalidPattern, Manifest, invalid_patterns};

use crate::Hint;
use crate::wire::{encode_manifest, manifest_digest};

use walk::Found;

/// A snapshot of a stack's folder.
#[derive(Debug, Clone)]
pub struct Bundle {
    pub manifest: Manifest,
    /// The encoded manifest, which is a blob itself.
    pub encoded: Vec<u8>,
    /// Digest of the encoded manifest. It identifies the bundle.
    pub digest: String,
    /// A file with the contents of each blob, keyed by digest.
    pub files: BTreeMap<String, PathBuf>,
}

/// A failure to scan a stack's folder.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    #[error("{} cannot be read", .path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{}: {why}", .path.display())]
    Refused { path: PathBuf, why: &'static str },
    #[error("{}:{line}: {mistake}", .path.display())]
    Pattern { path: PathBuf, line: usize, mistake: InvalidPattern },
    #[error("{} changed during each of {TRIES} attempts to read it", .path.display())]
    Unstable { path: PathBuf },
    #[error("{} is larger than {} GiB, which no agent accepts", .path.display(), BLOB_MAX >> 30)]
    FileTooLarge { path: PathBuf },
    #[error(
        "the list of the {entries} files of {} is larger than {} MiB, which no agent accepts",
        .path.display(),
        MANIFEST_MAX >> 20
    )]
    TooManyFiles { path: PathBuf, entries: usize },
}

impl Hint for ScanError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Unreadable { .. } => "make it readable, or add it to .landfastignore",
            Self::Refused { .. } => "remove it, or add it to .landfastignore",
            Self::Pattern { .. } => {
                "correct the pattern: without it, files that it should exclude would be sent to the hosts"
            }
            Self::Unstable { .. } => "stop the program that writes to it, or add it to .landfastignore",
            Self::FileTooLarge { .. } => "store it outside the stack's folder, or add it to .landfastignore",
            Self::TooManyFiles { .. } => "add the folders that the services do not use to .landfastignore",
        };
        Some(hint.to_owned())
    }
}

/// Maximum number of scans of a folder that changes while it is scanned (F51).
const TRIES: usize = 3;

/// Scans a folder. Env files of environments that are not chosen are left out.
pub fn scan(root: &Path, env_files: impl Into<EnvFiles>) -> Result<Bundle, ScanError> {
    let env_files = env_files.into();
    until_stable(root, || attempt(root, &env_files))
}

fn until_stable<T>(
    root: &Path,
    mut attempt: impl FnMut() -> Result<Result<T, Changed>, ScanError>,
) -> Result<T, ScanError> {
    let mut last = root.to_owned();
    for _ in 0..TRIES {
        match attempt()? {
            Ok(seen) => return Ok(seen),
            Err(Changed(path)) => last = path,
        }
    }
    Err(ScanError::Unstable { path: last })
}

/// Path of a file that changed during the scan.
struct Changed(PathBuf);

fn attempt(root: &Path, env_files: &EnvFiles) -> Result<Result<Bundle, Changed>, ScanError> {
    let found = walk::walk(root, &rules(root, env_files)?)?;
    let files = found.iter().filter(|(_, found)| matches!(found, Found::File { .. }));
    let digests = match hash::all(root, &files.map(|(path, _)| path.as_str()).collect::<Vec<_>>())? {
        Ok(digests) => digests,
        Err(path) => return Ok(Err(Changed(path))),
    };
    bundle(root, found, &digests).map(Ok)
}

fn rules(root: &Path, env_files: &EnvFiles) -> Result<IgnoreRules, ScanError> {
    const NAMES: [&str; 2] = [".dockerignore", ".landfastignore"];
    let texts = NAMES.map(|name| {
        let path = root.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => Ok(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
            Err(source) => Err(ScanError::Unreadable { path, source }),
        }
    });
    let [docker, own] = texts;
    let (docker, own) = (docker?, own?);
    for (name, text) in NAMES.iter().zip([&docker, &own]) {
        if let Some((line, mistake)) = invalid_patterns(text).next() {
            return Err(ScanError::Pattern { path: root.join(name), line, mistake });
        }
    }
    Ok(IgnoreRules::new(&[&docker, &own], env_files.beneath(root)))
}

fn bundle(
    root: &Path,
    found: BTreeMap<String, Found>,
    digests: &BTreeMap<String, (String, u64)>,
) -> Result<Bundle, ScanError> {
    let mut manifest = Manifest::default();
    let mut files = BTreeMap::new();
    for (path, found) in found {
        let (mode, content) = match found {
            Found::File { mode } => {
                let Some((digest, size)) = digests.get(&path).cloned() else { continue };
                files.insert(digest.clone(), root.join(&path));
                (mode, Content::File { digest, size })
            }
            Found::Link { target } => (0o777, Content::Link(target)),
            Found::Folder { mode } => (mode, Content::Folder),
        };
        manifest.entries.insert(path, Entry { mode, content });
    }
    let encoded = encode_manifest(&manifest);
    if encoded.len() as u64 > MANIFEST_MAX {
        return Err(ScanError::TooManyFiles { path: root.to_owned(), entries: manifest.entries.len() });
    }
    let digest = manifest_digest(&encoded);
    Ok(Bundle { manifest, encoded, digest, files })
}

#[cfg(test)]
mod tests;
