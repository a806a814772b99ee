//! JSON of the verbs that deploy, and of what they recorded.

use std::collections::BTreeMap;

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

/// A release of a stack.
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
    /// `up`, `rollback`, `sync` or `down`.
    operation: String,
    /// Number of instances.
    instances: usize,
    /// Digest of the bundle.
    bundle: &'a str,
    /// `done`, `partial`, `failed` or `stopped`; `running` if the run has not ended or was killed.
    outcome: String,
    /// Steps that were left out because their host was away.
    owed: &'a [String],
}

impl<'a> From<&'a releases::Release> for Release<'a> {
    fn from(release: &'a releases::Release) -> Self {
        Self {
            stack: &release.stack,
            release: release.number,
            time: &release.time,
            env: release.env.as_deref(),
            operation: release.operation.to_string(),
            instances: release.instances(),
            bundle: &release.manifest,
            outcome: release.outcome.to_string(),
            owed: &release.owed,
        }
    }
}

/// What the local store contains after `recover`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Recovered<'a> {
    /// Number of hosts whose state is known.
    hosts: usize,
    /// Number of releases by stack.
    stacks: &'a BTreeMap<String, usize>,
    /// Releases that cannot be deployed again, because no host that answers has their deployment.
    without_deployment: Vec<DeployedRelease<'a>>,
}

impl<'a> From<&'a releases::Recovered> for Recovered<'a> {
    fn from(recovered: &'a releases::Recovered) -> Self {
        let releases::Recovered { hosts, stacks, without_deployment } = recovered;
        let release = |it: &'a NumberedRelease| DeployedRelease { stack: &it.stack, release: it.number };
        Self { hosts: *hosts, stacks, without_deployment: without_deployment.iter().map(release).collect() }
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
