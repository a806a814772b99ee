//! Published ports. A port without an address is bound to loopback, unless `landfast.toml` opens it.
use super::container_input::ContainerInput;
use crate::container::Port;
use crate::deployment::BoundBy;
use crate::findings::Findings;
use crate::fleet::Publish;
use crate::ports::LOOPBACK;

pub(super) fn ports(input: ContainerInput<'_>, findings: &mut Findings<'_>) -> Vec<Port> {
    let service = input.service();
    if matches!(service.network_mode.as_deref(), Some("host" | "none")) {
        if !service.ports.is_empty() {
            findings.warn(input.path("ports"), "ports have no effect with this network_mode: nothing is published");
        }
        return Vec::new();
    }
    let shared = service.network_mode.as_deref().filter(|mode| mode.contains(':'));
    if let Some(mode) = shared.filter(|_| !service.ports.is_empty()) {
        let message = format!("the service shares the network of {mode}, so it cannot publish ports itself");
        findings.refuse(input.path("ports"), message).hint = Some("publish the ports there".to_owned());
        return Vec::new();
    }
    let targets = service.ports.iter().map(|port| port.target).enumerate();
    for (index, target) in targets.filter(|(_, target)| !(1..=65535).contains(target)) {
        let message = format!("{target} is not a valid container port");
        findings.refuse(input.path(&format!("ports[{index}]")), message).hint =
            Some("ports are from 1 to 65535".to_owned());
    }
    let port = |port: &landfast_compose::model::Port| {
        let (published, end) =
            port.published.map_or((0, 0), |published| (published.start.into(), published.end.into()));
        Port {
            address: port.host_ip.clone().unwrap_or_else(|| default_address(input)),
            published,
            target: port.target,
            protocol: port.protocol.clone(),
            published_end: if end > published { end } else { 0 },
        }
    };
    service.ports.iter().map(port).collect()
}

/// Returns what decided the addresses of the first `count` ports: `count` is the number of all ports, or 0 if none is published.
pub(super) fn bound(input: ContainerInput<'_>, count: usize) -> Vec<BoundBy> {
    let by = |port: &landfast_compose::model::Port| match (&port.host_ip, publish(input)) {
        (Some(_), _) => BoundBy::ComposeFile,
        (None, None) => BoundBy::Default,
        (None, Some(_)) => BoundBy::Publish,
    };
    input.service().ports.iter().take(count).map(by).collect()
}

fn publish(input: ContainerInput<'_>) -> Option<Publish> {
    let config = input.compile.fleet.stacks.get(&input.name.stack);
    config.and_then(|it| it.publish.get(&input.name.service).or_else(|| it.publish.get("*"))).copied()
}

fn default_address(input: ContainerInput<'_>) -> String {
    match publish(input).unwrap_or_default() {
        Publish::Loopback => LOOPBACK.to_owned(),
        Publish::All => "0.0.0.0".to_owned(),
        Publish::Lan => input.compile.fleet.hosts[&input.place.host].address.to_string(),
    }
}
