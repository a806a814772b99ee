//! Images: what a reference means in this fleet, and how each host gets what it lacks, all of it before anything is
//! stopped.
//!
//! A host that has the image keeps it; else it is pulled when its reference names a registry; else it is brought from this
//! machine's engine or from another host; else the default registry is asked.

mod fingerprint;
mod local;
pub mod reference;
mod transfer;

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use landfast_proto::v1;

use crate::connect::Agent;
use reference::{familiar, registry};

pub use local::{LocalEngine, LocalImage};
pub use transfer::{bring, fetch};

#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// F48.
    #[error("image {reference} is nowhere to be had, nothing was touched\n  not here: {}\n  {}", .asked.join(", "), .refusals.join("\n  "))]
    Nowhere { reference: String, asked: Vec<String>, refusals: Vec<String> },
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
    /// Fingerprint > bytes.
    sizes: BTreeMap<String, u64>,
    /// Fingerprint > the engine's own id: the one name of an image whose reference went to another.
    ids: BTreeMap<String, String>,
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
            Self::Registry => write!(f, "a registry"),
            Self::Here => write!(f, "this machine"),
            Self::Host { host, .. } => write!(f, "{host}"),
        }
    }
}

/// What the references mean.
#[derive(Debug, Default)]
pub struct Resolution {
    /// Reference > fingerprint, of those that are somewhere in the fleet or here.
    pub fingerprints: BTreeMap<String, String>,
    /// Those that are nowhere.
    pub unknown: BTreeSet<String>,
    pub warnings: Vec<String>,
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
            has.sizes.insert(image.fingerprint.clone(), image.size);
            has.ids.insert(image.fingerprint.clone(), image.id.clone());
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
        here || self.hosts.values().any(|host| host.sizes.contains_key(fingerprint))
    }

    /// Whether this machine's engine has it, of what was asked for.
    pub fn is_here(&self, reference: &str) -> bool {
        self.here.contains_key(&familiar(reference))
    }

    /// Whether a host has it.
    pub fn is_on(&self, host: &str, reference: &str) -> bool {
        self.hosts.get(host).is_some_and(|has| has.references.contains_key(&familiar(reference)))
    }

    /// A host has pulled an image.
    pub fn fetched(&mut self, host: &str, reference: &str, fingerprint: &str) {
        let has = self.hosts.entry(host.to_owned()).or_default();
        has.references.insert(familiar(reference), fingerprint.to_owned());
        has.sizes.entry(fingerprint.to_owned()).or_insert(0);
    }

    /// What each reference means.
    pub fn resolve(&self, references: &BTreeSet<String>) -> Resolution {
        let mut resolution = Resolution::default();
        for reference in references {
            match self.meaning(reference, &mut resolution.warnings) {
                Some(fingerprint) => drop(resolution.fingerprints.insert(reference.clone(), fingerprint)),
                None => drop(resolution.unknown.insert(reference.clone())),
            }
        }
        resolution
    }

    /// What was built in this run is meant. So is, where none was, an image that was made here and never came from a registry:
    /// it is what its maker means by that reference. Then what is remembered as built last, wherever it still is. Anything
    /// else stays what it is on the hosts.
    fn meaning(&self, reference: &str, warnings: &mut Vec<String>) -> Option<String> {
        let name = familiar(reference);
        if let Some(fingerprint) = self.built.get(&name) {
            return Some(fingerprint.clone());
        }
        let here = self.here.get(&name);
        if let Some(image) = here.filter(|image| image.made_here) {
            return Some(image.fingerprint.clone());
        }
        if let Some(fingerprint) = self.remembered.get(&name).filter(|fingerprint| self.is_somewhere(fingerprint)) {
            return Some(fingerprint.clone());
        }
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for fingerprint in self.hosts.values().filter_map(|host| host.references.get(&name)) {
            *votes.entry(fingerprint).or_default() += 1;
        }
        let Some((most, _)) = votes.iter().max_by_key(|(_, count)| **count) else {
            return here.map(|image| image.fingerprint.clone());
        };
        if votes.len() == 1 {
            return Some((*most).to_owned());
        }
        let chosen = here.map(|image| image.fingerprint.as_str()).filter(|here| votes.contains_key(here));
        let whose = if chosen.is_some() { "this machine's" } else { "the one that most of them have" };
        warnings.push(format!("the hosts have different images under {reference}: {whose} is deployed"));
        Some(chosen.unwrap_or(most).to_owned())
    }

    /// What the hosts lack of these: host > reference > fingerprint.
    pub fn needs(&self, wanted: &BTreeMap<&str, BTreeMap<&str, &str>>) -> Vec<Need> {
        let all = wanted
            .iter()
            .flat_map(|(host, images)| images.iter().map(|(reference, fingerprint)| (*host, *reference, *fingerprint)));
        let lacking = all.filter(|(host, _, fingerprint)| !self.has(host, fingerprint));
        lacking.map(|(host, reference, fingerprint)| self.need(host, reference, fingerprint)).collect()
    }

    /// By what it is: a host names it as it is asked to.
    fn has(&self, host: &str, fingerprint: &str) -> bool {
        self.hosts.get(host).is_some_and(|host| host.sizes.contains_key(fingerprint))
    }

    fn need(&self, host: &str, reference: &str, fingerprint: &str) -> Need {
        let here = self.here.get(&familiar(reference)).filter(|image| image.fingerprint == fingerprint);
        let others = self.hosts.iter().filter(|(name, has)| *name != host && has.sizes.contains_key(fingerprint));
        let (mut first, mut last) = (Vec::new(), Vec::new());
        if registry(reference).is_some() { &mut first } else { &mut last }.push(Origin::Registry);
        let from_others = others.clone().filter_map(|(name, has)| {
            let named = has.references.iter().find(|(_, found)| *found == fingerprint).map(|(reference, _)| reference);
            let reference = named.or_else(|| has.ids.get(fingerprint))?.clone();
            Some(Origin::Host { host: name.clone(), reference })
        });
        let brought = here.map(|_| Origin::Here).into_iter().chain(from_others);
        let size = here
            .map(|image| image.size)
            .or_else(|| others.clone().find_map(|(_, has)| has.sizes.get(fingerprint).copied()));
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

    /// Has a host pull what is nowhere: the last resort before giving up (F48).
    pub async fn pull_unknown(
        &mut self,
        agents: &BTreeMap<String, Agent>,
        references: &BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>, ImageError> {
        let mut pulled = BTreeMap::new();
        for reference in references {
            let mut refusals = Vec::new();
            for agent in agents.values() {
                match fetch(agent, reference).await {
                    Ok(fingerprint) => {
                        self.fetched(agent.host(), reference, &fingerprint);
                        pulled.insert(reference.clone(), fingerprint);
                        break;
                    }
                    Err(error) => refusals.push(error.to_string()),
                }
            }
            if !pulled.contains_key(reference) {
                return Err(ImageError::Nowhere { reference: reference.clone(), asked: self.asked(), refusals });
            }
        }
        Ok(pulled)
    }
}

#[cfg(test)]
mod tests;
