//! Choice of the image of an instance: the image of its reference that fits the platform of its host.
use std::collections::BTreeSet;

use super::container_input::ContainerInput;
use crate::findings::Findings;
use crate::platform::Platform;
use crate::pull::Policy;

/// Images that a reference may refer to in the fleet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageCandidates {
    /// Images found by this reference, one for each platform.
    pub found: Vec<FoundImage>,
    /// Where else an image may come from.
    pub other_source: OtherSource,
}

/// An image on a host of the fleet or on this machine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundImage {
    /// Fingerprint of the image.
    pub fingerprint: String,
    /// Platform of the image.
    pub platform: Platform,
    /// Hosts that have the image under this reference.
    pub hosts: BTreeSet<String>,
}

/// Source of an image that was not found yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum OtherSource {
    /// There is no other source.
    None,
    /// A registry, which `up` asks unless the pull policy is `never`.
    #[default]
    Registry,
    /// The image is built or pulled before the deployment, whatever was found.
    Pending,
}

/// Requirements of one instance for its image.
struct ImageRequest<'a> {
    reference: &'a str,
    /// Platform from `platform:` of the service.
    platform: Option<Platform>,
    host: &'a str,
    /// Platform of the host's engine.
    engine: Platform,
}

/// Returns the fingerprint of the image of an instance. It is empty if only `up` can find the image.
pub(super) fn fingerprint(input: ContainerInput<'_>, reference: &str, findings: &mut Findings<'_>) -> String {
    if reference.is_empty() {
        // A service without an image has been refused already.
        return String::new();
    }
    let Some(candidates) = input.compile.images.get(reference) else {
        let message = format!("the image {reference} was not found");
        findings.refuse(input.path("image"), message).needed_by(&input.name.service);
        return String::new();
    };
    let Ok(request) = request(input, reference, findings) else { return String::new() };
    if let Some(found) = request.best_of(&candidates.found) {
        request.warn_of_emulation(found, input, findings);
        return found.fingerprint.clone();
    }
    let is_there = candidates.found.iter().any(|found| found.hosts.contains(request.host));
    let may_ask = Policy::of(input.service()) != Policy::Never && !is_there;
    let is_open = match candidates.other_source {
        OtherSource::None => false,
        OtherSource::Registry => may_ask,
        OtherSource::Pending => true,
    };
    if !is_open {
        request.refuse(candidates, input, findings);
    }
    String::new()
}

fn request<'a>(
    input: ContainerInput<'a>,
    reference: &'a str,
    findings: &mut Findings<'_>,
) -> Result<ImageRequest<'a>, ()> {
    let written = input.service().platform.as_deref().filter(|text| !text.is_empty());
    let platform = match written.map(|text| (text, Platform::parse(text))) {
        Some((text, None)) => {
            let message = format!("{text} is not a platform: expected a value such as linux/arm64 or linux/arm/v7");
            findings.refuse(input.path("platform"), message);
            return Err(());
        }
        Some((_, platform)) => platform,
        None => None,
    };
    let host = input.place.host.as_str();
    let engine = input.compile.platforms.get(host).cloned().unwrap_or_default();
    Ok(ImageRequest { reference, platform, host, engine })
}

impl ImageRequest<'_> {
    /// Returns the best image for the platform: first one that the host has, then one for exactly this platform, then any that runs.
    fn best_of<'f>(&self, found: &'f [FoundImage]) -> Option<&'f FoundImage> {
        let target = self.platform.as_ref().unwrap_or(&self.engine);
        let fitting = || found.iter().filter(|found| target.runs(&found.platform));
        let own = fitting().find(|found| found.hosts.contains(self.host));
        own.or_else(|| fitting().find(|found| found.platform == *target)).or_else(|| fitting().next())
    }

    /// Warns if the host runs the image only by emulation, which requires that the user set it up.
    fn warn_of_emulation(&self, found: &FoundImage, input: ContainerInput<'_>, findings: &mut Findings<'_>) {
        let Self { reference, host, engine, .. } = self;
        if engine.runs(&found.platform) {
            return;
        }
        let message = format!(
            "{host} is {engine}, so it runs {reference} for {} only if it emulates that processor",
            found.platform
        );
        findings.warn(input.path("platform"), message);
    }

    fn refuse(&self, candidates: &ImageCandidates, input: ContainerInput<'_>, findings: &mut Findings<'_>) {
        let Self { reference, host, engine, .. } = self;
        let hosts = input.compile.platforms;
        if candidates.found.is_empty() {
            let message = format!("the image {reference} was not found on any host or on this machine");
            let key = if Policy::of(input.service()) == Policy::Never { "pull_policy" } else { "image" };
            findings.refuse(input.path(key), message).hint = Some(self.not_found_hint(input));
            return;
        }
        let may_ask = candidates.other_source == OtherSource::Registry && Policy::of(input.service()) != Policy::Never;
        let ask = if may_ask { " (`--pull always` asks the registry)" } else { "" };
        let there = list(candidates.found.iter().map(|found| found.platform.to_string()));
        if let Some(platform) = &self.platform {
            let message = format!("{reference} is for {there}, not for {platform}");
            let hint = format!("build or pull {reference} for {platform}{ask}, or correct `platform`");
            findings.refuse(input.path("platform"), message).hint = Some(hint);
            return;
        }
        let is_able = |platform: &Platform| candidates.found.iter().any(|found| platform.runs(&found.platform));
        let able = list(hosts.iter().filter(|(_, platform)| is_able(platform)).map(|(host, _)| host.clone()));
        let place = if able.is_empty() { String::new() } else { format!("place the service on {able}, or ") };
        let hint = format!(
            "{place}build or pull {reference} for {engine}{ask}; write `platform: {}` if {host} emulates that processor",
            candidates.found.first().map(|found| found.platform.to_string()).unwrap_or_default()
        );
        let message = format!("{reference} is for {there}, and {host} is {engine}");
        findings.refuse(input.path("image"), message).hint = Some(hint);
    }

    fn not_found_hint(&self, input: ContainerInput<'_>) -> String {
        let asked = list(input.compile.fleet.hosts.keys().cloned());
        match Policy::of(input.service()) {
            Policy::Never => format!(
                "with `pull_policy: never` no registry is asked; Landfast searched {asked} and this machine's engine: load {} on \
                 one of them, or remove the policy",
                self.reference
            ),
            _ => format!("Landfast searched {asked} and this machine's engine: build or load {}", self.reference),
        }
    }
}

/// Joins names with commas, each name once: `alpha, beta`.
fn list(names: impl Iterator<Item = String>) -> String {
    names.collect::<BTreeSet<_>>().into_iter().collect::<Vec<_>>().join(", ")
}
