//! JSON of the verbs that deploy, and of what they recorded.

use landfast_engine::event::NumberedRelease;
use landfast_engine::operation::releases;
use schemars::JsonSchema;
use serde::Serialize;

/// Result of `up`, `down`, `sync` and `rollback`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Outcome<'a> {
    /// `done`, `partial` (steps were left out because their host is away) or `unchanged`.
    outcome: &'static str,
    /// Number of steps that were carried out.
    steps: usize,
    /// Releases that were deployed.
    releases: Vec<DeployedRelease<'a>>,
    /// Steps that were left out because their host is away.
    owed: &'a [String],
}

/// A release that was deployed.
#[derive(Debug, Serialize, JsonSchema)]
struct DeployedRelease<'a> {
    /// Name of the stack.
    stack: &'a str,
    /// Number of the release.
    release: u64,
}

impl<'a> From<&'a landfast_engine::operation::Outcome> for Outcome<'a> {
    fn from(outcome: &'a landfast_engine::operation::Outcome) -> Self {
        use landfast_engine::operation::Outcome as Of;
        let release =
            |NumberedRelease { stack, number }: &'a NumberedRelease| DeployedRelease { stack, release: *number };
        match outcome {
            Of::Unchanged => Self { outcome: "unchanged", steps: 0, releases: Vec::new(), owed: &[] },
            Of::Done { steps, releases, owed } => Self {
                outcome: if owed.is_empty() { "done" } else { "partial" },
                steps: *steps,
                releases: releases.iter().map(release).collect(),
                owed,
            },
            Of::Built { images } => Self { outcome: "done", steps: images.len(), releases: Vec::new(), owed: &[] },
        }
    }
}

/// A release in the list of `history`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Release<'a> {
    /// Name of the stack.
    stack: &'a str,
    /// Number of the release.
    release: u64,
    /// Time at which the deployment began: RFC 3339, UTC.
    time: &'a str,
    /// Environment that was chosen, or null.
    env: Option<&'a str>,
    /// Number of instances.
    instances: usize,
    /// Digest of the bundle.
    bundle: &'a str,
    /// `done`, `failed` or `stopped`.
    outcome: String,
}

impl<'a> From<&'a releases::Release> for Release<'a> {
    fn from(release: &'a releases::Release) -> Self {
        Self {
            stack: &release.stack,
            release: release.number,
            time: &release.time,
            env: release.env.as_deref(),
            instances: release.deployment.instances.len(),
            bundle: &release.manifest,
            outcome: release.outcome.to_string(),
        }
    }
}

/// A line that a service wrote.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LogLine<'a> {
    /// Name of the instance.
    pub(crate) instance: &'a str,
    /// `stdout` or `stderr`.
    pub(crate) stream: &'a str,
    /// Time at which the line was written: RFC 3339, UTC; empty if it is not known.
    pub(crate) time: &'a str,
    /// The line.
    pub(crate) line: &'a str,
}
