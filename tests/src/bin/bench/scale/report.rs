//! What a simulated agent tells of its host. The messages have the fields of those of a real agent, so that they have about
//! its size.

use landfast_proto::v1::{self, instance_report, unit, unit_report};
use landfast_proto::{Contents, UnitKey};

use super::agent::{Held, Kept, State, wire_stamp};
use super::fleet;

/// Unix time in nanoseconds at which every container was started.
const STARTED: i64 = 1_800_000_000_000_000_000;

/// Describes a host, without what it was assigned.
pub(crate) fn description(number: usize, state: &State) -> v1::DescribeResponse {
    let engine = v1::Engine {
        version: "20.10.24".to_owned(),
        api_version: "1.41".to_owned(),
        image_store: "classic".to_owned(),
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        error: String::new(),
        runtimes: vec!["runc".to_owned()],
        device_drivers: Vec::new(),
    };
    let report = report(state);
    let containers = report.instances.iter().map(|seen| format!("{}-{}-{}", seen.stack, seen.service, seen.index));
    v1::DescribeResponse {
        fleet: fleet::NAME.to_owned(),
        host: fleet::host(number),
        agent_version: env!("CARGO_PKG_VERSION").to_owned(),
        engine: Some(engine),
        features: ["units", "claims", "ledger", "secrets", "incarnations"].map(str::to_owned).to_vec(),
        images: (0..fleet::INSTANCES).map(image).collect(),
        networks: networks(state, &containers.collect::<Vec<_>>()),
        report: Some(report),
        disk_free: 1 << 40,
        ..v1::DescribeResponse::default()
    }
}

/// The report of a host: everything that it holds runs and is healthy.
pub(crate) fn report(state: &State) -> v1::Report {
    let stacks = || state.units.values().filter_map(stack);
    v1::Report {
        epoch: state.seen.epoch,
        owner: state.seen.owner.clone(),
        generation: state.seen.generation,
        converged: true,
        instances: stacks().flat_map(|stack| stack.instances).map(instance).collect(),
        trees: stacks()
            .map(|it| v1::TreeReport { stack: it.stack, manifest: it.manifest, ..v1::TreeReport::default() })
            .collect(),
        units: state.units.iter().map(|(key, held)| unit_status(key, held)).collect(),
        ..v1::Report::default()
    }
}

fn stack(held: &Held) -> Option<v1::StackState> {
    match &held.contents {
        Kept::Own(own @ unit::Contents::Stack(_)) => match Contents::decode(own) {
            Ok(Contents::Stack(stack)) => Some(stack),
            _ => None,
        },
        _ => None,
    }
}

fn unit_status(key: &UnitKey, held: &Held) -> v1::UnitReport {
    let unit = match (key, &held.contents) {
        (UnitKey::Base, _) => unit_report::Unit::Base(true),
        (UnitKey::Fabric, _) => unit_report::Unit::Fabric(true),
        (UnitKey::Stack(stack), Kept::Own(unit::Contents::Removal(_))) => unit_report::Unit::Removal(stack.clone()),
        (UnitKey::Stack(stack), _) => unit_report::Unit::Stack(stack.clone()),
    };
    v1::UnitReport { unit: Some(unit), stamp: Some(wire_stamp(&held.stamp)), converged: true }
}

fn instance(assigned: v1::Instance) -> v1::InstanceReport {
    let v1::Instance { stack, service, index, release, digest, container, incarnation, .. } = assigned;
    let container = container.unwrap_or_default();
    let id = blake3::hash(format!("{stack}/{service}.{index} {digest}").as_bytes()).to_hex().to_string();
    let health = match container.healthcheck {
        Some(_) => instance_report::Health::Healthy,
        None => instance_report::Health::Unspecified,
    };
    v1::InstanceReport {
        stack,
        service,
        index,
        container_id: id,
        state: instance_report::State::Running.into(),
        health: health.into(),
        image: container.image,
        digest,
        release,
        incarnation,
        addresses: container.networks.into_iter().map(|end| (end.network, end.address)).collect(),
        started_at: STARTED,
        ..v1::InstanceReport::default()
    }
}

fn image(service: usize) -> v1::Image {
    let reference = fleet::image(service);
    let fingerprint = blake3::hash(reference.as_bytes()).to_hex().to_string();
    v1::Image {
        id: format!("sha256:{fingerprint}"),
        references: vec![reference],
        fingerprint,
        size: 64 << 20,
        os: "linux".to_owned(),
        architecture: "amd64".to_owned(),
        ..v1::Image::default()
    }
}

/// The networks of the engine: those that were assigned.
fn networks(state: &State, containers: &[String]) -> Vec<v1::EngineNetwork> {
    let base = match state.units.get(&UnitKey::Base).map(|held| &held.contents) {
        Some(Kept::Own(own)) => match Contents::decode(own) {
            Ok(Contents::Base(base)) => base.networks,
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    let made = base.into_iter().map(|network| v1::EngineNetwork {
        name: network.name,
        driver: network.driver,
        subnets: vec![network.subnet],
        gateways: vec![network.gateway],
        internal: network.internal,
        options: network.options,
        managed: true,
        containers: containers.to_vec(),
        project: String::new(),
    });
    made.collect()
}
