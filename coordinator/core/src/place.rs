//! Which host runs an instance, and why.
//!
//! What is written decides; then an instance stays where it runs, or goes where its volume is; what is left goes beside
//! those it shares a host-local network with, and else where the fewest instances are.
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use crate::Diagnostic;
use crate::compile::findings::Findings;
use crate::compile::ties::{Tie, partner, ties};
use crate::compose::Project;
use crate::compose::model::{MountKind, Service};
use crate::deployment::{Deployment, InstanceName};
use crate::desired::HostState;
use crate::fleet::{Fleet, Host, PlacementRule, StackConfig};

/// Where an instance goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) host: String,
    pub(crate) reason: String,
}

/// What is placed, and into what.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) stack: &'a str,
    pub(crate) config: Option<&'a StackConfig>,
    pub(crate) project: &'a Project,
    pub(crate) held: &'a BTreeMap<String, HostState>,
    pub(crate) beside: &'a [Deployment],
}

/// A host for every instance, or a word about those that have none.
pub(crate) fn place(question: Question<'_>, findings: &mut Findings<'_>) -> BTreeMap<InstanceName, Placed> {
    warn_of_strangers(question, findings);
    let mut board = Board::new(question);
    let mut waiting: Vec<(InstanceName, Choice<'_>)> = Vec::new();
    for (name, service) in &question.project.services {
        let choice = Choice::new(question, name, service, findings);
        if choice.hosts.is_empty() && service.replicas() > 0 {
            refuse(&choice, findings);
            continue;
        }
        for instance in board.instances_of(&choice) {
            waiting.push((instance, choice.clone()));
        }
    }
    let (tied, mut waiting): (Vec<_>, Vec<_>) =
        waiting.into_iter().partition(|(_, choice)| !ties(choice.service).is_empty());
    for pass in [Board::written, Board::running, Board::beside_data, Board::spread] {
        waiting.retain(|(instance, choice)| match pass(&board, instance, choice) {
            Some(placed) => {
                board.put(instance, choice, placed);
                false
            }
            None => true,
        });
    }
    board.follow(tied, findings);
    for (instance, choice) in waiting {
        let most = choice.service.deploy.placement.max_replicas_per_node;
        findings.refuse(
            format!("services.{}.deploy.placement.max_replicas_per_node", instance.service),
            format!("no host is left for {instance}: {most} on each of {}", choice.hosts.join(", ")),
        );
    }
    board.placed
}

/// A place for a service that is not there: a slip of the pen, or a profile that is not enabled.
fn warn_of_strangers(question: Question<'_>, findings: &mut Findings<'_>) {
    let places = question.config.into_iter().flat_map(|config| &config.place);
    for (service, placement) in places.filter(|(service, _)| *service != "*") {
        if !question.project.services.contains_key(service) {
            let message = format!("{service} has a place, but the enabled profiles have no such service");
            let path = format!("stacks.{}.place.{service}", question.stack);
            findings.warnings.push(Diagnostic::at(&placement.location, message).key(path));
        }
    }
}

/// The hosts that may run a service, and why not the others.
#[derive(Clone)]
struct Choice<'a> {
    name: &'a str,
    service: &'a Service,
    hosts: Vec<String>,
    /// What narrowed the choice: `landfast.toml`, `node.labels.disk==ssd`.
    by: Option<String>,
    excluded: Vec<String>,
}

impl<'a> Choice<'a> {
    fn new(question: Question<'a>, name: &'a str, service: &'a Service, findings: &mut Findings<'_>) -> Self {
        let mut choice = Self { name, service, hosts: Vec::new(), by: None, excluded: Vec::new() };
        let rule = question.config.and_then(|config| config.place.get(name).or_else(|| config.place.get("*")));
        let constraints = constraints(name, service, findings);
        for (host_name, host) in &question.fleet.hosts {
            let by_rule = rule.filter(|placement| !allows(&placement.rule, host_name, host));
            let by_constraint = constraints.iter().find(|constraint| !constraint.allows(host_name, host));
            if let Some(placement) = by_rule {
                choice.by = Some("landfast.toml".to_owned());
                let wanted = match &placement.rule {
                    PlacementRule::Hosts(hosts) => format!("it goes to {}", hosts.join(", ")),
                    PlacementRule::Label { key, value } => format!("it wants {key}={value}"),
                };
                choice.excluded.push(format!("{host_name} by {} ({wanted})", placement.location));
            } else if let Some(constraint) = by_constraint {
                choice.by.get_or_insert_with(|| constraint.text.clone());
                choice.excluded.push(format!("{host_name} by the constraint {}", constraint.text));
            } else {
                choice.hosts.push(host_name.clone());
            }
        }
        choice
    }
}

fn refuse(choice: &Choice<'_>, findings: &mut Findings<'_>) {
    let message = match choice.excluded.as_slice() {
        [] => "the fleet has no host".to_owned(),
        excluded => format!("no host can run {}: excluded are {}", choice.name, excluded.join("; ")),
    };
    let hint = if choice.excluded.is_empty() {
        "add one: landfast host add NAME ADDRESS"
    } else {
        "change the place in landfast.toml, the constraint, or a host's labels"
    };
    findings.refuse(format!("services.{}", choice.name), message).hint = Some(hint.to_owned());
}

fn allows(rule: &PlacementRule, name: &str, host: &Host) -> bool {
    match rule {
        PlacementRule::Hosts(hosts) => hosts.iter().any(|host| host == name),
        PlacementRule::Label { key, value } => host.labels.get(key) == Some(value),
    }
}

/// `node.labels.disk==ssd`.
struct Constraint {
    text: String,
    /// `None` for the host's name.
    label: Option<String>,
    equal: bool,
    value: String,
}

impl Constraint {
    fn parse(text: &str) -> Option<Self> {
        let (key, equal, value) = match text.split_once("!=") {
            Some((key, value)) => (key, false, value),
            None => text.split_once("==").map(|(key, value)| (key, true, value))?,
        };
        let label = match key.trim() {
            "node.hostname" => None,
            key => Some(key.strip_prefix("node.labels.")?.to_owned()),
        };
        Some(Self { text: text.to_owned(), label, equal, value: value.trim().to_owned() })
    }

    fn allows(&self, name: &str, host: &Host) -> bool {
        let found = match &self.label {
            None => Some(name),
            Some(label) => host.labels.get(label).map(String::as_str),
        };
        (found == Some(self.value.as_str())) == self.equal
    }
}

fn constraints(name: &str, service: &Service, findings: &mut Findings<'_>) -> Vec<Constraint> {
    let mut constraints = Vec::new();
    for (at, text) in service.deploy.placement.constraints.iter().enumerate() {
        match Constraint::parse(text) {
            Some(constraint) => constraints.push(constraint),
            None => {
                let path = format!("services.{name}.deploy.placement.constraints[{at}]");
                let message = format!("the constraint {text:?} is not known here");
                let hint = "node.hostname and node.labels.<key>, with == or !=, are";
                findings.refuse(path, message).hint = Some(hint.to_owned());
            }
        }
    }
    constraints
}

/// What stands where while the hosts fill.
struct Board<'a> {
    question: Question<'a>,
    placed: BTreeMap<InstanceName, Placed>,
    /// By host, of all stacks.
    counts: BTreeMap<String, usize>,
    /// Host, port and protocol.
    ports: BTreeSet<(String, u16, String)>,
}

impl<'a> Board<'a> {
    fn new(question: Question<'a>) -> Self {
        let mut counts: BTreeMap<String, usize> = question.fleet.hosts.keys().map(|host| (host.clone(), 0)).collect();
        let mut ports = BTreeSet::new();
        let again = |stack: &str| stack == question.stack || question.beside.iter().any(|other| other.stack == stack);
        let held = question.held.iter().flat_map(|(host, state)| state.instances.iter().map(move |it| (host, it)));
        let staying = held.filter(|(_, instance)| !again(&instance.name.stack));
        let beside = question.beside.iter().flat_map(|deployment| deployment.instances.values());
        let containers = staying
            .map(|(host, instance)| (host, &instance.container))
            .chain(beside.map(|instance| (&instance.host, &instance.container)));
        for (host, container) in containers {
            *counts.entry(host.clone()).or_default() += 1;
            for port in &container.ports {
                ports.extend(u16::try_from(port.published).map(|number| (host.clone(), number, port.protocol.clone())));
            }
        }
        Self { question, placed: BTreeMap::new(), counts, ports }
    }

    /// Those that share something go where the others are.
    fn follow(&mut self, mut tied: Vec<(InstanceName, Choice<'a>)>, findings: &mut Findings<'_>) {
        loop {
            let before = tied.len();
            let all: Vec<InstanceName> = self.placed.keys().chain(tied.iter().map(|(name, _)| name)).cloned().collect();
            tied.retain(|(instance, choice)| {
                let ties = ties(choice.service);
                let partner = |tie: &Tie<'_>| self.placed.get(partner(instance, tie.service, all.iter())?);
                let hosts: Option<Vec<_>> = ties.iter().map(|tie| Some(partner(tie)?.host.clone())).collect();
                let Some(hosts) = hosts else { return true };
                self.put_beside(instance, choice, &ties, &hosts, findings);
                false
            });
            // Those left are tied to what has been refused.
            if tied.is_empty() || tied.len() == before {
                return;
            }
        }
    }

    fn put_beside(
        &mut self,
        instance: &InstanceName,
        choice: &Choice<'_>,
        ties: &[Tie<'_>],
        hosts: &[String],
        findings: &mut Findings<'_>,
    ) {
        let (Some(tie), Some(host)) = (ties.first(), hosts.first()) else { return };
        let path = format!("services.{}.{}", instance.service, tie.key);
        let elsewhere = ties.iter().zip(hosts).find(|(_, other)| *other != host);
        if let Some((other, there)) = elsewhere {
            let message =
                format!("{} goes to {host} and {} to {there}: it cannot be beside both", tie.service, other.service);
            findings.refuse(path, message).hint = Some("give them one place in landfast.toml".to_owned());
        } else if !choice.hosts.contains(host) {
            let excluded = choice.excluded.join("; ");
            let message = format!("it must be beside {}, which goes to {host}: excluded are {excluded}", tie.service);
            findings.refuse(path, message).hint = Some("give both one place in landfast.toml".to_owned());
        } else {
            let reason = format!("{} is there, and it shares {}", tie.service, shared(tie.key));
            self.put(instance, choice, Placed { host: host.clone(), reason });
        }
    }

    /// One a host for a global service; else as many as the service says.
    fn instances_of(&self, choice: &Choice<'_>) -> Vec<InstanceName> {
        let count = match choice.service.deploy.mode.as_deref() {
            Some("global") => u32::try_from(choice.hosts.len()).unwrap_or(u32::MAX),
            _ => choice.service.replicas(),
        };
        (1..=count).map(|index| InstanceName::new(self.question.stack, choice.name, index)).collect()
    }

    /// The file leaves one host only.
    fn written(&self, _: &InstanceName, choice: &Choice<'_>) -> Option<Placed> {
        let ([host], Some(by)) = (choice.hosts.as_slice(), &choice.by) else { return None };
        let open = self.is_open(host, choice);
        open.then(|| Placed { host: host.clone(), reason: format!("{by} places it") })
    }

    fn running(&self, instance: &InstanceName, choice: &Choice<'_>) -> Option<Placed> {
        let runs =
            |host: &&String| self.question.held.get(*host).is_some_and(|state| state.instance(instance).is_some());
        let host = choice.hosts.iter().filter(runs).find(|host| self.is_open(host, choice))?;
        Some(Placed { host: host.clone(), reason: "it runs there".to_owned() })
    }

    /// After `landfast down` the data is still somewhere.
    fn beside_data(&self, _: &InstanceName, choice: &Choice<'_>) -> Option<Placed> {
        let keys = choice.service.volumes.iter().filter(|mount| mount.kind == MountKind::Volume);
        let names: Vec<_> = keys
            .filter_map(|mount| self.question.project.volumes.get(mount.source.as_ref()?))
            .map(|volume| volume.name.as_str())
            .collect();
        for host in choice.hosts.iter().filter(|host| self.is_open(host, choice)) {
            let volumes = self.question.held.get(host).map(|state| state.volumes.as_slice()).unwrap_or_default();
            let there = |volume: &&crate::desired::Volume| !volume.remove && names.contains(&volume.name.as_str());
            if let Some(volume) = volumes.iter().find(there) {
                return Some(Placed { host: host.clone(), reason: format!("its volume {} is there", volume.name) });
            }
        }
        None
    }

    fn spread(&self, _: &InstanceName, choice: &Choice<'_>) -> Option<Placed> {
        let open = choice.hosts.iter().filter(|host| self.is_open(host, choice));
        let company = |host: &String| self.company(host, choice);
        let rank = |host: &&String| {
            let count = self.counts.get(*host).copied().unwrap_or_default();
            (self.port_is_taken(host, choice), Reverse(company(host).is_some()), self.siblings(host, choice), count)
        };
        let host = open.min_by_key(rank)?;
        let reason = match (company(host), choice.hosts.len(), &choice.by) {
            (_, 1, None) => "it is the only host".to_owned(),
            (Some(network), ..) => format!("the others on {network} are there"),
            (None, ..) => format!("fewest instances ({})", self.counts.get(host).copied().unwrap_or_default()),
        };
        Some(Placed { host: host.clone(), reason })
    }

    fn is_open(&self, host: &str, choice: &Choice<'_>) -> bool {
        let siblings = self.siblings(host, choice);
        let most = choice.service.deploy.placement.max_replicas_per_node;
        let only_one = choice.service.deploy.mode.as_deref() == Some("global");
        (most == 0 || siblings < most) && !(only_one && siblings > 0)
    }

    fn siblings(&self, host: &str, choice: &Choice<'_>) -> u64 {
        let here = self.placed.iter().filter(|(name, placed)| name.service == choice.name && placed.host == host);
        here.count() as u64
    }

    fn port_is_taken(&self, host: &str, choice: &Choice<'_>) -> bool {
        fixed_ports(choice.service).any(|(port, protocol)| self.ports.contains(&(host.to_owned(), port, protocol)))
    }

    /// A network that does not span hosts and has somebody of ours on this one.
    fn company(&self, host: &str, choice: &Choice<'_>) -> Option<&str> {
        let there = self.placed.iter().filter(|(_, placed)| placed.host == host);
        let mut neighbours = there.filter_map(|(name, _)| self.question.project.services.get(&name.service));
        neighbours.find_map(|service| {
            let local =
                service.networks.keys().find(|key| choice.service.networks.contains_key(*key) && self.is_local(key));
            local.map(String::as_str)
        })
    }

    fn is_local(&self, key: &str) -> bool {
        let network = self.question.project.networks.get(key);
        network.is_some_and(|network| !network.external && self.question.fleet.network_of(&network.name, key).is_none())
    }

    fn put(&mut self, instance: &InstanceName, choice: &Choice<'_>, placed: Placed) {
        *self.counts.entry(placed.host.clone()).or_default() += 1;
        self.ports.extend(fixed_ports(choice.service).map(|(port, protocol)| (placed.host.clone(), port, protocol)));
        self.placed.insert(instance.clone(), placed);
    }
}

/// In words, what a key shares.
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
