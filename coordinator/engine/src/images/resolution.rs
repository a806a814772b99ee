//! Resolves image references: which image a reference means in this fleet, and which ids the engines use for it.

use std::collections::{BTreeMap, BTreeSet};

use landfast_core::compile::{FoundImage, ImageCandidates, OtherSource};
use landfast_core::platform::Platform;

use super::reference::{familiar, repository};
use super::{HostImage, HostImages, Images};

/// Result of resolving references.
#[derive(Debug, Default)]
pub struct Resolution {
    /// Resolved images, keyed by reference.
    pub meanings: BTreeMap<String, ImageCandidates>,
    /// References that neither this machine nor any host has.
    pub unknown: BTreeSet<String>,
    pub warnings: Vec<String>,
}

impl Images {
    /// Resolves references to images.
    pub fn resolve(&self, references: &BTreeSet<String>) -> Resolution {
        let mut resolution = Resolution::default();
        for reference in references {
            let meaning = self.meaning(reference, &mut resolution.warnings);
            if meaning.found.is_empty() {
                resolution.unknown.insert(reference.clone());
            }
            resolution.meanings.insert(reference.clone(), meaning);
        }
        resolution
    }

    /// Resolves a reference, in this order: the image that was built in this operation; images that were pulled in this
    /// operation; an image that was made on this machine and did not come from a registry; the image that was built
    /// last in an earlier operation, if it still exists. For every platform without a pulled image, the hosts' images
    /// count.
    fn meaning(&self, reference: &str, warnings: &mut Vec<String>) -> ImageCandidates {
        let name = familiar(reference);
        if let Some(built) = self.built.get(&name) {
            return ImageCandidates { found: vec![self.found(&name, built)], other_source: OtherSource::None };
        }
        let made = self.here.get(&name).filter(|image| image.made_here).map(|image| &image.fingerprint);
        let remembered = self.remembered.get(&name).filter(|fingerprint| self.exists(fingerprint));
        let only = made.or(remembered);
        let nothing = BTreeMap::new();
        let pulled = self.pulled.get(&name).unwrap_or(&nothing);
        if let (Some(only), true) = (only, pulled.is_empty()) {
            return ImageCandidates { found: vec![self.found(&name, only)], other_source: OtherSource::None };
        }
        let mut found = pulled.values().map(|fingerprint| self.found(&name, fingerprint)).collect::<Vec<_>>();
        let is_pulled = |platform: &Platform| pulled.keys().any(|pulled| pulled.runs(platform));
        for (platform, host_counts) in self.host_counts(&name).into_iter().filter(|(platform, _)| !is_pulled(platform))
        {
            found.push(self.found(&name, &self.chosen(reference, &platform, &host_counts, warnings)));
        }
        let beyond = if found.is_empty() || self.may_be_in_a_registry(&name) {
            OtherSource::Registry
        } else {
            OtherSource::None
        };
        ImageCandidates { found, other_source: beyond }
    }

    fn found(&self, name: &str, fingerprint: &str) -> FoundImage {
        let has = |(host, has): (&String, &HostImages)| {
            let same = has.references.get(name).is_some_and(|found| found == fingerprint);
            same.then(|| host.clone())
        };
        FoundImage {
            fingerprint: fingerprint.to_owned(),
            platform: self.platform(fingerprint),
            hosts: self.hosts.iter().filter_map(has).collect(),
        }
    }

    fn platform(&self, fingerprint: &str) -> Platform {
        let here = self.here.values().find(|image| image.fingerprint == fingerprint).map(|image| &image.platform);
        let on_hosts = self.hosts.values().find_map(|has| Some(&has.images.get(fingerprint)?.platform));
        here.or(on_hosts).cloned().unwrap_or_default()
    }

    /// For each platform, the number of hosts that have each image. This machine's image counts zero hosts.
    fn host_counts(&self, name: &str) -> BTreeMap<Platform, BTreeMap<&str, usize>> {
        let mut host_counts: BTreeMap<Platform, BTreeMap<&str, usize>> = BTreeMap::new();
        for fingerprint in self.hosts.values().filter_map(|host| host.references.get(name)) {
            *host_counts.entry(self.platform(fingerprint)).or_default().entry(fingerprint).or_default() += 1;
        }
        if let Some(here) = self.here.get(name) {
            let same = host_counts.entry(here.platform.clone()).or_default();
            if same.is_empty() {
                same.insert(&here.fingerprint, 0);
            }
        }
        host_counts
    }

    /// Chooses this machine's image, or else the one that most hosts have.
    fn chosen(
        &self,
        reference: &str,
        platform: &Platform,
        host_counts: &BTreeMap<&str, usize>,
        warnings: &mut Vec<String>,
    ) -> String {
        let most = host_counts.iter().max_by_key(|(_, count)| **count).map_or("", |(fingerprint, _)| *fingerprint);
        if host_counts.len() <= 1 {
            return most.to_owned();
        }
        let here = self.here.get(&familiar(reference)).filter(|image| image.platform == *platform);
        let chosen = here.map(|image| image.fingerprint.as_str()).filter(|here| host_counts.contains_key(here));
        let choice = if chosen.is_some() { "this machine's" } else { "the one that most hosts have" };
        warnings.push(format!("the hosts have different images for {reference}: {choice} is deployed"));
        chosen.unwrap_or(most).to_owned()
    }

    /// Whether there is a sign that the image came from a registry.
    fn may_be_in_a_registry(&self, name: &str) -> bool {
        let has_digest = |has: &HostImages| {
            let image = has.references.get(name).and_then(|fingerprint| has.images.get(fingerprint));
            image.is_some_and(|image| image.repositories.contains(repository(name)))
        };
        let here = self.here.contains_key(name);
        here || self.from_registries.contains(name) || self.hosts.values().any(has_digest)
    }

    /// Ids of the images in each host's engine, keyed by host and fingerprint. Image stores of the same kind use the
    /// same ids, so the ids of images that a host does not have yet are included if they are known. `stores` is the
    /// kind of each host's image store.
    pub fn ids(&self, stores: &BTreeMap<String, String>) -> BTreeMap<String, BTreeMap<String, String>> {
        let mut by_store: BTreeMap<&str, BTreeMap<&str, &str>> = BTreeMap::new();
        for image in self.here.values() {
            by_store.entry(image.store).or_default().insert(&image.fingerprint, &image.id);
        }
        for (host, has) in &self.hosts {
            let store = stores.get(host).map_or("", String::as_str);
            by_store.entry(store).or_default().extend(ids(&has.images));
        }
        let of_host = |(host, has): (&String, &HostImages)| {
            let alike = stores.get(host).and_then(|store| by_store.get(store.as_str()));
            let all = alike.into_iter().flatten().map(|(fingerprint, id)| (*fingerprint, *id));
            let all = all.chain(ids(&has.images)).filter(|(_, id)| !id.is_empty());
            (host.clone(), all.map(|(fingerprint, id)| (fingerprint.to_owned(), id.to_owned())).collect())
        };
        self.hosts.iter().map(of_host).collect()
    }
}

fn ids(images: &BTreeMap<String, HostImage>) -> impl Iterator<Item = (&str, &str)> {
    images.iter().map(|(fingerprint, image)| (fingerprint.as_str(), image.id.as_str()))
}
