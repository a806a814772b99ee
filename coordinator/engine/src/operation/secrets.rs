//! Sends the contents of secrets and configs to the hosts whose instances use them, before a rollout stops any container.
//!
//! States, journals and releases name a secret by its digest. Its contents come from the files of the stack, or from a host that
//! has them if the stack is not compiled in this run, as in a rollback.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use landfast_core::container::PlacedFile;
use landfast_core::desired::{HostState, Instance};
use landfast_core::plan::Plan;
use landfast_proto::v1;

use crate::EngineError;
use crate::connect::Agent;
use crate::deliver;
use crate::observe::ObservedFleet;
use crate::wire::problem;

use super::Proposal;

/// A secret that a host needs, with an instance that uses it.
type Needed<'a> = BTreeMap<&'a str, (&'a Instance, &'a PlacedFile)>;

/// Sends the secrets that the hosts need and lack.
pub(super) async fn bring(proposal: &Proposal) -> Result<(), EngineError> {
    let Proposal { observed, plan, target, .. } = proposal;
    let hosts = observed.agents.iter().filter_map(|(host, agent)| Some((agent, target.get(host)?)));
    let hosts =
        hosts.map(|(agent, target)| (agent, needed(agent.host(), target, observed.held.get(agent.host()), plan)));
    try_join_all(hosts.filter(|(_, needed)| !needed.is_empty()).map(|(agent, needed)| send(observed, agent, needed)))
        .await
        .map(drop)
}

/// Returns the secrets of a host that it may lack: new ones, and those of instances that the plan changes.
fn needed<'a>(host: &str, target: &'a HostState, held: Option<&HostState>, plan: &Plan) -> Needed<'a> {
    let changes = |instance: &Instance| {
        plan.steps.iter().any(|step| step.host == host && step.action.instance() == Some(&instance.name))
    };
    let is_held = |digest: &str| held.is_some_and(|held| has(held, digest));
    let mut needed = Needed::new();
    for instance in target.instances.iter().filter(|instance| !instance.container.files.is_empty()) {
        let is_changed = changes(instance);
        let files = instance.container.files.iter().filter(|file| is_changed || !is_held(&file.digest));
        needed.extend(files.map(|file| (file.digest.as_str(), (instance, file))));
    }
    needed
}

/// Whether a host that holds this state has the secret. A state of an earlier version has its contents instead.
fn has(held: &HostState, digest: &str) -> bool {
    let mut files = held.instances.iter().flat_map(|instance| &instance.container.files);
    files.any(|file| file.digest == digest && file.contents.is_none())
}

async fn send(observed: &ObservedFleet, agent: &Agent, needed: Needed<'_>) -> Result<(), EngineError> {
    let secrets = needed.keys().map(|digest| (*digest).to_owned()).collect();
    let request = v1::MissingRequest { secrets, ..v1::MissingRequest::default() };
    let failed =
        |status| EngineError::Host { host: agent.host().to_owned(), step: "send a secret", problem: problem(&status) };
    let missing = agent.blobs().missing(request).await.map_err(failed)?.into_inner().secrets;
    for digest in missing {
        let Some((instance, file)) = needed.get(digest.as_str()) else { continue };
        let blob = match file.blob().or_else(|| inline(observed, &digest)) {
            Some(blob) => blob,
            None => fetch(observed, &digest).await.ok_or_else(|| EngineError::SecretGone {
                stack: instance.name.stack.clone(),
                instance: instance.name.to_string(),
                file: file.target.clone(),
            })?,
        };
        deliver::push_secret(agent, &digest, &blob).await?;
    }
    Ok(())
}

/// Returns a secret from the state of a host that an earlier version assigned.
fn inline(observed: &ObservedFleet, digest: &str) -> Option<Vec<u8>> {
    let instances = observed.held.values().flat_map(|state| &state.instances);
    instances.flat_map(|instance| &instance.container.files).find(|file| file.digest == digest)?.blob()
}

/// Downloads a secret from a host that holds it, or keeps it for a release.
async fn fetch(observed: &ObservedFleet, digest: &str) -> Option<Vec<u8>> {
    for (host, agent) in &observed.agents {
        let mut records = agent.description().releases.iter();
        let is_kept = records.any(|record| record.secrets.iter().any(|kept| kept == digest));
        if !is_kept && !observed.held.get(host).is_some_and(|held| has(held, digest)) {
            continue;
        }
        match deliver::secret(agent, digest).await {
            Ok(blob) => return Some(blob),
            Err(error) => tracing::debug!(host, %error, "secret not found"),
        }
    }
    None
}
