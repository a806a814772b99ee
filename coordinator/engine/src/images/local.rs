//! The engine of the machine that `landfast` runs on: one of the places an image can be brought from.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::Docker;
use bollard::models::ImageInspect;
use bollard::query_parameters::RemoveImageOptions;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt as _};
use landfast_agreement::fingerprint::fingerprint;
use landfast_core::platform::Platform;
use serde_json::json;

use crate::image_build::Door;

const SOCKET: &str = "unix:///var/run/docker.sock";
/// It is on this machine: one that takes longer is not going to answer.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Of a whole image, on a slow disk.
const EXPORT_LIMIT: Duration = Duration::from_secs(3600);

/// An image that this machine has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalImage {
    pub fingerprint: String,
    pub platform: Platform,
    /// The engine's own id.
    pub id: String,
    /// The image store that gave it: `classic` or `containerd`.
    pub store: &'static str,
    /// In bytes, unpacked.
    pub size: u64,
    /// It never came from a registry, so it was built or loaded here.
    pub made_here: bool,
}

/// This machine's engine.
#[derive(Debug, Clone)]
pub struct LocalEngine {
    docker: Docker,
    /// As `DOCKER_HOST` has it.
    host: String,
}

impl LocalEngine {
    /// The engine that `DOCKER_HOST` names, else the one at the usual socket. None when there is none.
    pub fn open(environment: &BTreeMap<String, String>) -> Option<Self> {
        let host = environment.get("DOCKER_HOST").filter(|host| !host.is_empty()).map_or(SOCKET, String::as_str);
        let docker = Docker::connect_with_host(host).ok()?;
        Some(Self { docker: docker.with_timeout(EXPORT_LIMIT), host: host.to_owned() })
    }

    /// The way to its builder.
    pub fn door(&self) -> Option<Door> {
        Door::of(&self.host)
    }

    /// The version of its API, if it answers.
    pub async fn api_version(&self) -> Option<String> {
        tokio::time::timeout(ANSWER_LIMIT, self.docker.version()).await.ok()?.ok()?.api_version
    }

    /// Takes a name from an image. It may be gone already.
    pub async fn remove(&self, reference: &str) {
        if let Err(error) = self.docker.remove_image(reference, None::<RemoveImageOptions>, None).await {
            tracing::debug!(%error, reference, "image not removed");
        }
    }

    /// The image with this reference, if this machine has it and its engine answers.
    pub async fn image(&self, reference: &str) -> Option<LocalImage> {
        let inspected = tokio::time::timeout(ANSWER_LIMIT, self.docker.inspect_image(reference)).await.ok()?.ok()?;
        let size = inspected.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        Some(LocalImage {
            fingerprint: fingerprint(&json!(inspected)),
            platform: Platform::new(&text(&inspected.os), &text(&inspected.architecture), &text(&inspected.variant)),
            id: text(&inspected.id),
            store: store(&inspected),
            size,
            made_here: is_made_here(&inspected),
        })
    }

    /// A `docker save` archive of it.
    pub fn export(&self, reference: &str) -> BoxStream<'static, Result<Bytes, String>> {
        self.docker.export_image(reference).map(|part| part.map_err(|error| error.to_string())).boxed()
    }
}

/// The containerd store names an image by the digest that it has at a registry, the classic one by that of its configuration.
fn store(image: &ImageInspect) -> &'static str {
    let id = image.id.as_deref().filter(|id| !id.is_empty());
    let mut digests = image.repo_digests.iter().flatten();
    let is_digest = id.is_some_and(|id| digests.any(|digest| digest.ends_with(id)));
    if is_digest { "containerd" } else { "classic" }
}

/// The classic store gives a digest only to what came from a registry. The containerd store gives one to everything, and
/// says since API 1.53 what was built.
fn is_made_here(image: &ImageInspect) -> bool {
    let built = image.identity.as_ref().and_then(|identity| identity.build.as_ref());
    image.repo_digests.as_ref().is_none_or(Vec::is_empty) || built.is_some_and(|built| !built.is_empty())
}
