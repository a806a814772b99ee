//! The instances and hosts of the fleet as the hosts report them, for `status`, `ps` and `logs`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use landfast_core::report::{ContainerState, Health, InstanceReport, Problem, Report, ReportedPort, ResourceKind};

use landfast_proto::v1;

use crate::connect::{Agent, Agents, Ask, Target, targets};
use crate::operation::releases;
use crate::wire::Wire as _;

use crate::{Engine, EngineError, Hint};

/// Status of the fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// Name of the fleet.
    pub fleet: String,
    /// Status of every host in the fleet.
    pub hosts: Vec<HostStatus>,
    /// Status of every instance, ordered by stack, instance and host.
    pub instances: Vec<InstanceStatus>,
    /// Steps that the last run of a stack left out because their host was away, as in `recreate data/app.1 on gamma`.
    pub owed: Vec<String>,
}

/// Status of one host.
#[derive(Debug, Clone, PartialEq)]
pub struct HostStatus {
    /// Name of the host.
    pub name: String,
    /// Address of the host's agent.
    pub address: String,
    /// State of the host: `ready`, `engine lost` or `unreachable`.
    pub state: &'static str,
    /// Version of the agent, if it answered.
    pub agent_version: Option<String>,
    /// Version of the container engine, if the agent answered.
    pub engine_version: Option<String>,
    /// Time since the host answered, in milliseconds.
    pub age_ms: Option<u64>,
    /// Problems of the host: why it is not ready, failed steps, unhealthy instances and modified files.
    pub problems: Vec<String>,
}

/// Status of one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceStatus {
    /// Name of the stack.
    pub stack: String,
    /// Name of the service.
    pub service: String,
    /// Name of the instance, such as `data/postgres.1`.
    pub instance: String,
    /// Name of the host.
    pub host: String,
    /// Id of the container.
    pub container_id: String,
    /// State of the container.
    pub state: ContainerState,
    /// Health of the container.
    pub health: Health,
    /// Address on the fleet's network, or else on the first network.
    pub address: Option<String>,
    /// Reference of the image.
    pub image: String,
    /// Number of the release that the instance belongs to.
    pub release: u64,
    /// Number of the container among all that were made for the instance; 0 if a version that did not number them made it.
    pub incarnation: u64,
    /// Exit code of the container, if it has exited.
    pub exit_code: i32,
    /// Published ports.
    pub ports: Vec<ReportedPort>,
}

impl Engine {
    /// Asks all hosts for their status. Hosts that cannot be reached are included in the result.
    pub async fn status(&self) -> Result<(Status, Agents), EngineError> {
        let fleet = &self.folder.fleet;
        let credentials = self.folder.credentials()?;
        let agents = Agents::connect(&fleet.name, &targets(fleet), &credentials, Ask::Described).await;
        let answered = Instant::now();
        let (hosts, instances) = (Vec::new(), Vec::new());
        let owed = releases::owed(agents.connected().values());
        let mut status = Status { fleet: fleet.name.clone(), hosts, instances, owed };
        let newest = newest_fabric(agents.connected());
        for target in targets(fleet) {
            let Some(agent) = agents.get(&target.host) else {
                let why = agents.failed().get(&target.host).map(Hint::with_hint);
                status.hosts.push(HostStatus { problems: why.into_iter().collect(), ..unreachable(&target) });
                continue;
            };
            let description = agent.description();
            let report = description.report.clone().map(Report::of_wire).unwrap_or_default();
            let mut host = HostStatus { problems: problems(&target.host, &report), ..unreachable(&target) };
            let engine = description.engine.clone().unwrap_or_default();
            host.state = "ready";
            if report.engine_lost || !engine.error.is_empty() {
                host.state = "engine lost";
                host.problems
                    .insert(0, format!("{}: the container engine does not answer: {}", target.host, engine.error));
            }
            let fabric = fabric(description);
            if fabric.is_some() && fabric.map(|stamp| &stamp.digest) != newest.as_ref() {
                host.problems.push(format!(
                    "{}: it has missed a change of the fleet's addresses and names; the next `landfast up` sends it",
                    target.host
                ));
            }
            host.agent_version = Some(description.agent_version.clone());
            host.engine_version = Some(engine.version);
            host.age_ms = Some(u64::try_from(answered.elapsed().as_millis()).unwrap_or(u64::MAX));
            status.hosts.push(host);
            status.instances.extend(report.instances.into_iter().map(|one| self.instance(&target.host, one)));
        }
        status.instances.sort_by(|one, other| {
            let key = |of: &InstanceStatus| (of.stack.clone(), of.instance.clone(), of.host.clone(), of.incarnation);
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
            incarnation: report.incarnation,
            exit_code: report.exit_code,
            ports: report.ports,
        }
    }

    fn address(&self, addresses: &BTreeMap<String, String>) -> Option<String> {
        let of_fleet = self.folder.fleet.networks.keys().find_map(|network| addresses.get(network));
        of_fleet.or_else(|| addresses.values().next()).filter(|address| !address.is_empty()).cloned()
    }
}

/// The stamp of the fabric that a host holds.
fn fabric(description: &v1::DescribeResponse) -> Option<&v1::Stamp> {
    let mut units = description.report.iter().flat_map(|report| &report.units);
    let fabric = units.find(|unit| matches!(unit.unit, Some(v1::unit_report::Unit::Fabric(_))));
    fabric.and_then(|unit| unit.stamp.as_ref())
}

/// Digest of the fabric that was assigned last.
fn newest_fabric(agents: &BTreeMap<String, Agent>) -> Option<String> {
    let stamps = agents.values().filter_map(|agent| fabric(agent.description()));
    stamps.max_by_key(|stamp| stamp.epoch).map(|stamp| stamp.digest.clone())
}

/// Returns the status of a host that did not answer.
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

/// Returns the problems of a host: failed steps, unhealthy instances and modified files.
pub(super) fn problems(host: &str, report: &Report) -> Vec<String> {
    let failed = report.problems.iter().map(|problem| {
        let Problem { step, resource, message, .. } = problem;
        format!("{host}: {step} {resource}: {message}")
    });
    failed.chain(troubles(host, report)).chain(drift(host, report)).chain(unmanaged(host, report)).collect()
}

/// Returns the stacks of which containers exist although the host holds no state of them.
fn unmanaged(host: &str, report: &Report) -> Vec<String> {
    let stacks = report.instances.iter().filter(|seen| seen.unmanaged).map(|seen| seen.name.stack.as_str());
    let problem = |stack: &str| {
        format!(
            "{host}: the containers of {stack} are unmanaged, because the agent has no state of the stack: they are left \
             alone; `landfast up {stack}` takes them over"
        )
    };
    stacks.collect::<BTreeSet<_>>().into_iter().map(problem).collect()
}

/// Returns the instances that failed or are unhealthy, except those for which a problem is reported already.
fn troubles(host: &str, report: &Report) -> Vec<String> {
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX);
    let unreported = report.instances.iter().filter(|seen| {
        let name = seen.name.to_string();
        !report.problems.iter().any(|problem| problem.is_of(ResourceKind::Instance, &name))
    });
    let problems = unreported.filter_map(|seen| {
        let ended = (seen.state == ContainerState::Exited && seen.exit_code != 0)
            .then(|| format!("it ended with status {}", seen.exit_code));
        let trouble = seen.fault(now).or(ended)?;
        let output = seen.health_output.lines().chain(seen.output.lines()).last();
        let output = output.map_or_else(String::new, |line| format!("; last output: {line}"));
        Some(format!("{host}: {}: {trouble}{output}", seen.name))
    });
    problems.collect()
}

/// Returns the files of bundles that were modified on the host.
pub(crate) fn drift(host: &str, report: &Report) -> Vec<String> {
    let changed = report.trees.iter().filter(|tree| !tree.drift.is_empty());
    let problems = changed.map(|tree| {
        format!(
            "{host}: files of {} were modified on the host and are not restored: {}",
            tree.stack,
            tree.drift.join(", ")
        )
    });
    problems.collect()
}
