//! Images: what a reference means in this fleet, and how each host gets what it lacks, all of it before anything is
//! stopped.
//!
//! A host that has the image keeps it; else it is pulled when its reference names a registry; else it is brought from this
//! machine's engine or from another host; else the default registry is asked.

mod local;
mod meaning;
mod pull;
pub mod reference;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use landfast_core::platform::Platform;
use landfast_proto::v1;

use reference::{familiar, registry, repository};

pub use local::{LocalEngine, LocalImage};
pub use meaning::Resolution;
pub use pull::ToPull;
pub use transfer::bring;

#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// F48.
    #[error("image {reference} is nowhere to be had, nothing was touched\n  not here: {}\n  {}", .asked.join(", "), .refusals.join("\n  "))]
    Nowhere { reference: String, asked: Vec<String>, refusals: Vec<String> },
    #[error("image {reference} cannot be pulled, nothing was touched\n  {}", .refusals.join("\n  "))]
    NotPulled { reference: String, refusals: Vec<String> },
    #[error("{host} did not take image {reference}: {problem}")]
    NotTaken { host: String, reference: String, problem: String },
    #[error("{host} cannot pull image {reference}: {problem}")]
    NotFetched { host: String, reference: String, problem: String },
}

impl ImageError {
    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Nowhere { reference, .. } => {
                Some(format!("build or load {reference} on this machine, or correct `image:` in the compose file"))
            }
            Self::NotPulled { .. } => {
                Some("`--pull missing` deploys the image that the hosts have, without its registry".to_owned())
            }
            Self::NotTaken { .. } => None,
            Self::NotFetched { reference, .. } => {
                Some(format!("is the registry of {reference} up? an image that this machine has is brought without it"))
            }
        }
    }
}

/// What the hosts and this machine have.
#[derive(Debug, Default)]
pub struct Images {
    local: Option<LocalEngine>,
    /// By familiar reference.
    here: BTreeMap<String, LocalImage>,
    /// By host.
    hosts: BTreeMap<String, HostImages>,
    /// Familiar reference > platform that was asked for > fingerprint, of those that were pulled in this run.
    pulled: BTreeMap<String, BTreeMap<Platform, String>>,
    /// Familiar references that a registry had in an earlier run.
    from_registries: BTreeSet<String>,
    /// Familiar reference > fingerprint, of those that were built in this run.
    built: BTreeMap<String, String>,
    /// The same, of those that were built last in earlier runs.
    remembered: BTreeMap<String, String>,
}

/// What one host has.
#[derive(Debug, Default)]
struct HostImages {
    /// Familiar reference > fingerprint.
    references: BTreeMap<String, String>,
    /// By fingerprint.
    images: BTreeMap<String, HostImage>,
}

/// An image of a host.
#[derive(Debug, Default)]
struct HostImage {
    /// In bytes.
    size: u64,
    /// The engine's own: the one name of an image whose reference went to another.
    id: String,
    platform: Platform,
    /// Repositories in which it has a digest: it may be at their registries. The containerd store gives one to everything.
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

/// One image that one host lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    pub host: String,
    pub reference: String,
    pub fingerprint: String,
    /// In bytes, 0 when nobody knows.
    pub size: u64,
    /// In the order in which to try.
    pub origins: Vec<Origin>,
}

/// Where an image can come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is built first.
    Build,
    /// The host's engine pulls it.
    Registry,
    /// This machine's engine.
    Here,
    /// Another host, which has it under this reference or, without one, id.
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
    /// Asks this machine's engine, if there is one, for all of the references at once.
    pub async fn here(environment: &BTreeMap<String, String>, references: &BTreeSet<String>) -> Self {
        let Some(local) = LocalEngine::open(environment) else { return Self::default() };
        let engine = &local;
        let asked =
            references.iter().map(async |reference| Some((familiar(reference), engine.image(reference).await?)));
        let here = join_all(asked).await.into_iter().flatten().collect();
        Self { local: Some(local), here, ..Self::default() }
    }

    /// Adds what a host has.
    pub fn add_host(&mut self, host: &str, images: &[v1::Image]) {
        let mut has = HostImages::default();
        for image in images {
            has.images.insert(image.fingerprint.clone(), HostImage::of(image));
            let references = image.references.iter().map(|reference| (familiar(reference), image.fingerprint.clone()));
            has.references.extend(references);
        }
        self.hosts.insert(host.to_owned(), has);
    }

    /// An image was built on this machine.
    pub fn built_here(&mut self, reference: &str, image: LocalImage) {
        self.built.insert(familiar(reference), image.fingerprint.clone());
        self.here.insert(familiar(reference), image);
    }

    /// An image was built on a host, which has these now. Returns whether it is among them.
    pub fn built_on(&mut self, host: &str, reference: &str, images: &[v1::Image]) -> bool {
        self.add_host(host, images);
        let fingerprint = self.hosts.get(host).and_then(|has| has.references.get(&familiar(reference))).cloned();
        let is_there = fingerprint.is_some();
        self.built.extend(fingerprint.map(|fingerprint| (familiar(reference), fingerprint)));
        is_there
    }

    /// An image was built in an earlier run.
    pub fn remember(&mut self, reference: &str, fingerprint: String) {
        self.remembered.insert(familiar(reference), fingerprint);
    }

    /// The images that were built in this run: familiar reference > fingerprint.
    pub fn all_built(&self) -> &BTreeMap<String, String> {
        &self.built
    }

    fn is_somewhere(&self, fingerprint: &str) -> bool {
        let here = self.here.values().any(|image| image.fingerprint == fingerprint);
        here || self.hosts.values().any(|host| host.images.contains_key(fingerprint))
    }

    /// Whether this machine's engine has it, of what was asked for.
    pub fn is_here(&self, reference: &str) -> bool {
        self.here.contains_key(&familiar(reference))
    }

    /// Whether a host has it.
    pub fn is_on(&self, host: &str, reference: &str) -> bool {
        self.hosts.get(host).is_some_and(|has| has.references.contains_key(&familiar(reference)))
    }

    /// What the hosts lack of these: by host, reference and fingerprint.
    pub fn needs(&self, wanted: &BTreeMap<&str, BTreeSet<(&str, &str)>>) -> Vec<Need> {
        let all = wanted
            .iter()
            .flat_map(|(host, images)| images.iter().map(|(reference, fingerprint)| (*host, *reference, *fingerprint)));
        let lacking = all.filter(|(host, _, fingerprint)| !self.has(host, fingerprint));
        lacking.map(|(host, reference, fingerprint)| self.need(host, reference, fingerprint)).collect()
    }

    /// By what it is: a host names it as it is asked to.
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
        let brought = here.map(|_| Origin::Here).into_iter().chain(from_others);
        let size = here
            .map(|image| image.size)
            .or_else(|| others.clone().find_map(|(_, has)| has.images.get(fingerprint).map(|image| image.size)));
        Need {
            host: host.to_owned(),
            reference: reference.to_owned(),
            fingerprint: fingerprint.to_owned(),
            size: size.unwrap_or(0),
            origins: first.into_iter().chain(brought).chain(last).collect(),
        }
    }

    /// This machine's engine.
    pub fn engine(&self) -> Option<&LocalEngine> {
        self.local.as_ref()
    }

    /// For the message about an image that is nowhere.
    fn asked(&self) -> Vec<String> {
        let here = if self.local.is_some() { "this machine's engine" } else { "this machine (it has no engine)" };
        std::iter::once(here.to_owned()).chain(self.hosts.keys().cloned()).collect()
    }
}

#[cfg(test)]
mod tests;
