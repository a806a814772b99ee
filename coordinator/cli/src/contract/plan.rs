//! JSON of `plan`.

use landfast_core::plan;
use landfast_engine::operation::{PlannedBuild, PlannedPull, Proposal};
use schemars::JsonSchema;
use serde::Serialize;

/// A plan with the images that are built and pulled for it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Plan<'a> {
    /// Steps in their order.
    #[schemars(with = "Vec<serde_json::Value>")]
    steps: &'a [plan::Step],
    /// What to know before the plan is carried out.
    warnings: &'a [String],
    /// Images that are built.
    builds: Vec<Build<'a>>,
    /// Images that are pulled even if a host has them.
    pulls: Vec<Pull<'a>>,
}

/// An image that is built.
#[derive(Debug, Serialize, JsonSchema)]
struct Build<'a> {
    /// Reference of the image.
    image: &'a str,
    /// Name of the stack.
    stack: &'a str,
    /// Name of the service.
    service: &'a str,
    /// Build context, relative to the stack's folder if it is in it.
    context: &'a str,
    /// Number of files in the context.
    files: usize,
    /// Size of the context in bytes.
    bytes: u64,
    /// Host that builds, or null for this machine.
    host: Option<&'a str>,
}

/// An image that a registry is asked for.
#[derive(Debug, Serialize, JsonSchema)]
struct Pull<'a> {
    /// Reference of the image.
    image: &'a str,
    /// Name of the stack.
    stack: &'a str,
    /// Name of the service.
    service: &'a str,
    /// Pull policy of the service.
    policy: &'a str,
}

impl<'a> From<&'a Proposal> for Plan<'a> {
    fn from(proposal: &'a Proposal) -> Self {
        Self {
            steps: &proposal.plan.steps,
            warnings: &proposal.plan.warnings,
            builds: proposal.builds.iter().map(Build::from).collect(),
            pulls: proposal.pulls.iter().map(Pull::from).collect(),
        }
    }
}

impl<'a> From<&'a PlannedBuild> for Build<'a> {
    fn from(build: &'a PlannedBuild) -> Self {
        let PlannedBuild { image, stack, service, context, files, bytes, host } = build;
        Self { image, stack, service, context, files: *files, bytes: *bytes, host: host.as_deref() }
    }
}

impl<'a> From<&'a PlannedPull> for Pull<'a> {
    fn from(pull: &'a PlannedPull) -> Self {
        let PlannedPull { image, stack, service, policy, .. } = pull;
        Self { image, stack, service, policy }
    }
}
