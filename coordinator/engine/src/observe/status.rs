//! What runs where, as the hosts say it: for `status`, `ps` and `logs`.

use std::collections::BTreeMap;
use std::time::Instant;

use landfast_core::report::{ContainerState, Health, InstanceReport, Problem, Report, ReportedPort};

use crate::connect::{Agents, Ask, Target, targets};
use crate::wire::Wire as _;

use crate::{Engine, EngineError};

/// The fleet as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    pub fleet: String,
    pub hosts: Vec<HostStatus>,
    pub instances: Vec<InstanceStatus>,
}

/// One host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostStatus {
    pub name: String,
    pub address: String,
    /// `ready`, `engine lost` or `unreachable`.
    pub state: &'static str,
    pub agent_version: Option<String>,
    pub engine_version: Option<String>,
    /// Since the host said so.
    pub age_ms: Option<u64>,
    /// Why it is not ready, what did not go through there, what is not well, and files that were changed by hand.
    pub problems: Vec<String>,
}

/// One instance.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceStatus {
    pub stack: String,
    pub service: String,
    /// `data/postgres.1`
    pub instance: String,
    pub host: String,
    pub container_id: String,
    pub state: ContainerState,
    pub health: Health,
    /// On the fleet's network, or else on the first one.
    pub address: Option<String>,
    pub image: String,
    pub release: u64,
    pub exit_code: i32,
    pub ports: Vec<ReportedPort>,
}

impl Engine {
    /// Asks all hosts. Those that cannot be reached are a part of the answer.
    pub async fn status(&self) -> Result<(Status, Agents), EngineError> {
        let fleet = &self.folder.fleet;
        let credentials = self.folder.credentials()?;
        let agents = Agents::connect(&fleet.name, &targets(fleet), &credentials, Ask::Described).await;
        let answered = Instant::now();
        let mut status = Status { fleet: fleet.name.clone(), hosts: Vec::new(), instances: Vec::new() };
        for target in targets(fleet) {
            let Some(agent) = agents.get(&target.host) else {
                let why = agents.failed().get(&target.host).map(|error| format!("{error}; {}", error.hint()));
                status.hosts.push(HostStatus { problems: why.into_iter().collect(), ..unreachable(&target) });
                continue;
            };
            let said = agent.description();
            let report = said.report.clone().map(Report::of_wire).unwrap_or_default();
            let mut host = HostStatus { problems: problems(&target.host, &report), ..unreachable(&target) };
            let engine = said.engine.clone().unwrap_or_default();
            host.state = "ready";
            if report.engine_lost || !engine.error.is_empty() {
                host.state = "engine lost";
                host.problems
                    .insert(0, format!("{}: the container engine does not answer: {}", target.host, engine.error));
            }
            host.agent_version = Some(said.agent_version.clone());
            host.engine_version = Some(engine.version);
            host.age_ms = Some(u64::try_from(answered.elapsed().as_millis()).unwrap_or(u64::MAX));
            status.hosts.push(host);
            status.instances.extend(report.instances.into_iter().map(|one| self.instance(&target.host, one)));
        }
        status.instances.sort_by(|one, other| {
            let key = |of: &InstanceStatus| (of.stack.clone(), of.instance.clone(), of.host.clone());
            key(one).cmp(&key(other))
        });
        Ok((status, agents))
    }

    fn instance(&self, host: &str, report: InstanceReport) -> InstanceStatus {
        InstanceStatus {
            stack: report.name.stack.clone(),
            service: report.name.service.clone(),
            instance: report.name.to_string(),
            host: host.to_owned(),
            container_id: report.container_id,
            state: report.state,
            health: report.health,
            address: self.address(&report.addresses),
            image: report.image,
            release: report.release,
            exit_code: report.exit_code,
            ports: report.ports,
        }
    }

    fn address(&self, addresses: &BTreeMap<String, String>) -> Option<String> {
        let of_fleet = self.folder.fleet.networks.keys().find_map(|network| addresses.get(network));
        of_fleet.or_else(|| addresses.values().next()).filter(|address| !address.is_empty()).cloned()
    }
}

/// A host of which nothing is known.
fn unreachable(target: &Target) -> HostStatus {
    HostStatus {
        name: target.host.clone(),
        address: target.address.to_string(),
        state: "unreachable",
        agent_version: None,
        engine_version: None,
        age_ms: None,
        problems: Vec::new(),
    }
}

/// What a host could not do, and what it found changed.
pub(super) fn problems(host: &str, report: &Report) -> Vec<String> {
    let failed = report.problems.iter().map(|problem| {
        let Problem { step, resource, message, .. } = problem;
        format!("{host}: {step} {resource}: {message}")
    });
    failed.chain(troubles(host, report)).chain(drift(host, report)).collect()
}

/// Instances that are not well. What a problem is told about already is left to that.
fn troubles(host: &str, report: &Report) -> Vec<String> {
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
    let untold = report.instances.iter().filter(|seen| {
        let name = seen.name.to_string();
        !report.problems.iter().any(|problem| problem.resource == name)
    });
    let told = untold.filter_map(|seen| {
        let ended = (seen.state == ContainerState::Exited && seen.exit_code != 0)
            .then(|| format!("it ended with status {}", seen.exit_code));
        let trouble = seen.fault(now).or(ended)?;
        let said = seen.health_output.lines().chain(seen.output.lines()).last();
        let said = said.map_or_else(String::new, |line| format!("; last output: {line}"));
        Some(format!("{host}: {}: {trouble}{said}", seen.name))
    });
    told.collect()
}

/// Files of bundles that somebody changed on the host.
pub(crate) fn drift(host: &str, report: &Report) -> Vec<String> {
    let changed = report.trees.iter().filter(|tree| !tree.drift.is_empty());
    let said = changed.map(|tree| {
        format!(
            "{host}: files of {} were modified on the host and are not restored: {}",
            tree.stack,
            tree.drift.join(", ")
        )
    });
    said.collect()
}
