//! What an image is, equal for equal images on both of Docker's image stores.

use bollard::models::ImageInspect;

/// The image's identity, computed as the agents compute it.
pub(super) fn fingerprint(image: &ImageInspect) -> String {
    image.id.clone().unwrap_or_default()
}
