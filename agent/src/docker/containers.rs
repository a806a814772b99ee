//! Containers: lists and inspects them, and starts, stops, renames and removes them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use bollard::models::{
    ContainerInspectResponse, ContainerState, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum,
    Health, HealthStatusEnum, MountPoint, RestartPolicyNameEnum,
};
use bollard::query_parameters::{ListContainersOptions, RemoveContainerOptions, RenameContainerOptions};
use landfast_agent_core::desired::{Claim, InstanceName, Restart};
use landfast_agent_core::observed::{self, Container, Foreign, Listed, Port, State};

use super::{Engine, EngineError, LONG, SHORT};

/// Time limit for inspecting a container. The engine answers only when no other request for that container is under way.
const INSPECT_LIMIT: Duration = Duration::from_secs(3);

/// Labels that mark a container as one of the fleet and name its instance.
pub(crate) struct Labels;

impl Labels {
    pub(crate) const FLEET: &str = "landfast.fleet";
    pub(crate) const STACK: &str = "landfast.stack";
    pub(crate) const SERVICE: &str = "landfast.service";
    pub(crate) const INDEX: &str = "landfast.index";
    pub(crate) const DIGEST: &str = "landfast.digest";
    pub(crate) const RELEASE: &str = "landfast.release";
    /// Label with the number of the incarnation. Containers of earlier versions do not have it.
    pub(crate) const INCARNATION: &str = "landfast.incarnation";
    /// Label by which Compose finds the parts of a project.
    pub(crate) const PROJECT: &str = "com.docker.compose.project";

    /// Returns the labels of a network or a volume (`kind`): the fleet's, and Compose's for one that belongs to a stack.
    pub(crate) fn of_part(
        kind: &str,
        (stack, project, key): (&str, &str, &str),
        written: &BTreeMap<String, String>,
        fleet: &str,
    ) -> HashMap<String, String> {
        let mut labels: HashMap<String, String> = written.clone().into_iter().collect();
        labels.insert(Self::FLEET.to_owned(), fleet.to_owned());
        if !stack.is_empty() {
            labels.insert(Self::STACK.to_owned(), stack.to_owned());
            let project = if project.is_empty() { stack } else { project };
            labels.insert(Self::PROJECT.to_owned(), project.to_owned());
            labels.insert(format!("com.docker.compose.{kind}"), key.to_owned());
            labels.insert("com.docker.compose.version".to_owned(), "landfast".to_owned());
        }
        labels
    }

    /// Returns the instance that these labels name; `None` if they are incomplete or of another fleet.
    pub(crate) fn instance(labels: &HashMap<String, String>, fleet: &str) -> Option<InstanceName> {
        let index = labels.get(Self::INDEX)?.parse().ok()?;
        let (stack, service) = (labels.get(Self::STACK)?.clone(), labels.get(Self::SERVICE)?.clone());
        (labels.get(Self::FLEET)? == fleet).then_some(InstanceName { stack, service, index })
    }
}

impl Engine {
    /// Lists all containers by id, running or not, of this fleet or not.
    pub(crate) async fn list_containers(&self, fleet: &str) -> Result<BTreeMap<String, Listed>, EngineError> {
        let options = ListContainersOptions { all: true, ..ListContainersOptions::default() };
        let found = self.within(SHORT, self.client()?.list_containers(Some(options))).await?;
        Ok(found.into_iter().filter_map(|summary| Some((summary.id.clone()?, listed(summary, fleet)))).collect())
    }

    /// Inspects a container. Returns `Err` with what is known of it if it is not of this fleet, and `None` if it is gone.
    pub(crate) async fn inspect_container(
        &self,
        id: &str,
        fleet: &str,
    ) -> Result<Option<Result<Container, Foreign>>, EngineError> {
        match self.within(INSPECT_LIMIT, self.client()?.inspect_container(id, None)).await {
            Ok(found) => Ok(Some(container(found, fleet))),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn start_container(&self, container: &str) -> Result<(), EngineError> {
        self.within(LONG, self.client()?.start_container(container, None)).await
    }

    /// Stops a container with its own grace period, which the engine knows too.
    pub(crate) async fn stop_container(&self, container: &str, grace: Option<u32>) -> Result<(), EngineError> {
        let limit = Duration::from_secs(u64::from(grace.unwrap_or(10)) + 30);
        gone_is_done(self.within(limit, self.client()?.stop_container(container, None)).await)
    }

    /// Removes a container and its anonymous volumes that no other container uses. The removal is forced, because one that
    /// is dead or restarting cannot be removed otherwise.
    pub(crate) async fn remove_container(&self, container: &str) -> Result<(), EngineError> {
        let labels = self.labels_of(container).await?;
        let options = RemoveContainerOptions { force: true, v: true, link: false };
        gone_is_done(self.within(LONG, self.client()?.remove_container(container, Some(options))).await)?;
        self.remove_inherited(&labels).await;
        Ok(())
    }

    pub(crate) async fn rename_container(&self, container: &str, name: &str) -> Result<(), EngineError> {
        let options = RenameContainerOptions { name: name.to_owned() };
        self.within(SHORT, self.client()?.rename_container(container, options)).await
    }
}

fn gone_is_done(answer: Result<(), EngineError>) -> Result<(), EngineError> {
    match answer {
        Err(error) if error.is_not_found() => Ok(()),
        answer => answer,
    }
}

fn listed(summary: ContainerSummary, fleet: &str) -> Listed {
    let labels = summary.labels.unwrap_or_default();
    let networks = summary.network_settings.and_then(|settings| settings.networks).unwrap_or_default();
    let name = summary.names.unwrap_or_default().first().map(|name| name.trim_start_matches('/').to_owned());
    let ports = summary.ports.unwrap_or_default().into_iter().filter_map(|port| {
        Some(Port {
            address: port.ip.unwrap_or_default(),
            published: port.public_port?,
            target: port.private_port,
            protocol: port.typ.map(|protocol| protocol.to_string()).unwrap_or_default(),
        })
    });
    let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
    Listed {
        instance: Labels::instance(&labels, fleet),
        digest: label(Labels::DIGEST),
        release: label(Labels::RELEASE).parse().unwrap_or(0),
        volumes: volumes_of(summary.mounts),
        created_at: summary.created.unwrap_or(0).saturating_mul(1_000_000_000),
        state: summary.state.map_or(State::Created, listed_state),
        foreign: Foreign { name: name.unwrap_or_default(), networks: networks.keys().cloned().collect() },
        ports: ports.collect(),
        addresses: networks
            .into_iter()
            .map(|(name, endpoint)| (name, endpoint.ip_address.unwrap_or_default()))
            .collect(),
    }
}

fn volumes_of(mounts: Option<Vec<MountPoint>>) -> BTreeSet<String> {
    let volumes = mounts.unwrap_or_default().into_iter().filter(|mount| mount.typ.as_deref() == Some("volume"));
    volumes.filter_map(|mount| mount.name).collect()
}

fn listed_state(state: ContainerSummaryStateEnum) -> State {
    match state {
        ContainerSummaryStateEnum::RUNNING | ContainerSummaryStateEnum::STOPPING => State::Running,
        ContainerSummaryStateEnum::PAUSED => State::Paused,
        ContainerSummaryStateEnum::RESTARTING => State::Restarting,
        ContainerSummaryStateEnum::EXITED => State::Exited,
        ContainerSummaryStateEnum::REMOVING => State::Removing,
        ContainerSummaryStateEnum::DEAD => State::Dead,
        ContainerSummaryStateEnum::CREATED | ContainerSummaryStateEnum::EMPTY => State::Created,
    }
}

fn container(found: ContainerInspectResponse, fleet: &str) -> Result<Container, Foreign> {
    let name = found.name.as_deref().unwrap_or_default().trim_start_matches('/').to_owned();
    let config = found.config.unwrap_or_default();
    let labels = config.labels.unwrap_or_default();
    let settings = found.network_settings.unwrap_or_default();
    let networks = settings.networks.unwrap_or_default();
    let Some(instance) = Labels::instance(&labels, fleet) else {
        return Err(Foreign { name, networks: networks.keys().cloned().collect() });
    };
    let state = found.state.unwrap_or_default();
    let host = found.host_config.unwrap_or_default();
    let fixed = networks.iter().filter_map(|(network, endpoint)| {
        let address = endpoint.ipam_config.as_ref()?.ipv4_address.clone().filter(|address| !address.is_empty())?;
        Some(Claim::Address { network: network.clone(), address })
    });
    let modes = [&host.network_mode, &host.pid_mode, &host.ipc_mode];
    let joined = modes.into_iter().filter_map(|mode| mode.as_deref()?.strip_prefix("container:"));
    let joined: BTreeSet<String> = joined.map(str::to_owned).collect();
    let bound = host.port_bindings.unwrap_or_default();
    let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
    Ok(Container {
        name,
        instance,
        digest: label(Labels::DIGEST),
        release: label(Labels::RELEASE).parse().unwrap_or(0),
        incarnation: label(Labels::INCARNATION).parse().unwrap_or(0),
        state: state.status.map_or(State::Created, status),
        health: health(state.health.as_ref()),
        exit_code: state.exit_code.and_then(|code| i32::try_from(code).ok()).unwrap_or(0),
        restart: restart(host.restart_policy.and_then(|policy| policy.name)),
        created_at: found.created.as_deref().map_or(0, nanoseconds),
        started_at: state.started_at.as_deref().map_or(0, nanoseconds),
        finished_at: state.finished_at.as_deref().map_or(0, nanoseconds),
        stop_grace: config.stop_timeout.and_then(|seconds| u32::try_from(seconds).ok()),
        volumes: volumes_of(found.mounts),
        joined,
        claims: fixed.chain(bound.iter().flat_map(|(target, bindings)| claims(target, bindings.as_deref()))).collect(),
        ports: settings
            .ports
            .unwrap_or_default()
            .iter()
            .flat_map(|(target, bound)| ports(target, bound.as_deref()))
            .collect(),
        image: config.image.unwrap_or_default(),
        restarts: found.restart_count.and_then(|count| u32::try_from(count).ok()).unwrap_or(0),
        health_output: health_output(&state),
        // The engine does not know this.
        unfinished: None,
        output: String::new(),
        tree: None,
        addresses: networks
            .into_iter()
            .map(|(name, endpoint)| (name, endpoint.ip_address.unwrap_or_default()))
            .collect(),
    })
}

fn status(status: ContainerStateStatusEnum) -> State {
    match status {
        ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::STOPPING => State::Running,
        ContainerStateStatusEnum::PAUSED => State::Paused,
        ContainerStateStatusEnum::RESTARTING => State::Restarting,
        ContainerStateStatusEnum::EXITED => State::Exited,
        ContainerStateStatusEnum::REMOVING => State::Removing,
        ContainerStateStatusEnum::DEAD => State::Dead,
        ContainerStateStatusEnum::CREATED | ContainerStateStatusEnum::EMPTY => State::Created,
    }
}

fn health(health: Option<&Health>) -> observed::Health {
    match health.and_then(|health| health.status) {
        Some(HealthStatusEnum::STARTING) => observed::Health::Starting,
        Some(HealthStatusEnum::HEALTHY) => observed::Health::Healthy,
        Some(HealthStatusEnum::UNHEALTHY) => observed::Health::Unhealthy,
        Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => observed::Health::None,
    }
}

/// Returns the end of the last health check's output, if it failed.
fn health_output(state: &ContainerState) -> String {
    let last = state.health.as_ref().and_then(|health| health.log.as_ref()?.last());
    let failed = last.filter(|check| check.exit_code != Some(0)).and_then(|check| check.output.as_deref());
    let lines: Vec<&str> = failed.unwrap_or_default().trim().lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n").chars().take(2_000).collect()
}

fn restart(name: Option<RestartPolicyNameEnum>) -> Restart {
    match name {
        Some(RestartPolicyNameEnum::ALWAYS | RestartPolicyNameEnum::UNLESS_STOPPED) => Restart::Always,
        Some(RestartPolicyNameEnum::ON_FAILURE) => Restart::OnFailure,
        Some(RestartPolicyNameEnum::NO | RestartPolicyNameEnum::EMPTY) | None => Restart::No,
    }
}

/// Returns the ports of the host that a binding of `80/tcp` claims. Ranges and ports that the engine chooses claim none.
fn claims(target: &str, bindings: Option<&[bollard::models::PortBinding]>) -> Vec<Claim> {
    let protocol = target.split_once('/').map_or("tcp", |(_, protocol)| protocol);
    let certain = bindings.unwrap_or_default().iter().filter_map(|binding| {
        let port = binding.host_port.as_deref()?.parse().ok().filter(|port| *port != 0)?;
        let address = binding.host_ip.clone().unwrap_or_default();
        Some(Claim::Port { address, port, protocol: protocol.to_owned() })
    });
    certain.collect()
}

fn ports(target: &str, bound: Option<&[bollard::models::PortBinding]>) -> BTreeSet<Port> {
    let (port, protocol) = target.split_once('/').unwrap_or((target, "tcp"));
    let bound = bound.unwrap_or_default().iter().filter_map(|binding| {
        Some(Port {
            address: binding.host_ip.clone().unwrap_or_default(),
            published: binding.host_port.as_deref()?.parse().ok()?,
            target: port.parse().ok()?,
            protocol: protocol.to_owned(),
        })
    });
    bound.collect()
}

/// Parses a time of the engine into nanoseconds of Unix time. The engine's zero time, which is in year 1, becomes 0.
fn nanoseconds(text: &str) -> i64 {
    let parsed = text.parse::<jiff::Timestamp>().ok();
    parsed.and_then(|time| i64::try_from(time.as_nanosecond()).ok()).filter(|time| *time > 0).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_stacks_volume_is_composes_too_and_a_fleets_network_is_not() {
        let written = [("tier".to_owned(), "data".to_owned())].into();
        let volume = Labels::of_part("volume", ("data", "", "postgres"), &written, "home");
        let label = |key: &str| volume.get(key).map(String::as_str);
        assert_eq!(label("com.docker.compose.project"), Some("data"));
        assert_eq!(label("com.docker.compose.volume"), Some("postgres"));
        assert_eq!((label("landfast.fleet"), label("tier")), (Some("home"), Some("data")));

        let named = Labels::of_part("volume", ("data", "shop", "postgres"), &written, "home");
        let labels = ["landfast.stack", "com.docker.compose.project"].map(|key| named[key].as_str());
        assert_eq!(labels, ["data", "shop"]);

        let network = Labels::of_part("network", ("", "", "infra_net"), &written, "home");
        assert!(!network.keys().any(|key| key.starts_with("com.docker.compose")));
    }

    #[test]
    fn an_inspected_container_is_read_whole() {
        let found = json!({
            "Id": "c1", "Name": "/data-redis-1", "Created": "2026-11-20T17:00:00.5Z", "RestartCount": 2,
            "State": {
                "Status": "running", "ExitCode": 0, "StartedAt": "2026-11-20T17:00:01Z", "FinishedAt": "0001-01-01T00:00:00Z",
                "Health": {"Status": "unhealthy", "FailingStreak": 3, "Log": [{"ExitCode": 1, "Output": "no\nanswer\n"}]},
            },
            "Config": {
                "Image": "redis:7", "StopTimeout": 30,
                "Labels": {
                    "landfast.fleet": "home", "landfast.stack": "data", "landfast.service": "redis", "landfast.index": "1",
                    "landfast.digest": "d", "landfast.release": "4", "landfast.incarnation": "7",
                },
            },
            "HostConfig": {
                "RestartPolicy": {"Name": "unless-stopped"},
                "PortBindings": {"6379/tcp": [{"HostIp": "127.0.0.1", "HostPort": "6380"}, {"HostIp": "", "HostPort": ""}]},
            },
            "Mounts": [{"Type": "volume", "Name": "data_redis"}, {"Type": "bind", "Source": "/srv"}],
            "NetworkSettings": {
                "Ports": {"6379/tcp": [{"HostIp": "127.0.0.1", "HostPort": "6380"}], "80/tcp": null},
                "Networks": {"infra_net": {"IPAMConfig": {"IPv4Address": "172.19.0.5"}, "IPAddress": "172.19.0.5"}},
            },
        });
        let found = container(serde_json::from_value(found).expect("as the engine says it"), "home").expect("ours");
        assert_eq!(found.instance.to_string(), "data/redis.1");
        assert_eq!((found.digest.as_str(), found.release, found.restarts), ("d", 4, 2));
        assert_eq!(found.incarnation, 7);
        assert_eq!((found.state, found.health), (State::Running, observed::Health::Unhealthy));
        assert_eq!(found.health_output, "no\nanswer");
        assert_eq!((found.restart, found.stop_grace), (Restart::Always, Some(30)));
        assert_eq!(found.created_at, 1_795_194_000_500_000_000);
        assert_eq!(found.finished_at, 0);
        assert_eq!(found.volumes, ["data_redis".to_owned()].into());
        assert_eq!(found.claims.len(), 2);
        assert_eq!(found.ports.len(), 1);
        assert_eq!(found.addresses["infra_net"], "172.19.0.5");
    }

    #[test]
    fn another_fleets_container_is_not_ours() {
        let labels: HashMap<String, String> =
            [(Labels::FLEET, "other"), (Labels::STACK, "data"), (Labels::SERVICE, "redis"), (Labels::INDEX, "1")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into();
        assert_eq!(Labels::instance(&labels, "home"), None);
        assert!(Labels::instance(&labels, "other").is_some());
    }
}
