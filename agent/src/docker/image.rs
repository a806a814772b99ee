//! Images: lists and describes them (see [`landfast_agreement::fingerprint`]), and loads, exports, pulls, tags and
//! removes them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bollard::models::{ImageInspect, ImageSummary};
use bollard::query_parameters::{
    CreateImageOptions, ImportImageOptions, ListImagesOptions, RemoveImageOptions, TagImageOptions,
};
use bytes::Bytes;
use futures::stream::{self, Stream, StreamExt as _, TryStreamExt as _};
use landfast_agent_core::observed::{Images, normalised};
use landfast_agreement::fingerprint::fingerprint;
use serde_json::json;

use super::{Engine, EngineError, IMAGE, LONG, SHORT};
use crate::error_text::in_one_line;
use crate::wire;

/// Maximum number of images that are described at a time.
const AT_ONCE: usize = 8;

/// What is known of the engine's images. The containerd store takes 100 ms to list them, so the list is kept until the
/// engine reports a change.
#[derive(Default)]
pub(crate) struct ImageCache(Mutex<Known>);

#[derive(Default)]
struct Known {
    /// Descriptions by image id, without references and size. They never change.
    images: HashMap<String, wire::Image>,
    list: Option<Vec<wire::Image>>,
    /// Number of times that the engine's images have changed.
    changes: u64,
}

/// All tagged images.
#[derive(Debug, Default)]
pub(crate) struct ListedImages {
    /// Images with their descriptions.
    pub(crate) images: Vec<wire::Image>,
    /// Why images could not be described, by reference.
    pub(crate) unknown: BTreeMap<String, String>,
}

/// One image of the list.
enum Described {
    Image(wire::Image),
    /// It was deleted meanwhile, or has no contents for this platform, so that no container can be created from it.
    Absent,
    /// The engine does not answer about it.
    Unknown {
        references: BTreeSet<String>,
        reason: String,
    },
}

impl Engine {
    /// Lists all tagged images with their descriptions. Asks the engine only if its images have changed, or if it could not
    /// describe all of them the last time.
    pub(crate) async fn list_images(&self, cache: &ImageCache) -> Result<ListedImages, EngineError> {
        let (known, changes) = cache.list();
        if let Some(images) = known {
            return Ok(ListedImages { images, unknown: BTreeMap::new() });
        }
        let options = ListImagesOptions { all: false, ..ListImagesOptions::default() };
        let listed = self.within(SHORT, self.client()?.list_images(Some(options))).await?;
        let described = stream::iter(listed).map(|image| self.describe_image(image, cache)).buffered(AT_ONCE);
        let mut listed = ListedImages::default();
        for described in described.try_collect::<Vec<_>>().await? {
            match described {
                Described::Image(image) => listed.images.push(image),
                Described::Absent => {}
                Described::Unknown { references, reason } => {
                    listed.unknown.extend(references.into_iter().map(|it| (normalised(&it), reason.clone())));
                }
            }
        }
        if listed.unknown.is_empty() {
            cache.keep_list(&listed.images, changes);
        }
        Ok(listed)
    }

    /// Describes an image of the list. One about which the engine does not answer does not prevent the others.
    async fn describe_image(&self, image: ImageSummary, cache: &ImageCache) -> Result<Described, EngineError> {
        let references = image.repo_tags.into_iter().chain(image.repo_digests);
        let references: BTreeSet<String> = references.filter(|reference| !reference.contains("<none>")).collect();
        let known = match cache.get(&image.id) {
            Some(known) => known,
            None => match self.within(SHORT, self.client()?.inspect_image(&image.id)).await {
                Ok(found) => cache.keep(described(&image.id, &found)),
                Err(error) if error.is_not_found() => {
                    tracing::debug!(image = image.id, error = %error, "image not described");
                    return Ok(Described::Absent);
                }
                Err(error @ EngineError::Unreachable { .. }) => return Err(error),
                Err(error) => {
                    let references = references.into_iter().chain([image.id]).collect();
                    return Ok(Described::Unknown { references, reason: in_one_line(&error) });
                }
            },
        };
        let (references, size) = (references.into_iter().collect(), u64::try_from(image.size).unwrap_or(0));
        Ok(Described::Image(wire::Image { references, size, ..known }))
    }

    /// Describes an image, without its references; `None` if the engine does not have it.
    pub(crate) async fn image(&self, reference: &str) -> Result<Option<wire::Image>, EngineError> {
        match self.within(SHORT, self.client()?.inspect_image(reference)).await {
            Ok(found) => {
                let size = found.size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0);
                Ok(Some(wire::Image { size, ..described(found.id.as_deref().unwrap_or_default(), &found) }))
            }
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Returns the fingerprint of an image; `None` if the engine does not have it.
    pub(crate) async fn fingerprint(&self, reference: &str) -> Result<Option<String>, EngineError> {
        Ok(self.image(reference).await?.map(|image| image.fingerprint))
    }

    /// Gives the image `id` the name `reference`.
    pub(crate) async fn tag_image(&self, id: &str, reference: &str) -> Result<(), EngineError> {
        let (repo, tag) = name_and_tag(reference);
        let options = TagImageOptions { repo: Some(repo.to_owned()), tag: tag.map(str::to_owned) };
        self.within(SHORT, self.client()?.tag_image(id, Some(options))).await
    }

    /// Loads a `docker save` archive while it arrives.
    pub(crate) async fn load_image(
        &self,
        archive: impl Stream<Item = Result<Bytes, std::io::Error>> + Send + 'static,
    ) -> Result<(), EngineError> {
        let options = ImportImageOptions { quiet: true, ..ImportImageOptions::default() };
        let progress = self.client()?.import_image_stream(options, archive, None);
        self.within(IMAGE, progress.try_for_each(|_| std::future::ready(Ok(())))).await
    }

    /// Exports an image as a `docker save` archive.
    pub(crate) fn export_image(
        &self,
        reference: &str,
    ) -> Result<impl Stream<Item = Result<Bytes, EngineError>> + Send + use<>, EngineError> {
        let engine = self.clone();
        let client = self.client()?.clone();
        let reference = reference.to_owned();
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        // The client's stream borrows the client.
        tokio::spawn(async move {
            let mut archive = client.export_image(&reference);
            while let Some(part) = archive.next().await {
                if sender.send(part.map_err(|error| engine.error(error))).await.is_err() {
                    break;
                }
            }
        });
        Ok(tokio_stream::wrappers::ReceiverStream::new(receiver))
    }

    /// Makes the engine pull an image from its registry, for this platform or, if it is empty, for the engine's own.
    pub(crate) async fn pull_image(&self, reference: &str, platform: &str) -> Result<(), EngineError> {
        let (name, tag) = name_and_tag(reference);
        let tag = if reference.contains('@') { None } else { Some(tag.unwrap_or("latest").to_owned()) };
        let platform = platform.to_owned();
        let options =
            CreateImageOptions { from_image: Some(name.to_owned()), tag, platform, ..CreateImageOptions::default() };
        let progress = self.client()?.create_image(Some(options), None, None);
        let finished = progress.try_for_each(|info| {
            let failed = info.error_detail.and_then(|detail| detail.message);
            std::future::ready(match failed {
                Some(error) => Err(bollard::errors::Error::DockerStreamError { error }),
                None => Ok(()),
            })
        });
        self.within(IMAGE, finished).await
    }
}

impl Engine {
    /// Removes a name of an image, and the image with its last name. It is no error if it is gone already.
    pub(crate) async fn remove_image(&self, reference: &str) -> Result<(), EngineError> {
        match self.within(LONG, self.client()?.remove_image(reference, None::<RemoveImageOptions>, None)).await {
            Err(error) if error.is_not_found() => Ok(()),
            answer => answer.map(drop),
        }
    }
}

impl ImageCache {
    /// Forgets the list, because the engine's images have changed or may have.
    pub(crate) fn forget_list(&self) {
        let mut known = self.known();
        known.list = None;
        known.changes += 1;
    }

    fn list(&self) -> (Option<Vec<wire::Image>>, u64) {
        let known = self.known();
        (known.list.clone(), known.changes)
    }

    /// Keeps a list, unless the images changed while they were listed.
    fn keep_list(&self, list: &[wire::Image], changes: u64) {
        let mut known = self.known();
        if known.changes == changes {
            known.list = Some(list.to_vec());
        }
    }

    fn get(&self, id: &str) -> Option<wire::Image> {
        self.known().images.get(id).cloned()
    }

    fn keep(&self, image: wire::Image) -> wire::Image {
        self.known().images.insert(image.id.clone(), image.clone());
        image
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the properties of an image that never change.
fn described(id: &str, found: &ImageInspect) -> wire::Image {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    wire::Image {
        id: id.to_owned(),
        fingerprint: fingerprint(&json!(found)),
        os: text(&found.os),
        architecture: text(&found.architecture),
        variant: text(&found.variant),
        ..wire::Image::default()
    }
}

/// Returns the images in the form in which plans look them up.
pub(crate) fn lookup(images: &[wire::Image]) -> Images {
    let references: BTreeMap<String, String> = images
        .iter()
        .flat_map(|image| image.references.iter().map(|name| (normalised(name), image.fingerprint.clone())))
        .collect();
    let ids = images.iter().map(|image| (image.fingerprint.clone(), image.id.clone())).collect();
    Images { references, ids }
}

/// Splits a reference into name and tag: `host:5000/a:1` becomes `host:5000/a` and `1`. A digest stays with the name.
fn name_and_tag(reference: &str) -> (&str, Option<&str>) {
    if reference.contains('@') {
        return (reference, None);
    }
    match reference.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (reference, None),
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ImageInspect;

    use super::{ImageCache, described, name_and_tag};
    use crate::wire;

    #[test]
    fn a_list_is_known_until_the_images_change() {
        let (cache, images) = (ImageCache::default(), [wire::Image { id: "a".to_owned(), ..wire::Image::default() }]);
        cache.keep_list(&images, cache.list().1);
        assert_eq!(cache.list().0.as_deref(), Some(&images[..]));
        cache.forget_list();
        assert_eq!(cache.list().0, None);
    }

    #[test]
    fn a_list_during_which_the_images_changed_is_not_kept() {
        let cache = ImageCache::default();
        let before = cache.list().1;
        cache.forget_list();
        cache.keep_list(&[], before);
        assert_eq!(cache.list().0, None);
    }

    #[test]
    fn an_image_is_described_with_its_platform() {
        let json = r#"{"Os": "linux", "Architecture": "arm", "Variant": "v7"}"#;
        let image = described("sha256:aa", &serde_json::from_str(json).expect("as the engine says it"));
        let parts = [&image.id, &image.os, &image.architecture, &image.variant].map(String::as_str);
        assert_eq!(parts, ["sha256:aa", "linux", "arm", "v7"]);
        let silent = described("sha256:bb", &ImageInspect::default());
        assert_eq!([&silent.os, &silent.architecture, &silent.variant].map(String::as_str), ["", "", ""]);
        assert_ne!(image.fingerprint, silent.fingerprint);
    }

    #[test]
    fn the_port_of_a_registry_is_not_a_tag() {
        assert_eq!(name_and_tag("localhost:5000/a"), ("localhost:5000/a", None));
        assert_eq!(name_and_tag("localhost:5000/a:1"), ("localhost:5000/a", Some("1")));
        assert_eq!(name_and_tag("a@sha256:00"), ("a@sha256:00", None));
    }
}
