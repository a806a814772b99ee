//! Observes the fleet before anything is planned: the descriptions of all hosts and the answers of their engines.

mod examine;
pub(crate) mod memory;
mod status;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::future::join_all;
use landfast_core::deployment::InstanceName;
use landfast_core::desired::{HostState, rebuild, restore};
use landfast_core::place::Abilities;
use landfast_core::plan::{EngineNetwork, EngineVolume, Found, UsedPort, is_as_remembered};
use landfast_core::platform::Platform;
use landfast_core::report::Report;
use landfast_proto::v1::{self, DescribeResponse};

use crate::connect::{Agent, Agents, Ask, ConnectError, Failures, targets};
use crate::operation::releases;
use crate::store::{Change, Store};
use crate::wire::{Fabrics, HeldUnits, Wire as _};

use crate::{Engine, EngineError, Hint as _, Version};

pub(crate) use examine::examine;
pub(crate) use status::drift;
pub use status::{HostStatus, InstanceStatus, Status};

/// The observed state of all hosts at one moment. Each map is keyed by host.
#[derive(Debug, Default)]
pub struct ObservedFleet {
    /// Connection to each agent, except those of hosts that are away.
    pub agents: BTreeMap<String, Agent>,
    /// Hosts that cannot be reached or whose engine does not answer, with the reason.
    pub away: BTreeMap<String, String>,
    /// Hosts that are away and whose state is only known from the other hosts: a stack that no other host has a record of may
    /// run there.
    pub rebuilt: BTreeSet<String>,
    /// State that was last assigned to each host.
    pub held: BTreeMap<String, HostState>,
    /// Units of that state.
    pub units: BTreeMap<String, HeldUnits>,
    /// Fabrics that the hosts hold.
    pub fabrics: Arc<Fabrics>,
    /// Latest report of each host.
    pub reports: BTreeMap<String, Report>,
    /// Networks, volumes and used ports on each host.
    pub found: BTreeMap<String, Found>,
    /// Minor version of the engine API on each host.
    pub engines: BTreeMap<String, u32>,
    /// Platform of each host's engine.
    pub platforms: BTreeMap<String, Platform>,
    /// Image store of each host: `classic` or `containerd`.
    pub stores: BTreeMap<String, String>,
    /// Runtimes and device drivers of each host's engine.
    pub abilities: BTreeMap<String, Abilities>,
}

impl ObservedFleet {
    /// Asks all hosts at the same time. A host that cannot be reached, or whose engine does not answer, is away: what it
    /// holds is known from its agent, remembered in the store, or known from the other hosts.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] if a host refuses the connection, or if it cannot be reached and its state is not known.
    pub async fn survey(engine: &Engine, store: &dyn Store) -> Result<Self, EngineError> {
        let (mut observed, failed) = Self::ask(engine, store).await?;
        if failed.values().any(|error| !matches!(error, ConnectError::Unreachable { .. })) {
            return Err(EngineError::Unreachable(Failures(failed)));
        }
        let reached = observed.held.iter().filter(|(name, _)| !observed.away.contains_key(*name));
        let reached = reached.map(|(name, state)| (name.clone(), state.clone())).collect();
        for host in failed.keys() {
            let held = match observed.remembered(engine, store, host, &reached).await? {
                Some(held) => held,
                None => {
                    let releases = releases::last_on(store, &observed.agents, host).await?;
                    let Some(rebuilt) = rebuild(&engine.folder.fleet, host, &releases, &reached) else {
                        return Err(EngineError::Unreachable(Failures(failed)));
                    };
                    observed.rebuilt.insert(host.clone());
                    rebuilt
                }
            };
            observed.held.insert(host.clone(), held);
        }
        Ok(observed)
    }

    /// Asks all hosts at the same time, and records in the store what the hosts that answer hold and what they know of the
    /// history. Returns the errors of the others too.
    pub(crate) async fn ask(
        engine: &Engine,
        store: &dyn Store,
    ) -> Result<(Self, BTreeMap<String, ConnectError>), EngineError> {
        let fleet = &engine.folder.fleet;
        let credentials = engine.folder.credentials()?;
        let agents = Agents::connect(&fleet.name, &targets(fleet), &credentials, Ask::Held).await;
        let (agents, failed) = agents.into_parts();
        if let Some(agent) = agents.values().find(|agent| agent.is_too_old()) {
            let (host, version) = (agent.host().to_owned(), agent.description().agent_version.clone());
            return Err(EngineError::OldAgent { host, version });
        }
        let mut observed = Self { fabrics: fabrics(&agents).await?, ..Self::default() };
        observed.away.extend(failed.iter().map(|(host, error)| (host.clone(), error.with_hint())));
        let mut changes = releases::learning(store, agents.values()).await?;
        for agent in agents.into_values() {
            changes.extend(observed.add(store, agent).await?);
        }
        if !changes.is_empty() {
            store.txn(changes).await?;
        }
        Ok((observed, failed))
    }

    /// Adds a host that answers. Returns the changes that remember it.
    async fn add(&mut self, store: &dyn Store, mut agent: Agent) -> Result<Vec<Change>, EngineError> {
        let (host, units) = (agent.host().to_owned(), agent.take_held());
        let description = agent.description();
        let (units, held) = HeldUnits::of_wire(frame(description), units, &self.fabrics)
            .map_err(|problem| EngineError::NewerUnits { host: host.clone(), problem })?;
        let report = description.report.clone().map(Report::of_wire).unwrap_or_default();
        let mut changes = Vec::new();
        if let Some(held) = known(store, &self.fabrics, description, held, &report).await? {
            changes = memory::remembering(store, &self.fabrics, &host, &held).await?;
            self.held.insert(host.clone(), held);
        }
        if let Err(error) = engine_answers(&host, description) {
            self.away.insert(host, error.with_hint());
            return Ok(changes);
        }
        let spoken = description.engine.as_ref().and_then(|engine| api(&engine.api_version));
        // Another major version would be a different API: the agent must decide whether it can use it.
        if let Some((1, minor)) = spoken {
            self.engines.insert(host.clone(), minor);
        }
        if let Some(engine) = &description.engine {
            self.platforms.insert(host.clone(), Platform::new(&engine.os, &engine.architecture, ""));
            self.stores.insert(host.clone(), engine.image_store.clone());
            self.abilities.insert(host.clone(), abilities_of(engine));
        }
        let networks = description.networks.iter().cloned().map(EngineNetwork::of_wire).collect();
        let volumes = description.volumes.iter().cloned().map(EngineVolume::of_wire).collect();
        let ports = description.ports.iter().cloned().map(UsedPort::of_wire).collect();
        self.found.insert(host.clone(), Found { networks, volumes, ports });
        self.units.insert(host.clone(), units);
        self.reports.insert(host.clone(), report);
        self.agents.insert(host, agent);
        Ok(changes)
    }

    /// Returns the state of a host that cannot be reached, if it is known for certain.
    async fn remembered(
        &self,
        engine: &Engine,
        store: &dyn Store,
        host: &str,
        reached: &BTreeMap<String, HostState>,
    ) -> Result<Option<HostState>, EngineError> {
        let Some(address) = engine.folder.fleet.hosts.get(host).map(|host| host.address) else {
            return Ok(None);
        };
        let remembered = memory::recall(store, &self.fabrics, host).await?;
        Ok(remembered.filter(|state| is_as_remembered(host, address, state, reached)))
    }

    /// Returns the instances that run although their hosts hold no state of them.
    pub(crate) fn unmanaged(&self) -> BTreeSet<InstanceName> {
        let seen = self.reports.values().flat_map(|report| &report.instances);
        seen.filter(|seen| seen.unmanaged).map(|seen| seen.name.clone()).collect()
    }

    /// Returns the epoch that a rollout claims: greater than any that a host has seen.
    pub fn next_epoch(&self) -> u64 {
        self.agents.values().map(|agent| agent.description().highest_epoch).max().unwrap_or(0) + 1
    }

    /// Returns the version of the state that a host held when it was surveyed.
    pub fn version(&self, host: &str) -> Version {
        let description = self.agents.get(host).map(Agent::description);
        description.map_or_else(Version::default, |description| Version {
            epoch: description.epoch,
            generation: description.generation,
        })
    }
}

/// Asks one host for each fabric that hosts hold. All hosts hold the same, except for those that have missed a change.
async fn fabrics(agents: &BTreeMap<String, Agent>) -> Result<Arc<Fabrics>, EngineError> {
    let fabrics = Arc::<Fabrics>::default();
    let mut holders: BTreeMap<&str, &Agent> = BTreeMap::new();
    for agent in agents.values() {
        let stamps = agent.description().held.iter().filter(|unit| unit.contents.is_none());
        holders.extend(stamps.filter_map(|unit| Some((unit.stamp.as_ref()?.digest.as_str(), agent))));
    }
    let answers = join_all(holders.values().map(async |agent| (*agent, agent.fabric().await))).await;
    for (agent, answer) in answers {
        let host = || agent.host().to_owned();
        let unit = answer.map_err(|error| EngineError::Unreachable(Failures([(host(), error)].into())))?;
        if let Some(unit) = unit {
            fabrics.add(&unit).map_err(|problem| EngineError::NewerUnits { host: host(), problem })?;
        }
    }
    Ok(fabrics)
}

/// Returns the host state of a description, without any unit.
pub(crate) fn frame(description: &DescribeResponse) -> v1::HostState {
    v1::HostState {
        fleet: description.fleet.clone(),
        host: description.host.clone(),
        epoch: description.epoch,
        generation: description.generation,
        ..v1::HostState::default()
    }
}

/// Returns the state of a host that answers. What it has lost is added, if what runs there is what is remembered.
async fn known(
    store: &dyn Store,
    fabrics: &Fabrics,
    description: &DescribeResponse,
    held: Option<HostState>,
    report: &Report,
) -> Result<Option<HostState>, EngineError> {
    if !report.instances.iter().any(|seen| seen.unmanaged) {
        return Ok(held);
    }
    let Some(remembered) = memory::recall(store, fabrics, &description.host).await? else { return Ok(held) };
    let mut held = held.unwrap_or_else(|| HostState::of_wire(frame(description)));
    restore(&mut held, &remembered, report);
    Ok(Some(held))
}

fn abilities_of(engine: &v1::Engine) -> Abilities {
    let set = |names: &[String]| names.iter().cloned().collect();
    Abilities { runtimes: set(&engine.runtimes), device_drivers: set(&engine.device_drivers) }
}

fn engine_answers(host: &str, description: &DescribeResponse) -> Result<(), EngineError> {
    match description.engine.as_ref().map(|engine| engine.error.as_str()) {
        Some("") => Ok(()),
        problem => {
            let problem = problem.unwrap_or("the agent gave no reason").to_owned();
            Err(EngineError::NoEngine { host: host.to_owned(), problem })
        }
    }
}

/// Parses the version of an engine API, such as `1.41`.
pub(crate) fn api(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
