//! The image pulls of an operation. The engines of the hosts that need an image pull it before anything else is done.

use std::collections::{BTreeMap, BTreeSet};

use landfast_core::compile::{self, Compiled, ImageCandidates, OtherSource};
use landfast_core::container::Container;
use landfast_core::platform::Platform;
use landfast_core::pull::{self, Pull};

use crate::images::reference::familiar;
use crate::images::{Images, ToPull};
use crate::store::Store;

use super::{MissingImages, ProposalInput, Up};
use crate::observe::ObservedFleet;
use crate::stack::Source;
use crate::{Engine, EngineError};

/// Prefix of the records that hold the time of the last pull of each reference, as Unix time in seconds.
const RECORDS: &str = "pulls/";

/// An image that is pulled even if it may already exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedPull {
    /// Reference of the image.
    pub image: String,
    /// Name of the stack.
    pub stack: String,
    /// Name of the service.
    pub service: String,
    /// Pull policy that requires the pull.
    pub policy: String,
    is_built: bool,
}

/// Returns the pulls that the policies of these sources require, one for each image. Marks the images that earlier
/// runs pulled.
pub(super) async fn due(
    store: &dyn Store,
    images: &mut Images,
    sources: &[Source],
    now: jiff::Timestamp,
) -> Result<Vec<PlannedPull>, EngineError> {
    let mut last = BTreeMap::new();
    for (key, record) in store.range(RECORDS).await? {
        let reference = key.strip_prefix(RECORDS).unwrap_or_default().to_owned();
        images.remember_registry(&reference);
        // A time that cannot be parsed is ignored.
        last.extend(String::from_utf8_lossy(&record.value).parse::<i64>().map(|time| (reference, time)));
    }
    let mut planned: BTreeMap<String, PlannedPull> = BTreeMap::new();
    for source in sources {
        let last = |reference: &str| last.get(&familiar(reference)).copied();
        for Pull { image, service, policy, is_built } in pull::due(&source.project, last, now.as_second()) {
            let one = PlannedPull { image, stack: source.stack.clone(), service, policy, is_built };
            planned.entry(one.image.clone()).and_modify(|known| known.is_built |= is_built).or_insert(one);
        }
    }
    Ok(planned.into_values().collect())
}

/// Returns the pulls for the instances whose container matches `is`, one for each image and platform.
pub(super) fn to_pull(
    observed: &ObservedFleet,
    decided: &[Compiled],
    is: impl Fn(&Container) -> bool,
) -> BTreeSet<ToPull> {
    let instances = decided.iter().flat_map(|compiled| compiled.deployment.instances.values());
    let to_pull = instances.filter(|instance| is(&instance.container)).map(|instance| {
        let written = Platform::parse(&instance.container.platform);
        let own = observed.platforms.get(&instance.host);
        // Another host with the same processor may reach the registry when this one does not.
        let others = observed.platforms.iter().filter(|(_, other)| written.is_some() || Some(*other) == own);
        let others = others.map(|(host, _)| host.clone()).collect::<BTreeSet<_>>();
        let target = written.or_else(|| own.cloned()).unwrap_or_default();
        let (reference, platform) = (instance.container.image.clone(), instance.container.platform.clone());
        ((reference, platform, target, others), instance.host.clone())
    });
    let mut first: BTreeMap<_, BTreeSet<String>> = BTreeMap::new();
    for (what, host) in to_pull {
        first.entry(what).or_default().insert(host);
    }
    let one = |((reference, platform, target, others), needing): ((_, _, _, BTreeSet<String>), BTreeSet<String>)| {
        let hosts = needing.iter().chain(others.difference(&needing)).cloned().collect();
        ToPull { reference, platform, target, hosts, ..ToPull::default() }
    };
    first.into_iter().map(one).collect()
}

impl Engine {
    /// Pulls the images that are due to the hosts that will run them.
    pub(super) async fn pull_due(
        &self,
        store: &dyn Store,
        observed: &ObservedFleet,
        images: &mut Images,
        due: &[PlannedPull],
        decided: &[Compiled],
        now: jiff::Timestamp,
    ) -> Result<(), EngineError> {
        let of = |reference: &str| due.iter().find(|pull| pull.image == reference);
        let to_pull = to_pull(observed, decided, |container| of(&container.image).is_some());
        let unknown = images.resolve(&due.iter().map(|pull| pull.image.clone()).collect()).unknown;
        let to_pull = to_pull.into_iter().map(|one| ToPull {
            is_there: !unknown.contains(&one.reference),
            is_built: of(&one.reference).is_some_and(|pull| pull.is_built),
            ..one
        });
        self.pull(store, observed, images, &to_pull.collect::<Vec<_>>(), now).await
    }

    /// Pulls these images, and records the time.
    pub(super) async fn pull(
        &self,
        store: &dyn Store,
        observed: &ObservedFleet,
        images: &mut Images,
        to_pull: &[ToPull],
        now: jiff::Timestamp,
    ) -> Result<(), EngineError> {
        let pulled = images.pull(&observed.agents, to_pull, &self.listener).await?;
        for reference in pulled.iter().map(|reference| familiar(reference)).collect::<BTreeSet<_>>() {
            let time = now.as_second().to_string().into_bytes();
            let record = store.overwrite(format!("{RECORDS}{reference}"), time).await?;
            store.txn(vec![record]).await?;
        }
        Ok(())
    }

    /// Compiles the sources with their images. An image that only a registry may have is pulled now, or only reported.
    pub(super) async fn decide_images(
        &self,
        store: &dyn Store,
        observed: &ObservedFleet,
        images: &mut Images,
        sources: &[Source],
        up: &Up,
        input: &mut ProposalInput,
    ) -> Result<Vec<Compiled>, EngineError> {
        let references = references(sources);
        let mut resolution = images.resolve(&references);
        for (reference, meaning) in &mut resolution.meanings {
            if input.comes_first(reference) {
                meaning.other_source = OtherSource::Pending;
            }
        }
        let decided = self.decide(store, observed, sources, &resolution.meanings).await?;
        let missing = to_pull(observed, &decided, |container| {
            container.image_fingerprint.is_empty() && !input.comes_first(&container.image)
        });
        if up.missing_images == MissingImages::Warn || missing.is_empty() {
            let warnings = missing.iter().map(|one| not_pulled(one, &resolution.unknown));
            input.warnings.extend(resolution.warnings.into_iter().chain(warnings));
            return Ok(decided);
        }
        self.pull(store, observed, images, &missing.into_iter().collect::<Vec<_>>(), up.now).await?;
        let resolution = images.resolve(&references);
        input.warnings.extend(resolution.warnings);
        self.decide(store, observed, sources, &resolution.meanings).await
    }
}

/// Returns the images that these sources name.
pub(super) fn references(sources: &[Source]) -> BTreeSet<String> {
    sources.iter().flat_map(|source| compile::images(&source.project)).collect()
}

/// Returns candidates for images that are built or pulled before the deployment.
pub(super) fn undecided(references: &BTreeSet<String>) -> BTreeMap<String, ImageCandidates> {
    let pending = ImageCandidates { other_source: OtherSource::Pending, ..ImageCandidates::default() };
    references.iter().map(|reference| (reference.clone(), pending.clone())).collect()
}

/// Returns the warning about an image that `plan` cannot resolve.
fn not_pulled(one: &ToPull, unknown: &BTreeSet<String>) -> String {
    let ToPull { reference, platform, hosts, .. } = one;
    if unknown.contains(reference) {
        return format!("image {reference} is not on any host or on this machine: `up` pulls it from its registry");
    }
    let whose = if platform.is_empty() { hosts.first().map_or("", String::as_str) } else { platform };
    format!("image {reference} is not available for {whose}: `up` pulls it from its registry")
}
