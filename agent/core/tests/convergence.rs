//! Whatever a host is, following its plans makes it what it must be, and touches nothing that is not of this fleet.

use std::collections::{BTreeMap, BTreeSet};

use landfast_agent_core::attempts::Resource;
use landfast_agent_core::desired::{
    Claim, Condition, Dependency, Desired, Incarnation, Instance, InstanceName, Network, Restart, Volume, Wanted,
};
use landfast_agent_core::observed::{self, Container, Foreign, Health, Observed, State, Tree};
use landfast_agent_core::plan::{Action, plan};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

const SERVICES: [&str; 4] = ["a", "b", "c", "d"];

fn instance_name(service: &str) -> InstanceName {
    InstanceName { stack: "s".to_owned(), service: service.to_owned(), index: 1 }
}

fn claim(number: u8) -> BTreeSet<Claim> {
    // 0 claims nothing. Two services may claim the same address one after the other, but never at the same time.
    let address = |number| Claim::Address { network: "net".to_owned(), address: format!("10.0.0.{number}") };
    (number > 0).then(|| address(number)).into_iter().collect()
}

fn wanted() -> impl Strategy<Value = Wanted> {
    prop::sample::select(vec![Wanted::Run, Wanted::Drain, Wanted::Gone])
}

/// The incarnations of one service: its number, and a second one beside it with its distance, digest and what is wanted of it.
/// The first one is mostly wanted to run.
fn incarnations() -> impl Strategy<Value = (u64, Wanted, Option<(bool, u8, Wanted)>)> {
    let first = prop_oneof![4 => Just(Wanted::Run), 1 => wanted()];
    (0..3u64, first, prop::option::of((any::<bool>(), 0..3u8, wanted())))
}

fn instances() -> impl Strategy<Value = BTreeMap<Incarnation, Instance>> {
    let one = (prop::option::of((0..3u8, any::<bool>(), any::<bool>(), any::<bool>())), 0..4u8, incarnations());
    (prop::collection::vec(one, SERVICES.len()), Just([1u8, 2, 3, 4]).prop_shuffle()).prop_map(|(wanted, addresses)| {
        let mut instances = BTreeMap::new();
        for (position, (wanted, depends, (number, first, beside))) in wanted.into_iter().enumerate() {
            let Some((digest, job, stopped, tree)) = wanted else { continue };
            let service = SERVICES[position];
            // Dependencies are on earlier services only, so there is no cycle.
            let depends_on = SERVICES[..position]
                .get(usize::from(depends))
                .map(|service| Dependency { service: (*service).to_owned(), condition: Condition::Started });
            let instance = Instance {
                digest: digest.to_string(),
                container: format!("s-{service}-1"),
                image: "app:1".to_owned(),
                networks: ["net".to_owned()].into(),
                volumes: ["vol".to_owned()].into(),
                mounts_tree: tree,
                claims: claim(addresses[position]),
                restart: if job { Restart::No } else { Restart::Always },
                depends_on: depends_on.into_iter().collect(),
                stopped,
                wanted: first,
                ..Instance::default()
            };
            if let Some((is_newer, digest, wanted)) = beside {
                let number = if is_newer { number + 1 } else { number + 4 };
                let claims = claim(10 + addresses[position]);
                let beside =
                    Instance { digest: digest.to_string(), claims, wanted, stopped: false, ..instance.clone() };
                instances.insert(Incarnation { instance: instance_name(service), number }, beside);
            }
            instances.insert(Incarnation { instance: instance_name(service), number }, instance);
        }
        instances
    })
}

fn desired() -> impl Strategy<Value = Desired> {
    (instances(), any::<bool>()).prop_map(|(instances, remove)| {
        let stacks = ["gone", "s"].map(str::to_owned).into();
        let mut desired = Desired { stacks, manages_fleet_networks: true, instances, ..Desired::default() };
        desired.networks.insert("net".to_owned(), Network::default());
        desired.volumes.insert("vol".to_owned(), Volume::default());
        if remove {
            desired.volumes.insert("old".to_owned(), Volume { remove, ..Volume::default() });
        }
        desired.trees.insert("s".to_owned(), "m".to_owned());
        desired
    })
}

fn state() -> impl Strategy<Value = State> {
    prop::sample::select(vec![State::Created, State::Running, State::Restarting, State::Exited, State::Dead])
}

fn observed() -> impl Strategy<Value = Observed> {
    let one = (0..SERVICES.len(), 0..3u8, state(), 0..2i32, any::<bool>(), 0..5u64);
    (prop::collection::vec(one, 0..8), any::<bool>(), any::<bool>()).prop_map(|(containers, net, old)| {
        let mut host = Observed::default();
        host.images.references.insert("app:1".to_owned(), "f".to_owned());
        let mut names = BTreeSet::new();
        for (position, (service, digest, state, exit_code, job, number)) in containers.into_iter().enumerate() {
            let proper = format!("s-{}-1", SERVICES[service]);
            let all = [proper.clone(), format!("{proper}.{number}"), format!("{proper}.new"), format!("{proper}.old")];
            let Some(name) = all.into_iter().find(|name| names.insert(name.clone())) else {
                continue;
            };
            let at = 10 + i64::try_from(position).expect("few");
            let container = Container {
                name,
                instance: instance_name(SERVICES[service]),
                incarnation: number,
                digest: digest.to_string(),
                state,
                exit_code,
                restart: if job { Restart::No } else { Restart::Always },
                created_at: at,
                finished_at: at + 1,
                addresses: [("net".to_owned(), String::new())].into(),
                volumes: ["vol".to_owned(), "old".to_owned()].into(),
                ..Container::default()
            };
            host.containers.insert(format!("c{position}"), container);
        }
        host.foreign
            .insert("f".to_owned(), Foreign { name: "theirs".to_owned(), networks: ["used".to_owned()].into() });
        let ours = observed::Network { ours: true, ..observed::Network::default() };
        if net || !host.containers.is_empty() {
            host.networks.insert("net".to_owned(), ours.clone());
        }
        host.networks.insert("used".to_owned(), ours.clone());
        host.networks.insert("unused".to_owned(), ours);
        host.networks.insert("bridge".to_owned(), observed::Network::default());
        host.volumes.insert("theirs".to_owned(), observed::Volume::default());
        host.volumes.insert("kept".to_owned(), observed::Volume { ours: true, ..observed::Volume::default() });
        if old || !host.containers.is_empty() {
            host.volumes.insert("old".to_owned(), observed::Volume { ours: true, ..observed::Volume::default() });
            host.volumes.insert("vol".to_owned(), observed::Volume { ours: true, ..observed::Volume::default() });
        }
        host.trees.insert("gone".to_owned(), Tree::default());
        host.trees.insert("unmanaged".to_owned(), Tree::default());
        let network = observed::Network { ours: true, stack: "unmanaged".to_owned(), ..observed::Network::default() };
        host.networks.insert("unmanaged".to_owned(), network);
        let instance = InstanceName { stack: "unmanaged".to_owned(), ..instance_name("a") };
        let container = Container { name: "unmanaged-a-1".to_owned(), instance, ..Container::default() };
        host.containers.insert("unmanaged".to_owned(), container);
        host
    })
}

/// An engine that does what it is asked, and panics on requests that a real engine would refuse.
struct Model {
    host: Observed,
    now: i64,
    /// Incarnations whose new containers cannot be started.
    broken: BTreeSet<Incarnation>,
    given_up: BTreeSet<Resource>,
}

impl Model {
    fn id(&self, handle: &str) -> String {
        let by_name = self.host.containers.iter().find(|(id, container)| *id == handle || container.name == handle);
        by_name.map(|(id, _)| id.clone()).unwrap_or_else(|| panic!("no container {handle}"))
    }

    fn carry_out(&mut self, action: &Action, desired: &Desired) {
        self.now += 1;
        match action {
            Action::CreateNetwork { network } => {
                let ours = observed::Network { ours: true, ..observed::Network::default() };
                assert!(self.host.networks.insert(network.clone(), ours).is_none());
            }
            Action::RemoveNetwork { network } => {
                assert!(self.host.networks.remove(network).expect("is there").ours);
                assert!(!self.host.foreign.values().any(|foreign| foreign.networks.contains(network)), "in use");
                assert!(!self.host.containers.values().any(|container| container.addresses.contains_key(network)));
            }
            Action::CreateVolume { volume } => {
                assert!(
                    self.host
                        .volumes
                        .insert(volume.clone(), observed::Volume { ours: true, ..observed::Volume::default() })
                        .is_none()
                );
            }
            Action::RemoveVolume { volume } => {
                assert!(desired.volumes[volume].remove, "removed unasked");
                assert!(self.host.volumes.remove(volume).expect("is there").ours);
                assert!(!self.host.containers.values().any(|container| container.volumes.contains(volume)), "in use");
            }
            Action::SyncTree { stack, manifest } => {
                self.host.trees.insert(stack.clone(), Tree { manifest: manifest.clone(), ..Tree::default() });
            }
            Action::RemoveTree { stack } => {
                self.host.trees.remove(stack).expect("is there");
            }
            Action::Program { .. } => {}
            Action::Create { instance, name, .. } => self.create(instance, name, &desired.instances[instance]),
            Action::Start { instance, container } => self.start(instance, container, desired),
            Action::Stop { container, .. } => {
                let id = self.id(container);
                let container = self.host.containers.get_mut(&id).expect("found above");
                (container.state, container.finished_at) = (State::Exited, self.now);
            }
            Action::Remove { container, .. } => {
                let id = self.id(container);
                let container = self.host.containers.remove(&id).expect("found above");
                assert!(!container.state.is_up(), "removed while running");
            }
            Action::Rename { container, name, .. } => {
                assert!(self.host.containers.values().all(|other| other.name != *name), "name is taken");
                let id = self.id(container);
                self.host.containers.get_mut(&id).expect("found above").name.clone_from(name);
            }
        }
    }

    fn create(&mut self, instance: &Incarnation, name: &str, wanted: &Instance) {
        assert_eq!(wanted.wanted, Wanted::Run, "{instance} is created");
        assert!(self.host.containers.values().all(|other| other.name != *name), "name {name} is taken");
        assert!(self.host.networks.contains_key("net") && self.host.volumes.contains_key("vol"));
        assert!(!wanted.mounts_tree || self.host.trees.get("s").is_some_and(|tree| tree.manifest == "m"));
        let container = Container {
            name: name.to_owned(),
            instance: instance.instance.clone(),
            incarnation: instance.number,
            digest: wanted.digest.clone(),
            restart: wanted.restart,
            created_at: self.now,
            claims: wanted.claims.clone(),
            addresses: [("net".to_owned(), String::new())].into(),
            ..Container::default()
        };
        self.host.containers.insert(format!("n{}", self.now), container);
    }

    fn start(&mut self, instance: &Incarnation, container: &str, desired: &Desired) {
        let id = self.id(container);
        let found = self.host.containers[&id].clone();
        if self.broken.contains(instance) && found.is_wanted(instance, &desired.instances[instance]) {
            self.given_up.insert(Resource::Instance(instance.clone()));
            return;
        }
        let clash = |claim: &Claim| {
            self.host
                .containers
                .values()
                .any(|other| other.state.is_up() && other.claims.iter().any(|held| held.clashes(claim)))
        };
        assert!(!found.claims.iter().any(clash), "address already in use");
        let container = self.host.containers.get_mut(&id).expect("found above");
        container.started_at = self.now;
        container.health = Health::None;
        (container.state, container.exit_code) =
            if found.restart == Restart::No { (State::Exited, 0) } else { (State::Running, 0) };
        container.finished_at = if found.restart == Restart::No { self.now } else { 0 };
    }

    /// Follows plans until nothing is left to do, and returns how many it took.
    fn converge(&mut self, desired: &Desired) -> usize {
        for round in 0..40 {
            let plan = plan(desired, &self.host, &self.given_up);
            if plan.is_done() {
                return round;
            }
            let mut taken = BTreeSet::new();
            let ready: Vec<Action> =
                plan.ready(|_| false).filter(|action| taken.insert(action.resource())).cloned().collect();
            assert!(!ready.is_empty(), "stuck:\n{plan}");
            for action in &ready {
                self.carry_out(action, desired);
            }
        }
        panic!("does not converge:\n{}", plan(desired, &self.host, &self.given_up));
    }
}

/// Settings of the property tests: seeds that fail are saved beside this file.
fn config() -> ProptestConfig {
    ProptestConfig::with_failure_persistence(FileFailurePersistence::WithSource("proptest-regressions"))
}

/// Checks the containers of one incarnation.
fn check_incarnation(
    (name, instance): (&Incarnation, &Instance),
    desired: &Desired,
    before: &Observed,
    after: &Observed,
) {
    let of = |host: &Observed| -> BTreeMap<String, Container> {
        let own = host.containers.iter().filter(|(_, container)| container.is_of(name, desired));
        own.map(|(id, container)| (id.clone(), container.clone())).collect()
    };
    let (had, has) = (of(before), of(after));
    // A container that is as it should be keeps running.
    let is_kept = |container: &Container| match instance.wanted {
        Wanted::Run => container.is_wanted(name, instance),
        Wanted::Drain => true,
        Wanted::Gone => false,
    };
    let mut served = had.iter().filter(|(_, container)| container.state.is_up() && is_kept(container));
    if let (Some((id, container)), None) = (served.next(), served.next()) {
        let kept = has.get(id).unwrap_or_else(|| panic!("{name} has lost {id}"));
        let times = |it: &Container| (it.state, it.started_at, it.finished_at);
        assert_eq!(times(kept), times(container), "{name} was interrupted");
    }
    match (instance.wanted, has.values().collect::<Vec<_>>().as_slice()) {
        (Wanted::Run, [container]) => {
            assert!(container.is_wanted(name, instance), "{name} is {container:?}");
            assert!(container.state.is_up() || container.restart == Restart::No, "{name} does not run");
            let is_free = after.containers.values().all(|it| it.name != instance.container || it.is_of(name, desired));
            let is_main = desired.main(&name.instance) == Some(name);
            assert!(container.name == instance.container || !is_main || !is_free, "{name} is {}", container.name);
        }
        (Wanted::Drain, [] | [_]) | (Wanted::Gone, []) => {}
        (wanted, containers) => panic!("{name}, which is wanted to {wanted:?}, has {} containers", containers.len()),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_host_becomes_what_it_must_be(desired in desired(), host in observed()) {
        let before = host.clone();
        let mut model = Model { host, now: 100, broken: BTreeSet::new(), given_up: BTreeSet::new() };
        model.converge(&desired);

        let after = &model.host;
        for (name, instance) in desired.instances.iter().filter(|(_, instance)| !instance.stopped) {
            check_incarnation((name, instance), &desired, &before, after);
        }
        prop_assert_eq!(&after.containers["unmanaged"], &before.containers["unmanaged"]);
        for container in after.containers.values().filter(|container| container.instance.stack == "s") {
            let instance = desired.instances.get(&container.incarnation_in(&desired));
            prop_assert!(instance.is_some_and(|instance| !instance.stopped || !container.state.is_up()));
        }
        prop_assert_eq!(&after.foreign, &before.foreign);
        let networks: Vec<&str> = after.networks.keys().map(String::as_str).collect();
        prop_assert_eq!(networks, ["bridge", "net", "unmanaged", "used"]);
        prop_assert!(after.volumes.contains_key("theirs") && after.volumes.contains_key("kept"));
        prop_assert_eq!(after.trees.keys().map(String::as_str).collect::<Vec<_>>(), ["s", "unmanaged"]);
    }

    #[test]
    fn f49_where_the_new_cannot_start_what_ran_before_runs_again(desired in desired(), host in observed()) {
        let broken: BTreeSet<Incarnation> = desired.instances.keys().cloned().collect();
        let ran: BTreeSet<Incarnation> = host
            .containers
            .values()
            .filter(|container| container.state.is_up())
            .map(|container| container.incarnation_in(&desired))
            .collect();
        let mut model = Model { host, now: 100, broken, given_up: BTreeSet::new() };
        model.converge(&desired);
        let stays = |instance: &Instance| !instance.stopped && instance.wanted != Wanted::Gone;
        for (name, _) in desired.instances.iter().filter(|(_, instance)| stays(instance)) {
            let mut held = model.host.containers.values().filter(|container| container.is_of(name, &desired));
            // A job that ran may have ended since; it is not lost.
            let kept = held.any(|container| container.state.is_up() || container.restart == Restart::No);
            prop_assert!(!ran.contains(name) || kept, "{} is gone", name);
        }
    }
}
