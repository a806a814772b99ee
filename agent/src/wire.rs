//! Converts generated types to the types that decisions are made from. No other module knows both.

mod elsewhere;
mod health;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use ipnet::Ipv4Net;
use landfast_agent_core::assignment::{Assigned, Stamp};
use landfast_agent_core::desired::{
    self, Claim, Condition, Desired, Dispute, Incarnation, InstanceName, Restart, Wanted,
};
use landfast_agent_core::elsewhere::Address;
use landfast_agent_core::overlay;
use landfast_agent_core::reconcile::Assignment;
use landfast_agreement::{ProjectName, ServiceName, StackName, partner};

use crate::dns::Zone;
use crate::network_settings;

pub(crate) use health::{health_of, seen};
pub(crate) use landfast_proto::v1::agent_server::{Agent, AgentServer};
pub(crate) use landfast_proto::v1::blobs_server::{Blobs, BlobsServer};
pub(crate) use landfast_proto::v1::builder_server::{Builder, BuilderServer};
pub(crate) use landfast_proto::v1::peer_client::PeerClient;
pub(crate) use landfast_proto::v1::peer_server::{Peer, PeerServer};
pub(crate) use landfast_proto::v1::{
    AssignRequest, AssignResponse, Attachment, ClaimResponse, Container, Dependency, DescribeRequest, DescribeResponse,
    Device, DeviceLimit, DeviceRequest, Endpoint, Engine, EngineNetwork, EngineVolume, ExamineRequest, ExamineResponse,
    ExaminedSource, Fabric, FabricDelta, FetchRequest, FetchResponse, Healthcheck, HeldFabricRequest,
    HeldFabricResponse, Hook, HostBase, HostClaim, HostState, Image, ImageItem, Instance, InstanceReport, LogsRequest,
    LogsResponse, Memory, MissingRequest, MissingResponse, Mount, MountSource, Network, Overlay, PlacedFile, Pool,
    Port, Problem, PullRequest, PullResponse, PushRequest, PushResponse, RecordRequest, RecordResponse, ReleaseRecord,
    ReleaseRequest, ReleaseResponse, Releases, Removal, Report, Restart as RestartPolicy, Role, StackState, TreeReport,
    Ulimit, Unit, UnitAnswer, UnitReport, UsedPort, Volume, WatchRequest, dependency, endpoint, examined_source,
    instance, instance_report, item, least_role, logs_response, mount, mount_source, problem, pull_request,
    push_request, unit, unit_answer, unit_report,
};
pub(crate) use landfast_proto::v1::{ClaimRequest as WireClaimRequest, Stamp as WireStamp};
pub(crate) use landfast_proto::v1::{
    DiscardRequest, DiscardResponse, OpenRequest, OpenResponse, SessionEnd, open_request,
};
pub(crate) use landfast_proto::v1::{HealthRequest, HealthResponse, NewerFabricRequest, NewerFabricResponse};
#[cfg(test)]
pub(crate) use landfast_proto::v1::{Neighbour, StringList, Tree};
pub(crate) use landfast_proto::{Contents, UnitKey, Unusable, split};

/// A unit that is held.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HeldUnit {
    pub(crate) stamp: Stamp,
    pub(crate) contents: Contents,
}

/// All units that are held, with the values decoded from them.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Held {
    /// The last assignment, which may have brought no unit.
    pub(crate) seen: Assigned,
    pub(crate) units: BTreeMap<UnitKey, HeldUnit>,
    pub(crate) desired: Arc<Desired>,
    /// Names that DNS answers, and the addresses that it listens on.
    pub(crate) zone: Zone,
}

/// Why a unit is not valid.
#[derive(Debug, PartialEq, thiserror::Error)]
pub(crate) enum Invalid {
    #[error(transparent)]
    Unusable(#[from] Unusable),
    #[error("its contents do not match its digest")]
    Digest,
    #[error("it has no stamp")]
    NoStamp,
    #[error("the {what} name {name:?} is not valid")]
    Name { what: &'static str, name: String },
    #[error("{what} {name} has two entries")]
    Duplicate { what: &'static str, name: String },
    #[error("{what} {name} belongs to stack {stack:?}")]
    OtherStack { what: &'static str, name: String, stack: String },
    #[error("instance {0} has no {1}")]
    Missing(Incarnation, &'static str),
    #[error(
        "instance {0}: this version does not know what is wanted of it: update the agent with `landfast host add --upgrade`"
    )]
    Wanted(Incarnation),
    #[error("network {network}: {problem}")]
    Overlay { network: String, problem: String },
    #[error("{what}: {text:?} is not an IPv4 address")]
    Address { what: String, text: String },
}

impl HeldUnit {
    /// Decodes a unit that was kept.
    pub(crate) fn decode(unit: &Unit) -> Result<Self, Invalid> {
        let stamp = unit.stamp.as_ref().map(stamp).ok_or(Invalid::NoStamp)?;
        let contents = Contents::decode(unit.contents.as_ref().ok_or(Unusable::Empty)?)?;
        Self::new(stamp, contents)
    }

    /// Checks the contents of a unit.
    pub(crate) fn new(stamp: Stamp, contents: Contents) -> Result<Self, Invalid> {
        if contents.digest() != stamp.digest {
            return Err(Invalid::Digest);
        }
        check(&contents)?;
        Ok(Self { stamp, contents })
    }

    /// The stamp of the unit, without its contents.
    pub(crate) fn encode_stamp(&self) -> Unit {
        Unit { stamp: Some(wire_stamp(&self.stamp)), if_digest: None, contents: None }
    }

    /// The unit as it is kept.
    pub(crate) fn encode(&self) -> Unit {
        Unit { stamp: Some(wire_stamp(&self.stamp)), if_digest: None, contents: Some(self.contents.encode()) }
    }
}

pub(crate) fn stamp(message: &WireStamp) -> Stamp {
    Stamp { assigned: assigned(message), digest: message.digest.clone() }
}

pub(crate) fn assigned(message: &WireStamp) -> Assigned {
    Assigned { epoch: message.epoch, owner: message.owner.clone(), generation: message.generation }
}

pub(crate) fn wire_stamp(Stamp { assigned, digest }: &Stamp) -> WireStamp {
    WireStamp { digest: digest.clone(), ..wire_assigned(assigned) }
}

/// Encodes an assignment as a stamp without a digest.
pub(crate) fn wire_assigned(Assigned { epoch, owner, generation }: &Assigned) -> WireStamp {
    WireStamp { epoch: *epoch, owner: owner.clone(), generation: *generation, digest: String::new() }
}

impl Held {
    pub(crate) fn new(seen: Assigned, units: BTreeMap<UnitKey, HeldUnit>) -> Result<Self, Invalid> {
        let fabric = units.get(&UnitKey::Fabric).and_then(|unit| match &unit.contents {
            Contents::Fabric(fabric) => Some(fabric),
            _ => None,
        });
        let neighbours = fabric.map(neighbours).transpose()?;
        let mut desired = Desired::default();
        for unit in units.values() {
            add(&unit.contents, neighbours.as_ref(), &mut desired)?;
        }
        desired.disputes = disputes(units.values().map(|unit| parts(&unit.contents)))?;
        let nothing = Fabric::default();
        if let Some(fabric) = fabric {
            desired.elsewhere = elsewhere::elsewhere(fabric, &desired);
        }
        let zone = zone(fabric.unwrap_or(&nothing), units.get(&UnitKey::Base).map(|unit| &unit.contents))?;
        Ok(Held { seen, units, desired: Arc::new(desired), zone })
    }

    /// The units as they are described. The fabric has only its stamp, because every host has the same.
    pub(crate) fn described(&self) -> Vec<Unit> {
        let units = self.units.iter().map(|(key, unit)| match key {
            UnitKey::Fabric => unit.encode_stamp(),
            UnitKey::Base | UnitKey::Stack(_) => unit.encode(),
        });
        units.collect()
    }

    /// Whether the host knows the networks of the fleet and what connects them. Otherwise their devices are left alone.
    pub(crate) fn is_connected(&self) -> bool {
        self.units.contains_key(&UnitKey::Base) && self.units.contains_key(&UnitKey::Fabric)
    }

    /// The part of the units that the loop decides from.
    pub(crate) fn assignment(&self) -> Assignment {
        let stacks = self.units.iter().filter_map(|(key, unit)| match key {
            UnitKey::Stack(stack) => Some((stack.clone(), unit.stamp.assigned.generation)),
            UnitKey::Base | UnitKey::Fabric => None,
        });
        let Assigned { epoch, generation, .. } = self.seen;
        Assignment { epoch, generation, stacks: stacks.collect(), desired: self.desired.clone() }
    }

    /// Digests of the secret blobs that the units need.
    pub(crate) fn secrets(&self) -> BTreeSet<String> {
        let all = self.units.values().flat_map(|unit| secrets(&unit.contents));
        all.map(|(_, file)| file.digest.clone()).collect()
    }

    pub(crate) fn instance(&self, name: &Incarnation) -> Option<&Instance> {
        let unit = self.units.get(&UnitKey::Stack(name.instance.stack.clone()))?;
        parts(&unit.contents).instances.iter().find(|instance| incarnation(instance) == *name)
    }

    /// Returns a network. If two stacks declare it in the same way, the first one is its owner. If they declare it in
    /// different ways, it is [disputed](Desired::disputes).
    pub(crate) fn network(&self, name: &str) -> Option<&Network> {
        self.units.values().flat_map(|unit| parts(&unit.contents).networks).find(|network| network.name == name)
    }

    /// Returns a volume. If two stacks declare it, the first one that does not remove it defines it.
    pub(crate) fn volume(&self, name: &str) -> Option<&Volume> {
        let all = self.units.values().flat_map(|unit| parts(&unit.contents).volumes);
        all.filter(|volume| volume.name == name).min_by_key(|volume| volume.remove)
    }
}

/// The lists of a unit.
#[derive(Default)]
struct Parts<'u> {
    stack: Option<&'u str>,
    manifest: &'u str,
    networks: &'u [Network],
    volumes: &'u [Volume],
    instances: &'u [Instance],
}

fn parts(contents: &Contents) -> Parts<'_> {
    match contents {
        Contents::Stack(StackState { stack, manifest, networks, volumes, instances }) => {
            Parts { stack: Some(stack), manifest, networks, volumes, instances }
        }
        Contents::Removal(Removal { stack, volumes }) => Parts { stack: Some(stack), volumes, ..Parts::default() },
        Contents::Base(HostBase { networks }) => Parts { networks, ..Parts::default() },
        Contents::Fabric(_) => Parts::default(),
    }
}

/// The secrets and configs that a unit names by their digests, each with its instance.
pub(crate) fn secrets(contents: &Contents) -> impl Iterator<Item = (&Instance, &PlacedFile)> {
    let files = parts(contents).instances.iter().flat_map(|instance| {
        let files = instance.container.iter().flat_map(|container| &container.files);
        files.map(move |file| (instance, file))
    });
    files.filter(|(_, file)| !file.digest.is_empty())
}

pub(crate) fn instance_name(instance: &Instance) -> InstanceName {
    InstanceName { stack: instance.stack.clone(), service: instance.service.clone(), index: instance.index }
}

/// Returns which incarnation of its instance an entry describes.
pub(crate) fn incarnation(instance: &Instance) -> Incarnation {
    Incarnation { instance: instance_name(instance), number: instance.incarnation }
}

/// Prefix of a service in what an instance shares: `service:name`.
const OF_SERVICE: &str = "service:";

/// Returns the service whose namespace or volumes an instance shares.
pub(crate) fn service_of(text: &str) -> Option<&str> {
    let service = text.strip_prefix(OF_SERVICE)?;
    Some(service.split_once(':').map_or(service, |(service, _)| service))
}

/// Checks the contents of a unit. Each unit is valid by itself, so that it cannot make another one invalid.
fn check(contents: &Contents) -> Result<(), Invalid> {
    let nothing = Fabric::default();
    let (fabric, base) = match contents {
        Contents::Fabric(fabric) => (fabric, None),
        Contents::Base(_) => (&nothing, Some(contents)),
        Contents::Stack(_) | Contents::Removal(_) => (&nothing, None),
    };
    add(contents, Some(&neighbours(fabric)?), &mut Desired::default())?;
    zone(fabric, base).map(drop)
}

/// Adds the contents of a unit to what the host must be.
fn add(contents: &Contents, neighbours: Option<&Neighbours>, desired: &mut Desired) -> Result<(), Invalid> {
    let Parts { stack, manifest, networks, volumes, instances } = parts(contents);
    match stack {
        Some(stack) => {
            stack_name(stack)?;
            desired.stacks.insert(stack.to_owned());
        }
        None => desired.manages_fleet_networks |= matches!(contents, Contents::Base(_)),
    }
    let owner = stack.unwrap_or_default();
    let mut own = Desired::default();
    for network in networks {
        engine_name("network", &network.name)?;
        part_of_project(&network.project)?;
        of_stack("network", &network.name, &network.stack, owner)?;
        let value = self::network(network, neighbours)?;
        once("network", &network.name, own.networks.insert(network.name.clone(), value))?;
    }
    for volume in volumes {
        engine_name("volume", &volume.name)?;
        part_of_project(&volume.project)?;
        of_stack("volume", &volume.name, &volume.stack, owner)?;
        let value = desired::Volume { driver: volume.driver.clone(), remove: volume.remove };
        once("volume", &volume.name, own.volumes.insert(volume.name.clone(), value))?;
    }
    if !manifest.is_empty() {
        desired.trees.insert(owner.to_owned(), manifest.to_owned());
    }
    for instance in instances {
        let name = incarnation(instance);
        of_stack("instance", &name.to_string(), &name.instance.stack, owner)?;
        service_name(&name.instance.service)?;
        let value = self::instance(instance, &name, instances)?;
        once("instance", &name.to_string(), own.instances.insert(name.clone(), value))?;
    }
    for (name, network) in own.networks {
        desired.networks.entry(name).or_insert(network);
    }
    for (name, volume) in own.volumes {
        // A volume that one stack declares is not removed for another one.
        let shared = desired.volumes.entry(name).or_insert_with(|| volume.clone());
        shared.remove &= volume.remove;
    }
    desired.instances.extend(own.instances);
    Ok(())
}

/// Finds the networks that several stacks define differently. Each is compared with its first definition.
fn disputes<'u>(units: impl Iterator<Item = Parts<'u>>) -> Result<BTreeMap<String, Dispute>, Invalid> {
    let mut defined: BTreeMap<&str, Vec<&Network>> = BTreeMap::new();
    for network in units.filter(|unit| unit.stack.is_some()).flat_map(|unit| unit.networks) {
        defined.entry(&network.name).or_default().push(network);
    }
    let mut disputes = BTreeMap::new();
    for (name, definitions) in defined {
        let first = definitions[0];
        let differences = definitions[1..].iter().flat_map(|other| network_settings::differences(first, other));
        let differences: Vec<String> = differences.collect();
        if differences.is_empty() {
            continue;
        }
        let stacks: Vec<&str> = definitions.iter().map(|network| network.stack.as_str()).collect();
        let message = format!(
            "the stacks {} define it differently: {}; nothing was changed: deploy them with equal definitions, or with \
             different names for the network",
            stacks.join(" and "),
            differences.join("; ")
        );
        let value = |it: &&Network| Ok::<_, Invalid>((it.stack.clone(), network(it, None)?));
        let definitions = definitions.iter().map(value).collect::<Result<_, _>>()?;
        disputes.insert(name.to_owned(), Dispute { message, definitions });
    }
    Ok(disputes)
}

/// Checks that a part belongs to the stack of its unit.
fn of_stack(what: &'static str, name: &str, stack: &str, owner: &str) -> Result<(), Invalid> {
    if stack == owner {
        return Ok(());
    }
    Err(Invalid::OtherStack { what, name: name.to_owned(), stack: stack.to_owned() })
}

/// Addresses of the fabric that are in use, by the name of their network.
type Neighbours = BTreeMap<String, BTreeMap<Ipv4Addr, overlay::Neighbour>>;

fn neighbours(fabric: &Fabric) -> Result<Neighbours, Invalid> {
    let mut all = Neighbours::new();
    for Endpoint { network, address, host, epoch, holder } in &fabric.endpoints {
        let problem = |problem: String| Invalid::Overlay { network: network.clone(), problem };
        let ip = |text: &str| text.parse().map_err(|_| problem(format!("{text:?} is not an IPv4 address")));
        let (address, host) = (ip(address)?, ip(host)?);
        let neighbour = overlay::Neighbour { mac: overlay::Mac::of(*epoch, address), host };
        let is_vacated = holder.is_none();
        if !is_vacated && all.entry(network.clone()).or_default().insert(address, neighbour).is_some() {
            return Err(problem(format!("neighbour {address} has two entries")));
        }
    }
    Ok(all)
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

fn network(network: &Network, neighbours: Option<&Neighbours>) -> Result<desired::Network, Invalid> {
    Ok(desired::Network {
        driver: if network.driver.is_empty() { "bridge".to_owned() } else { network.driver.clone() },
        subnets: written(network, |pool| &pool.subnet, &network.subnet),
        gateways: written(network, |pool| &pool.gateway, &network.gateway),
        internal: network.internal,
        options: engine_options(network),
        overlay: overlay(network, neighbours)?,
    })
}

/// Returns one property of all pools, each value once.
fn written(network: &Network, of: impl Fn(&Pool) -> &String, first: &String) -> Vec<String> {
    let pools = network.pools.iter().map(of).filter(|text| *text != first);
    [first].into_iter().chain(pools).filter(|text| !text.is_empty()).cloned().collect()
}

fn zone(fabric: &Fabric, base: Option<&Contents>) -> Result<Zone, Invalid> {
    let address = |what: &str, text: &str| {
        text.parse::<Ipv4Addr>().map_err(|_| Invalid::Address { what: what.to_owned(), text: text.to_owned() })
    };
    let mut names = Vec::new();
    for name in &fabric.names {
        let addresses: Result<Vec<_>, _> = name.addresses.iter().map(|text| address(&name.name, text)).collect();
        names.push((name.name.clone(), addresses?));
    }
    let mut gateways = Vec::new();
    let networks = base.map(parts).unwrap_or_default().networks;
    for network in networks.iter().filter(|network| network.overlay.is_some()) {
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

/// Returns the overlay of a network. Without a fabric there is none: the entries that the host has are left alone.
fn overlay(network: &Network, neighbours: Option<&Neighbours>) -> Result<Option<overlay::Desired>, Invalid> {
    let (Some(overlay), Some(neighbours)) = (&network.overlay, neighbours) else { return Ok(None) };
    let problem = |problem: String| Invalid::Overlay { network: network.name.clone(), problem };
    let address =
        |text: &str| text.parse::<Ipv4Addr>().map_err(|_| problem(format!("{text:?} is not an IPv4 address")));
    let gateway = address(&network.gateway)?;
    let local = address(&overlay.local)?;
    let all = neighbours.get(&network.name).into_iter().flatten();
    let remote = all.filter(|(_, neighbour)| neighbour.host != local).map(|(address, it)| (*address, *it));
    Ok(Some(overlay::Desired {
        bridge: engine_options(network).remove(BRIDGE).unwrap_or_default(),
        vni: overlay.vni,
        local,
        mtu: mtu(overlay),
        mac: overlay::Mac::of_gateway(gateway),
        neighbours: remote.collect(),
    }))
}

fn instance(instance: &Instance, name: &Incarnation, all: &[Instance]) -> Result<desired::Instance, Invalid> {
    let Some(container) = &instance.container else { return Err(Invalid::Missing(name.clone(), "container")) };
    if instance.digest.is_empty() {
        return Err(Invalid::Missing(name.clone(), "digest"));
    }
    if container.image.is_empty() {
        return Err(Invalid::Missing(name.clone(), "image"));
    }
    let wanted = instance::Wanted::try_from(instance.wanted).map_err(|_| Invalid::Wanted(name.clone()))?;
    engine_name("container", &container.name)?;
    let sources = || container.mounts.iter().filter_map(|mount| mount.source.as_ref());
    let volumes = sources().filter_map(|source| match source {
        mount::Source::Volume(volume) if !volume.is_empty() => Some(volume.clone()),
        _ => None,
    });
    let modes = [&container.network_mode, &container.pid_mode, &container.ipc_mode];
    let wanted = self::wanted(wanted);
    let joins = partners(&name.instance, wanted, all, modes.into_iter());
    let volumes_from = partners(&name.instance, wanted, all, container.volumes_from.iter());
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
        addresses: addresses(container),
        restart: container.restart.as_ref().map_or(Restart::No, restart),
        depends_on: instance.depends_on.iter().map(dependency_value).collect(),
        stopped: instance.stopped,
        wanted,
    })
}

fn wanted(wanted: instance::Wanted) -> Wanted {
    match wanted {
        instance::Wanted::Unspecified | instance::Wanted::Run => Wanted::Run,
        instance::Wanted::Drain => Wanted::Drain,
        instance::Wanted::Gone => Wanted::Gone,
    }
}

/// Returns the instances that are named. One that is not on this host, because it is being moved for example, is expected
/// under the name that it would have. Of several incarnations, it is the newest of which the same is wanted as of the own one:
/// those that are drained stay together.
fn partners<'a>(
    name: &InstanceName,
    own: Wanted,
    all: &[Instance],
    names: impl Iterator<Item = &'a String>,
) -> BTreeSet<Incarnation> {
    let known: Vec<InstanceName> = all.iter().map(instance_name).collect();
    let services = names.filter_map(|text| service_of(text));
    let partners = services.map(|service| {
        let missing = || InstanceName { service: service.to_owned(), ..name.clone() };
        let instance = partner(name, service, known.iter()).cloned().unwrap_or_else(missing);
        let same = all.iter().filter(|other| instance_name(other) == instance);
        let newest = same.max_by_key(|other| {
            let theirs = wanted(other.wanted());
            (theirs == own, theirs == Wanted::Run, other.incarnation)
        });
        Incarnation { number: newest.map_or(0, |newest| newest.incarnation), instance }
    });
    partners.collect()
}

fn addresses(container: &Container) -> BTreeMap<Address, u64> {
    let addresses = container.networks.iter().filter_map(|end| {
        let address = Address { network: end.network.clone(), ip: end.address.parse().ok()? };
        Some((address, end.epoch))
    });
    addresses.collect()
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

    fn state() -> StackState {
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
        let (stack, manifest) = ("data".to_owned(), "m".to_owned());
        StackState { stack, manifest, instances: vec![redis], ..StackState::default() }
    }

    fn unit(state: StackState) -> Result<HeldUnit, Invalid> {
        let contents = Contents::Stack(state);
        HeldUnit::new(Stamp { assigned: Assigned::default(), digest: contents.digest() }, contents)
    }

    #[test]
    fn an_instance_is_found_by_its_name() {
        let unit = unit(state()).expect("is valid");
        let held = Held::new(Assigned::default(), [(unit.contents.key(), unit)].into()).expect("is valid");
        let name = held.desired.instances.keys().next().expect("one").clone();
        assert_eq!(name.to_string(), "data/redis.1");
        assert_eq!(held.instance(&name).map(|instance| instance.digest.as_str()), Some("d"));
        assert_eq!(held.desired.instances[&name].depends_on[0].condition, Condition::Completed);
    }

    #[test]
    fn a_unit_is_decoded_as_it_was_encoded_and_must_match_its_digest() {
        let unit = unit(state()).expect("is valid");
        let mut encoded = unit.encode();
        assert_eq!(HeldUnit::decode(&encoded), Ok(unit));
        encoded.stamp.as_mut().expect("there").digest = "other".to_owned();
        assert_eq!(HeldUnit::decode(&encoded), Err(Invalid::Digest));
    }

    #[test]
    fn t10_names_that_could_mean_something_else_are_refused() {
        for name in ["", "../x", "a/b", "-a", "A", "a;b", "a\n", "ä"] {
            let state = StackState { stack: name.to_owned(), ..StackState::default() };
            assert!(matches!(unit(state), Err(Invalid::Name { .. })), "{name:?}");
        }
        let stack = "data".to_owned();
        let volume = Volume { name: "v".to_owned(), project: "A/b".to_owned(), stack, ..Volume::default() };
        let state = |volumes| StackState { volumes, ..state() };
        assert!(matches!(unit(state(vec![volume])), Err(Invalid::Name { what: "project", .. })));
        let mut state = state(Vec::new());
        state.instances[0].container.as_mut().expect("has one").name = "a/../b".to_owned();
        assert!(matches!(unit(state), Err(Invalid::Name { what: "container", .. })));
    }

    #[test]
    fn what_is_there_twice_or_lacks_its_container_or_belongs_to_another_stack_is_refused() {
        let mut twice = state();
        twice.instances.push(twice.instances[0].clone());
        assert!(matches!(unit(twice), Err(Invalid::Duplicate { .. })));
        let mut bare = state();
        bare.instances[0].container = None;
        assert!(matches!(unit(bare), Err(Invalid::Missing(_, "container"))));
        let other = StackState { stack: "web".to_owned(), ..state() };
        assert!(matches!(unit(other), Err(Invalid::OtherStack { what: "instance", .. })));
    }

    #[test]
    fn two_incarnations_of_an_instance_stand_side_by_side() {
        let mut both = state();
        let first = both.instances[0].clone();
        let next = Instance { incarnation: 4, digest: "e".to_owned(), ..first.clone() };
        both.instances = vec![Instance { wanted: instance::Wanted::Drain.into(), ..first }, next];
        let unit = unit(both.clone()).expect("is valid");
        let held = Held::new(Assigned::default(), [(unit.contents.key(), unit)].into()).expect("is valid");
        let found = held.desired.instances.iter().map(|(name, it)| (name.number, it.wanted, it.digest.as_str()));
        assert_eq!(found.collect::<Vec<_>>(), [(0, Wanted::Drain, "d"), (4, Wanted::Run, "e")]);
        let digest = |name| held.instance(name).map(|instance| instance.digest.as_str());
        assert_eq!(held.desired.instances.keys().map(digest).collect::<Vec<_>>(), [Some("d"), Some("e")]);
        let mut twice = both.clone();
        twice.instances[1].incarnation = 0;
        assert!(matches!(self::unit(twice), Err(Invalid::Duplicate { .. })));
        both.instances[1].wanted = 9;
        assert!(matches!(self::unit(both), Err(Invalid::Wanted(name)) if name.number == 4));
    }

    #[test]
    fn what_is_drained_shares_with_what_is_drained() {
        let mut all = Vec::new();
        for (service, partner) in [("db", ""), ("web", "service:db")] {
            for (incarnation, wanted) in [(1, instance::Wanted::Drain), (2, instance::Wanted::Run)] {
                let mut instance = state().instances[0].clone();
                (instance.service, instance.incarnation, instance.wanted) =
                    (service.to_owned(), incarnation, wanted.into());
                instance.container.as_mut().expect("has one").network_mode = partner.to_owned();
                all.push(instance);
            }
        }
        let joins = |all: &[Instance]| {
            let unit = unit(StackState { instances: all.to_vec(), ..state() }).expect("is valid");
            let held = Held::new(Assigned::default(), [(unit.contents.key(), unit)].into()).expect("is valid");
            let joins = held.desired.instances.values().flat_map(|instance| &instance.joins);
            joins.map(|joined| (joined.instance.service.clone(), joined.number)).collect::<Vec<_>>()
        };
        let db = |number| ("db".to_owned(), number);
        assert_eq!(joins(&all), [db(1), db(2)]);
        // Where only one is there, both share with it.
        assert_eq!(joins(&all[1..]), [db(2), db(2)]);
        assert_eq!(joins(&all[2..]), [db(0), db(0)]);
    }

    #[test]
    fn a_base_whose_overlay_is_not_valid_is_refused_without_a_fabric_too() {
        let overlay = Overlay { local: "nowhere".to_owned(), ..Overlay::default() };
        let network = Network {
            name: "infra_net".to_owned(),
            subnet: "172.19.0.0/16".to_owned(),
            gateway: "172.19.255.1".to_owned(),
            overlay: Some(overlay),
            ..Network::default()
        };
        let contents = Contents::Base(HostBase { networks: vec![network] });
        let stamp = Stamp { assigned: Assigned::default(), digest: contents.digest() };
        assert!(matches!(HeldUnit::new(stamp, contents), Err(Invalid::Overlay { .. })));
    }

    /// What a host must be whose stacks a and b declare the network `shared`.
    fn held(a: Network, b: Network) -> Held {
        let units = [("a", a), ("b", b)].map(|(stack, network)| {
            let network = Network { name: "shared".to_owned(), stack: stack.to_owned(), ..network };
            let state = StackState { stack: stack.to_owned(), networks: vec![network], ..StackState::default() };
            let unit = unit(state).expect("is valid");
            (unit.contents.key(), unit)
        });
        Held::new(Assigned::default(), units.into()).expect("is valid")
    }

    #[test]
    fn a_network_that_two_stacks_declare_in_the_same_way_is_shared() {
        let own = |label: &str, driver: &str| Network {
            labels: [("tier".to_owned(), label.to_owned())].into(),
            driver: driver.to_owned(),
            ..Network::default()
        };
        let held = held(own("front", ""), own("back", "bridge"));
        assert!(held.desired.disputes.is_empty(), "{:?}", held.desired.disputes);
        assert_eq!(held.network("shared").map(|network| network.stack.as_str()), Some("a"));
    }

    #[test]
    fn a_network_that_two_stacks_declare_differently_names_both_and_each_difference() {
        let subnet = |text: &str| Network { subnet: text.to_owned(), ..Network::default() };
        let cases = [
            (Network { internal: true, ..Network::default() }, "internal is false in a and true in b"),
            (Network { attachable: true, ..Network::default() }, "attachable is false in a and true in b"),
            (Network { ipv6: true, ..Network::default() }, "enable_ipv6 is false in a and true in b"),
            (Network { ipv4: Some(false), ..Network::default() }, "enable_ipv4 is not set in a and false in b"),
            (Network { driver: "macvlan".to_owned(), ..Network::default() }, "driver is bridge in a and macvlan in b"),
            (subnet("10.7.0.0/24"), "ipam.config is not set in a and subnet 10.7.0.0/24 in b"),
            (
                Network { options: [("mode".to_owned(), "2".to_owned())].into(), ..Network::default() },
                "driver_opts.mode is not set in a and \"2\" in b",
            ),
        ];
        for (theirs, difference) in cases {
            let held = held(Network::default(), theirs);
            let dispute = &held.desired.disputes["shared"];
            let begin = format!("the stacks a and b define it differently: {difference};");
            assert!(dispute.message.starts_with(&begin), "{}", dispute.message);
            assert_eq!(dispute.definitions.keys().collect::<Vec<_>>(), ["a", "b"]);
        }
    }
}
