//! The history of the stacks: one numbered record for each run that changed a stack.
//!
//! The hosts of a stack keep its last records, and the store caches them. So every folder of the fleet knows the same history, and
//! the numbers are those of the fleet.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::{join_all, try_join_all};
use landfast_core::deployment::Deployment;
use landfast_core::desired::HostState;
use landfast_proto::v1::{self, release_record};
use serde::{Deserialize, Serialize};

use crate::connect::{Agent, Agents, Ask, targets};
use crate::deliver;
use crate::event::{Event, NumberedRelease, Warning};
use crate::observe::ObservedFleet;
use crate::store::{Change, Store};
use crate::wire::problem;

use crate::{Engine, EngineError, Hint as _};

use super::claims::RunId;

/// What one run did to a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Name of the stack.
    pub stack: String,
    /// Number of the release, which grows with every run that changes the stack.
    pub number: u64,
    /// Time at which the run began, in RFC 3339 and UTC.
    pub time: String,
    /// Name of the selected environment, if any.
    pub env: Option<String>,
    /// What the run did.
    #[serde(default)]
    pub operation: Kind,
    /// Digest of the bundle's manifest; empty for none.
    pub manifest: String,
    /// The compiled deployment; none after `down`.
    pub(super) deployment: Option<Body>,
    /// Number of instances. Records of earlier versions do not have it.
    #[serde(default)]
    pub(super) instances: usize,
    /// Outcome of the run.
    pub outcome: Ending,
    /// Steps that were left out because their host was away.
    #[serde(default)]
    pub owed: Vec<String>,
    /// Digests of the secrets that the deployment needs. The hosts of the stack keep them as long as the record.
    #[serde(default)]
    pub(super) secrets: BTreeSet<String>,
}

/// A deployment in a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Body {
    /// BLAKE3 digest of the deployment, which the store caches and the hosts of the stack have as a blob.
    Digest(String),
    /// The deployment itself, as earlier versions recorded it.
    Inline(Box<Deployment>),
}

/// What a run did to a stack.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// It deployed the stack.
    #[default]
    Up,
    /// It deployed an earlier release again.
    Rollback,
    /// It updated files.
    Sync,
    /// It removed the stack.
    Down,
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Up => "up",
            Self::Rollback => "rollback",
            Self::Sync => "sync",
            Self::Down => "down",
        })
    }
}

/// Outcome of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// The run has not ended, or was killed.
    Running,
    /// Everything was done.
    Done,
    /// Everything was done except on hosts that were away.
    Partial,
    /// The run failed, so that its aim was reached in part or not at all.
    Failed,
    /// The run was stopped on request.
    Stopped,
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
        })
    }
}

/// A release that a run makes, with its deployment.
#[derive(Debug, Clone, PartialEq)]
pub struct NewRelease {
    /// The record.
    pub release: Release,
    /// Encoded deployment; empty for none.
    body: Vec<u8>,
}

impl NewRelease {
    /// Creates the release of a run that begins now. `deployment` is what the stack is afterwards.
    ///
    /// # Errors
    /// [`EngineError::Record`] if the deployment cannot be encoded.
    pub fn new(
        stack: &str,
        number: u64,
        operation: Kind,
        deployment: Option<&Deployment>,
    ) -> Result<Self, EngineError> {
        let encoded = deployment.map(serde_json::to_vec).transpose();
        let body = encoded.map_err(|source| EngineError::Record { key: key(stack, number), source })?;
        let release = Release {
            stack: stack.to_owned(),
            number,
            time: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            env: deployment.and_then(|deployment| deployment.env.clone()),
            operation,
            manifest: deployment.map(|deployment| deployment.manifest_digest.clone()).unwrap_or_default(),
            deployment: body.as_ref().map(|body| Body::Digest(blake3::hash(body).to_hex().to_string())),
            instances: deployment.map_or(0, |deployment| deployment.instances.len()),
            outcome: Ending::Running,
            owed: Vec::new(),
            secrets: deployment.map(Deployment::secrets).unwrap_or_default(),
        };
        Ok(Self { release, body: body.unwrap_or_default() })
    }
}

impl Release {
    /// Number of instances of the deployment.
    pub fn instances(&self) -> usize {
        match &self.deployment {
            Some(Body::Inline(deployment)) => deployment.instances.len(),
            Some(Body::Digest(_)) | None => self.instances,
        }
    }

    /// Whether the run certainly did what it intended on a host.
    fn has_reached(&self, host: &str) -> bool {
        let is_owed = |step: &String| step.ends_with(&format!(" on {host}"));
        match self.outcome {
            Ending::Done => true,
            Ending::Partial => !self.owed.iter().any(is_owed),
            Ending::Running | Ending::Failed | Ending::Stopped => false,
        }
    }

    fn digest(&self) -> Option<&str> {
        match &self.deployment {
            Some(Body::Digest(digest)) => Some(digest),
            Some(Body::Inline(_)) | None => None,
        }
    }

    fn to_wire(&self) -> v1::ReleaseRecord {
        use release_record::{Operation, Outcome};
        let operation = match self.operation {
            Kind::Up => Operation::Up,
            Kind::Rollback => Operation::Rollback,
            Kind::Sync => Operation::Sync,
            Kind::Down => Operation::Down,
        };
        let outcome = match self.outcome {
            Ending::Running => Outcome::Running,
            Ending::Done => Outcome::Done,
            Ending::Partial => Outcome::Partial,
            Ending::Failed => Outcome::Failed,
            Ending::Stopped => Outcome::Stopped,
        };
        v1::ReleaseRecord {
            stack: self.stack.clone(),
            number: self.number,
            time: self.time.clone(),
            env: self.env.clone().unwrap_or_default(),
            operation: operation.into(),
            outcome: outcome.into(),
            manifest: self.manifest.clone(),
            deployment: self.digest().unwrap_or_default().to_owned(),
            instances: u32::try_from(self.instances()).unwrap_or(u32::MAX),
            owed: self.owed.clone(),
            secrets: self.secrets.iter().cloned().collect(),
        }
    }

    fn of_wire(record: v1::ReleaseRecord) -> Self {
        use release_record::{Operation, Outcome};
        let operation = match record.operation() {
            Operation::Rollback => Kind::Rollback,
            Operation::Sync => Kind::Sync,
            Operation::Down => Kind::Down,
            Operation::Up | Operation::Unspecified => Kind::Up,
        };
        let outcome = match record.outcome() {
            Outcome::Done => Ending::Done,
            Outcome::Partial => Ending::Partial,
            Outcome::Failed => Ending::Failed,
            Outcome::Stopped => Ending::Stopped,
            Outcome::Running | Outcome::Unspecified => Ending::Running,
        };
        let v1::ReleaseRecord { stack, number, time, env, manifest, deployment, instances, owed, secrets, .. } = record;
        Self {
            stack,
            number,
            time,
            env: Some(env).filter(|env| !env.is_empty()),
            operation,
            manifest,
            deployment: Some(deployment).filter(|digest| !digest.is_empty()).map(Body::Digest),
            instances: usize::try_from(instances).unwrap_or(usize::MAX),
            outcome,
            owed,
            secrets: secrets.into_iter().collect(),
        }
    }
}

fn key(stack: &str, number: u64) -> String {
    // The number is padded, so that the order of the keys is the order of the numbers.
    format!("releases/{stack}/{number:010}")
}

fn body_key(digest: &str) -> String {
    format!("deployments/{digest}")
}

impl Engine {
    /// Asks the hosts for their part of the history, and adds what the store does not know.
    ///
    /// # Errors
    /// The store cannot be used. A host that does not answer only causes a warning.
    pub async fn learn_history(&self, store: &dyn Store) -> Result<(), EngineError> {
        let fleet = &self.folder.fleet;
        let credentials = self.folder.credentials()?;
        let agents = Agents::connect(&fleet.name, &targets(fleet), &credentials, Ask::Described).await;
        for error in agents.failed().values() {
            let problem = error.with_hint();
            self.listener.report(Event::Warning(Warning::HistoryIncomplete { problem }));
        }
        let changes = learning(store, agents.connected().values()).await?;
        if !changes.is_empty() {
            store.txn(changes).await?;
        }
        Ok(())
    }

    /// Fills the store with everything that the hosts know: what they hold, and the history with its deployments.
    ///
    /// # Errors
    /// The store cannot be used, or an agent is too old. A host that does not answer only causes a warning.
    pub async fn recover(&self, store: &dyn Store) -> Result<Recovered, EngineError> {
        let (observed, failed) = ObservedFleet::ask(self, store).await?;
        for error in failed.values() {
            let problem = error.with_hint();
            self.listener.report(Event::Warning(Warning::HistoryIncomplete { problem }));
        }
        let mut recovered =
            Recovered { hosts: observed.held.len(), stacks: BTreeMap::new(), without_deployment: Vec::new() };
        for release in by_stack(store).await?.into_values().flatten() {
            *recovered.stacks.entry(release.stack.clone()).or_default() += 1;
            match deployment(store, &observed.agents, &release).await {
                Ok(_) => {}
                Err(EngineError::DeploymentGone { stack, release }) => {
                    recovered.without_deployment.push(NumberedRelease { stack, number: release });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(recovered)
    }
}

/// What a store contains after it was filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Number of hosts whose state is known.
    pub hosts: usize,
    /// Number of releases by stack.
    pub stacks: BTreeMap<String, usize>,
    /// Releases that cannot be deployed again, because no host that answers has their deployment.
    pub without_deployment: Vec<NumberedRelease>,
}

/// Returns all releases of a stack that the store knows, oldest first.
pub async fn of_stack(store: &dyn Store, stack: &str) -> Result<Vec<Release>, EngineError> {
    let records = store.range(&format!("releases/{stack}/")).await?;
    let read = records.into_iter().map(|(key, record)| {
        serde_json::from_slice(&record.value).map_err(|source| EngineError::Record { key, source })
    });
    read.collect()
}

/// Returns the deployment of a release, from the store or from a host that has it; none if there is none.
///
/// # Errors
/// [`EngineError::DeploymentGone`] if no host has it any more.
pub(crate) async fn deployment(
    store: &dyn Store,
    agents: &BTreeMap<String, Agent>,
    release: &Release,
) -> Result<Option<Deployment>, EngineError> {
    let digest = match &release.deployment {
        None => return Ok(None),
        Some(Body::Inline(deployment)) => return Ok(Some(Deployment::clone(deployment))),
        Some(Body::Digest(digest)) => digest,
    };
    let key = body_key(digest);
    let cached = store.get(&key).await?.map(|found| found.value);
    let body = match cached {
        Some(body) => body,
        None => {
            let found = fetch(agents, release, digest).await;
            let gone = || EngineError::DeploymentGone { stack: release.stack.clone(), release: release.number };
            let body = found.ok_or_else(gone)?;
            store.compare_and_set(&key, None, Some(body.clone())).await?;
            body
        }
    };
    Ok(Some(serde_json::from_slice(&body).map_err(|source| EngineError::Record { key, source })?))
}

/// Returns the last deployment of each stack that reached a host, as far as the store and the hosts that answer know.
pub(crate) async fn last_on(
    store: &dyn Store,
    agents: &BTreeMap<String, Agent>,
    host: &str,
) -> Result<Vec<Deployment>, EngineError> {
    let mut deployments = Vec::new();
    for releases in by_stack(store).await?.into_values() {
        let Some(last) = releases.iter().rev().find(|release| release.has_reached(host)) else { continue };
        match deployment(store, agents, last).await {
            Ok(found) => deployments.extend(found),
            // The addresses that the stack has there are known from the fabric.
            Err(EngineError::DeploymentGone { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(deployments)
}

/// Returns all releases that the store knows by stack, oldest first.
pub(crate) async fn by_stack(store: &dyn Store) -> Result<BTreeMap<String, Vec<Release>>, EngineError> {
    let mut releases: BTreeMap<String, Vec<Release>> = BTreeMap::new();
    for (key, record) in store.range("releases/").await? {
        let release: Release =
            serde_json::from_slice(&record.value).map_err(|source| EngineError::Record { key, source })?;
        releases.entry(release.stack.clone()).or_default().push(release);
    }
    Ok(releases)
}

/// Downloads the deployment of a release from one of the hosts that have its record.
async fn fetch(agents: &BTreeMap<String, Agent>, release: &Release, digest: &str) -> Option<Vec<u8>> {
    let has = |agent: &&Agent| {
        let mut records = agent.description().releases.iter();
        records.any(|record| (&record.stack, record.number) == (&release.stack, release.number))
    };
    for agent in agents.values().filter(has) {
        match deliver::blob(agent, digest).await {
            Ok(body) if blake3::hash(&body).to_hex().as_str() == digest => return Some(body),
            Ok(_) => tracing::warn!(host = agent.host(), digest, "deployment not used: it is damaged"),
            Err(error) => tracing::debug!(host = agent.host(), %error, "deployment not found"),
        }
    }
    None
}

/// Returns the change that records a release in the store. A release can be recorded again: the number identifies it, and the last
/// recorded outcome counts.
pub async fn recording(store: &dyn Store, release: &Release) -> Result<Change, EngineError> {
    let key = key(&release.stack, release.number);
    let value = serde_json::to_vec(release).map_err(|source| EngineError::Record { key: key.clone(), source })?;
    Ok(store.overwrite(key, value).await?)
}

/// Returns the steps that the last release of each stack has left out.
pub(crate) fn owed<'a>(agents: impl Iterator<Item = &'a Agent>) -> Vec<String> {
    let mut last: BTreeMap<String, Release> = BTreeMap::new();
    for release in known(agents) {
        last.insert(release.stack.clone(), release);
    }
    let mut owed: Vec<String> = last.into_values().flat_map(|release| release.owed).collect();
    owed.sort();
    owed.dedup();
    owed
}

/// Returns the records of the hosts, each once, by stack and number.
fn known<'a>(agents: impl Iterator<Item = &'a Agent>) -> impl Iterator<Item = Release> {
    let mut known: BTreeMap<(String, u64), Release> = BTreeMap::new();
    for record in agents.flat_map(|agent| &agent.description().releases) {
        let release = Release::of_wire(record.clone());
        let id = (release.stack.clone(), release.number);
        // A host may have missed the end of the run.
        if known.get(&id).is_none_or(|other| other.outcome == Ending::Running) {
            known.insert(id, release);
        }
    }
    known.into_values()
}

/// Returns the changes that record what the hosts know and the store does not.
pub(crate) async fn learning<'a>(
    store: &dyn Store,
    agents: impl Iterator<Item = &'a Agent>,
) -> Result<Vec<Change>, EngineError> {
    let mut changes = Vec::new();
    for release in known(agents) {
        let key = key(&release.stack, release.number);
        let found = store.get(&key).await?;
        let recorded = found.as_ref().and_then(|found| serde_json::from_slice::<Release>(&found.value).ok());
        let is_known = recorded.is_some_and(|it| it == release || release.outcome == Ending::Running);
        if !is_known {
            let value =
                serde_json::to_vec(&release).map_err(|source| EngineError::Record { key: key.clone(), source })?;
            changes.push(Change { key, expected: found.map(|found| found.version), value: Some(value) });
        }
    }
    Ok(changes)
}

/// Records new releases on the hosts of their stacks and in the store, before anything changes. An earlier run of the same stack
/// that did not record its end was killed, because this run has claimed the hosts: its release has failed.
pub(super) async fn begin(
    store: &dyn Store,
    hosts: &Hosts<'_>,
    new: &[NewRelease],
    mut superseded: Vec<Release>,
) -> Result<(), EngineError> {
    let mut changes = Vec::new();
    for new in new {
        let earlier = of_stack(store, &new.release.stack).await?.into_iter();
        for release in earlier.filter(|release| release.outcome == Ending::Running) {
            let failed = Release { outcome: Ending::Failed, ..release };
            changes.push(recording(store, &failed).await?);
            superseded.push(failed);
        }
    }
    let bodies = new.iter().filter(|new| !new.body.is_empty());
    let pushes = bodies.flat_map(|new| {
        let digest = new.release.digest().unwrap_or_default();
        hosts.of(&new.release.stack).map(move |agent| deliver::push_blob(agent, digest, &new.body))
    });
    try_join_all(pushes.collect::<Vec<_>>()).await?;
    let records: Vec<Release> = superseded.iter().chain(new.iter().map(|new| &new.release)).cloned().collect();
    let failed = hosts.record(&records).await;
    if let Some((host, problem)) = failed.into_iter().next() {
        return Err(EngineError::Host { host, step: "record", problem });
    }
    for new in new.iter().filter(|new| !new.body.is_empty()) {
        changes.push(store.overwrite(body_key(new.release.digest().unwrap_or_default()), new.body.clone()).await?);
    }
    if !changes.is_empty() {
        store.txn(changes).await?;
    }
    Ok(())
}

/// The hosts on which a run records releases.
pub(super) struct Hosts<'a> {
    /// Hosts of each stack before or after the run.
    of_stack: BTreeMap<String, BTreeSet<String>>,
    agents: &'a BTreeMap<String, Agent>,
    run: RunId,
}

impl<'a> Hosts<'a> {
    pub(super) fn new<'s>(
        states: impl Iterator<Item = (&'s String, &'s HostState)>,
        agents: &'a BTreeMap<String, Agent>,
        run: RunId,
    ) -> Self {
        let mut of_stack: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (host, state) in states {
            let trees = state.trees.iter().map(|tree| &tree.stack);
            let instances = state.instances.iter().map(|instance| &instance.name.stack);
            for stack in trees.chain(instances).chain(state.volumes.iter().map(|volume| &volume.stack)) {
                of_stack.entry(stack.clone()).or_default().insert(host.clone());
            }
        }
        Self { of_stack, agents, run }
    }

    /// Names of the hosts of a stack.
    pub(super) fn names(&self, stack: &str) -> impl Iterator<Item = String> {
        self.of_stack.get(stack).into_iter().flatten().cloned()
    }

    /// Agents of the hosts of a stack that answer.
    fn of(&self, stack: &str) -> impl Iterator<Item = &'a Agent> {
        let hosts = self.of_stack.get(stack).into_iter().flatten();
        hosts.filter_map(|host| self.agents.get(host))
    }

    /// Records releases on the hosts of their stacks. Returns the problems by host.
    pub(super) async fn record(&self, releases: &[Release]) -> BTreeMap<String, String> {
        let mut by_host: BTreeMap<&str, (&Agent, Vec<v1::ReleaseRecord>)> = BTreeMap::new();
        for release in releases {
            for agent in self.of(&release.stack) {
                by_host.entry(agent.host()).or_insert((agent, Vec::new())).1.push(release.to_wire());
            }
        }
        let requests = by_host.into_values().map(async |(agent, records)| {
            let RunId { epoch, owner } = self.run.clone();
            let request = v1::RecordRequest { epoch, owner, records };
            (agent.host().to_owned(), agent.agent().record(request).await)
        });
        let answers = join_all(requests).await.into_iter();
        answers.filter_map(|(host, answer)| Some((host, problem(&answer.err()?)))).collect()
    }
}

/// Returns the release that a rollback deploys: the one with this number, or else the last successful one before the current one.
pub fn earlier(releases: &[Release], stack: &str, number: Option<u64>) -> Result<Release, EngineError> {
    let has_deployment = |release: &&Release| release.deployment.is_some();
    if let Some(number) = number {
        let found = releases.iter().filter(has_deployment).find(|release| release.number == number);
        return found.cloned().ok_or_else(|| EngineError::NoRelease { stack: stack.to_owned(), number });
    }
    // The newest release is the current one, even if it was deployed only in part.
    let mut before = releases.iter().rev().skip(1).filter(has_deployment);
    let before = before.find(|release| release.outcome == Ending::Done);
    before.cloned().ok_or_else(|| EngineError::NoEarlierRelease { stack: stack.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store;

    #[test]
    fn a_record_of_an_earlier_version_is_read() {
        let deployment = serde_json::to_value(Deployment::default()).unwrap();
        let old = serde_json::json!({
            "stack": "data", "number": 3, "time": "2026-01-01T00:00:00Z", "env": null, "manifest": "m",
            "deployment": deployment, "outcome": "done"
        });
        let release: Release = serde_json::from_value(old).unwrap();
        assert_eq!(release.operation, Kind::Up);
        assert!(matches!(&release.deployment, Some(Body::Inline(inline)) if **inline == Deployment::default()));
    }

    #[test]
    fn a_release_is_read_as_it_was_sent() {
        let new = NewRelease::new("data", 7, Kind::Rollback, Some(&Deployment::default())).unwrap();
        let owed = vec!["create data/app.1 on gamma".to_owned()];
        let release = Release { outcome: Ending::Partial, owed, ..new.release };
        assert_eq!(Release::of_wire(release.to_wire()), release);
        let down = NewRelease::new("data", 8, Kind::Down, None).unwrap().release;
        assert_eq!(Release::of_wire(down.to_wire()), down);
    }

    #[tokio::test]
    async fn a_rollback_skips_what_was_removed_or_failed() {
        let folder = tempfile::tempdir().unwrap();
        let store = store::open(&folder.path().join("state.redb"), None).unwrap();
        let releases = [
            (1, Kind::Up, Ending::Done),
            (2, Kind::Up, Ending::Failed),
            (3, Kind::Down, Ending::Done),
            (4, Kind::Up, Ending::Done),
            (12, Kind::Down, Ending::Done),
        ];
        for (number, kind, outcome) in releases {
            let deployment = Deployment::default();
            let deployment = (kind == Kind::Up).then_some(&deployment);
            let release = NewRelease::new("data", number, kind, deployment).unwrap().release;
            let change = recording(&*store, &Release { outcome, ..release }).await.unwrap();
            store.txn(vec![change]).await.unwrap();
        }
        let all = of_stack(&*store, "data").await.unwrap();
        let numbers = |until: usize| earlier(&all[..until], "data", None).map(|release| release.number).ok();
        assert_eq!(
            [numbers(5), numbers(4), numbers(3), numbers(2), numbers(1)],
            [Some(4), Some(1), Some(1), Some(1), None]
        );
        assert!(earlier(&all, "data", Some(3)).is_err(), "there is nothing to deploy");
        assert_eq!(earlier(&all, "data", Some(2)).unwrap().number, 2);
    }
}
