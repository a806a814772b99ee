//! Rule about image tags, and the parts of an image reference.
use super::{Remark, ServiceInput};

/// The parts of a reference: `registry.lan:5000/team/app:1.2@sha256:…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reference<'a> {
    /// `registry.lan:5000/team/app`
    pub(super) repository: &'a str,
    /// `1.2`
    pub(super) tag: Option<&'a str>,
    /// `sha256:…`
    pub(super) digest: Option<&'a str>,
}

impl<'a> Reference<'a> {
    pub(super) fn parse(text: &'a str) -> Self {
        let (named, digest) = text.split_once('@').map_or((text, None), |(named, digest)| (named, Some(digest)));
        let (repository, tag) = match named.rsplit_once(':') {
            // The colon of a registry's port is before a slash.
            Some((repository, tag)) if !tag.contains('/') => (repository, Some(tag).filter(|tag| !tag.is_empty())),
            _ => (named, None),
        };
        Self { repository, tag, digest }
    }

    /// `app`
    pub(super) fn name(&self) -> &'a str {
        self.repository.rsplit('/').next().unwrap_or(self.repository)
    }

    /// Whether the repository is in this namespace of a registry, such as `bitnami`.
    pub(super) fn is_of(&self, namespace: &str) -> bool {
        self.repository.split('/').rev().skip(1).any(|part| part == namespace)
    }
}

/// LF001: reports images without a fixed tag. An image that the project builds needs none: the folder decides what it is.
pub(super) fn tag(input: ServiceInput<'_>) -> Vec<Remark> {
    let Some(image) = input.service.image.as_deref().filter(|_| input.service.build.is_none()) else {
        return Vec::new();
    };
    let Reference { repository, tag, digest } = Reference::parse(image);
    let message = match (tag, digest) {
        (_, Some(_)) => return Vec::new(),
        (None, None) => format!("{}'s image {image} has no tag, which means latest", input.name),
        (Some("latest"), None) => format!("{}'s image {image} is the one that was pushed last", input.name),
        _ => return Vec::new(),
    };
    let help =
        format!("name a version, such as {repository}:1.2, so that every host and every rollback gets the same image");
    vec![input.remark("image", message, help)]
}

#[cfg(test)]
mod tests {
    use super::Reference;

    #[test]
    fn a_reference_falls_into_its_parts() {
        let parts = |text| {
            let reference = Reference::parse(text);
            (reference.repository, reference.tag, reference.digest.is_some(), reference.name())
        };
        assert_eq!(parts("app"), ("app", None, false, "app"));
        assert_eq!(parts("registry.lan:5000/team/app"), ("registry.lan:5000/team/app", None, false, "app"));
        assert_eq!(parts("registry.lan:5000/app:1.2"), ("registry.lan:5000/app", Some("1.2"), false, "app"));
        assert_eq!(parts("app@sha256:00"), ("app", None, true, "app"));
        assert_eq!(parts("app:1@sha256:00"), ("app", Some("1"), true, "app"));
        assert_eq!(parts("app:"), ("app", None, false, "app"));
    }
}
