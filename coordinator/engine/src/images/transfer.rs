//! Transfers one image to one host.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use futures::future;
use futures::stream::{self, BoxStream, StreamExt as _, TryStreamExt as _};
use landfast_proto::v1;
use v1::push_request::Part;

use crate::connect::Agent;
use crate::event::{Content, Listener, Transfer};
use crate::wire::problem;

use super::reference::registry;
use super::{ImageError, Images, Need, Origin};

/// Time limit of a pull from a registry that the reference names, including large images over slow lines.
const REGISTRY_LIMIT: Duration = Duration::from_secs(1800);
/// Time limit of a pull from the default registry, which may be unreachable.
const DEFAULT_REGISTRY_LIMIT: Duration = Duration::from_secs(300);

/// Pulls an image on a host, for this platform or, if it is empty, for the host's own.
pub(super) async fn fetch(agent: &Agent, reference: &str, platform: &str) -> Result<v1::Image, ImageError> {
    let limit = if registry(reference).is_some() { REGISTRY_LIMIT } else { DEFAULT_REGISTRY_LIMIT };
    let request = v1::FetchRequest { reference: reference.to_owned(), platform: platform.to_owned() };
    let mut blobs = agent.blobs();
    let failed = |problem: String| ImageError::NotFetched {
        host: agent.host().to_owned(),
        reference: reference.to_owned(),
        problem,
    };
    match tokio::time::timeout(limit, blobs.fetch(request)).await {
        Ok(Ok(response)) => {
            let v1::FetchResponse { fingerprint, image } = response.into_inner();
            // An older agent returns only the fingerprint.
            Ok(image.unwrap_or(v1::Image { fingerprint, ..v1::Image::default() }))
        }
        Ok(Err(status)) => Err(failed(problem(&status))),
        Err(_) => Err(failed(format!("no response within {} s", limit.as_secs()))),
    }
}

/// Transfers an image to the host that needs it, from the first source that works.
pub async fn bring(
    need: &Need,
    images: &Images,
    agents: &BTreeMap<String, Agent>,
    listener: &Arc<dyn Listener>,
) -> Result<(), ImageError> {
    let Some(agent) = agents.get(&need.host) else { return Ok(()) };
    let mut refusals = Vec::new();
    for origin in &need.origins {
        match from(origin, need, images, agents, agent, listener).await {
            Ok(()) => return Ok(()),
            Err(error) => refusals.push(error.to_string()),
        }
    }
    Err(ImageError::NotFound { reference: need.reference.clone(), searched: images.searched(), refusals })
}

async fn from(
    origin: &Origin,
    need: &Need,
    images: &Images,
    agents: &BTreeMap<String, Agent>,
    agent: &Agent,
    listener: &Arc<dyn Listener>,
) -> Result<(), ImageError> {
    let start = |bytes: u64| {
        let (host, reference) = (need.host.clone(), need.reference.clone());
        Transfer::start(listener, Content::Image { host, reference, origin: origin.clone() }, bytes)
    };
    let refused =
        |problem: String| ImageError::NotTaken { host: need.host.clone(), reference: need.reference.clone(), problem };
    let archive = match origin {
        Origin::Build => return Err(refused("the image was not built".to_owned())),
        Origin::Registry => {
            let transfer = start(0);
            let fingerprint = fetch(agent, &need.reference, "").await?.fingerprint;
            drop(transfer);
            let other = || refused("the registry has another image for this reference".to_owned());
            return if fingerprint == need.fingerprint { Ok(()) } else { Err(other()) };
        }
        Origin::Here => {
            let engine =
                images.engine().ok_or_else(|| refused("the engine of this machine is not available".to_owned()))?;
            engine.export(&need.reference)
        }
        Origin::Host { host, reference } => {
            let other = agents.get(host).ok_or_else(|| refused(format!("{host} is not connected")))?;
            pull(other, reference).await.map_err(refused)?
        }
    };
    push(agent, need, archive, start(need.size)).await.map_err(refused)
}

/// Exports the image from another host's engine as an archive.
async fn pull(agent: &Agent, reference: &str) -> Result<BoxStream<'static, Result<Bytes, String>>, String> {
    let what = Some(v1::pull_request::What::Image(reference.to_owned()));
    let answer = agent.blobs().pull(v1::PullRequest { what }).await.map_err(|status| problem(&status))?;
    let parts = answer.into_inner().map_ok(|part| part.data).map_err(|status| problem(&status));
    Ok(parts.boxed())
}

async fn push(
    agent: &Agent,
    need: &Need,
    archive: BoxStream<'static, Result<Bytes, String>>,
    transfer: Transfer,
) -> Result<(), String> {
    let image = v1::ImageItem { reference: need.reference.clone(), fingerprint: need.fingerprint.clone() };
    let head = Part::Item(v1::Item { kind: Some(v1::item::Kind::Image(image)) });
    // A stream of requests cannot carry an error. The error is stored, and the stream ends.
    let broken = Arc::new(OnceLock::new());
    let parts = archive.flat_map(|part| stream::iter(split(part)));
    let parts = parts.scan((transfer, Arc::clone(&broken)), |(transfer, broken), part| {
        future::ready(match part {
            Ok(data) => {
                transfer.advance(data.len());
                Some(Part::Data(data))
            }
            Err(problem) => broken.set(problem).ok().and(None),
        })
    });
    let requests = stream::once(async { head }).chain(parts).map(|part| v1::PushRequest { part: Some(part) });
    let answer = agent.blobs().push(requests).await;
    match (broken.get(), answer) {
        (Some(problem), _) => Err(problem.clone()),
        (None, Ok(_)) => Ok(()),
        (None, Err(status)) => Err(problem(&status)),
    }
}

/// Splits data of the engine that is larger than one message.
fn split(part: Result<Bytes, String>) -> Vec<Result<Bytes, String>> {
    match part {
        Ok(mut data) => {
            let mut parts = Vec::new();
            while !data.is_empty() {
                parts.push(Ok(data.split_to(data.len().min(crate::deliver::CHUNK))));
            }
            parts
        }
        Err(problem) => vec![Err(problem)],
    }
}
