//! JSON of `status` and `ps`.

use landfast_core::report::{ContainerState, Health};
use landfast_engine::observe;
use schemars::JsonSchema;
use serde::Serialize;

/// State of the fleet.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Status<'a> {
    /// Name of the fleet.
    fleet: &'a str,
    /// All hosts of `landfast.toml`.
    hosts: Vec<Host<'a>>,
    /// All instances that hosts report.
    instances: Vec<Instance<'a>>,
    /// Steps that the last run of a stack left out because their host was away.
    owed: &'a [String],
}

/// State of one host.
#[derive(Debug, Serialize, JsonSchema)]
struct Host<'a> {
    /// Name of the host.
    name: &'a str,
    /// Address of the host.
    address: &'a str,
    /// `ready`, `engine lost` or `unreachable`.
    state: &'static str,
    /// Version of the agent, or null.
    agent_version: Option<&'a str>,
    /// Version of the engine, or null.
    engine_version: Option<&'a str>,
    /// Age of the report in milliseconds, or null.
    age_ms: Option<u64>,
    /// What is wrong on the host.
    problems: &'a [String],
}

/// State of one instance.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Instance<'a> {
    /// Name of the stack.
    stack: &'a str,
    /// Name of the service.
    service: &'a str,
    /// Name of the instance, such as `data/postgres.1`.
    instance: &'a str,
    /// Name of the host.
    host: &'a str,
    /// Id of the container.
    container_id: &'a str,
    /// `created`, `running`, `paused`, `restarting`, `exited`, `dead`, `missing` or `unknown`.
    #[schemars(with = "String")]
    state: ContainerState,
    /// `none`, `starting`, `healthy` or `unhealthy`.
    #[schemars(with = "String")]
    health: Health,
    /// Address on a fleet network, else on another network, or null.
    address: Option<&'a str>,
    /// Reference of the image.
    image: &'a str,
    /// Number of the release.
    release: u64,
    /// Number of the container among all that were made for the instance, or 0. Two containers of one instance may run side by
    /// side.
    incarnation: u64,
}

impl<'a> From<&'a observe::Status> for Status<'a> {
    fn from(status: &'a observe::Status) -> Self {
        Self {
            fleet: &status.fleet,
            hosts: status.hosts.iter().map(Host::from).collect(),
            instances: status.instances.iter().map(Instance::from).collect(),
            owed: &status.owed,
        }
    }
}

impl<'a> From<&'a observe::HostStatus> for Host<'a> {
    fn from(host: &'a observe::HostStatus) -> Self {
        Self {
            name: &host.name,
            address: &host.address,
            state: host.state,
            agent_version: host.agent_version.as_deref(),
            engine_version: host.engine_version.as_deref(),
            age_ms: host.age_ms,
            problems: &host.problems,
        }
    }
}

impl<'a> From<&'a observe::InstanceStatus> for Instance<'a> {
    fn from(instance: &'a observe::InstanceStatus) -> Self {
        Self {
            stack: &instance.stack,
            service: &instance.service,
            instance: &instance.instance,
            host: &instance.host,
            container_id: &instance.container_id,
            state: instance.state,
            health: instance.health,
            address: instance.address.as_deref(),
            image: &instance.image,
            release: instance.release,
            incarnation: instance.incarnation,
        }
    }
}
