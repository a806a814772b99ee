//! Resolves image references in this fleet and transfers missing images to hosts, before any container is stopped.
//!
//! A host that has the image keeps it. Otherwise the image is pulled if its reference names a registry, or else
//! transferred from this machine's engine or from another host, or else pulled from the default registry.

mod local;
mod pull;
pub mod reference;
mod resolution;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use landfast_core::platform::Platform;
use landfast_proto::v1;

use crate::Hint;
use reference::{familiar, registry, repository};

pub use local::{LocalEngine, LocalImage};
pub use pull::ToPull;
pub use resolution::Resolution;
pub use transfer::bring;

/// A failure to provide an image to a host.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// No source has the image (F48).
    #[error("image {reference} was not found in any registry or on any host; no host was changed\n  not found on: {}\n  {}", .searched.join(", "), .refusals.join("\n  "))]
    NotFound { reference: String, searched: Vec<String>, refusals: Vec<String> },
    #[error("image {reference} cannot be pulled; no host was changed\n  {}", .refusals.join("\n  "))]
    NotPulled { reference: String, refusals: Vec<String> },
    #[error("image {reference} cannot be transferred to {host}: {problem}")]
    NotTaken { host: String, reference: String, problem: String },
    #[error("image {reference} cannot be pulled on {host}: {problem}")]
    NotFetched { host: String, reference: String, problem: String },
}

impl Hint for ImageError {
    fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { reference, .. } => {
                Some(format!("build or load {reference} on this machine, or correct `image:` in the compose file"))
            }
            Self::NotPulled { .. } => {
                Some("use `--pull missing` to deploy the existing image without asking its registry".to_owned())
            }
            Self::NotTaken { .. } => None,
            Self::NotFetched { reference, .. } => Some(format!(
                "check that the registry of {reference} is available; an image on this machine needs no registry"
            )),
        }
    }
}

/// The images of the hosts and of this machine.
#[derive(Debug, Default)]
pub struct Images {
    local: Option<LocalEngine>,
    /// Images of this machine, keyed by familiar reference.
    here: BTreeMap<String, LocalImage>,
    /// Images of the hosts, keyed by host.
    hosts: BTreeMap<String, HostImages>,
    /// Fingerprints of the images that were pulled in this operation, keyed by familiar reference and requested
    /// platform.
    pulled: BTreeMap<String, BTreeMap<Platform, String>>,
    /// Familiar references that a registry had in an earlier operation.
    from_registries: BTreeSet<String>,
    /// Fingerprints of the images that were built in this operation, keyed by familiar reference.
    built: BTreeMap<String, String>,
    /// Fingerprints of the images that were built last in earlier operations, keyed by familiar reference.
    remembered: BTreeMap<String, String>,
}

/// The images of one host.
#[derive(Debug, Default)]
struct HostImages {
    /// Fingerprints, keyed by familiar reference.
    references: BTreeMap<String, String>,
    /// Images, keyed by fingerprint.
    images: BTreeMap<String, HostImage>,
}

/// An image of a host.
#[derive(Debug, Default)]
struct HostImage {
    /// Size in bytes.
    size: u64,
    /// The engine's id, which is the only name of an image without a tag.
    id: String,
    platform: Platform,
    /// Repositories for which the image has a registry digest. The containerd store has one for every image.
    repositories: BTreeSet<String>,
}

impl HostImage {
    fn of(image: &v1::Image) -> Self {
        let digests = image.references.iter().filter(|reference| reference.contains('@'));
        Self {
            size: image.size,
            id: image.id.clone(),
            platform: Platform::new(&image.os, &image.architecture, &image.variant),
            repositories: digests.map(|digest| repository(&familiar(digest)).to_owned()).collect(),
        }
    }
}

/// An image that a host lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub host: String,
    pub reference: String,
    pub fingerprint: String,
    /// Size in bytes; 0 if it is unknown.
    pub size: u64,
    /// Sources of the image, in the order in which they are tried.
    pub origins: Vec<Origin>,
}

/// Source of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The build that runs first.
    Build,
    /// A registry, from which the host's engine pulls.
    Registry,
    /// The engine of this machine.
    Here,
    /// Another host, which has the image under this reference, or under this id if it has no tag.
    Host { host: String, reference: String },
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Build => write!(f, "its build"),
            Self::Registry => write!(f, "a registry"),
            Self::Here => write!(f, "this machine"),
            Self::Host { host, .. } => write!(f, "{host}"),
        }
    }
}

impl Images {
    /// Looks up the references in this machine's engine, concurrently. Without an engine, the result is empty.
    pub async fn here(environment: &BTreeMap<String, String>, references: &BTreeSet<String>) -> Self {
        let Some(local) = LocalEngine::open(environment) else { return Self::default() };
        let engine = &local;
        let asked =
            references.iter().map(async |reference| Some((familiar(reference), engine.image(reference).await?)));
        let here = join_all(asked).await.into_iter().flatten().collect();
        Self { local: Some(local), here, ..Self::default() }
    }

    /// Adds the images of a host.
    pub fn add_host(&mut self, host: &str, images: &[v1::Image]) {
        let mut has = HostImages::default();
        for image in images {
            has.images.insert(image.fingerprint.clone(), HostImage::of(image));
            let references = image.references.iter().map(|reference| (familiar(reference), image.fingerprint.clone()));
            has.references.extend(references);
        }
        self.hosts.insert(host.to_owned(), has);
    }

    /// Records an image that was built on this machine.
    pub fn built_here(&mut self, reference: &str, image: LocalImage) {
        self.built.insert(familiar(reference), image.fingerprint.clone());
        self.here.insert(familiar(reference), image);
    }

    /// Records an image that was built on a host, which now has `images`. Returns whether the image is among them.
    pub fn built_on(&mut self, host: &str, reference: &str, images: &[v1::Image]) -> bool {
        self.add_host(host, images);
        let fingerprint = self.hosts.get(host).and_then(|has| has.references.get(&familiar(reference))).cloned();
        let is_there = fingerprint.is_some();
        self.built.extend(fingerprint.map(|fingerprint| (familiar(reference), fingerprint)));
        is_there
    }

    /// Records an image that was built in an earlier operation.
    pub fn remember(&mut self, reference: &str, fingerprint: String) {
        self.remembered.insert(familiar(reference), fingerprint);
    }

    /// Fingerprints of the images that were built in this operation, keyed by familiar reference.
    pub fn all_built(&self) -> &BTreeMap<String, String> {
        &self.built
    }

    fn exists(&self, fingerprint: &str) -> bool {
        let here = self.here.values().any(|image| image.fingerprint == fingerprint);
        here || self.hosts.values().any(|host| host.images.contains_key(fingerprint))
    }

    /// Whether this machine's engine has the image. Only references that were looked up count.
    pub fn is_here(&self, reference: &str) -> bool {
        self.here.contains_key(&familiar(reference))
    }

    /// Whether a host has the image.
    pub fn is_on(&self, host: &str, reference: &str) -> bool {
        self.hosts.get(host).is_some_and(|has| has.references.contains_key(&familiar(reference)))
    }

    /// The images that the hosts lack, out of the required references and fingerprints of each host.
    pub fn needs(&self, required: &BTreeMap<&str, BTreeSet<(&str, &str)>>) -> Vec<Need> {
        let all = required
            .iter()
            .flat_map(|(host, images)| images.iter().map(|(reference, fingerprint)| (*host, *reference, *fingerprint)));
        let missing = all.filter(|(host, _, fingerprint)| !self.has(host, fingerprint));
        missing.map(|(host, reference, fingerprint)| self.need(host, reference, fingerprint)).collect()
    }

    /// Whether a host has the image with this fingerprint, under any reference.
    fn has(&self, host: &str, fingerprint: &str) -> bool {
        self.hosts.get(host).is_some_and(|host| host.images.contains_key(fingerprint))
    }

    fn need(&self, host: &str, reference: &str, fingerprint: &str) -> Need {
        let here = self.here.get(&familiar(reference)).filter(|image| image.fingerprint == fingerprint);
        let others = self.hosts.iter().filter(|(name, has)| *name != host && has.images.contains_key(fingerprint));
        let (mut first, mut last) = (Vec::new(), Vec::new());
        if registry(reference).is_some() { &mut first } else { &mut last }.push(Origin::Registry);
        let from_others = others.clone().filter_map(|(name, has)| {
            let named = has.references.iter().find(|(_, found)| *found == fingerprint).map(|(reference, _)| reference);
            let reference = named.or_else(|| Some(&has.images.get(fingerprint)?.id))?.clone();
            Some(Origin::Host { host: name.clone(), reference })
        });
        let transferred = here.map(|_| Origin::Here).into_iter().chain(from_others);
        let size = here
            .map(|image| image.size)
            .or_else(|| others.clone().find_map(|(_, has)| has.images.get(fingerprint).map(|image| image.size)));
        Need {
            host: host.to_owned(),
            reference: reference.to_owned(),
            fingerprint: fingerprint.to_owned(),
            size: size.unwrap_or(0),
            origins: first.into_iter().chain(transferred).chain(last).collect(),
        }
    }

    /// The engine of this machine, if there is one.
    pub fn engine(&self) -> Option<&LocalEngine> {
        self.local.as_ref()
    }

    /// Names of the searched engines, for the error message about a missing image.
    fn searched(&self) -> Vec<String> {
        let here = if self.local.is_some() { "this machine's engine" } else { "this machine, which has no engine" };
        std::iter::once(here.to_owned()).chain(self.hosts.keys().cloned()).collect()
    }
}

#[cfg(test)]
mod tests;
