//! The engine of the machine that runs `landfast`, which is one of the sources of images.

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

use crate::image_build::BuilderAddress;

const SOCKET: &str = "unix:///var/run/docker.sock";
/// Time limit for a response. The engine is local, so a slower one is unavailable.
const ANSWER_LIMIT: Duration = Duration::from_secs(2);
/// Time limit for the export of an image, including large ones on slow disks.
const EXPORT_LIMIT: Duration = Duration::from_secs(3600);

/// An image in this machine's engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LocalImage {
    pub fingerprint: String,
    pub platform: Platform,
    /// The engine's id of the image.
    pub id: String,
    /// Kind of the image store: `classic` or `containerd`.
    pub store: &'static str,
    /// Unpacked size in bytes.
    pub size: u64,
    /// Whether the image was built or loaded on this machine instead of pulled from a registry.
    pub made_here: bool,
}

/// The engine of this machine.
#[derive(Debug, Clone)]
pub struct LocalEngine {
    docker: Docker,
    /// Address of the engine in the format of `DOCKER_HOST`.
    host: String,
}

impl LocalEngine {
    /// Opens the engine that `DOCKER_HOST` names, or else the one at the default socket. Returns `None` for an invalid
    /// address.
    pub fn open(environment: &BTreeMap<String, String>) -> Option<Self> {
        let host = environment.get("DOCKER_HOST").filter(|host| !host.is_empty()).map_or(SOCKET, String::as_str);
        let docker = Docker::connect_with_host(host).ok()?;
        Some(Self { docker: docker.with_timeout(EXPORT_LIMIT), host: host.to_owned() })
    }

    /// Address of the engine's builder.
    pub fn builder_address(&self) -> Option<BuilderAddress> {
        BuilderAddress::of(&self.host)
    }

    /// The API version, if the engine responds.
    pub async fn api_version(&self) -> Option<String> {
        tokio::time::timeout(ANSWER_LIMIT, self.docker.version()).await.ok()?.ok()?.api_version
    }

    /// Removes a tag from an image. The image may not exist any more.
    pub async fn remove(&self, reference: &str) {
        if let Err(error) = self.docker.remove_image(reference, None::<RemoveImageOptions>, None).await {
            tracing::debug!(%error, reference, "image not removed");
        }
    }

    /// The image with this reference, if the engine responds and has it.
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

    /// Exports the image as a `docker save` archive.
    pub fn export(&self, reference: &str) -> BoxStream<'static, Result<Bytes, String>> {
        self.docker.export_image(reference).map(|part| part.map_err(|error| error.to_string())).boxed()
    }
}

/// Detects the kind of the image store. The containerd store uses an image's registry digest as its id; the classic
/// store uses the digest of the configuration.
fn store(image: &ImageInspect) -> &'static str {
    let id = image.id.as_deref().filter(|id| !id.is_empty());
    let mut digests = image.repo_digests.iter().flatten();
    let is_digest = id.is_some_and(|id| digests.any(|digest| digest.ends_with(id)));
    if is_digest { "containerd" } else { "classic" }
}

/// Whether the image was built or loaded locally. The classic store has registry digests only for pulled images. The
/// containerd store has one for every image, but reports since API 1.53 which images were built.
fn is_made_here(image: &ImageInspect) -> bool {
    let built = image.identity.as_ref().and_then(|identity| identity.build.as_ref());
    image.repo_digests.as_ref().is_none_or(Vec::is_empty) || built.is_some_and(|built| !built.is_empty())
}
