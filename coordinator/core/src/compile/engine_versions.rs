//! Refuses features that need a newer engine than the host has.
//!
//! An older engine would ignore such a feature, or fail in the middle of a deployment. This check runs before anything is
//! changed. The agent checks again, because only the agent knows the engine for certain.
use std::collections::BTreeMap;

use super::{Input, networks};
use crate::container::Container;
use crate::deployment::{Instance, InstanceName, Network};
use crate::findings::Findings;
use landfast_compose::model::{MountKind, Service};

/// Version of Docker Engine and the minor version of its API.
struct EngineVersion(&'static str, u32);

const V24: EngineVersion = EngineVersion("24", 43);
const V25: EngineVersion = EngineVersion("25", 44);
const V26: EngineVersion = EngineVersion("26", 45);
const V28: EngineVersion = EngineVersion("28", 48);
const V28_1: EngineVersion = EngineVersion("28.1", 49);

/// Refuses features that the engine of an instance's host is too old for. Unknown engines are left to their agents.
pub(super) fn check(
    input: Input<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    stack_networks: &BTreeMap<String, Network>,
    findings: &mut Findings<'_>,
) {
    let mut refuse = |path: String, what: &str, EngineVersion(release, needed): EngineVersion, host: &str| {
        let Some(api) = input.engines.get(host).filter(|api| **api < needed) else { return };
        let message = format!("{what} needs Docker Engine {release} or newer, with API version 1.{needed}");
        let hint =
            format!("the engine on {host} has API version 1.{api}: update it, or place the service on another host");
        findings.refuse(path, message).hint = Some(hint);
    };
    for (name, instance) in instances {
        let service = &input.project.services[&name.service];
        for (key, what, age) in required(service, &instance.container) {
            refuse(format!("services.{}.{key}", name.service), what, age, &instance.host);
        }
    }
    for (key, network) in stack_networks.iter().filter(|(_, network)| network.spec.ipv4.is_some()) {
        for host in networks::hosts_on(&network.name, instances) {
            refuse(format!("networks.{key}.enable_ipv4"), "a network with `enable_ipv4`", V28, host);
        }
    }
}

/// Returns the keys of a service that need a newer engine, each with a description and the version.
fn required(service: &Service, container: &Container) -> Vec<(String, &'static str, EngineVersion)> {
    let mut required = Vec::new();
    let mut require = |is_used: bool, key: String, what, age| {
        if is_used {
            required.push((key, what, age));
        }
    };
    require(!container.annotations.is_empty(), "annotations".to_owned(), "an annotation", V24);
    let interval = container.healthcheck.as_ref().is_some_and(|check| check.start_interval != 0);
    require(interval, "healthcheck.start_interval".to_owned(), "a health check interval during the start", V25);
    let macs = container.networks.iter().filter(|end| !end.mac.is_empty()).count();
    require(
        macs > 1,
        "networks".to_owned(),
        "a container with MAC addresses on several networks, as fleet networks assign them,",
        V25,
    );
    for (key, end) in &service.networks {
        require(end.gw_priority != 0, format!("networks.{key}.gw_priority"), "a gateway priority", V28);
        require(end.interface_name.is_some(), format!("networks.{key}.interface_name"), "an interface name", V28_1);
    }
    for (at, mount) in service.volumes.iter().enumerate() {
        let recursive = matches!(mount.bind.recursive.as_deref(), Some("writable" | "readonly"));
        let recursive = recursive && mount.kind == MountKind::Bind;
        require(
            recursive,
            format!("volumes[{at}].bind.recursive"),
            "a setting for mounts below a read-only mount",
            V25,
        );
        let part = mount.kind == MountKind::Volume && mount.volume.subpath.as_ref().is_some_and(|it| !it.is_empty());
        require(part, format!("volumes[{at}].volume.subpath"), "a subpath of a volume", V26);
    }
    required
}
