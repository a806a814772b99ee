//! Pulls images before any container is stopped: missing images, and images for which the pull policy asks the registry
//! again.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::join_all;
use landfast_core::platform::Platform;
use landfast_proto::v1;

use crate::connect::Agent;
use crate::event::{Content, Event, Listener, Transfer, Warning};

use super::reference::familiar;
use super::transfer::fetch;
use super::{HostImage, ImageError, Images, Origin};

/// An image to pull, for hosts of one platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToPull {
    pub reference: String,
    /// Value of the service's `platform:` key. Empty means the hosts' own platform.
    pub platform: String,
    /// Platform that the image must run on.
    pub target: Platform,
    /// Hosts whose engines can pull the image. They are tried in order until one succeeds.
    pub hosts: Vec<String>,
    /// Whether the image already exists on a host or on this machine, so that the registry is not required.
    pub is_there: bool,
    /// Whether the image can be built, so that a failed pull is not an error.
    pub is_built: bool,
}

impl Images {
    /// Records that a registry had this image in an earlier operation.
    pub fn remember_registry(&mut self, reference: &str) {
        self.from_registries.insert(familiar(reference));
    }

    /// Pulls images on the hosts, concurrently. Returns the references of the pulled images.
    ///
    /// # Errors
    /// [`ImageError::NotFound`] or [`ImageError::NotPulled`] if no host can pull a required image (F48).
    pub async fn pull(
        &mut self,
        agents: &BTreeMap<String, Agent>,
        to_pull: &[ToPull],
        listener: &Arc<dyn Listener>,
    ) -> Result<Vec<String>, ImageError> {
        let pulls = to_pull.iter().map(async |one| pull(one, agents, listener).await);
        let mut pulled = Vec::new();
        for (one, answer) in to_pull.iter().zip(join_all(pulls).await) {
            let reference = one.reference.clone();
            match answer {
                Ok((host, image)) => pulled.push((host, one, image)),
                Err(refusals) if one.is_built => {
                    listener.report(Event::Warning(Warning::PullFailed { reference, refusals }));
                }
                Err(refusals) if one.is_there => return Err(ImageError::NotPulled { reference, refusals }),
                Err(refusals) => return Err(ImageError::NotFound { reference, searched: self.searched(), refusals }),
            }
        }
        pulled.iter().for_each(|(host, one, image)| self.fetched(host, one, image));
        Ok(pulled.into_iter().map(|(_, one, _)| one.reference.clone()).collect())
    }

    /// Records an image that a host has pulled.
    pub(super) fn fetched(&mut self, host: &str, ToPull { reference, target, .. }: &ToPull, image: &v1::Image) {
        self.remember_registry(reference);
        let has = self.hosts.entry(host.to_owned()).or_default();
        has.references.insert(familiar(reference), image.fingerprint.clone());
        has.images.insert(image.fingerprint.clone(), HostImage::of(image));
        let pulled = self.pulled.entry(familiar(reference)).or_default();
        pulled.insert(target.clone(), image.fingerprint.clone());
    }
}

/// Pulls an image on the first host that succeeds. The error contains the reason of each host.
async fn pull(
    one: &ToPull,
    agents: &BTreeMap<String, Agent>,
    listener: &Arc<dyn Listener>,
) -> Result<(String, v1::Image), Vec<String>> {
    let mut refusals = Vec::new();
    for agent in one.hosts.iter().filter_map(|host| agents.get(host)) {
        let (host, reference) = (agent.host().to_owned(), one.reference.clone());
        let content = Content::Image { host, reference, origin: Origin::Registry };
        let transfer = Transfer::start(listener, content, 0);
        let answer = fetch(agent, &one.reference, &one.platform).await;
        drop(transfer);
        match answer {
            Ok(image) => return Ok((agent.host().to_owned(), image)),
            Err(error) => refusals.push(error.to_string()),
        }
    }
    Err(refusals)
}
