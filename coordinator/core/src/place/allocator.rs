//! Allocates instances to hosts, by strategies from the strongest reason to the weakest.
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::candidates::Candidates;
use super::group::Groups;
use super::{Placed, PlacementInput};
use crate::deployment::{InstanceName, replaced};
use crate::findings::Findings;
use crate::ties::{Tie, ties};
use landfast_agreement::partner;
use landfast_compose::model::Service;

/// Strategy that chooses a host for an instance, if it applies.
pub(super) type Strategy<'a> = fn(&Allocator<'a>, &InstanceName, &Candidates<'_>) -> Option<Placed>;

/// Placement so far, and the load of the hosts.
pub(super) struct Allocator<'a> {
    input: PlacementInput<'a>,
    groups: &'a Groups<'a>,
    pub(super) placed: BTreeMap<InstanceName, Placed>,
    /// Candidate hosts by service.
    allowed: BTreeMap<&'a str, Vec<String>>,
    /// Number of instances of all stacks, by host.
    counts: BTreeMap<String, usize>,
    /// Used ports: host, port and protocol.
    ports: BTreeSet<(String, u16, String)>,
}

impl<'a> Allocator<'a> {
    pub(super) fn new(input: PlacementInput<'a>, groups: &'a Groups<'a>) -> Self {
        let mut counts: BTreeMap<String, usize> = input.fleet.hosts.keys().map(|host| (host.clone(), 0)).collect();
        let mut ports = BTreeSet::new();
        let replaced = replaced(input.stack, input.beside);
        let held = input.held.iter().flat_map(|(host, state)| state.instances.iter().map(move |it| (host, it)));
        let staying = held.filter(|(_, instance)| !replaced.contains(instance.name.stack.as_str()));
        let beside = input.beside.iter().flat_map(|deployment| deployment.instances.values());
        let containers = staying
            .map(|(host, instance)| (host, &instance.container))
            .chain(beside.map(|instance| (&instance.host, &instance.container)));
        for (host, container) in containers {
            *counts.entry(host.clone()).or_default() += 1;
            for port in &container.ports {
                ports.extend(u16::try_from(port.published).map(|number| (host.clone(), number, port.protocol.clone())));
            }
        }
        Self { input, groups, placed: BTreeMap::new(), allowed: BTreeMap::new(), counts, ports }
    }

    pub(super) fn allow(&mut self, candidates: &Candidates<'a>) {
        self.allowed.insert(candidates.name, candidates.hosts.clone());
    }

    /// Places the waiting instances for which the strategy finds a host.
    pub(super) fn apply(&mut self, strategy: Strategy<'a>, waiting: &mut Vec<(InstanceName, Candidates<'a>)>) {
        waiting.retain(|(instance, candidates)| match strategy(self, instance, candidates) {
            Some(placed) => {
                self.put(instance, candidates, placed);
                false
            }
            None => true,
        });
    }

    /// Places tied instances on the hosts of the instances that they are tied to.
    pub(super) fn place_tied(&mut self, mut tied: Vec<(InstanceName, Candidates<'a>)>, findings: &mut Findings<'_>) {
        loop {
            let before = tied.len();
            let all: Vec<InstanceName> = self.placed.keys().chain(tied.iter().map(|(name, _)| name)).cloned().collect();
            tied.retain(|(instance, candidates)| {
                let ties = ties(candidates.service);
                let partner = |tie: &Tie<'_>| self.placed.get(partner(instance, tie.service, all.iter())?);
                let hosts: Option<Vec<_>> = ties.iter().map(|tie| Some(partner(tie)?.host.clone())).collect();
                let Some(hosts) = hosts else { return true };
                self.place_with(instance, candidates, &ties, &hosts, findings);
                false
            });
            // The remaining instances are tied to instances that were refused.
            if tied.is_empty() || tied.len() == before {
                return;
            }
        }
    }

    fn place_with(
        &mut self,
        instance: &InstanceName,
        candidates: &Candidates<'_>,
        ties: &[Tie<'_>],
        hosts: &[String],
        findings: &mut Findings<'_>,
    ) {
        let (Some(tie), Some(host)) = (ties.first(), hosts.first()) else { return };
        let path = format!("services.{}.{}", instance.service, tie.key);
        let elsewhere = ties.iter().zip(hosts).find(|(_, other)| *other != host);
        if let Some((other, there)) = elsewhere {
            let message = format!(
                "{} is placed on {host} and {} on {there}: it cannot run on both hosts",
                tie.service, other.service
            );
            findings.refuse(path, message).hint = Some("place both services on one host in landfast.toml".to_owned());
        } else if !candidates.hosts.contains(host) {
            let excluded = candidates.excluded.join("; ");
            let message = format!(
                "it must run on the same host as {}, which is placed on {host}; excluded hosts: {excluded}",
                tie.service
            );
            findings.refuse(path, message).hint = Some("place both services on one host in landfast.toml".to_owned());
        } else {
            let reason = format!("{} is there, and it shares {}", tie.service, shared(tie.key));
            self.put(instance, candidates, Placed { host: host.clone(), reason });
        }
    }

    /// Returns the instances of a service: one for each host if it is global, or else its replicas.
    pub(super) fn instances_of(&self, candidates: &Candidates<'_>) -> Vec<InstanceName> {
        let count = match candidates.is_global() {
            true => u32::try_from(candidates.hosts.len()).unwrap_or(u32::MAX),
            false => candidates.service.replicas(),
        };
        (1..=count).map(|index| InstanceName::new(self.input.stack, candidates.name, index)).collect()
    }

    /// Chooses the only host that rules and constraints allow.
    pub(super) fn fixed_host(&self, _: &InstanceName, candidates: &Candidates<'_>) -> Option<Placed> {
        let ([host], [_, ..]) = (candidates.hosts.as_slice(), candidates.by.as_slice()) else { return None };
        let verb = if candidates.by.len() == 1 { "places" } else { "place" };
        let reason = || format!("{} {verb} it", candidates.by.join(" and "));
        self.is_open(host, candidates).then(|| Placed { host: host.clone(), reason: reason() })
    }

    /// Chooses the host that already runs the instance.
    pub(super) fn current_host(&self, instance: &InstanceName, candidates: &Candidates<'_>) -> Option<Placed> {
        let runs = |host: &&String| self.input.held.get(*host).is_some_and(|state| state.instance(instance).is_some());
        let host = candidates.hosts.iter().filter(runs).find(|host| self.is_open(host, candidates))?;
        Some(Placed { host: host.clone(), reason: "it runs there".to_owned() })
    }

    /// Chooses the host with the volume that the instance used last, for example before `landfast down`.
    pub(super) fn last_host(&self, instance: &InstanceName, candidates: &Candidates<'_>) -> Option<Placed> {
        let recorded = |host: &String| self.groups.recorded(instance, host);
        let open = candidates.hosts.iter().filter(|host| self.is_open(host, candidates) && !recorded(host).is_empty());
        let host = open.min_by_key(|host| Reverse(recorded(host).len()))?;
        let volume = recorded(host).first().copied().unwrap_or_default();
        Some(Placed { host: host.clone(), reason: format!("its volume {volume} is there") })
    }

    /// Chooses the host of services that share data with it.
    pub(super) fn host_of_sharers(&self, instance: &InstanceName, candidates: &Candidates<'_>) -> Option<Placed> {
        let mut there: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (host, why) in self.groups.others(instance, &self.placed) {
            there.entry(host).or_default().push(why);
        }
        let is_good = |host: &str| candidates.hosts.iter().any(|it| it == host) && self.is_open(host, candidates);
        let open = there.into_iter().filter(|(host, _)| is_good(host));
        let (host, reasons) = open.min_by_key(|(_, reasons)| Reverse(reasons.len()))?;
        Some(Placed { host: host.to_owned(), reason: reasons.into_iter().next()? })
    }

    /// Chooses a host with a volume of the service that no record assigns to an instance.
    pub(super) fn host_with_data(&self, instance: &InstanceName, candidates: &Candidates<'_>) -> Option<Placed> {
        if let Some(placed) = self.host_of_sharers(instance, candidates) {
            return Some(placed);
        }
        let hosts = self.hosts_with_data(candidates);
        let common = self.common(instance, candidates);
        let (host, volume) = hosts
            .iter()
            .find(|(host, _)| common.contains(host))
            .or(hosts.first())
            .map(|(host, volume)| (*host, volume))?;
        Some(Placed { host: host.clone(), reason: format!("the volume {volume} is there") })
    }

    /// Returns hosts with a volume of the service that no other instance of it uses.
    fn hosts_with_data<'c>(&self, candidates: &'c Candidates<'_>) -> Vec<(&'c String, String)> {
        let is_free = |host: &&String| self.is_open(host, candidates) && self.replicas_on(host, candidates) == 0;
        let open: Vec<&String> = candidates.hosts.iter().filter(is_free).collect();
        let with = |volume: fn(&Groups<'a>, &str, &str) -> Option<String>| -> Vec<_> {
            open.iter().filter_map(|host| Some((*host, volume(self.groups, candidates.name, host)?))).collect()
        };
        // A volume that Landfast created precedes one that an engine happens to have.
        let held = with(Groups::held_volume);
        if held.is_empty() { with(Groups::found_volume) } else { held }
    }

    /// Reports a volume that has more copies than the service has instances.
    pub(super) fn check_ambiguous_copies(
        &self,
        waiting: &[(InstanceName, Candidates<'a>)],
        findings: &mut Findings<'_>,
    ) {
        let waits = |service: &str| waiting.iter().filter(|(name, _)| name.service == service).count();
        let first = |at: &usize| waiting[..*at].iter().all(|(name, _)| name.service != waiting[*at].0.service);
        for at in (0..waiting.len()).filter(first) {
            let candidates = &waiting[at].1;
            let copies = self.hosts_with_data(candidates);
            if candidates.is_global() || copies.len() <= waits(candidates.name) {
                continue;
            }
            let hosts: Vec<&str> = copies.iter().map(|(host, _)| host.as_str()).collect();
            let (volume, service) = (&copies[0].1, candidates.name);
            let message = format!(
                "the volume {volume} exists on {}, and Landfast does not know which copy belongs to {service}",
                hosts.join(" and ")
            );
            let is_held = self.groups.held_volume(service, hosts[0]).is_some();
            let path = format!("services.{service}");
            let diagnostic = if is_held { findings.refuse(path, message) } else { findings.warn(path, message) };
            let stack = self.input.stack;
            diagnostic.hint =
                Some(format!("choose one: write {service} = {:?} under [stacks.{stack}.place]", hosts[0]));
        }
    }

    /// Returns the hosts that may run the service and all unplaced services that share data with it, or all its candidates if
    /// there is no such host.
    fn common<'c>(&self, instance: &InstanceName, candidates: &'c Candidates<'_>) -> Vec<&'c String> {
        let others: Vec<&str> = self.groups.with(candidates.name).filter(|other| self.waits(other, instance)).collect();
        let fits = |host: &&String| {
            others.iter().all(|other| self.allowed.get(other).is_none_or(|hosts| hosts.contains(host)))
        };
        let common: Vec<&String> = candidates.hosts.iter().filter(fits).collect();
        if common.is_empty() { candidates.hosts.iter().collect() } else { common }
    }

    /// Whether an instance of another service that shares data with this one is not placed yet.
    fn waits(&self, service: &str, instance: &InstanceName) -> bool {
        let replicas = self.input.project.services.get(service).map_or(0, Service::replicas);
        let mut all = (1..=replicas).map(|index| InstanceName::new(self.input.stack, service, index));
        all.any(|name| self.groups.use_one_copy(instance, &name) && !self.placed.contains_key(&name))
    }

    /// Chooses the host with the fewest instances, or one with other services of a host-local network.
    pub(super) fn least_loaded_host(&self, instance: &InstanceName, candidates: &Candidates<'_>) -> Option<Placed> {
        if let Some(placed) = self.host_of_sharers(instance, candidates) {
            return Some(placed);
        }
        let open = self.common(instance, candidates).into_iter().filter(|host| self.is_open(host, candidates));
        let shared_network = |host: &String| self.shared_network(host, candidates);
        let rank = |host: &&String| {
            let count = self.counts.get(*host).copied().unwrap_or_default();
            (
                self.port_is_taken(host, candidates),
                Reverse(shared_network(host).is_some()),
                self.replicas_on(host, candidates),
                count,
            )
        };
        let host = open.min_by_key(rank)?;
        Some(Placed { host: host.clone(), reason: self.why_least_loaded(host, candidates) })
    }

    /// Returns the reasons for a host among the candidates, in the order in which they were compared.
    fn why_least_loaded(&self, host: &String, candidates: &Candidates<'_>) -> String {
        if candidates.hosts.len() == 1 && candidates.by.is_empty() {
            return "it is the only host".to_owned();
        }
        let mut reasons = Vec::new();
        let open = || candidates.hosts.iter().filter(|other| self.is_open(other, candidates));
        let taken: Vec<_> = open().filter(|other| self.port_is_taken(other, candidates)).map(String::as_str).collect();
        if !taken.is_empty() && !taken.contains(&host.as_str()) {
            reasons.push(format!("its port is taken on {}", taken.join(", ")));
        }
        let replicas_on = self.replicas_on(host, candidates);
        match self.shared_network(host, candidates) {
            Some(network) => reasons.push(format!("the others on {network} are there")),
            None if open().any(|other| self.replicas_on(other, candidates) > replicas_on) => {
                let alike = open().filter(|other| self.replicas_on(other, candidates) == replicas_on);
                let is_fuller = |other: &String| self.counts.get(other) > self.counts.get(host);
                let count = self.counts.get(host).copied().unwrap_or_default();
                let also = if alike.into_iter().any(is_fuller) {
                    format!(" and of instances ({count})")
                } else {
                    String::new()
                };
                reasons.push(format!("fewest of {} ({replicas_on}){also}", candidates.name));
            }
            None => reasons.push(format!("fewest instances ({})", self.counts.get(host).copied().unwrap_or_default())),
        }
        if !candidates.by.is_empty() {
            reasons.push(format!("of {}: {}", candidates.hosts.join(", "), candidates.by.join(" and ")));
        }
        reasons.join("; ")
    }

    fn is_open(&self, host: &str, candidates: &Candidates<'_>) -> bool {
        let replicas_on = self.replicas_on(host, candidates);
        let most = candidates.service.deploy.placement.max_replicas_per_node;
        (most == 0 || replicas_on < most) && !(candidates.is_global() && replicas_on > 0)
    }

    fn replicas_on(&self, host: &str, candidates: &Candidates<'_>) -> u64 {
        let here = self.placed.iter().filter(|(name, placed)| name.service == candidates.name && placed.host == host);
        here.count() as u64
    }

    fn port_is_taken(&self, host: &str, candidates: &Candidates<'_>) -> bool {
        fixed_ports(candidates.service).any(|(port, protocol)| self.ports.contains(&(host.to_owned(), port, protocol)))
    }

    /// Returns a host-local network of the service that other placed services on this host use.
    fn shared_network(&self, host: &str, candidates: &Candidates<'_>) -> Option<&str> {
        let there = self.placed.iter().filter(|(_, placed)| placed.host == host);
        let mut neighbours = there.filter_map(|(name, _)| self.input.project.services.get_key_value(&name.service));
        neighbours.find_map(|(name, service)| {
            let is_common = |key: &&String| candidates.service.networks.contains_key(*key) && self.is_local(key);
            let mut local = service.networks.keys().filter(is_common);
            local.find(|key| name != candidates.name || !self.spreads_alone(key, candidates)).map(String::as_str)
        })
    }

    /// Whether the replicas of a service spread over hosts, because they have data of their own and no other service uses the
    /// network.
    fn spreads_alone(&self, network: &str, candidates: &Candidates<'_>) -> bool {
        let mut services = self.input.project.services.iter();
        let has_others = services.any(|(name, service)| {
            name != candidates.name && service.replicas() > 0 && service.networks.contains_key(network)
        });
        self.groups.has_data(candidates.name) && !has_others
    }

    fn is_local(&self, key: &str) -> bool {
        let network = self.input.project.networks.get(key);
        network.is_some_and(|network| !network.external && self.input.fleet.network_of(&network.name, key).is_none())
    }

    fn put(&mut self, instance: &InstanceName, candidates: &Candidates<'_>, placed: Placed) {
        *self.counts.entry(placed.host.clone()).or_default() += 1;
        self.ports
            .extend(fixed_ports(candidates.service).map(|(port, protocol)| (placed.host.clone(), port, protocol)));
        self.placed.insert(instance.clone(), placed);
    }
}

/// Describes what a key shares.
fn shared(key: &str) -> &'static str {
    match key {
        "network_mode" => "its network",
        "pid" => "its processes",
        "ipc" => "its IPC",
        _ => "its volumes",
    }
}

fn fixed_ports(service: &Service) -> impl Iterator<Item = (u16, String)> {
    let fixed = service.ports.iter().filter_map(|port| Some((port.published?, &port.protocol)));
    fixed.filter(|(published, _)| published.start == published.end).map(|(p, protocol)| (p.start, protocol.clone()))
}
