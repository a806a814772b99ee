//! Words for the events of a run.

use indicatif::BinaryBytes;
use landfast_engine::event::{Content, Event, NumberedRelease, Warning};
use landfast_engine::operation::{PlannedBuild, PlannedPull};
use landfast_engine::text::sentence;

use super::count;

/// Returns the line for an event. Transfers and warnings are shown in other ways: see [`content`] and [`warning`].
pub fn event(event: &Event) -> String {
    match event {
        Event::Resumed { releases } => format!("resuming {}, which was interrupted", rollout(releases)),
        Event::StepStarted(step) => sentence(step),
        Event::StepWaiting { step, observed } => format!("{}: {observed}", sentence(step)),
        Event::StepDone(step) => format!("{}: done", sentence(step)),
        Event::StepFailed { step, problem } => format!("{}: failed: {problem}", sentence(step)),
        Event::BuildPlanned(build) => format!("build images: {}", planned_build(build)),
        Event::BuildStarted { image } => format!("build image {image}"),
        Event::BuildFolderStarted { build, image } => {
            format!("{}build context {image} first, as an image", prefix(build.as_deref()))
        }
        Event::BuildLine { build, line } => format!("{}{line}", prefix(build.as_deref())),
        Event::BuildsAbandoned { images } => format!("not built, because another build failed: {}", images.join(", ")),
        Event::TransferStarted { content, .. } => self::content(content),
        Event::TransferAdvanced { .. } | Event::TransferEnded { .. } => String::new(),
        Event::Warning(warning) => self::warning(warning),
    }
}

/// Returns the text of a warning.
pub fn warning(warning: &Warning) -> String {
    match warning {
        Warning::Superseded { releases } => {
            format!("{} was interrupted, and this run replaces it", rollout(releases))
        }
        Warning::Stopping => "stopping after the running steps; interrupt again to stop immediately".to_owned(),
        Warning::BuildKeyIgnored(diagnostic) => diagnostic.to_string(),
        Warning::PullFailed { reference, refusals } => {
            let why = refusals.join("; ");
            format!("image {reference} could not be pulled; the existing image or a build is used: {why}")
        }
        Warning::NotRecorded { host, problem } => {
            format!("the history that {host} keeps does not contain the end of this run: {problem}")
        }
        Warning::HistoryIncomplete { problem } => format!("the history may be incomplete: {problem}"),
        Warning::ImageNotRemoved { host, image, problem } => {
            format!("{host}: the temporary image {image} of a build could not be removed: {problem}")
        }
        Warning::LoginsUnreadable { path, problem } => {
            format!("cannot read {}: {problem}; no registry logins are used", path.display())
        }
    }
}

/// Returns the description of a transfer.
pub fn content(content: &Content) -> String {
    match content {
        Content::Files { host, stack, count: files } => format!("{host}: {} of {stack}", count(*files, "file")),
        Content::Image { host, reference, origin } => format!("{host}: image {reference} from {origin}"),
    }
}

/// Returns the description of a build before it begins.
pub fn planned_build(build: &PlannedBuild) -> String {
    let PlannedBuild { image, context, files, bytes, host, .. } = build;
    let host = host.as_ref().map(|host| format!(" on {host}")).unwrap_or_default();
    format!("{image} from {context} ({}, {}){host}", count(*files, "file"), BinaryBytes(*bytes))
}

/// Returns the description of a pull before it begins.
pub fn planned_pull(pull: &PlannedPull) -> String {
    let PlannedPull { image, stack, service, policy, .. } = pull;
    format!("{image} (pull_policy of {stack}/{service}: {policy})")
}

/// Returns the releases of a rollout, such as `release 3 of data`.
fn rollout(releases: &[NumberedRelease]) -> String {
    if releases.is_empty() { "a rollout".to_owned() } else { self::releases(releases) }
}

/// Returns the names of releases: `release 3 of data, release 1 of web`.
pub fn releases(releases: &[NumberedRelease]) -> String {
    let names = releases.iter().map(|release| format!("release {} of {}", release.number, release.stack));
    names.collect::<Vec<_>>().join(", ")
}

/// Returns the beginning of a builder's line when several builds run side by side.
fn prefix(build: Option<&str>) -> String {
    build.map(|image| format!("{image}: ")).unwrap_or_default()
}
