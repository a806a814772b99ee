//! Sends the contents of secrets and configs to the hosts whose instances use them, before a rollout stops any container.
//!
//! States, journals and releases name a secret by its digest. Its contents come from the files of the stack, or from a host that
//! has them if the stack is not compiled in this run, as in a rollback.

use std::collections::BTreeMap;

use futures::future::try_join_all;
use landfast_core::container::PlacedFile;
use landfast_core::desired::{HostState, Instance};
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
    let hosts = hosts.map(|(agent, target)| {
        let host = agent.host();
        let has_lost_memory = observed.reports.get(host).is_some_and(|it| it.instances.iter().any(|it| it.unmanaged));
        let is_changed = has_lost_memory || plan.steps.iter().any(|step| step.host == host);
        (agent, needed(target, observed.held.get(host).filter(|_| !is_changed)))
    });
    try_join_all(hosts.filter(|(_, needed)| !needed.is_empty()).map(|(agent, needed)| send(proposal, agent, needed)))
        .await
        .map(drop)
}

/// Returns the secrets of a host that it may lack: all if `held` is not certain, and otherwise those that the state it holds does
/// not name.
fn needed<'a>(target: &'a HostState, held: Option<&HostState>) -> Needed<'a> {
    let mut needed = Needed::new();
    for instance in &target.instances {
        let files = instance.container.files.iter().filter(|file| !held.is_some_and(|held| has(held, &file.digest)));
        needed.extend(files.map(|file| (file.digest.as_str(), (instance, file))));
    }
    needed
}

/// Whether a host that holds this state has the secret. A state of an earlier version has its contents instead.
fn has(held: &HostState, digest: &str) -> bool {
    let mut files = held.instances.iter().flat_map(|instance| &instance.container.files);
    files.any(|file| file.digest == digest && file.contents.is_none())
}

/// Sends the secrets that a host lacks. One of a stack that the run does not change may stay missing: then the host refuses that stack
/// alone.
async fn send(proposal: &Proposal, agent: &Agent, needed: Needed<'_>) -> Result<(), EngineError> {
    let Proposal { observed, releases, .. } = proposal;
    let secrets = needed.keys().map(|digest| (*digest).to_owned()).collect();
    let request = v1::MissingRequest { secrets, ..v1::MissingRequest::default() };
    let failed =
        |status| EngineError::Host { host: agent.host().to_owned(), step: "send a secret", problem: problem(&status) };
    let missing = agent.blobs().missing(request).await.map_err(failed)?.into_inner().secrets;
    for digest in missing {
        let Some((instance, file)) = needed.get(digest.as_str()) else { continue };
        let blob = match file.blob().or_else(|| inline(observed, &digest)) {
            Some(blob) => Some(blob),
            None => fetch(observed, &digest).await,
        };
        let stack = &instance.name.stack;
        match blob {
            Some(blob) => deliver::push_secret(agent, &digest, &blob).await?,
            None if releases.iter().any(|new| new.release.stack == *stack) => {
                let (instance, file) = (instance.name.to_string(), file.target.clone());
                return Err(EngineError::SecretGone { stack: stack.clone(), instance, file });
            }
            None => {
                tracing::warn!(host = agent.host(), instance = %instance.name, file = file.target, "secret not found")
            }
        }
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

#[cfg(test)]
mod tests {
    use landfast_core::container::{Container, Contents};

    use super::*;

    fn state(file: PlacedFile) -> HostState {
        let container = Container { files: vec![file], ..Container::default() }.into();
        HostState { instances: vec![Instance { container, ..Instance::default() }], ..HostState::default() }
    }

    #[test]
    fn a_host_that_holds_a_secret_by_its_digest_needs_it_only_if_that_is_not_certain() {
        let known = PlacedFile::new("/key".to_owned(), Contents("hunter2".to_owned()), "s".to_owned());
        let by_digest = PlacedFile { contents: None, ..known.clone() };
        let target = state(known.clone());
        assert!(needed(&target, Some(&state(by_digest.clone()))).is_empty());
        assert_eq!(needed(&target, None).len(), 1, "what the host holds is not certain");
        assert_eq!(needed(&target, Some(&state(known))).len(), 1, "an earlier version assigned the contents");
        let other = PlacedFile { digest: "other".to_owned(), ..by_digest };
        assert_eq!(needed(&target, Some(&state(other))).len(), 1);
    }
}
