//! From a project to a deployment: containers, hosts, addresses, each choice with its reason.
use std::collections::{BTreeMap, BTreeSet};

use crate::bundle::Manifest;
use crate::compose::Project;
use crate::deployment::Deployment;
use crate::desired::HostState;
use crate::fleet::Fleet;
use crate::{Diagnostic, Diagnostics};

/// What a deployment is compiled from.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// `landfast.toml`.
    pub fleet: &'a Fleet,
    /// The stack's name there; the project's name is not used.
    pub stack: &'a str,
    /// The environment chosen.
    pub env: Option<&'a str>,
    /// The compose files.
    pub project: &'a Project,
    /// The stack's folder.
    pub manifest: &'a Manifest,
    /// Of the manifest's encoding.
    pub manifest_digest: &'a str,
    /// Reference > fingerprint, of at least what [`images`] names.
    pub images: &'a BTreeMap<String, String>,
    /// What the hosts hold now: placement, addresses and other stacks come from here.
    pub held: &'a BTreeMap<String, HostState>,
    /// Stacks compiled before this one in the same run.
    pub beside: &'a [Deployment],
    /// The number of the release that this becomes.
    pub release: u64,
}

/// A deployment, and what there is to say about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// What to run.
    pub deployment: Deployment,
    /// Not wrong, but to be known.
    pub warnings: Vec<Diagnostic>,
}

/// The images a project needs, each by the reference in its compose file.
pub fn images(project: &Project) -> BTreeSet<String> {
    project
        .services
        .values()
        .filter(|service| service.replicas() > 0)
        .filter_map(|service| service.image.clone())
        .collect()
}

/// Compiles one stack.
pub fn compile(input: Input<'_>) -> Result<Compiled, Diagnostics> {
    let _ = input;
    Err(Diagnostics(vec![Diagnostic::nowhere("not yet")]))
}
