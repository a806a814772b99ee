//! Tests of the units that are held, with files in temporary folders.

use super::*;
use crate::wire::{
    Container, Endpoint, HostBase, Instance, Network, Overlay, PlacedFile, Removal, StackState, Tree, Volume,
};

fn open(folder: &tempfile::TempDir) -> Result<Holder, StateError> {
    Holder::open(folder.path(), "home", "alpha")
}

fn run(epoch: u64, owner: &str, generation: u64) -> Assigned {
    Assigned { epoch, owner: owner.to_owned(), generation }
}

fn stack(name: &str, manifest: &str) -> Contents {
    Contents::Stack(StackState { stack: name.to_owned(), manifest: manifest.to_owned(), ..StackState::default() })
}

/// A unit that replaces the one with the digest `replaces`.
fn unit(contents: &Contents, replaces: &str) -> Unit {
    let stamp = WireStamp { digest: contents.digest(), ..WireStamp::default() };
    Unit { stamp: Some(stamp), if_digest: Some(replaces.to_owned()), contents: Some(contents.encode()) }
}

fn request(assigned: &Assigned, units: Vec<Unit>) -> AssignRequest {
    let (fleet, host) = ("home".to_owned(), "alpha".to_owned());
    AssignRequest { fleet, host, stamp: Some(wire_assigned(assigned)), units }
}

/// Assigns units with every bundle on the host, and returns the verdicts.
fn assign(holder: &Holder, assigned: &Assigned, units: Vec<Unit>) -> Vec<unit_answer::Verdict> {
    let answers = holder.assign(&request(assigned, units), |_| true).expect("accepted");
    answers.iter().map(UnitAnswer::verdict).collect()
}

#[test]
fn units_that_were_assigned_are_held_after_a_restart() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, web) = (stack("data", "m"), stack("web", ""));
    let first = run(1, "anna", 3);
    let taken = assign(&open(&folder).expect("empty"), &first, vec![unit(&data, ""), unit(&web, "")]);
    assert_eq!(taken, [unit_answer::Verdict::Taken; 2]);
    let holder = open(&folder).expect("whole");
    let held = holder.current();
    assert_eq!((held.seen.clone(), held.units.len()), (first.clone(), 2));
    assert_eq!(held.desired.stacks.iter().collect::<Vec<_>>(), ["data", "web"]);
    assert_eq!(held.desired.trees["data"], "m");
    assert_eq!(assign(&holder, &first, vec![unit(&data, "")]), [unit_answer::Verdict::Same]);
    let late = holder.assign(&request(&run(1, "anna", 2), vec![]), |_| true).expect_err("older").to_string();
    assert!(late.contains("generation 2") && late.contains('3'), "{late}");
}

#[test]
fn f63_a_unit_that_is_refused_does_not_prevent_the_others() {
    let folder = tempfile::tempdir().expect("a folder");
    let holder = open(&folder).expect("empty");
    let units = vec![unit(&stack("data", "missing"), ""), unit(&stack("web", "here"), "")];
    let answers = holder.assign(&request(&run(1, "anna", 1), units), |needed| needed == Needed::Bundle("here"));
    let answers = answers.expect("accepted");
    assert_eq!(answers[0].verdict(), unit_answer::Verdict::Refused);
    assert!(answers[0].reason.contains("bundle is incomplete"), "{answers:?}");
    assert_eq!(answers[1].verdict(), unit_answer::Verdict::Taken);
    assert_eq!(holder.current().desired.stacks.iter().collect::<Vec<_>>(), ["web"]);
    // Blobs that were lost since do not prevent a change of the stack, such as its removal.
    let (before, volume) = (stack("web", "here"), Volume { stack: "web".to_owned(), ..Volume::default() });
    let state = StackState { stack: "web".to_owned(), manifest: "here".to_owned(), ..StackState::default() };
    let volume = Volume { name: "web_files".to_owned(), ..volume };
    let after = Contents::Stack(StackState { volumes: vec![volume], ..state });
    let units = vec![unit(&after, &before.digest())];
    let answers = holder.assign(&request(&run(1, "anna", 2), units), |_| false).expect("accepted");
    assert_eq!(answers[0].verdict(), unit_answer::Verdict::Taken, "{answers:?}");
}

#[test]
fn the_epoch_of_another_run_is_refused_after_a_restart_too() {
    let folder = tempfile::tempdir().expect("a folder");
    assign(&open(&folder).expect("empty"), &run(4, "anna", 1), Vec::new());
    let holder = open(&folder).expect("whole");
    let refused = holder.assign(&request(&run(4, "bob", 2), Vec::new()), |_| true).expect_err("another run");
    assert_eq!(refused, Refused::OtherOwner { epoch: 4, owner: "anna".to_owned() });
}

#[test]
fn a_unit_that_another_run_has_changed_is_not_replaced() {
    let folder = tempfile::tempdir().expect("a folder");
    let holder = open(&folder).expect("empty");
    let (first, second, third) = (stack("web", "1"), stack("web", "2"), stack("web", "3"));
    assign(&holder, &run(1, "anna", 1), vec![unit(&first, "")]);
    assign(&holder, &run(2, "bob", 2), vec![unit(&second, &first.digest())]);
    let answers = holder.assign(&request(&run(3, "anna", 3), vec![unit(&third, &first.digest())]), |_| true);
    let answers = answers.expect("accepted");
    assert_eq!(answers[0].verdict(), unit_answer::Verdict::Refused);
    assert!(answers[0].reason.contains("bob has changed it with generation 2"), "{answers:?}");
}

#[test]
fn f12_a_damaged_unit_is_not_held_and_its_stack_is_unmanaged() {
    let folder = tempfile::tempdir().expect("a folder");
    let units = vec![unit(&stack("data", "m"), ""), unit(&stack("web", ""), "")];
    assign(&open(&folder).expect("empty"), &run(5, "anna", 3), units);
    let path = folder.path().join("units/stack-data");
    let good = std::fs::read(&path).expect("written");
    let mut flipped = good.clone();
    *flipped.last_mut().expect("not empty") ^= 1;
    for bad in [Vec::new(), flipped, good[..good.len() - 1].to_vec(), good[..30].to_vec()] {
        std::fs::write(&path, &bad).expect("written");
        let held = open(&folder).expect("the others are whole").current();
        assert_eq!(held.desired.stacks.iter().collect::<Vec<_>>(), ["web"]);
        assert_eq!(held.seen.epoch, 5);
        assert_eq!(std::fs::read(&path).expect("kept"), bad);
    }
    // The epoch is known from the units if only the record of the last assignment is damaged.
    std::fs::write(&path, &good).expect("written");
    std::fs::write(folder.path().join("units/seen"), "").expect("written");
    assert_eq!(open(&folder).expect("whole").current().seen, run(5, "anna", 3));
}

#[test]
fn a_removal_manages_the_stack_without_its_parts() {
    let folder = tempfile::tempdir().expect("a folder");
    let holder = open(&folder).expect("empty");
    let volume = Volume { name: "web_files".to_owned(), stack: "web".to_owned(), ..Volume::default() };
    let removal = Contents::Removal(Removal { stack: "web".to_owned(), volumes: vec![volume] });
    let state = stack("web", "m");
    assign(&holder, &run(1, "anna", 1), vec![unit(&state, "")]);
    assign(&holder, &run(1, "anna", 2), vec![unit(&removal, &state.digest())]);
    let held = open(&folder).expect("whole").current();
    assert!(held.desired.manages("web") && held.desired.trees.is_empty());
    assert!(!held.desired.volumes["web_files"].remove);
}

fn endpoint(address: &str) -> Endpoint {
    let (network, host) = ("infra_net".to_owned(), "10.0.0.2".to_owned());
    let holder = Some(crate::wire::endpoint::Holder::Instance("data/redis.1".to_owned()));
    Endpoint { network, address: address.to_owned(), host, epoch: 1, holder }
}

fn base() -> Contents {
    let overlay = Overlay { vni: 4096, local: "10.0.0.1".to_owned(), ..Overlay::default() };
    let network = Network {
        name: "infra_net".to_owned(),
        subnet: "172.19.0.0/16".to_owned(),
        gateway: "172.19.255.1".to_owned(),
        overlay: Some(overlay),
        ..Network::default()
    };
    Contents::Base(HostBase { networks: vec![network] })
}

#[test]
fn a_change_of_the_fabric_applies_to_the_fabric_that_it_starts_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let holder = open(&folder).expect("empty");
    let before = Fabric::new(1, [endpoint("172.19.0.5")], []);
    let after = Fabric::new(1, [endpoint("172.19.0.6")], []);
    let (whole, next) = (Contents::Fabric(before.clone()), Contents::Fabric(after.clone()));
    let change = |from: String| {
        let delta = unit::Contents::FabricDelta(before.delta(from.clone(), &after));
        Unit { contents: Some(delta), ..unit(&next, &from) }
    };
    let refused = assign(&holder, &run(1, "anna", 1), vec![unit(&base(), ""), change(whole.digest())]);
    assert_eq!(refused, [unit_answer::Verdict::Taken, unit_answer::Verdict::SendWhole]);
    assign(&holder, &run(1, "anna", 2), vec![unit(&whole, "")]);
    let address = |holder: &Holder| {
        let held = holder.current();
        let overlay = held.desired.networks["infra_net"].overlay.clone().expect("spans hosts");
        overlay.neighbours.keys().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(address(&holder), ["172.19.0.5"]);
    for verdict in [unit_answer::Verdict::Taken, unit_answer::Verdict::Same] {
        assert_eq!(assign(&holder, &run(1, "anna", 3), vec![change(whole.digest())]), [verdict]);
    }
    assert_eq!(address(&open(&folder).expect("whole")), ["172.19.0.6"]);
}

#[test]
fn units_of_another_host_are_not_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    assign(&open(&folder).expect("empty"), &run(1, "anna", 1), Vec::new());
    assert!(matches!(Holder::open(folder.path(), "home", "beta"), Err(StateError::OtherHost { .. })));
    let mut request = request(&run(1, "anna", 2), Vec::new());
    request.host = "beta".to_owned();
    let refused = open(&folder).expect("whole").assign(&request, |_| true).expect_err("for another host");
    assert!(matches!(refused, Refused::OtherHost { .. }), "{refused}");
}

#[test]
fn the_host_state_of_an_earlier_version_becomes_units() {
    let folder = tempfile::tempdir().expect("a folder");
    let attachment = crate::wire::Attachment {
        network: "infra_net".to_owned(),
        address: "172.19.0.6".to_owned(),
        mac: "02:1f:00:03:00:06".to_owned(),
        ..crate::wire::Attachment::default()
    };
    let container = Container {
        networks: vec![attachment],
        name: "data-redis-1".to_owned(),
        image: "redis".to_owned(),
        ..Container::default()
    };
    let instance = Instance {
        stack: "data".to_owned(),
        service: "redis".to_owned(),
        index: 1,
        digest: "d".to_owned(),
        container: Some(container),
        ..Instance::default()
    };
    let Contents::Base(HostBase { networks }) = base() else { panic!("a base") };
    let mut network = networks.into_iter().next().expect("one network");
    let neighbour = |address: &str, mac: &str| crate::wire::Neighbour {
        address: address.to_owned(),
        mac: mac.to_owned(),
        host: "10.0.0.2".to_owned(),
    };
    let others = [neighbour("172.19.0.5", "02:1f:00:02:00:05"), neighbour("172.19.255.2", "02:1f:00:00:ff:02")];
    network.overlay.as_mut().expect("spans hosts").neighbours.extend(others);
    let state = HostState {
        fleet: "home".to_owned(),
        host: "alpha".to_owned(),
        epoch: 2,
        generation: 9,
        trees: vec![Tree { stack: "data".to_owned(), manifest: "m".to_owned() }],
        networks: vec![network],
        instances: vec![instance],
        ..HostState::default()
    };
    let body = state.encode_to_vec();
    let old = folder.path().join(OLD_FILE);
    let digest = blake3::hash(&body).to_hex();
    std::fs::write(&old, [OLD_HEADER, digest.as_bytes(), b"\n", &body].concat()).expect("written");
    let held = open(&folder).expect("taken over").current();
    assert_eq!((held.seen.epoch, held.seen.generation), (2, 9));
    assert_eq!(held.desired.instances.keys().map(ToString::to_string).collect::<Vec<_>>(), ["data/redis.1"]);
    assert!(!old.exists() && open(&folder).is_ok());
    // The epochs of addresses are taken from their MACs. The holder of a remote address is not known.
    let HeldUnit { contents: Contents::Fabric(fabric), .. } = &held.units[&UnitKey::Fabric] else { panic!("a fabric") };
    let holder = |it: &Endpoint| match &it.holder {
        Some(crate::wire::endpoint::Holder::Instance(name)) => format!("{name:?}"),
        Some(crate::wire::endpoint::Holder::Gateway(_)) => "gateway".to_owned(),
        None => "nobody".to_owned(),
    };
    let endpoints = fabric.endpoints.iter().map(|it| format!("{} {} {} {}", it.address, it.epoch, it.host, holder(it)));
    assert_eq!(
        endpoints.collect::<Vec<_>>(),
        [
            "172.19.0.5 2 10.0.0.2 \"\"",
            "172.19.0.6 3 10.0.0.1 \"data/redis.1\"",
            "172.19.255.1 0 10.0.0.1 gateway",
            "172.19.255.2 0 10.0.0.2 gateway",
        ]
    );
    let overlay = held.desired.networks["infra_net"].overlay.as_ref().expect("spans hosts");
    let others = overlay.neighbours.iter().map(|(address, it)| format!("{address} {}", it.mac));
    assert_eq!(others.collect::<Vec<_>>(), ["172.19.0.5 02:1f:00:02:00:05", "172.19.255.2 02:1f:00:00:ff:02"]);
    let redis = held.instance(held.desired.instances.keys().next().expect("one")).and_then(|it| it.container.as_ref());
    assert_eq!(redis.map(|it| it.networks[0].epoch), Some(3));
    // One that is older than the units, such as after a downgrade, is not taken over.
    assign(&open(&folder).expect("whole"), &run(3, "anna", 10), vec![unit(&stack("web", ""), "")]);
    std::fs::write(&old, [OLD_HEADER, digest.as_bytes(), b"\n", &body].concat()).expect("written");
    assert_eq!(open(&folder).expect("whole").current().seen, run(3, "anna", 10));
    assert!(!old.exists());
    // A damaged file is left where it is, and nothing is held.
    let other = tempfile::tempdir().expect("a folder");
    std::fs::write(other.path().join(OLD_FILE), "landfast host state 1\n").expect("written");
    assert!(open(&other).expect("opens").current().units.is_empty());
    assert!(other.path().join(OLD_FILE).exists());
}

#[test]
fn f12_a_host_that_lost_its_fabric_leaves_the_entries_of_its_overlays_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let fabric = Contents::Fabric(Fabric::new(1, [endpoint("172.19.0.5")], []));
    assign(&open(&folder).expect("empty"), &run(1, "anna", 1), vec![unit(&base(), ""), unit(&fabric, "")]);
    assert!(open(&folder).expect("whole").current().is_connected());
    std::fs::write(folder.path().join("units/fabric"), "").expect("written");
    let held = open(&folder).expect("the base is whole").current();
    assert!(held.desired.networks["infra_net"].overlay.is_none() && !held.is_connected());
}

#[test]
fn a_volume_that_one_stack_removes_and_another_declares_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let holder = open(&folder).expect("empty");
    let volume = |stack: &str, remove| Volume {
        name: "shared".to_owned(),
        stack: stack.to_owned(),
        remove,
        ..Volume::default()
    };
    let removal = Contents::Removal(Removal { stack: "api".to_owned(), volumes: vec![volume("api", true)] });
    let (stack, volumes) = ("web".to_owned(), vec![volume("web", false)]);
    let state = Contents::Stack(StackState { stack, volumes, ..StackState::default() });
    assign(&holder, &run(1, "anna", 1), vec![unit(&removal, ""), unit(&state, "")]);
    let held = holder.current();
    assert!(!held.desired.volumes["shared"].remove);
    assert_eq!(held.volume("shared").map(|volume| volume.stack.as_str()), Some("web"));
}

#[test]
fn units_that_no_coordinator_could_read_together_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let holder = open(&folder).expect("empty");
    let large = |stack: &str, size: usize| {
        let labels = [("text".to_owned(), "x".repeat(size))].into();
        let volume = Volume { name: format!("{stack}_files"), stack: stack.to_owned(), labels, ..Volume::default() };
        let (stack, volumes) = (stack.to_owned(), vec![volume]);
        Contents::Stack(StackState { stack, volumes, ..StackState::default() })
    };
    let (first, second) = (large("data", 8 << 20), large("web", 8 << 20));
    let verdicts = assign(&holder, &run(1, "anna", 1), vec![unit(&first, ""), unit(&second, "")]);
    assert_eq!(verdicts, [unit_answer::Verdict::Taken, unit_answer::Verdict::Refused]);
    let smaller = large("data", 7 << 20);
    let verdicts = assign(&holder, &run(1, "anna", 2), vec![unit(&smaller, &first.digest())]);
    assert_eq!(verdicts, [unit_answer::Verdict::Taken]);
}

#[test]
fn f63_a_stack_is_taken_only_with_its_secrets() {
    let folder = tempfile::tempdir().expect("a folder");
    let holder = open(&folder).expect("empty");
    let with_secret = |digest: &str| {
        let file = PlacedFile { target: "/key".to_owned(), digest: digest.to_owned(), ..PlacedFile::default() };
        let container =
            Container { name: "data".to_owned(), image: "db".to_owned(), files: vec![file], ..Container::default() };
        let (stack, service, digest) = ("data".to_owned(), "db".to_owned(), "d".to_owned());
        let instance = Instance { stack, service, index: 1, digest, container: Some(container), ..Instance::default() };
        Contents::Stack(StackState { stack: "data".to_owned(), instances: vec![instance], ..StackState::default() })
    };
    let (first, second) = (with_secret("first"), with_secret("second"));
    let assign = |generation, units, here: &str| {
        let answers =
            holder.assign(&request(&run(1, "anna", generation), units), |needed| needed == Needed::Secret(here));
        let [answer] = answers.expect("accepted").try_into().expect("one");
        answer
    };
    let refused = assign(1, vec![unit(&first, "")], "other");
    assert_eq!(refused.verdict(), unit_answer::Verdict::Refused);
    assert!(refused.reason.contains("/key of data/db.1 are not on this host"), "{refused:?}");
    assert_eq!(assign(2, vec![unit(&first, "")], "first").verdict(), unit_answer::Verdict::Taken);
    assert_eq!(holder.current().secrets(), ["first".to_owned()].into());
    // A secret that was lost since does not prevent a change of the stack, such as its removal.
    let removal = Contents::Removal(Removal { stack: "data".to_owned(), volumes: Vec::new() });
    assert_eq!(assign(3, vec![unit(&second, &first.digest())], "second").verdict(), unit_answer::Verdict::Taken);
    assert_eq!(assign(4, vec![unit(&removal, &second.digest())], "").verdict(), unit_answer::Verdict::Taken);
    assert!(holder.current().secrets().is_empty());
}
