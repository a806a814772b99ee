//! Pulls before anything is stopped: of what is nowhere, and of what is to be asked for anew.

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

/// An image that a registry is asked for, on behalf of hosts of one platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ToPull {
    pub reference: String,
    /// `platform:` of the service; empty: the hosts' own.
    pub platform: String,
    /// What the image has to run on.
    pub target: Platform,
    /// The hosts whose engines are asked to pull it, until one of them has it.
    pub hosts: Vec<String>,
    /// The image is somewhere already: without the registry it would do.
    pub is_there: bool,
    /// The image can be built, so it is no mistake that no registry has it.
    pub is_built: bool,
}

impl Images {
    /// A registry had this image in an earlier run.
    pub fn remember_registry(&mut self, reference: &str) {
        self.from_registries.insert(familiar(reference));
    }

    /// Has the hosts pull images, all at once. Returns those that were pulled.
    ///
    /// # Errors
    /// [`ImageError::Nowhere`] and [`ImageError::NotPulled`]: no host could pull an image that must be (F48).
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
                Err(refusals) => return Err(ImageError::Nowhere { reference, asked: self.asked(), refusals }),
            }
        }
        pulled.iter().for_each(|(host, one, image)| self.fetched(host, one, image));
        Ok(pulled.into_iter().map(|(_, one, _)| one.reference.clone()).collect())
    }

    /// A host has pulled an image.
    pub(super) fn fetched(&mut self, host: &str, ToPull { reference, target, .. }: &ToPull, image: &v1::Image) {
        self.remember_registry(reference);
        let has = self.hosts.entry(host.to_owned()).or_default();
        has.references.insert(familiar(reference), image.fingerprint.clone());
        has.images.insert(image.fingerprint.clone(), HostImage::of(image));
        let pulled = self.pulled.entry(familiar(reference)).or_default();
        pulled.insert(target.clone(), image.fingerprint.clone());
    }
}

/// The first host that has it, with what it is; or what each of them said.
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
