//! Plans as they print: the states that a host can be found in, and what is done about each.

use std::collections::BTreeSet;

use super::plan;
use crate::attempts::Resource;
use crate::desired::{
    Claim, Condition, Dependency, Desired, Incarnation, Instance, InstanceName, Network, Restart, Volume,
};
use crate::observed::{self, Container, Foreign, Health, Observed, State, Tree};

mod moved;

pub(super) fn name(text: &str) -> InstanceName {
    let (stack, service) = text.split_once('/').expect("stack/service");
    InstanceName { stack: stack.to_owned(), service: service.to_owned(), index: 1 }
}

pub(super) fn incarnation(text: &str, number: u64) -> Incarnation {
    Incarnation { instance: name(text), number }
}

fn key(text: &str) -> Incarnation {
    incarnation(text, 0)
}

pub(super) fn container_name(text: &str) -> String {
    format!("{}-1", text.replace('/', "-"))
}

fn instance(text: &str, digest: &str) -> (Incarnation, Instance) {
    let instance = Instance {
        digest: digest.to_owned(),
        container: container_name(text),
        image: "app:1".to_owned(),
        restart: Restart::Always,
        ..Instance::default()
    };
    (key(text), instance)
}

/// Returns a desired state with these instances, each with its digest.
fn desired(instances: &[(&str, &str)]) -> Desired {
    let instances = instances.iter().map(|(text, digest)| instance(text, digest)).collect();
    let stacks = ["app", "data", "s", "web"].map(str::to_owned).into();
    Desired { stacks, manages_fleet_networks: true, instances, ..Desired::default() }
}

/// Returns a host whose engine has the image and these containers: (id, instance, digest, state).
pub(super) fn observed(containers: &[(&str, &str, &str, State)]) -> Observed {
    let mut observed = Observed::default();
    observed.images.references.insert("app:1".to_owned(), "f".to_owned());
    for (position, (id, text, digest, state)) in containers.iter().enumerate() {
        let container = Container {
            name: container_name(text),
            instance: name(text),
            digest: (*digest).to_owned(),
            state: *state,
            restart: Restart::Always,
            created_at: 10 + i64::try_from(position).expect("few"),
            ..Container::default()
        };
        observed.containers.insert((*id).to_owned(), container);
    }
    observed
}

pub(super) fn print(desired: &Desired, observed: &Observed) -> String {
    plan(desired, observed, &BTreeSet::new()).to_string()
}

fn print_given_up(desired: &Desired, observed: &Observed, given_up: &str) -> String {
    plan(desired, observed, &[Resource::Instance(key(given_up))].into()).to_string()
}

#[track_caller]
pub(super) fn assert_prints(printed: &str, expected: &str) {
    let expected: String =
        expected.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| format!("{line}\n")).collect();
    assert_eq!(printed, expected, "\n--- printed\n{printed}--- expected\n{expected}");
}

#[test]
fn an_empty_host_gets_everything_in_order() {
    let mut desired = desired(&[("data/redis", "a")]);
    desired.networks.insert("infra_net".to_owned(), Network::default());
    desired.volumes.insert("data_redis".to_owned(), Volume::default());
    desired.trees.insert("data".to_owned(), "m1".to_owned());
    let redis = desired.instances.get_mut(&key("data/redis")).expect("made above");
    redis.networks.insert("infra_net".to_owned());
    redis.volumes.insert("data_redis".to_owned());
    redis.mounts_tree = true;
    assert_prints(
        &print(&desired, &observed(&[])),
        "1. create network infra_net
         2. create volume data_redis
         3. sync files of data to m1
         4. create data/redis.1 as data-redis-1 from app:1 (after 1, 2, 3)
         5. start data/redis.1: data-redis-1 (after 4)",
    );
}

#[test]
fn a_host_that_is_what_it_must_be_gets_nothing() {
    let plan = plan(
        &desired(&[("data/redis", "a")]),
        &observed(&[("c1", "data/redis", "a", State::Running)]),
        &BTreeSet::new(),
    );
    assert!(plan.is_done());
    assert_prints(&plan.to_string(), "");
}

#[test]
fn another_digest_recreates_with_the_old_one_kept_until_the_new_one_runs() {
    assert_prints(
        &print(&desired(&[("data/redis", "b")]), &observed(&[("c1", "data/redis", "a", State::Running)])),
        "1. create data/redis.1 as data-redis-1.new from app:1
         2. stop data/redis.1: c1 (after 1)
         3. rename data/redis.1: c1 to data-redis-1.old (after 1, 2)
         4. rename data/redis.1: data-redis-1.new to data-redis-1 (after 3)
         5. start data/redis.1: data-redis-1 (after 1, 2, 4)
         6. remove data/redis.1: c1 (after 2, 5)",
    );
}

/// Returns the old container c1 and the new one c2, in the states that a recreate goes through.
fn recreating(old: State, new: State) -> (Desired, Observed) {
    let mut observed = observed(&[("c1", "data/redis", "a", old), ("c2", "data/redis", "b", new)]);
    observed.containers.get_mut("c2").expect("made above").name = "data-redis-1.new".to_owned();
    observed.containers.get_mut("c1").expect("made above").finished_at = 50;
    (desired(&[("data/redis", "b")]), observed)
}

#[test]
fn f03_a_recreate_broken_off_after_create_goes_on() {
    let (desired, observed) = recreating(State::Running, State::Created);
    assert_prints(
        &print(&desired, &observed),
        "1. stop data/redis.1: c1
         2. rename data/redis.1: c1 to data-redis-1.old (after 1)
         3. rename data/redis.1: c2 to data-redis-1 (after 2)
         4. start data/redis.1: c2 (after 1, 3)
         5. remove data/redis.1: c1 (after 1, 4)",
    );
}

#[test]
fn f03_a_recreate_broken_off_after_stop_goes_on() {
    let (desired, observed) = recreating(State::Exited, State::Created);
    assert_prints(
        &print(&desired, &observed),
        "1. rename data/redis.1: c1 to data-redis-1.old
         2. rename data/redis.1: c2 to data-redis-1 (after 1)
         3. start data/redis.1: c2 (after 2)
         4. remove data/redis.1: c1 (after 3)",
    );
}

#[test]
fn f03_a_recreate_broken_off_after_start_goes_on() {
    let (desired, observed) = recreating(State::Exited, State::Running);
    assert_prints(
        &print(&desired, &observed),
        "1. remove data/redis.1: c1
         2. rename data/redis.1: c2 to data-redis-1 (after 1)",
    );
}

#[test]
fn f03_a_container_created_and_never_started_is_started() {
    assert_prints(
        &print(&desired(&[("data/redis", "a")]), &observed(&[("c1", "data/redis", "a", State::Created)])),
        "1. start data/redis.1: c1",
    );
}

#[test]
fn f03_a_container_created_for_a_state_that_is_past_is_removed() {
    let (_, observed) = recreating(State::Running, State::Created);
    assert_prints(
        &print(&desired(&[("data/redis", "c")]), &observed),
        "1. remove data/redis.1: c2
         2. create data/redis.1 as data-redis-1.new from app:1 (after 1)
         3. stop data/redis.1: c1 (after 2)
         4. rename data/redis.1: c1 to data-redis-1.old (after 2, 3)
         5. rename data/redis.1: data-redis-1.new to data-redis-1 (after 4)
         6. start data/redis.1: data-redis-1 (after 2, 3, 5)
         7. remove data/redis.1: c1 (after 3, 6)",
    );
}

#[test]
fn a_recreate_over_a_recreate_goes_back_to_what_runs() {
    let (_, observed) = recreating(State::Exited, State::Running);
    assert_prints(
        &print(&desired(&[("data/redis", "c")]), &observed),
        "1. remove data/redis.1: c1
         2. create data/redis.1 as data-redis-1 from app:1 (after 1)
         3. stop data/redis.1: c2 (after 2)
         4. start data/redis.1: data-redis-1 (after 2, 3)
         5. remove data/redis.1: c2 (after 3, 4)",
    );
}

#[test]
fn an_update_that_is_taken_back_halfway_starts_what_it_had_stopped() {
    // An old container that does not restart by itself, stopped after the new one was created.
    let (_, mut observed) = recreating(State::Exited, State::Created);
    observed.containers.get_mut("c1").expect("made above").restart = Restart::No;
    let desired = desired(&[("data/redis", "a")]);
    let plan = "1. start data/redis.1: c1
         2. remove data/redis.1: c2 (after 1)";
    assert_prints(&print(&desired, &observed), plan);
    // The name has been handed over already.
    observed.containers.get_mut("c1").expect("made above").name = "data-redis-1.old".to_owned();
    observed.containers.get_mut("c2").expect("made above").name = "data-redis-1".to_owned();
    let plan = format!("{plan}\n3. rename data/redis.1: c1 to data-redis-1 (after 2)");
    assert_prints(&print(&desired, &observed), &plan);
    // The new container runs already. The two never run together.
    observed.containers.get_mut("c2").expect("made above").state = State::Running;
    assert_prints(
        &print(&desired, &observed),
        "1. stop data/redis.1: c2
         2. start data/redis.1: c1 (after 1)
         3. remove data/redis.1: c2 (after 1, 2)
         4. rename data/redis.1: c1 to data-redis-1 (after 3)",
    );
    // A job that ended before the new container was created has done its work.
    let job = observed.containers.get_mut("c1").expect("made above");
    (job.name, job.finished_at) = ("data-redis-1".to_owned(), 5);
    observed.containers.get_mut("c2").expect("made above").state = State::Created;
    assert_prints(&print(&desired, &observed), "1. remove data/redis.1: c2");
}

#[test]
fn f49_when_the_new_one_cannot_start_the_old_one_comes_back() {
    let (desired, observed) = recreating(State::Exited, State::Created);
    assert_prints(
        &print_given_up(&desired, &observed, "data/redis"),
        "1. start data/redis.1: c1
         2. remove data/redis.1: c2 (after 1)",
    );
}

/// Returns the same containers after the name was handed over to the new one.
fn renamed(old: State, new: State) -> (Desired, Observed) {
    let (desired, mut observed) = recreating(old, new);
    observed.containers.get_mut("c1").expect("made above").name = "data-redis-1.old".to_owned();
    observed.containers.get_mut("c2").expect("made above").name = "data-redis-1".to_owned();
    (desired, observed)
}

#[test]
fn an_update_that_is_taken_back_after_the_name_changed_hands_does_not_ask_for_a_name_twice() {
    let (_, observed) = renamed(State::Exited, State::Running);
    assert_prints(
        &print(&desired(&[("data/redis", "a")]), &observed),
        "1. stop data/redis.1: c2
         2. rename data/redis.1: c2 to data-redis-1.new (after 1)
         3. rename data/redis.1: c1 to data-redis-1 (after 2)
         4. start data/redis.1: c1 (after 1, 3)
         5. remove data/redis.1: c2 (after 1, 4)",
    );
}

#[test]
fn the_old_container_gets_its_name_back_after_a_leftover_that_has_it_is_removed() {
    let (_, observed) = renamed(State::Running, State::Created);
    assert_prints(
        &print_given_up(&desired(&[("data/redis", "c")]), &observed, "data/redis"),
        "1. remove data/redis.1: c2
         2. rename data/redis.1: c1 to data-redis-1 (after 1)",
    );
}

#[test]
fn of_earlier_containers_that_have_ended_the_one_that_ran_last_comes_back() {
    let (desired, mut observed) = recreating(State::Exited, State::Created);
    let older = Container { finished_at: 5, ..observed.containers["c1"].clone() };
    observed.containers.insert("c0".to_owned(), Container { name: "data-redis-1".to_owned(), ..older });
    observed.containers.get_mut("c1").expect("made above").name = "data-redis-1.old".to_owned();
    assert_prints(
        &print_given_up(&desired, &observed, "data/redis"),
        "1. start data/redis.1: c1
         2. remove data/redis.1: c2 (after 1)
         3. remove data/redis.1: c0
         4. rename data/redis.1: c1 to data-redis-1 (after 2, 3)",
    );
}

#[test]
fn f03_a_recreate_broken_off_while_the_name_changes_hands_goes_on() {
    let (desired, mut observed) = renamed(State::Exited, State::Created);
    assert_prints(
        &print(&desired, &observed),
        "1. start data/redis.1: c2
         2. remove data/redis.1: c1 (after 1)",
    );
    observed.containers.get_mut("c2").expect("made above").name = "data-redis-1.new".to_owned();
    assert_prints(
        &print(&desired, &observed),
        "1. rename data/redis.1: c2 to data-redis-1
         2. start data/redis.1: c2 (after 1)
         3. remove data/redis.1: c1 (after 2)",
    );
}

#[test]
fn f49_the_old_one_that_comes_back_gets_its_name_back() {
    let (desired, mut observed) = renamed(State::Exited, State::Created);
    assert_prints(
        &print_given_up(&desired, &observed, "data/redis"),
        "1. start data/redis.1: c1
         2. remove data/redis.1: c2 (after 1)
         3. rename data/redis.1: c1 to data-redis-1 (after 2)",
    );
    observed.containers.remove("c2");
    observed.containers.get_mut("c1").expect("made above").state = State::Running;
    assert_prints(&print_given_up(&desired, &observed, "data/redis"), "1. rename data/redis.1: c1 to data-redis-1");
}

#[test]
fn f49_an_old_one_that_had_ended_before_stays_ended() {
    let (desired, mut observed) = recreating(State::Exited, State::Created);
    observed.containers.get_mut("c1").expect("made above").finished_at = 5;
    assert_prints(&print_given_up(&desired, &observed, "data/redis"), "1. remove data/redis.1: c2");
}

#[test]
fn f49_once_the_old_one_is_back_nothing_more_is_tried() {
    let observed = observed(&[("c1", "data/redis", "a", State::Running)]);
    assert_prints(&print_given_up(&desired(&[("data/redis", "b")]), &observed, "data/redis"), "");
}

#[test]
fn a_job_that_is_done_is_not_started_again_and_one_that_failed_is_left() {
    for exit_code in [0, 1] {
        let mut observed = observed(&[("c1", "data/job", "a", State::Exited)]);
        let job = observed.containers.get_mut("c1").expect("made above");
        (job.restart, job.exit_code) = (Restart::No, exit_code);
        assert_prints(&print(&desired(&[("data/job", "a")]), &observed), "");
    }
}

#[test]
fn a_service_somebody_stopped_by_hand_is_started() {
    assert_prints(
        &print(&desired(&[("data/redis", "a")]), &observed(&[("c1", "data/redis", "a", State::Exited)])),
        "1. start data/redis.1: c1",
    );
}

#[test]
fn a_stopped_instance_stays_and_does_not_run() {
    let mut desired = desired(&[("data/redis", "a")]);
    desired.instances.get_mut(&key("data/redis")).expect("made above").stopped = true;
    assert_prints(
        &print(&desired, &observed(&[("c1", "data/redis", "a", State::Running)])),
        "1. stop data/redis.1: c1",
    );
    assert_prints(&print(&desired, &observed(&[("c1", "data/redis", "a", State::Exited)])), "");
}

#[test]
fn a_half_removed_container_is_removed_and_made_anew() {
    assert_prints(
        &print(&desired(&[("data/redis", "a")]), &observed(&[("c1", "data/redis", "a", State::Dead)])),
        "1. remove data/redis.1: c1
         2. create data/redis.1 as data-redis-1 from app:1 (after 1)
         3. start data/redis.1: data-redis-1 (after 2)",
    );
}

#[test]
fn what_is_no_longer_desired_goes_and_what_is_not_ours_stays() {
    let mut observed = observed(&[("c1", "data/redis", "a", State::Running)]);
    observed.containers.get_mut("c1").expect("made above").addresses.insert("data_default".to_owned(), String::new());
    let ours = observed::Network { ours: true, ..observed::Network::default() };
    observed.networks.insert("data_default".to_owned(), ours.clone());
    observed.networks.insert("shared".to_owned(), ours);
    observed.networks.insert("bridge".to_owned(), observed::Network::default());
    observed.volumes.insert("data_redis".to_owned(), observed::Volume { ours: true, ..observed::Volume::default() });
    observed.trees.insert("data".to_owned(), Tree::default());
    let foreign = Foreign { name: "someone".to_owned(), networks: ["shared".to_owned()].into() };
    observed.foreign.insert("f1".to_owned(), foreign);
    assert_prints(
        &print(&desired(&[]), &observed),
        "1. stop data/redis.1: c1
         2. remove data/redis.1: c1 (after 1)
         3. remove network data_default (after 2)
         4. remove files of data (after 2)",
    );
    assert_prints(&print(&Desired::default(), &observed), "");
}

#[test]
fn f60_the_parts_of_an_unmanaged_stack_stay() {
    let containers = [("c1", "data/redis", "a", State::Running), ("c2", "web/app", "a", State::Exited)];
    let mut observed = observed(&containers);
    let network =
        |stack: &str| observed::Network { ours: true, stack: stack.to_owned(), ..observed::Network::default() };
    let networks = [("infra_net", ""), ("data_default", "data"), ("web_default", "web")];
    observed.networks = networks.map(|(name, stack)| (name.to_owned(), network(stack))).into();
    observed.trees = ["data", "old", "web"].map(|stack| (stack.to_owned(), Tree::default())).into();
    let web = Desired { stacks: ["web".to_owned()].into(), ..Desired::default() };
    assert_prints(
        &print(&web, &observed),
        "1. remove web/app.1: c2
         2. remove network web_default
         3. remove files of web (after 1)",
    );
    let base = Desired { manages_fleet_networks: true, ..Desired::default() };
    assert_prints(&print(&base, &observed), "1. remove network infra_net");
}

#[test]
fn a_volume_is_removed_only_when_that_is_said_and_only_when_ours() {
    let mut desired = Desired::default();
    desired.volumes.insert("ours".to_owned(), Volume { remove: true, ..Volume::default() });
    desired.volumes.insert("theirs".to_owned(), Volume { remove: true, ..Volume::default() });
    let mut observed = observed(&[]);
    for (volume, ours) in [("ours", true), ("theirs", false), ("unnamed", true)] {
        observed.volumes.insert(volume.to_owned(), observed::Volume { ours, ..observed::Volume::default() });
    }
    assert_prints(
        &print(&desired, &observed),
        "1. remove volume ours
         cannot remove volume theirs: it was not created by Landfast; to remove it, run `docker volume rm theirs`",
    );
}

#[test]
fn f34_a_network_that_differs_is_left_and_what_needs_it_waits() {
    let mut desired = desired(&[("data/redis", "a")]);
    let subnets = vec!["172.19.0.0/16".to_owned()];
    desired.networks.insert("infra_net".to_owned(), Network { subnets, ..Network::default() });
    let redis = desired.instances.get_mut(&key("data/redis")).expect("made above");
    redis.networks.insert("infra_net".to_owned());
    let mut observed = observed(&[]);
    let subnets = vec!["172.19.0.0/24".to_owned()];
    observed.networks.insert("infra_net".to_owned(), observed::Network { subnets, ..observed::Network::default() });
    assert_prints(
        &print(&desired, &observed),
        "data/redis.1 needs network infra_net, which cannot be created (hopeless)
         cannot create network infra_net: it exists already and differs: subnet is 172.19.0.0/24 and should be \
         172.19.0.0/16; it was not created by Landfast: remove it or change landfast.toml",
    );
    assert!(plan(&desired, &observed, &BTreeSet::new()).is_done());
}

#[test]
fn f73_networks_whose_subnet_the_engine_chooses_come_after_those_that_are_written() {
    let mut desired = desired(&[]);
    let written = Network { subnets: vec!["172.19.0.0/16".to_owned()], ..Network::default() };
    for (name, network) in
        [("a_default", Network::default()), ("infra_net", written), ("b_default", Network::default())]
    {
        desired.networks.insert(name.to_owned(), network);
    }
    assert_prints(
        &print(&desired, &observed(&[])),
        "1. create network infra_net
         2. create network a_default (after 1)
         3. create network b_default (after 1)",
    );
    let mut there = observed(&[]);
    there.networks.insert("a_default".to_owned(), observed::Network::default());
    let given_up = [Resource::Network("infra_net".to_owned())].into();
    assert_prints(
        &plan(&desired, &there, &given_up).to_string(),
        "cannot create network b_default: it must be created after infra_net, which could not be created: the engine might give it \
         the same addresses",
    );
}

#[test]
fn f48_an_image_that_is_not_here_stops_nothing() {
    let mut observed = observed(&[("c1", "data/redis", "a", State::Running)]);
    observed.images.references.clear();
    assert_prints(
        &print(&desired(&[("data/redis", "b")]), &observed),
        "data/redis.1 needs image app:1, and this host does not have the planned version of it (hopeless)",
    );
}

fn depending(condition: Condition) -> Desired {
    let mut desired = desired(&[("data/db", "a"), ("data/app", "a")]);
    let app = desired.instances.get_mut(&key("data/app")).expect("made above");
    app.depends_on.push(Dependency { service: "db".to_owned(), condition });
    desired
}

#[test]
fn f21_after_a_reboot_what_depends_starts_after_what_it_depends_on() {
    let host = observed(&[("c1", "data/app", "a", State::Exited), ("c2", "data/db", "a", State::Exited)]);
    assert_prints(
        &print(&depending(Condition::Started), &host),
        "1. start data/app.1: c1 (after 2)
         2. start data/db.1: c2",
    );
    assert_prints(
        &print(&depending(Condition::Healthy), &host),
        "1. start data/db.1: c2
         data/app.1 waits for data/db.1, which is not healthy yet",
    );
}

#[test]
fn what_waits_for_health_starts_once_it_is_there() {
    let mut host = observed(&[("c1", "data/app", "a", State::Created), ("c2", "data/db", "a", State::Running)]);
    host.containers.get_mut("c2").expect("made above").health = Health::Starting;
    assert_prints(
        &print(&depending(Condition::Healthy), &host),
        "data/app.1 waits for data/db.1, which is not healthy yet",
    );
    host.containers.get_mut("c2").expect("made above").health = Health::Healthy;
    assert_prints(&print(&depending(Condition::Healthy), &host), "1. start data/app.1: c1");
}

#[test]
fn waiting_for_a_job_that_failed_is_hopeless() {
    let mut host = observed(&[("c2", "data/db", "a", State::Exited)]);
    let job = host.containers.get_mut("c2").expect("made above");
    (job.restart, job.exit_code) = (Restart::No, 3);
    assert_prints(
        &print(&depending(Condition::Completed), &host),
        "1. create data/app.1 as data-app-1 from app:1
         data/app.1 waits for data/db.1, which ended with a failure (hopeless)",
    );
}

#[test]
fn an_instance_that_takes_an_address_over_starts_after_the_holder_has_stopped() {
    let address = || Claim::Address { network: "infra_net".to_owned(), address: "172.19.0.5".to_owned() };
    let mut desired = desired(&[("data/new", "a")]);
    desired.instances.get_mut(&key("data/new")).expect("made above").claims.insert(address());
    let mut host = observed(&[("c1", "data/old", "a", State::Running)]);
    host.containers.get_mut("c1").expect("made above").claims.insert(address());
    assert_prints(
        &print(&desired, &host),
        "1. create data/new.1 as data-new-1 from app:1
         2. start data/new.1: data-new-1 (after 1, 3)
         3. stop data/old.1: c1
         4. remove data/old.1: c1 (after 3)",
    );
}

/// Returns a state in which `data/web` runs in the network of `data/db`.
fn joined(digest: &str) -> Desired {
    let mut desired = desired(&[("data/db", digest), ("data/web", "w")]);
    let web = desired.instances.get_mut(&key("data/web")).expect("made above");
    web.joins.insert(key("data/db"));
    desired
}

fn with_joined(mut observed: Observed, id: &str, joined: &str) -> Observed {
    let container = observed.containers.get_mut(id).expect("made above");
    container.joined = [joined.to_owned()].into();
    observed
}

#[test]
fn who_joins_another_waits_until_that_one_runs() {
    assert_prints(
        &print(&joined("d"), &observed(&[("c1", "data/db", "d", State::Exited)])),
        "1. start data/db.1: c1
         data/web.1 needs data/db.1, which does not run",
    );
    assert_prints(
        &print(&joined("d"), &observed(&[("c1", "data/db", "d", State::Running)])),
        "1. create data/web.1 as data-web-1 from app:1
         2. start data/web.1: data-web-1 (after 1)",
    );
}

#[test]
fn who_was_in_a_namespace_that_is_gone_is_made_again_in_the_new_one() {
    let both = |state| observed(&[("c2", "data/db", "d", State::Running), ("c3", "data/web", "w", state)]);
    assert_prints(&print(&joined("d"), &with_joined(both(State::Running), "c3", "c2")), "");
    let recreate = "1. create data/web.1 as data-web-1.new from app:1
         2. stop data/web.1: c3 (after 1)
         3. rename data/web.1: c3 to data-web-1.old (after 1, 2)
         4. rename data/web.1: data-web-1.new to data-web-1 (after 3)
         5. start data/web.1: data-web-1 (after 1, 2, 4)
         6. remove data/web.1: c3 (after 2, 5)";
    assert_prints(&print(&joined("d"), &with_joined(both(State::Running), "c3", "c1")), recreate);

    // The same container has started again since.
    let mut again = with_joined(both(State::Running), "c3", "c2");
    again.containers.get_mut("c3").expect("made above").started_at = 20;
    again.containers.get_mut("c2").expect("made above").started_at = 30;
    assert_prints(&print(&joined("d"), &again), recreate);
    // Halfway through that, the old container is stopped already.
    let web = again.containers.get_mut("c3").expect("made above");
    (web.state, web.finished_at, web.restart) = (State::Exited, 31, Restart::No);
    let new = Container { name: "data-web-1.new".to_owned(), state: State::Created, ..web.clone() };
    let new = Container { started_at: 0, finished_at: 0, created_at: 31, ..new };
    again.containers.insert("c4".to_owned(), new);
    assert_prints(
        &print(&joined("d"), &again),
        "1. rename data/web.1: c3 to data-web-1.old
         2. rename data/web.1: c4 to data-web-1 (after 1)
         3. start data/web.1: c4 (after 2)
         4. remove data/web.1: c3 (after 3)",
    );
    // A job that had ended before is not run again.
    again.containers.remove("c4");
    again.containers.get_mut("c3").expect("made above").finished_at = 25;
    let mut job = joined("d");
    job.instances.get_mut(&key("data/web")).expect("made above").restart = Restart::No;
    assert_prints(&print(&job, &again), "");
}

#[test]
fn a_recreate_of_the_other_is_gone_through_once() {
    // Both containers of the instance have the digest. The one in the new namespace is the desired one.
    let mut halfway = observed(&[
        ("c2", "data/db", "d", State::Running),
        ("c3", "data/web", "w", State::Running),
        ("c4", "data/web", "w", State::Created),
    ]);
    halfway.containers.get_mut("c4").expect("made above").name = "data-web-1.new".to_owned();
    halfway = with_joined(with_joined(halfway, "c3", "c1"), "c4", "c2");
    assert_prints(
        &print(&joined("d"), &halfway),
        "1. stop data/web.1: c3
         2. rename data/web.1: c3 to data-web-1.old (after 1)
         3. rename data/web.1: c4 to data-web-1 (after 2)
         4. start data/web.1: c4 (after 1, 3)
         5. remove data/web.1: c3 (after 1, 4)",
    );
}

#[test]
fn volumes_of_another_need_its_container_and_no_more() {
    let mut desired = desired(&[("data/db", "d"), ("data/web", "w")]);
    desired.instances.get_mut(&key("data/web")).expect("made above").volumes_from.insert(key("data/db"));
    desired.instances.get_mut(&key("data/db")).expect("made above").restart = Restart::No;
    let mut observed = observed(&[("c1", "data/db", "d", State::Exited)]);
    observed.containers.get_mut("c1").expect("made above").restart = Restart::No;
    assert_prints(
        &print(&desired, &observed),
        "1. create data/web.1 as data-web-1 from app:1
         2. start data/web.1: data-web-1 (after 1)",
    );
}

#[test]
fn the_name_of_a_container_that_is_being_removed_is_waited_for() {
    assert_prints(
        &print(&desired(&[("data/redis", "a")]), &observed(&[("c1", "data/redis", "a", State::Removing)])),
        "data/redis.1 waits until its old container is removed",
    );
}
