//! From a stack's folder to its bundle: walks it, hashes what is in it, and makes sure that nothing changed meanwhile.
//! Which paths stay behind is decided by [`landfast_core::bundle`].

mod hash;
mod walk;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use landfast_core::bundle::{Content, Entry, EnvFiles, IgnoreRules, InvalidPattern, Manifest, invalid_patterns};

use crate::wire::{encode_manifest, manifest_digest};

use walk::Found;

/// A stack's folder as it was at one moment.
#[derive(Debug, Clone)]
pub struct Bundle {
    pub manifest: Manifest,
    /// The manifest's encoding: itself a blob.
    pub encoded: Vec<u8>,
    /// Of `encoded`: the bundle's name.
    pub digest: String,
    /// Where each blob can be read: digest > a file that had this content.
    pub files: BTreeMap<String, PathBuf>,
}

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
    #[error("{} changes while it is being read, tried {TRIES} times", .path.display())]
    Unquiet { path: PathBuf },
}

impl ScanError {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "make it readable for you, or name it in .landfastignore",
            Self::Refused { .. } => "remove it, or name it in .landfastignore",
            Self::Pattern { .. } => "correct the pattern: what it was to keep back would travel",
            Self::Unquiet { .. } => "stop what writes to it, or name it in .landfastignore",
        }
    }
}

/// What is scanned again when it changes under the scan, so often (F51).
const TRIES: usize = 3;

/// Scans a folder. The env files of environments that are not chosen stay behind.
pub fn scan(root: &Path, env_files: impl Into<EnvFiles>) -> Result<Bundle, ScanError> {
    let env_files = env_files.into();
    until_quiet(root, || attempt(root, &env_files))
}

fn until_quiet<T>(
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
    Err(ScanError::Unquiet { path: last })
}

/// This path is no longer what it was a moment ago.
struct Changed(PathBuf);

fn attempt(root: &Path, env_files: &EnvFiles) -> Result<Result<Bundle, Changed>, ScanError> {
    let found = walk::walk(root, &rules(root, env_files)?)?;
    let files = found.iter().filter(|(_, found)| matches!(found, Found::File { .. }));
    let digests = match hash::all(root, &files.map(|(path, _)| path.as_str()).collect::<Vec<_>>())? {
        Ok(digests) => digests,
        Err(path) => return Ok(Err(Changed(path))),
    };
    Ok(Ok(bundle(root, found, &digests)))
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

fn bundle(root: &Path, found: BTreeMap<String, Found>, digests: &BTreeMap<String, (String, u64)>) -> Bundle {
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
    let digest = manifest_digest(&encoded);
    Bundle { manifest, encoded, digest, files }
}

#[cfg(test)]
mod tests;
