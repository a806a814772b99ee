//! Converts generated types to the types that decisions are made from. No other module knows both.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use landfast_agent_core::assignment::Stamp;
use landfast_agent_core::desired::{self, Claim, Condition, Desired, InstanceName, Restart};
use landfast_agent_core::overlay;
use landfast_agent_core::reconcile::Assignment;
use landfast_agreement::{ProjectName, ServiceName, StackName, partner};
use prost::Message as _;

use crate::dns::Zone;

pub(crate) use landfast_proto::v1::agent_server::{Agent, AgentServer};
pub(crate) use landfast_proto::v1::blobs_server::{Blobs, BlobsServer};
pub(crate) use landfast_proto::v1::builder_server::{Builder, BuilderServer};
pub(crate) use landfast_proto::v1::{
    AssignRequest, AssignResponse, Attachment, Container, Dependency, DescribeRequest, DescribeResponse, Device,
    DeviceLimit, DeviceRequest, Engine, EngineNetwork, EngineVolume, ExamineRequest, ExamineResponse, ExaminedSource,
    FetchRequest, FetchResponse, Healthcheck, Hook, HostState, Image, ImageItem, Instance, InstanceReport, LogsRequest,
    LogsResponse, Memory, MissingRequest, MissingResponse, Mount, MountSource, Network, Overlay, PlacedFile, Pool,
    Port, Problem, PullRequest, PullResponse, PushRequest, PushResponse, Report, Restart as RestartPolicy, Role,
    TreeReport, Ulimit, UsedPort, Volume, WatchRequest, dependency, examined_source, instance_report, item, least_role,
    logs_response, mount, mount_source, pull_request, push_request,
};
pub(crate) use landfast_proto::v1::{
    DiscardRequest, DiscardResponse, OpenRequest, OpenResponse, SessionEnd, open_request,
};
#[cfg(test)]
pub(crate) use landfast_proto::v1::{StringList, Tree};

/// A host state that was assigned, with the values decoded from it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Held {
    pub(crate) state: HostState,
    pub(crate) stamp: Stamp,
    pub(crate) desired: Arc<Desired>,
    /// Names that DNS answers, and the addresses that it listens on.
    pub(crate) zone: Zone,
    instances: BTreeMap<InstanceName, usize>,
}

/// Why a host state is not valid.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error("it cannot be decoded")]
    Unreadable(#[from] prost::DecodeError),
    #[error("the {what} name {name:?} is not valid")]
    Name { what: &'static str, name: String },
    #[error("{what} {name} has two entries")]
    Duplicate { what: &'static str, name: String },
    #[error("instance {0} has no {1}")]
    Missing(InstanceName, &'static str),
    #[error("network {network}: {problem}")]
    Overlay { network: String, problem: String },
    #[error("{what}: {text:?} is not an IPv4 address")]
    Address { what: String, text: String },
}

impl Held {
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Invalid> {
        Self::new(HostState::decode(bytes)?)
    }

    pub(crate) fn new(state: HostState) -> Result<Self, Invalid> {
        let desired = Arc::new(desired(&state)?);
        let zone = zone(&state)?;
        let instances = state.instances.iter().enumerate();
        let instances = instances.map(|(position, instance)| (instance_name(instance), position)).collect();
        let stamp = Stamp {
            fleet: state.fleet.clone(),
            host: state.host.clone(),
            epoch: state.epoch,
            generation: state.generation,
            // Maps are in key order, so equal states have equal encodings.
            contents: blake3::hash(&state.encode_to_vec()).to_hex().to_string(),
        };
        Ok(Held { state, stamp, desired, zone, instances })
    }

    /// The part of the host state that the loop decides from.
    pub(crate) fn assignment(&self) -> Assignment {
        Assignment { epoch: self.stamp.epoch, generation: self.stamp.generation, desired: self.desired.clone() }
    }

    pub(crate) fn instance(&self, name: &InstanceName) -> Option<&Instance> {
        self.instances.get(name).and_then(|position| self.state.instances.get(*position))
    }

    pub(crate) fn network(&self, name: &str) -> Option<&Network> {
        self.state.networks.iter().find(|network| network.name == name)
    }

    pub(crate) fn volume(&self, name: &str) -> Option<&Volume> {
        self.state.volumes.iter().find(|volume| volume.name == name)
    }
}

pub(crate) fn instance_name(instance: &Instance) -> InstanceName {
    InstanceName { stack: instance.stack.clone(), service: instance.service.clone(), index: instance.index }
}

/// Prefix of a service in what an instance shares: `service:name`.
const OF_SERVICE: &str = "service:";

/// Returns the service whose namespace or volumes an instance shares.
pub(crate) fn service_of(text: &str) -> Option<&str> {
    let service = text.strip_prefix(OF_SERVICE)?;
    Some(service.split_once(':').map_or(service, |(service, _)| service))
}

fn desired(state: &HostState) -> Result<Desired, Invalid> {
    let mut desired = Desired::default();
    for network in &state.networks {
        engine_name("network", &network.name)?;
        part_of_project(&network.project)?;
        let value = self::network(network)?;
        once("network", &network.name, desired.networks.insert(network.name.clone(), value))?;
    }
    for volume in &state.volumes {
        engine_name("volume", &volume.name)?;
        part_of_project(&volume.project)?;
        let value = desired::Volume { remove: volume.remove };
        once("volume", &volume.name, desired.volumes.insert(volume.name.clone(), value))?;
    }
    for tree in &state.trees {
        stack_name(&tree.stack)?;
        once("tree", &tree.stack, desired.trees.insert(tree.stack.clone(), tree.manifest.clone()))?;
    }
    let all: Vec<InstanceName> = state.instances.iter().map(instance_name).collect();
    for instance in &state.instances {
        let name = instance_name(instance);
        stack_name(&name.stack)?;
        service_name(&name.service)?;
        let value = self::instance(instance, &name, &all)?;
        once("instance", &name.to_string(), desired.instances.insert(name.clone(), value))?;
    }
    Ok(desired)
}

fn once<T>(what: &'static str, name: &str, before: Option<T>) -> Result<(), Invalid> {
    match before {
        None => Ok(()),
        Some(_) => Err(Invalid::Duplicate { what, name: name.to_owned() }),
    }
}

/// Checks a name of the engine. It becomes a part of request paths, so other characters must not pass.
fn engine_name(what: &'static str, name: &str) -> Result<(), Invalid> {
    let first = name.chars().next().is_some_and(|first| first.is_ascii_alphanumeric());
    let rest = name.chars().all(|character| character.is_ascii_alphanumeric() || "_.-".contains(character));
    if first && rest { Ok(()) } else { Err(Invalid::Name { what, name: name.to_owned() }) }
}

/// Checks the name of a stack.
fn stack_name(name: &str) -> Result<(), Invalid> {
    if StackName::is_valid(name) { Ok(()) } else { Err(Invalid::Name { what: "stack", name: name.to_owned() }) }
}

/// Checks the name of a service.
fn service_name(name: &str) -> Result<(), Invalid> {
    if ServiceName::is_valid(name) { Ok(()) } else { Err(Invalid::Name { what: "service", name: name.to_owned() }) }
}

/// Checks the project of a network or a volume. It may be empty, and then it is the stack.
fn part_of_project(name: &str) -> Result<(), Invalid> {
    if name.is_empty() || ProjectName::is_valid(name) {
        return Ok(());
    }
    Err(Invalid::Name { what: "project", name: name.to_owned() })
}

fn network(network: &Network) -> Result<desired::Network, Invalid> {
    Ok(desired::Network {
        driver: if network.driver.is_empty() { "bridge".to_owned() } else { network.driver.clone() },
        subnets: written(network, |pool| &pool.subnet, &network.subnet),
        gateways: written(network, |pool| &pool.gateway, &network.gateway),
        internal: network.internal,
        options: engine_options(network),
        overlay: overlay(network)?,
    })
}

/// Returns one property of all pools, each value once.
fn written(network: &Network, of: impl Fn(&Pool) -> &String, first: &String) -> Vec<String> {
    let pools = network.pools.iter().map(of).filter(|text| *text != first);
    [first].into_iter().chain(pools).filter(|text| !text.is_empty()).cloned().collect()
}

fn zone(state: &HostState) -> Result<Zone, Invalid> {
    let address = |what: &str, text: &str| {
        text.parse::<Ipv4Addr>().map_err(|_| Invalid::Address { what: what.to_owned(), text: text.to_owned() })
    };
    let mut names = Vec::new();
    for name in &state.names {
        let addresses: Result<Vec<_>, _> = name.addresses.iter().map(|text| address(&name.name, text)).collect();
        names.push((name.name.clone(), addresses?));
    }
    let mut gateways = Vec::new();
    for network in state.networks.iter().filter(|network| network.overlay.is_some()) {
        let problem = format!("subnet {:?} is not an IPv4 network", network.subnet);
        let subnet = network.subnet.parse::<Ipv4Net>();
        let subnet = subnet.map_err(|_| Invalid::Overlay { network: network.name.clone(), problem })?;
        gateways.push((address(&network.name, &network.gateway)?, subnet));
    }
    Ok(Zone::new(names, gateways))
}

/// Option by which the engine names the bridge of a network.
const BRIDGE: &str = "com.docker.network.bridge.name";
const MTU: &str = "com.docker.network.driver.mtu";

/// Returns the driver options of a network. A network that spans hosts also has those by which its bridge can be
/// programmed.
pub(crate) fn engine_options(network: &Network) -> BTreeMap<String, String> {
    let mut options = network.options.clone();
    if let Some(overlay) = &network.overlay {
        options.entry(BRIDGE.to_owned()).or_insert_with(|| bridge_name(&network.name));
        options.entry(MTU.to_owned()).or_insert_with(|| mtu(overlay).to_string());
    }
    options
}

/// Returns the name of a network's bridge. Names of devices have at most 15 characters, and names of networks may have
/// more.
fn bridge_name(network: &str) -> String {
    format!("lf-{}", &blake3::hash(network.as_bytes()).to_hex()[..12])
}

fn mtu(overlay: &Overlay) -> u32 {
    if overlay.mtu == 0 { 1450 } else { overlay.mtu }
}

fn overlay(network: &Network) -> Result<Option<overlay::Desired>, Invalid> {
    let Some(overlay) = &network.overlay else { return Ok(None) };
    let problem = |problem: String| Invalid::Overlay { network: network.name.clone(), problem };
    let address =
        |text: &str| text.parse::<Ipv4Addr>().map_err(|_| problem(format!("{text:?} is not an IPv4 address")));
    let gateway = address(&network.gateway)?;
    let mut neighbours = BTreeMap::new();
    for neighbour in &overlay.neighbours {
        let mac = neighbour.mac.parse::<overlay::Mac>().map_err(|error| problem(error.to_string()))?;
        let value = overlay::Neighbour { mac, host: address(&neighbour.host)? };
        if neighbours.insert(address(&neighbour.address)?, value).is_some() {
            return Err(problem(format!("neighbour {} has two entries", neighbour.address)));
        }
    }
    Ok(Some(overlay::Desired {
        bridge: engine_options(network).remove(BRIDGE).unwrap_or_default(),
        vni: overlay.vni,
        local: address(&overlay.local)?,
        mtu: mtu(overlay),
        mac: gateway_mac(gateway),
        neighbours,
    }))
}

/// Returns the MAC of a gateway: `02:1f:<epoch>:<low half of the address>` with epoch 0.
fn gateway_mac(gateway: Ipv4Addr) -> overlay::Mac {
    let [_, _, high, low] = gateway.octets();
    overlay::Mac::from_bytes(&[0x02, 0x1f, 0, 0, high, low]).expect("six bytes")
}

fn instance(instance: &Instance, name: &InstanceName, all: &[InstanceName]) -> Result<desired::Instance, Invalid> {
    let Some(container) = &instance.container else { return Err(Invalid::Missing(name.clone(), "container")) };
    if instance.digest.is_empty() {
        return Err(Invalid::Missing(name.clone(), "digest"));
    }
    if container.image.is_empty() {
        return Err(Invalid::Missing(name.clone(), "image"));
    }
    engine_name("container", &container.name)?;
    let sources = || container.mounts.iter().filter_map(|mount| mount.source.as_ref());
    let volumes = sources().filter_map(|source| match source {
        mount::Source::Volume(volume) if !volume.is_empty() => Some(volume.clone()),
        _ => None,
    });
    let modes = [&container.network_mode, &container.pid_mode, &container.ipc_mode];
    let joins = partners(name, all, modes.into_iter());
    let volumes_from = partners(name, all, container.volumes_from.iter());
    Ok(desired::Instance {
        joins,
        volumes_from,
        digest: instance.digest.clone(),
        container: container.name.clone(),
        image: container.image.clone(),
        fingerprint: container.image_fingerprint.clone(),
        networks: container.networks.iter().map(|attachment| attachment.network.clone()).collect(),
        volumes: volumes.collect(),
        mounts_tree: sources().any(|source| matches!(source, mount::Source::Tree(_))),
        claims: claims(container),
        restart: container.restart.as_ref().map_or(Restart::No, restart),
        depends_on: instance.depends_on.iter().map(dependency_value).collect(),
        stopped: instance.stopped,
    })
}

/// Returns the instances that are named. One that is not on this host, because it is being moved for example, is expected
/// under the name that it would have.
fn partners<'a>(
    name: &InstanceName,
    all: &[InstanceName],
    names: impl Iterator<Item = &'a String>,
) -> BTreeSet<InstanceName> {
    let services = names.filter_map(|text| service_of(text));
    let missing = |service: &str| InstanceName { service: service.to_owned(), ..name.clone() };
    services.map(|service| partner(name, service, all.iter()).cloned().unwrap_or_else(|| missing(service))).collect()
}

fn claims(container: &Container) -> BTreeSet<Claim> {
    let fixed = container.networks.iter().filter(|attachment| !attachment.address.is_empty());
    let addresses = fixed
        .map(|attachment| Claim::Address { network: attachment.network.clone(), address: attachment.address.clone() });
    let certain = container.ports.iter().filter(|port| port.published != 0 && port.published_end == 0);
    let ports = certain.filter_map(|port| {
        let protocol = if port.protocol.is_empty() { "tcp" } else { &port.protocol };
        let number = u16::try_from(port.published).ok()?;
        Some(Claim::Port { address: port.address.clone(), port: number, protocol: protocol.to_owned() })
    });
    addresses.chain(ports).collect()
}

fn restart(restart: &RestartPolicy) -> Restart {
    match restart.policy.as_str() {
        "always" | "unless-stopped" => Restart::Always,
        "on-failure" => Restart::OnFailure,
        _ => Restart::No,
    }
}

fn dependency_value(dependency: &Dependency) -> desired::Dependency {
    let condition = match dependency.condition() {
        dependency::Condition::Unspecified | dependency::Condition::Started => Condition::Started,
        dependency::Condition::Healthy => Condition::Healthy,
        dependency::Condition::Completed => Condition::Completed,
    };
    desired::Dependency { service: dependency.service.clone(), condition }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> HostState {
        let container =
            Container { name: "data-redis-1".to_owned(), image: "redis".to_owned(), ..Container::default() };
        let redis = Instance {
            stack: "data".to_owned(),
            service: "redis".to_owned(),
            index: 1,
            digest: "d".to_owned(),
            container: Some(container),
            depends_on: vec![Dependency { service: "init".to_owned(), condition: 3 }],
            ..Instance::default()
        };
        let tree = Tree { stack: "data".to_owned(), manifest: "m".to_owned() };
        HostState { instances: vec![redis], trees: vec![tree], ..HostState::default() }
    }

    #[test]
    fn a_host_state_is_found_again_by_its_names() {
        let held = Held::new(state()).expect("is whole");
        let name = held.desired.instances.keys().next().expect("one").clone();
        assert_eq!(name.to_string(), "data/redis.1");
        assert_eq!(held.instance(&name).map(|instance| instance.digest.as_str()), Some("d"));
        assert_eq!(held.desired.instances[&name].depends_on[0].condition, Condition::Completed);
    }

    #[test]
    fn equal_states_have_equal_stamps_and_others_do_not() {
        let stamp = |state| Held::new(state).expect("is whole").stamp;
        assert_eq!(stamp(state()), stamp(state()));
        let mut other = state();
        other.instances[0].digest = "e".to_owned();
        assert_ne!(stamp(state()).contents, stamp(other).contents);
    }

    #[test]
    fn t10_names_that_could_mean_something_else_are_refused() {
        for name in ["", "../x", "a/b", "-a", "A", "a;b", "a\n", "ä"] {
            let mut state = state();
            state.trees[0].stack = name.to_owned();
            assert!(matches!(Held::new(state), Err(Invalid::Name { .. })), "{name:?}");
        }
        let mut state = state();
        state.volumes = vec![Volume { name: "v".to_owned(), project: "A/b".to_owned(), ..Volume::default() }];
        assert!(matches!(Held::new(state.clone()), Err(Invalid::Name { what: "project", .. })));
        state.volumes.clear();
        state.instances[0].container.as_mut().expect("has one").name = "a/../b".to_owned();
        assert!(matches!(Held::new(state), Err(Invalid::Name { what: "container", .. })));
    }

    #[test]
    fn what_is_there_twice_or_lacks_its_container_is_refused() {
        let mut twice = state();
        twice.instances.push(twice.instances[0].clone());
        assert!(matches!(Held::new(twice), Err(Invalid::Duplicate { .. })));
        let mut bare = state();
        bare.instances[0].container = None;
        assert!(matches!(Held::new(bare), Err(Invalid::Missing(_, "container"))));
    }
}
