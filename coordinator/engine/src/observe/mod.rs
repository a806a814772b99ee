//! What is there before anything is planned: every host described, every engine's answers, as values.

mod examine;
mod status;

use std::collections::BTreeMap;

use landfast_core::desired::HostState;
use landfast_core::place::Abilities;
use landfast_core::plan::{EngineNetwork, EngineVolume, Found, UsedPort};
use landfast_core::platform::Platform;
use landfast_core::report::Report;
use landfast_proto::v1::{self, DescribeResponse};

use crate::connect::{Agent, Agents, Ask, targets};
use crate::wire::Wire as _;

use crate::{Engine, EngineError, Version};

pub(crate) use examine::examine;
pub(crate) use status::drift;
pub use status::{HostStatus, InstanceStatus, Status};

/// All hosts, as they were at one moment.
#[derive(Debug, Default)]
pub struct ObservedFleet {
    pub agents: BTreeMap<String, Agent>,
    pub held: BTreeMap<String, HostState>,
    pub reports: BTreeMap<String, Report>,
    pub found: BTreeMap<String, Found>,
    /// Minor number of the engine API that is spoken on a host.
    pub engines: BTreeMap<String, u32>,
    /// Of each host's engine.
    pub platforms: BTreeMap<String, Platform>,
    /// Each host's image store: `classic` or `containerd`.
    pub stores: BTreeMap<String, String>,
    /// What a host's engine can run containers with.
    pub abilities: BTreeMap<String, Abilities>,
}

impl ObservedFleet {
    /// Asks all hosts at once. A deployment needs every one of them: a name or an address that moves concerns them all.
    pub async fn survey(engine: &Engine) -> Result<Self, EngineError> {
        let fleet = &engine.folder.fleet;
        let credentials = engine.folder.credentials()?;
        let agents = Agents::connect(&fleet.name, &targets(fleet), &credentials, Ask::Held).await;
        let agents = agents.all().map_err(EngineError::Unreachable)?;
        let mut observed = Self { agents, ..Self::default() };
        for agent in observed.agents.values() {
            let said = agent.description();
            engine_answers(agent.host(), said)?;
            let host = agent.host().to_owned();
            if let Some(held) = said.held.clone() {
                observed.held.insert(host.clone(), HostState::of_wire(held));
            }
            let spoken = said.engine.as_ref().and_then(|engine| api(&engine.api_version));
            // Another major number would be another API altogether; its agent has to judge.
            if let Some((1, minor)) = spoken {
                observed.engines.insert(host.clone(), minor);
            }
            if let Some(engine) = &said.engine {
                observed.platforms.insert(host.clone(), Platform::new(&engine.os, &engine.architecture, ""));
                observed.stores.insert(host.clone(), engine.image_store.clone());
            }
            observed.abilities.extend(said.engine.as_ref().map(|engine| (host.clone(), abilities_of(engine))));
            let report = said.report.clone().map(Report::of_wire).unwrap_or_default();
            observed.reports.insert(host.clone(), report);
            let networks = said.networks.iter().cloned().map(EngineNetwork::of_wire).collect();
            let volumes = said.volumes.iter().cloned().map(EngineVolume::of_wire).collect();
            let ports = said.ports.iter().cloned().map(UsedPort::of_wire).collect();
            observed.found.insert(host, Found { networks, volumes, ports });
        }
        Ok(observed)
    }

    /// The epoch that a run claims: greater than any that a host has seen.
    pub fn next_epoch(&self) -> u64 {
        self.agents.values().map(|agent| agent.description().epoch).max().unwrap_or(0) + 1
    }

    /// What a host held when it was surveyed.
    pub fn version(&self, host: &str) -> Version {
        let said = self.agents.get(host).map(Agent::description);
        said.map_or_else(Version::default, |said| Version { epoch: said.epoch, generation: said.generation })
    }
}

fn abilities_of(engine: &v1::Engine) -> Abilities {
    let set = |names: &[String]| names.iter().cloned().collect();
    Abilities { runtimes: set(&engine.runtimes), device_drivers: set(&engine.device_drivers) }
}

fn engine_answers(host: &str, said: &DescribeResponse) -> Result<(), EngineError> {
    match said.engine.as_ref().map(|engine| engine.error.as_str()) {
        Some("") => Ok(()),
        problem => {
            let problem = problem.unwrap_or("the agent gave no reason").to_owned();
            Err(EngineError::NoEngine { host: host.to_owned(), problem })
        }
    }
}

/// `1.41`.
pub(crate) fn api(version: &str) -> Option<(u32, u32)> {
    let (major, minor) = version.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}
