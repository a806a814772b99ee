//! Simulation of hosts, the network between them and the coordinator. All can fail, and the simulation controls the clock.
#![allow(clippy::unwrap_used, dead_code)]

pub(crate) mod rules;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use landfast_core::deployment::{Condition, InstanceName, StackService};
use landfast_core::desired::{HostState, Instance};
use landfast_core::fabric::Address;
use landfast_core::plan::{Action as Does, Change, Plan};
use landfast_core::report::{ContainerState, Health, InstanceReport, Problem, Report, TreeReport};
use landfast_core::rollout::{Action, Event, Failure, Record, State, StepState, step};

use crate::test_fleet::random::SeededRandom;
use rules::{Request, Seen};

/// Faults that the simulation injects.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Faults {
    /// Percentage of messages that are lost with their connection.
    pub(crate) lost: u64,
    /// Percentage of seconds in which the coordinator is killed.
    pub(crate) crashes: u64,
    /// Longest delay of a message, in milliseconds.
    pub(crate) delay: u64,
    /// Percentage of seconds in which a host goes away, for less time than a rollout waits for it.
    pub(crate) outages: u64,
    /// Percentage of reports after which an older one of the same host arrives once more.
    pub(crate) stale: u64,
    /// Percentage of seconds in which another operator takes the fleet over. It happens once.
    pub(crate) rivals: u64,
}

/// Owner of the run that is simulated, and of the one that takes the fleet over.
const OWNERS: [&str; 2] = ["anna@laptop", "bob@ci"];

/// Behaviour of the containers of an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Behaviour {
    Well,
    Unhealthy,
    Crashes,
    Ends(i32),
    /// The engine refuses to start it.
    Refused,
    /// It never becomes healthy or unhealthy.
    Hangs,
}

#[derive(Debug, Clone)]
struct Container {
    instance: Instance,
    since: u64,
    /// Time since which the container exists whose network this one shares.
    joined: Option<u64>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Host {
    pub(crate) held: HostState,
    containers: BTreeMap<InstanceName, Container>,
    /// Epoch of the run that has the claim.
    claimed: u64,
    /// Time until which the agent is busy.
    busy_until: u64,
    pub(crate) down: bool,
    /// Time at which an outage ends.
    back_at: Option<u64>,
    /// Time until which the host does not go away again.
    rests_until: u64,
    /// Owner of the state that is held.
    owner: String,
    told: Option<Report>,
    /// Earlier reports.
    earlier: Vec<Report>,
}

enum Message {
    /// Assignment from the coordinator, with the number of its crashes so far.
    Assign(u32, String, Box<HostState>),
    Tell(Event),
}

pub(crate) struct Simulation {
    pub(crate) hosts: BTreeMap<String, Host>,
    pub(crate) state: State,
    pub(crate) now: u64,
    pub(crate) end: Option<Result<(), Failure>>,
    pub(crate) faults: Faults,
    /// Behaviour by image; containers of other images run well.
    pub(crate) behaviours: BTreeMap<String, Behaviour>,
    pub(crate) made: BTreeMap<(InstanceName, String), u32>,
    pub(crate) crashes: u32,
    /// Whether agents never report that they have converged.
    pub(crate) restless: bool,
    /// What happened on the hosts, in order.
    pub(crate) log: Vec<(String, Seen)>,
    /// Containers before the run.
    before: BTreeMap<(String, InstanceName), BTreeSet<Address>>,
    /// Whether another operator has taken the fleet over.
    pub(crate) is_taken_over: bool,
    /// Hosts that are away from the beginning.
    away: BTreeSet<String>,
    /// Number of faults that were injected.
    pub(crate) injected: u64,
    /// What the coordinator has stored of the rollout: its record, and the progress of its steps.
    journal: (String, String),
    wire: Vec<(u64, Message)>,
    random: SeededRandom,
    target: BTreeMap<String, HostState>,
    plan: Plan,
}

/// Addresses of an instance that are given to it.
fn addresses(instance: &Instance) -> BTreeSet<Address> {
    let ends = instance.container.networks.iter();
    ends.filter_map(|end| Some(Address { network: end.network.clone(), ip: end.address? })).collect()
}

fn stored(value: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(value).unwrap()
}

impl Simulation {
    /// Continues with the hosts of an earlier simulation, some time later.
    pub(crate) fn new(
        mut hosts: BTreeMap<String, Host>,
        plan: Plan,
        target: BTreeMap<String, HostState>,
        seed: u64,
    ) -> Self {
        let held: BTreeMap<_, _> = hosts.iter().map(|(name, host)| (name.clone(), host.held.clone())).collect();
        let epoch = held.values().map(|state| state.epoch).max().unwrap_or(0) + 1;
        let state = State::new(plan.clone(), held, target.clone(), epoch);
        let latest = hosts.values().flat_map(|it| it.containers.values().map(|c| c.since).chain([it.busy_until])).max();
        let now = (latest.unwrap_or(0) / 1000 + 600) * 1000;
        for host in hosts.values_mut() {
            (host.told, host.earlier, host.rests_until) = (None, Vec::new(), 0);
        }
        let containers = hosts.iter().flat_map(|(host, it)| it.containers.values().map(move |one| (host, one)));
        let before =
            containers.map(|(host, one)| ((host.clone(), one.instance.name.clone()), addresses(&one.instance)));
        Self {
            before: before.collect(),
            log: Vec::new(),
            is_taken_over: false,
            away: BTreeSet::new(),
            injected: 0,
            journal: (stored(&Record::of(&state)), stored(state.steps())),
            hosts,
            state,
            now,
            end: None,
            faults: Faults { delay: 500, ..Faults::default() },
            behaviours: BTreeMap::new(),
            made: BTreeMap::new(),
            crashes: 0,
            restless: false,
            wire: Vec::new(),
            random: SeededRandom::new(seed),
            target,
            plan,
        }
    }

    /// Runs the rollout to its end. It panics if that takes too long.
    pub(crate) fn run(&mut self) -> Result<(), Failure> {
        self.start();
        self.finish()
    }

    /// Begins the rollout, or continues it with a run of its own. The epoch is greater than that of every earlier run.
    pub(crate) fn start(&mut self) {
        let epoch = self.state.epoch;
        self.claim(epoch, OWNERS[0]);
        self.event(Event::Start { epoch, owner: OWNERS[0].to_owned() });
    }

    /// Leaves out hosts that are away during the whole run.
    pub(crate) fn leave_out(&mut self, away: &BTreeSet<String>) {
        self.state = self.state.clone().without(away);
        self.away.clone_from(away);
        for name in away {
            self.hosts.get_mut(name).unwrap().down = true;
        }
    }

    fn claim(&mut self, epoch: u64, owner: &str) {
        for (name, host) in &mut self.hosts {
            if !host.down {
                host.claimed = epoch;
                self.log.push((name.clone(), Seen::Claimed { epoch, owner: owner.to_owned() }));
            }
        }
    }

    /// Another operator takes the fleet over, and assigns what one host holds once more.
    fn take_over(&mut self) {
        self.is_taken_over = true;
        let epoch = self.state.epoch + 1;
        self.claim(epoch, OWNERS[1]);
        let there: Vec<String> = self.hosts.iter().filter(|(_, it)| !it.down).map(|(name, _)| name.clone()).collect();
        let Some(name) = there.get(self.random.below(there.len().max(1) as u64) as usize).cloned() else { return };
        let held = self.hosts[&name].held.clone();
        let (generation, host) = (held.generation + 1, name.clone());
        let state = HostState { epoch, generation, ..held };
        self.accept(&host, state, OWNERS[1]);
    }

    fn accept(&mut self, name: &str, state: HostState, owner: &str) {
        let (epoch, generation, fabric) = (state.epoch, state.generation, state.fabric.clone());
        let accepted = Seen::Accepted { epoch, generation, owner: owner.to_owned(), fabric };
        self.log.push((name.to_owned(), accepted));
        for volume in state.volumes.iter().filter(|volume| volume.remove) {
            let removed = Seen::VolumeRemoved { stack: volume.stack.clone(), name: volume.name.clone() };
            self.log.push((name.to_owned(), removed));
        }
        let busy = self.now + self.random.below(3000);
        let host = self.hosts.get_mut(name).unwrap();
        (host.busy_until, host.held, host.owner) = (busy, state, owner.to_owned());
    }

    /// Lets hosts go away and return.
    fn outages(&mut self) {
        let now = self.now;
        for host in self.hosts.values_mut().filter(|host| host.back_at.is_some_and(|at| at <= now)) {
            (host.down, host.back_at, host.told) = (false, None, None);
        }
        if !self.random.chance(self.faults.outages) {
            return;
        }
        let names: Vec<String> = self.hosts.keys().cloned().collect();
        let name = &names[self.random.below(names.len() as u64) as usize];
        // A rollout waits 120 s for a host. A message may take some time after it, and a host may go away again before it has reported.
        let until = now + 1000 + self.random.below(50_000);
        let host = self.hosts.get_mut(name).unwrap();
        if !host.down && !self.away.contains(name) && host.rests_until <= now {
            host.rests_until = until + 60_000;
            (host.down, host.back_at) = (true, Some(until));
            self.injected += 1;
            self.tell(Event::Lost { host: name.clone() });
        }
    }

    /// Checks the rules that hold for every run.
    pub(crate) fn check_rules(&self, request: &Request) {
        if let Err(problem) = rules::check(&self.log, request, self.before.clone()) {
            panic!("{problem}");
        }
    }

    /// Runs a rollout that has begun to its end.
    pub(crate) fn finish(&mut self) -> Result<(), Failure> {
        let limit = self.now + 4 * 3_600_000;
        while self.end.is_none() {
            assert!(self.now < limit, "it does not end: {:?}", self.state.progress());
            self.tick();
        }
        self.end.clone().unwrap()
    }

    /// Advances the clock by a quarter of a second.
    pub(crate) fn tick(&mut self) {
        self.now += 250;
        let due: Vec<_> = {
            let now = self.now;
            let (due, later) = std::mem::take(&mut self.wire).into_iter().partition(|(at, _)| *at <= now);
            self.wire = later;
            due
        };
        for (_, message) in due {
            match message {
                Message::Assign(life, host, state) => self.receive(life, host, *state),
                Message::Tell(event) => self.event(event),
            }
        }
        let names: Vec<String> = self.hosts.keys().cloned().collect();
        for name in names {
            self.work(&name);
            self.publish(&name);
        }
        self.check_parallelism();
        if self.now.is_multiple_of(1000) {
            self.event(Event::Tick);
            self.outages();
            if !self.is_taken_over && self.random.chance(self.faults.rivals) {
                self.take_over();
            }
            // The number of crashes is limited, so that the rollout can end. A rollout is not continued while another run has the
            // claims, or while one of its hosts does not answer.
            let can_continue = !self.is_taken_over && self.hosts.values().all(|host| host.back_at.is_none());
            if self.crashes < 25 && can_continue && self.random.chance(self.faults.crashes) {
                self.crash();
            }
        }
    }

    pub(crate) fn event(&mut self, event: Event) {
        if self.end.is_some() {
            return;
        }
        let (state, actions) = step(self.state.clone(), event, self.now);
        self.state = state;
        if actions.iter().any(|action| matches!(action, Action::Assign { .. })) {
            self.journal.1 = stored(self.state.steps());
        }
        for action in actions {
            match action {
                Action::Assign { host, state, .. } => {
                    let at = self.later();
                    self.wire.push((at, Message::Assign(self.crashes, host, state)));
                }
                Action::Report(_) => {}
                Action::Done => self.end = Some(Ok(())),
                Action::Failed(failure) => self.end = Some(Err(failure)),
            }
        }
    }

    fn later(&mut self) -> u64 {
        self.now + self.random.below(self.faults.delay.max(1))
    }

    /// Kills the coordinator. Its state since the last journal entry is lost; sent assignments may still arrive.
    fn crash(&mut self) {
        self.crashes += 1;
        let record: Record = serde_json::from_str(&self.journal.0).unwrap();
        let steps: Vec<StepState> = serde_json::from_str(&self.journal.1).unwrap();
        // The next run claims the hosts, so that nothing that the killed one has sent is accepted afterwards.
        let epoch = self.state.epoch + 1;
        self.injected += 1;
        let held: BTreeMap<_, _> = self.hosts.iter().map(|(name, host)| (name.clone(), host.held.clone())).collect();
        assert!(record.is_aim(&held, &self.target), "a plan made now has another aim");
        self.state = record.resume(steps, held, self.target.clone(), epoch).without(&self.away);
        self.wire.retain(|(_, message)| matches!(message, Message::Assign(..)));
        for host in self.hosts.values_mut() {
            host.told = None;
        }
        self.start();
    }

    fn receive(&mut self, life: u32, name: String, state: HostState) {
        // The coordinator that sent it no longer exists, so there is no answer.
        let dead = life != self.crashes;
        if self.hosts[&name].down || self.random.chance(self.faults.lost) {
            if !dead {
                self.again(name, state);
            }
            return;
        }
        let host = &self.hosts[&name];
        let held = &host.held;
        let (old, new) = ((held.epoch, held.generation), (state.epoch, state.generation));
        let same = new == old && state.same_contents(held);
        assert!(new != old || same, "{name}: the same generation {new:?} with other contents");
        let accepted = (same || (new.0 >= old.0 && new.1 > old.1)) && new.0 >= host.claimed;
        if !accepted {
            let message = format!("{new:?} is older than {old:?}");
            if dead {
                return;
            }
            return self.tell(Event::AssignFailed { host: name, generation: new.1, stacks: BTreeSet::new(), message });
        }
        if !same {
            self.accept(&name, state, OWNERS[0]);
        }
        if dead {
            return;
        }
        if self.random.chance(self.faults.lost) {
            let taken = self.hosts[&name].held.clone();
            return self.again(name, taken);
        }
        self.tell(Event::Assigned { host: name, generation: new.1 });
    }

    /// The coordinator retries until it gets an answer. Sometimes the whole connection was lost.
    fn again(&mut self, name: String, state: HostState) {
        if self.random.chance(50) {
            self.hosts.get_mut(&name).unwrap().told = None;
        }
        self.tell(Event::Lost { host: name.clone() });
        let at = self.later() + self.random.below(5000);
        self.wire.push((at, Message::Assign(self.crashes, name, Box::new(state))));
    }

    /// Messages of one host arrive in order.
    fn tell(&mut self, event: Event) {
        let host = |event: &Event| match event {
            Event::Reported { host, .. } | Event::Assigned { host, .. } => host.clone(),
            Event::AssignFailed { host, .. } | Event::Lost { host } => host.clone(),
            _ => String::new(),
        };
        let same = |it: &Message| matches!(it, Message::Tell(other) if host(other) == host(&event));
        let last = self.wire.iter().filter(|(_, it)| same(it)).map(|(at, _)| *at).max().unwrap_or(0);
        let at = self.later().max(last);
        self.wire.push((at, Message::Tell(event)));
    }

    /// Work of the agent: it changes containers to what is held.
    fn work(&mut self, name: &str) {
        let host = self.hosts.get(name).unwrap();
        if host.down || self.now < host.busy_until {
            return;
        }
        let wanted: Vec<Instance> = host.held.instances.clone();
        for instance in wanted {
            let there = self.hosts[name].containers.get(&instance.name);
            let joined = match self.owner(name, &instance) {
                Some(None) => continue,
                Some(Some(since)) => Some(since),
                None => None,
            };
            let is_right = |it: &Container| {
                let numbered = (&it.instance.digest, it.instance.incarnation);
                numbered == (&instance.digest, instance.incarnation) && it.joined == joined
            };
            if there.is_some_and(is_right) {
                continue;
            }
            if self.behaviour(&instance) == Behaviour::Refused {
                continue;
            }
            self.check_dependencies(&instance);
            self.check_uniqueness(name, &instance);
            *self.made.entry((instance.name.clone(), instance.digest.clone())).or_default() += 1;
            let since = self.now;
            let made = Seen::Made { instance: instance.name.clone(), addresses: addresses(&instance) };
            let container = Container { instance: instance.clone(), since, joined };
            let containers = &mut self.hosts.get_mut(name).unwrap().containers;
            if containers.insert(instance.name.clone(), container).is_some() {
                self.log.push((name.to_owned(), Seen::Gone { instance: instance.name.clone() }));
            }
            self.log.push((name.to_owned(), made));
        }
        let host = self.hosts.get_mut(name).unwrap();
        let names: BTreeSet<InstanceName> = host.held.instances.iter().map(|instance| instance.name.clone()).collect();
        let log = &mut self.log;
        host.containers.retain(|instance, _| {
            let stays = names.contains(instance);
            if !stays {
                log.push((name.to_owned(), Seen::Gone { instance: instance.clone() }));
            }
            stays
        });
    }

    /// Time since which the owner of an instance's network exists. The inner value is `None` if that owner is not as declared yet.
    fn owner(&self, host: &str, instance: &Instance) -> Option<Option<u64>> {
        let service = instance.container.network_mode.strip_prefix("service:")?;
        let name = InstanceName { service: service.to_owned(), index: 1, ..instance.name.clone() };
        let wanted = self.hosts[host].held.instance(&name)?;
        let there = self.hosts[host].containers.get(&name).filter(|it| it.instance.digest == wanted.digest);
        Some(there.map(|it| it.since))
    }

    fn behaviour(&self, instance: &Instance) -> Behaviour {
        self.behaviours.get(&instance.container.image).copied().unwrap_or(Behaviour::Well)
    }

    /// Report about a container at this moment.
    fn look(&self, container: &Container) -> InstanceReport {
        let age = self.now - container.since;
        let instance = &container.instance;
        let has_check = instance.container.healthcheck.is_some();
        let is_job = instance.container.command.as_deref() == Some(&["job".to_owned()]);
        let mut seen = InstanceReport {
            name: instance.name.clone(),
            incarnation: instance.incarnation,
            digest: instance.digest.clone(),
            state: ContainerState::Running,
            health: if !has_check {
                Health::None
            } else if age < 2000 {
                Health::Starting
            } else {
                Health::Healthy
            },
            ..InstanceReport::default()
        };
        match self.behaviour(instance) {
            Behaviour::Unhealthy if has_check && age >= 2000 => seen.health = Health::Unhealthy,
            Behaviour::Hangs if has_check => seen.health = Health::Starting,
            Behaviour::Crashes => {
                seen.restarts = (age / 1000) as u32;
                seen.state = ContainerState::Restarting;
                seen.exit_code = 3;
                seen.output = "boom".to_owned();
            }
            Behaviour::Ends(code) if age >= 2000 => {
                seen.state = ContainerState::Exited;
                seen.exit_code = code;
                seen.output = "the end".to_owned();
            }
            _ if is_job && age >= 3000 => seen.state = ContainerState::Exited,
            _ => {}
        }
        seen
    }

    pub(crate) fn report(&self, name: &str) -> Report {
        let host = &self.hosts[name];
        let idle = self.now >= host.busy_until;
        let mut instances: Vec<_> = host.containers.values().map(|container| self.look(container)).collect();
        let mut problems = Vec::new();
        for instance in &host.held.instances {
            if !host.containers.contains_key(&instance.name) {
                let state = ContainerState::Missing;
                instances.push(InstanceReport { name: instance.name.clone(), state, ..InstanceReport::default() });
            }
            if idle && self.behaviour(instance) == Behaviour::Refused {
                let (step, resource) = ("start".to_owned(), instance.name.to_string());
                let message = "the port 80 is taken by container web".to_owned();
                let stack = instance.name.stack.clone();
                problems.push(Problem { step, resource, message, is_final: true, stack, ..Problem::default() });
            }
        }
        let tree = |tree: &landfast_core::desired::Tree| TreeReport {
            stack: tree.stack.clone(),
            manifest: tree.manifest.clone(),
            ..TreeReport::default()
        };
        Report {
            epoch: host.held.epoch,
            generation: host.held.generation,
            converged: idle && !self.restless,
            instances,
            problems,
            trees: if idle { host.held.trees.iter().map(tree).collect() } else { Vec::new() },
            owner: host.owner.clone(),
            ..Report::default()
        }
    }

    /// Reports every change with a delay. A lost report also loses the connection.
    fn publish(&mut self, name: &str) {
        let report = self.report(name);
        let host = self.hosts.get_mut(name).unwrap();
        if host.down || host.told.as_ref() == Some(&report) {
            return;
        }
        let lost = self.random.chance(self.faults.lost);
        let is_stale = !lost && self.random.chance(self.faults.stale);
        let pick = self.random.below(5) as usize;
        self.injected += u64::from(lost) + u64::from(is_stale);
        let host = self.hosts.get_mut(name).unwrap();
        host.told = (!lost).then(|| report.clone());
        let older = host.earlier.iter().rev().nth(pick).cloned().filter(|_| is_stale);
        host.earlier.push(report.clone());
        let name = name.to_owned();
        self.tell(if lost {
            Event::Lost { host: name.clone() }
        } else {
            Event::Reported { host: name.clone(), report }
        });
        if let Some(report) = older {
            // The truth is told again afterwards.
            self.hosts.get_mut(&name).unwrap().told = None;
            self.tell(Event::Reported { host: name, report });
        }
    }

    /// Checks that all conditions that an instance waits for hold when it starts.
    fn check_dependencies(&self, instance: &Instance) {
        let target = self.target.values().find_map(|state| state.instance(&instance.name));
        if target.is_none_or(|target| target.digest != instance.digest) {
            return;
        }
        for dependency in &instance.depends_on {
            for (host, state) in &self.target {
                let stack = &instance.name.stack;
                let same = |on: &&Instance| on.name.stack == *stack && on.name.service == dependency.service;
                for on in state.instances.iter().filter(same) {
                    let seen = self.hosts[host].containers.get(&on.name).map(|container| self.look(container));
                    let seen = seen.filter(|seen| seen.digest == on.digest);
                    let completed = |seen: &InstanceReport| seen.state == ContainerState::Exited && seen.exit_code == 0;
                    let holds = seen.as_ref().is_some_and(|seen| match dependency.condition {
                        // It may have exited since the last report.
                        Condition::Started => true,
                        Condition::Healthy => seen.health == Health::Healthy,
                        Condition::Completed => completed(seen),
                    });
                    assert!(
                        holds,
                        "{} starts before {} is {:?}: {seen:?}",
                        instance.name, on.name, dependency.condition
                    );
                }
            }
        }
    }

    /// Checks that no two containers of the fleet share an address, and no two of a host share a port. The engine chooses
    /// addresses and ports that are not given.
    fn check_uniqueness(&self, name: &str, instance: &Instance) {
        for (host_name, host) in &self.hosts {
            for other in host.containers.values().filter(|other| other.instance.name != instance.name) {
                for end in instance.container.networks.iter().filter(|end| end.address.is_some()) {
                    let same = |theirs: &&landfast_core::container::Attachment| {
                        theirs.network == end.network && theirs.address == end.address
                    };
                    let theirs = other.instance.container.networks.iter().find(same);
                    assert!(theirs.is_none(), "{} and {} both have {end:?}", instance.name, other.instance.name);
                }
                let ports = &other.instance.container.ports;
                let mut fixed =
                    instance.container.ports.iter().filter(|port| port.published != 0 && port.published_end == 0);
                let port = fixed.find(|port| ports.contains(port));
                let clash = port.filter(|_| host_name == name);
                assert!(clash.is_none(), "{} and {} both have {clash:?}", instance.name, other.instance.name);
            }
        }
    }

    /// Checks that no more instances of a service are updated at once than allowed.
    fn check_parallelism(&self) {
        let mut under_way: BTreeMap<StackService, (u32, Option<NonZeroU32>)> = BTreeMap::new();
        for step in &self.plan.steps {
            let Does::Recreate { change: Change { instance: name, .. }, update, .. } = &step.action else { continue };
            let target = self.target[&step.host].instance(name).unwrap();
            let host = &self.hosts[&step.host];
            let told = host.held.instance(name).is_some_and(|held| held.digest == target.digest);
            let seen = host.containers.get(name).map(|container| self.look(container));
            let has_check = target.container.healthcheck.is_some();
            let done = seen.is_some_and(|seen| {
                let well =
                    if has_check { seen.health == Health::Healthy } else { seen.state == ContainerState::Running };
                seen.digest == target.digest && (well || seen.state == ContainerState::Exited)
            });
            let entry = under_way.entry(name.service_name()).or_insert((0, update.parallelism));
            entry.0 += u32::from(told && !done);
        }
        for (service, (count, parallelism)) in under_way {
            let exceeds = parallelism.is_some_and(|limit| count > limit.get());
            assert!(!exceeds, "{count} of {service} are being updated");
        }
    }

    /// Checks that all hosts have reached the target.
    pub(crate) fn check_target_reached(&self) {
        for (name, host) in self.hosts.iter().filter(|(name, _)| !self.away.contains(*name)) {
            assert!(host.held.same_contents(&self.target[name]), "{name} does not hold its target");
            let made: BTreeSet<_> =
                host.containers.values().map(|it| (&it.instance.name, &it.instance.digest)).collect();
            let wanted: BTreeSet<_> = host.held.instances.iter().map(|it| (&it.name, &it.digest)).collect();
            assert_eq!(made, wanted, "{name}");
        }
    }
}
