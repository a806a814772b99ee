//! What only newer engines do. An older one would take it and say nothing, or refuse in the middle of a deployment: so it
//! is refused here, where nothing has been changed yet. The agent refuses it too, as it alone knows the engine it speaks to.
use std::collections::BTreeMap;

use super::{Input, networks};
use crate::container::Container;
use crate::deployment::{Instance, InstanceName, Network};
use crate::findings::Findings;
use landfast_compose::model::{MountKind, Service};

/// A release of Docker Engine, and the minor number of the API that came with it.
struct EngineVersion(&'static str, u32);

const V24: EngineVersion = EngineVersion("24", 43);
const V25: EngineVersion = EngineVersion("25", 44);
const V26: EngineVersion = EngineVersion("26", 45);
const V28: EngineVersion = EngineVersion("28", 48);
const V28_1: EngineVersion = EngineVersion("28.1", 49);

/// Refuses what the engine of an instance's host is too old for. A host whose engine is not known is left to its agent.
pub(super) fn check(
    input: Input<'_>,
    instances: &BTreeMap<InstanceName, Instance>,
    stack_networks: &BTreeMap<String, Network>,
    findings: &mut Findings<'_>,
) {
    let mut refuse = |path: String, what: &str, EngineVersion(release, needed): EngineVersion, host: &str| {
        let Some(api) = input.engines.get(host).filter(|api| **api < needed) else { return };
        let message = format!("{what} needs Docker Engine {release} or newer, which speaks API 1.{needed}");
        let hint = format!("{host} speaks 1.{api}: update its engine, or place the service on another host");
        findings.refuse(path, message).hint = Some(hint);
    };
    for (name, instance) in instances {
        let service = &input.project.services[&name.service];
        for (key, what, age) in asked(service, &instance.container) {
            refuse(format!("services.{}.{key}", name.service), what, age, &instance.host);
        }
    }
    for (key, network) in stack_networks.iter().filter(|(_, network)| network.ipv4.is_some()) {
        for host in networks::hosts_on(&network.name, instances) {
            refuse(format!("networks.{key}.enable_ipv4"), "a network with or without IPv4 by choice", V28, host);
        }
    }
}

/// Keys of a service with what they ask for, and since when there is that.
fn asked(service: &Service, container: &Container) -> Vec<(String, &'static str, EngineVersion)> {
    let mut asked = Vec::new();
    let mut ask = |is_asked: bool, key: String, what, age| {
        if is_asked {
            asked.push((key, what, age));
        }
    };
    ask(!container.annotations.is_empty(), "annotations".to_owned(), "an annotation", V24);
    let interval = container.healthcheck.as_ref().is_some_and(|check| check.start_interval != 0);
    ask(interval, "healthcheck.start_interval".to_owned(), "an interval while it starts", V25);
    let macs = container.networks.iter().filter(|end| !end.mac.is_empty()).count();
    ask(
        macs > 1,
        "networks".to_owned(),
        "a container with a MAC on several networks, as those of a fleet give one,",
        V25,
    );
    for (key, end) in &service.networks {
        ask(end.gw_priority != 0, format!("networks.{key}.gw_priority"), "a priority among gateways", V28);
        ask(end.interface_name.is_some(), format!("networks.{key}.interface_name"), "the name of an interface", V28_1);
    }
    for (at, mount) in service.volumes.iter().enumerate() {
        let recursive = matches!(mount.bind.recursive.as_deref(), Some("writable" | "readonly"));
        let recursive = recursive && mount.kind == MountKind::Bind;
        ask(recursive, format!("volumes[{at}].bind.recursive"), "what is mounted beneath a read-only mount", V25);
        let part = mount.kind == MountKind::Volume && mount.volume.subpath.as_ref().is_some_and(|it| !it.is_empty());
        ask(part, format!("volumes[{at}].volume.subpath"), "a part of a volume", V26);
    }
    asked
}
