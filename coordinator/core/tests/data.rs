//! Tests of placement by data: services that share data run on one host or cause a warning, and replicas return to their volumes.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use std::collections::BTreeSet;

use landfast_core::desired::DesiredInput;
use test_fleet::{NET, TestFleet, host_of};

fn yaml(text: &str) -> String {
    format!("{text}{NET}")
}

/// Returns a compose file with these services and volumes.
fn services(all: &[(&str, &str)]) -> String {
    let one = |(name, volumes): &(&str, &str)| {
        format!("  {name}: {{image: 'i:1', networks: [infra_net], volumes: [{volumes}]}}\n")
    };
    format!("services:\n{}", all.iter().map(one).collect::<String>())
}

fn hosts(test_fleet: &TestFleet, instances: &[&str]) -> Vec<String> {
    instances.iter().map(|name| host_of(&test_fleet.held, &format!("app/{name}"))).collect()
}

fn down(test_fleet: &mut TestFleet, stack: &str) {
    let proposal = test_fleet.propose_down(stack, false);
    test_fleet.done(proposal);
}

/// Returns the recorded users of a volume on a host.
fn users(test_fleet: &TestFleet, host: &str, volume: &str) -> Vec<String> {
    let found = test_fleet.held[host].volumes.iter().find(|it| it.name == volume);
    found.map(|it| it.users.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

#[test]
fn services_that_share_a_volume_or_a_writable_path_run_on_one_host() {
    for (shared, other, volumes) in [
        ("'data:/data'", "'data:/data'", "volumes: {data: {}}\n"),
        ("'data:/data'", "'data:/in:ro'", "volumes: {data: {}}\n"),
        ("'data:/data'", "'data:/data'", "volumes: {data: {external: true}}\n"),
        ("'/srv/db:/db'", "'/srv/db:/db'", ""),
        ("'/srv/db:/db'", "'/srv/db/one:/db:ro'", ""),
        ("'/etc/letsencrypt:/certs'", "'/etc/letsencrypt:/certs:ro'", ""),
        ("'./data:/data'", "'./data/one:/data'", ""),
        ("'one:/data'", "'two:/data'", BOUND),
    ] {
        let mut test_fleet = TestFleet::new("");
        let text = yaml(&format!("{}{volumes}", services(&[("a", shared), ("b", "'/mine:/m'"), ("c", other)])));
        let said = test_fleet.propose("app", &text).warnings;
        let plan = test_fleet.up("app", &text);
        assert_eq!(hosts(&test_fleet, &["a.1", "b.1", "c.1"]), ["alpha", "beta", "alpha"], "{shared} {other}\n{plan}");
        assert!(plan.contains("a is there, and they share the "), "{plan}");
        assert_eq!(said, "", "{shared} {other}");
    }
}

/// Two volumes that are the same path of the host.
const BOUND: &str = "volumes:
  one: {driver_opts: {type: none, o: bind, device: /srv/db}}
  two: {driver_opts: {type: none, o: 'bind,rw', device: /srv/db/}}
";

#[test]
fn system_paths_and_shared_storage_do_not_tie_services() {
    let nfs = "volumes: {data: {driver_opts: {type: nfs, o: 'addr=10.0.0.1,rw', device: ':/data'}}}\n";
    for (shared, volumes) in [
        ("'data:/data'", nfs),
        ("'data:/data'", "volumes: {data: {driver: rexray}}\n"),
        ("'data:/data'", "volumes: {data: {driver_opts: {type: cifs, device: //nas/data}}}\n"),
        ("'/srv/db:/db:ro'", ""),
        ("'/var/run/docker.sock:/var/run/docker.sock'", ""),
        ("'/srv/app/app.sock:/app.sock'", ""),
        ("'/dev:/dev'", ""),
        ("'/sys/fs/cgroup:/sys/fs/cgroup'", ""),
        ("'/etc/localtime:/etc/localtime'", ""),
        ("'./app.conf:/etc/app.conf'", ""),
        ("'/cache'", ""),
    ] {
        let mut test_fleet = TestFleet::new("").file("app.conf", "x");
        let text = yaml(&format!("{}{volumes}", services(&[("a", shared), ("b", shared)])));
        assert_eq!(test_fleet.propose("app", &text).warnings, "", "{shared}");
        test_fleet.up("app", &text);
        assert_eq!(hosts(&test_fleet, &["a.1", "b.1"]), ["alpha", "beta"], "{shared}");
    }
    // Who looks at the whole host is not beside everything.
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("app", &yaml(&services(&[("a", "'/:/host:ro'"), ("b", "'/srv/db:/db'")])));
    assert_eq!(hosts(&test_fleet, &["a.1", "b.1"]), ["alpha", "beta"]);
}

#[test]
fn a_group_runs_where_one_of_its_services_is_placed_or_runs() {
    let (one, two) = (services(&[("b", "'data:/data'")]), services(&[("a", "'data:/data'"), ("b", "'data:/data'")]));
    let of = |services: &str| yaml(&format!("{services}volumes: {{data: {{}}}}\n"));
    let mut test_fleet = TestFleet::new("[stacks.app.place]\nb = \"gamma\"\n");
    let plan = test_fleet.up("app", &of(&two));
    assert_eq!(hosts(&test_fleet, &["a.1", "b.1"]), ["gamma", "gamma"]);
    assert!(
        plan.contains("app/a.1 on gamma at infra_net 172.19.128.1: b is there, and they share the volume app_data")
    );

    let mut test_fleet = TestFleet::new("[stacks.app.place]\nb = \"beta\"\n");
    test_fleet.up("app", &of(&one));
    test_fleet.fleet = TestFleet::new("").fleet;
    test_fleet.up("app", &of(&two));
    assert_eq!(hosts(&test_fleet, &["a.1", "b.1"]), ["beta", "beta"]);

    // Only one host may run both.
    let mut test_fleet = TestFleet::new("[stacks.app.place]\na = [\"alpha\", \"gamma\"]\nb = [\"beta\", \"gamma\"]\n");
    test_fleet.up("app", &of(&two));
    assert_eq!(hosts(&test_fleet, &["a.1", "b.1"]), ["gamma", "gamma"]);
}

#[test]
fn placement_rules_that_split_a_group_cause_a_warning_with_a_hint() {
    let test_fleet = TestFleet::new("[stacks.app.place]\na = \"alpha\"\nb = \"beta\"\n");
    let text = yaml(&format!("{}volumes: {{data: {{}}}}\n", services(&[("a", "'data:/data'"), ("b", "'data:/data'")])));
    assert_eq!(
        test_fleet.propose("app", &text).warnings,
        "app/compose.yaml:3:54: a on alpha ([stacks.app.place] a = \"alpha\" (landfast.toml:16:1) places it) and b on beta \
         ([stacks.app.place] b = \"beta\" (landfast.toml:17:1) places it) share the \
         volume app_data, but each host has its own copy, so neither sees what the other writes (services.b.volumes[0])\n  \
         hint: to place both on one host, write b = \"alpha\" under [stacks.app.place], or place the other service (data is not \
         moved); or use a shared volume, such as driver_opts: {type: nfs}\n"
    );
}

#[test]
fn services_with_data_on_two_hosts_stay_and_cause_a_warning() {
    let part = TestFleet::new("[stacks.app.place]\na = \"alpha\"\nb = \"beta\"\n").fleet;
    let text = yaml(&format!("{}volumes: {{data: {{}}}}\n", services(&[("a", "'data:/data'"), ("b", "'data:/data'")])));
    let mut test_fleet = TestFleet::new("");
    let free = std::mem::replace(&mut test_fleet.fleet, part);
    test_fleet.up("app", &text);
    test_fleet.fleet = free;
    let again = test_fleet.propose("app", &text);
    assert!(again.plan.is_empty(), "{}", again.plan);
    assert!(again.warnings.contains("a on alpha (it runs there) and b on beta (it runs there)"), "{}", again.warnings);
    assert!(again.warnings.contains("; copies are on alpha and beta"), "{}", again.warnings);
    down(&mut test_fleet, "app");
    test_fleet.up("app", &text);
    assert_eq!(hosts(&test_fleet, &["a.1", "b.1"]), ["alpha", "beta"]);
}

#[test]
fn stacks_that_share_a_volume_or_a_path_run_on_one_host() {
    let volume = |name: &str| format!("volumes: {{data: {{name: {name}}}}}\n");
    for (first, second, volumes) in
        [("'data:/data'", "'data:/data'", volume("shared")), ("'/srv/db:/db'", "'/srv/db:/db:ro'", String::new())]
    {
        let mut test_fleet = TestFleet::new("[stacks.data.place]\nx = \"gamma\"\n[stacks.app]\n");
        test_fleet.up("data", &yaml(&format!("{}{volumes}", services(&[("x", first)]))));
        let plan = test_fleet.up("app", &yaml(&format!("{}{volumes}", services(&[("a", second)]))));
        assert_eq!(host_of(&test_fleet.held, "app/a.1"), "gamma", "{plan}");
        assert!(plan.contains("data/x is there, and they share the "), "{plan}");
        test_fleet.fleet = TestFleet::new("[stacks.app.place]\na = \"beta\"\n").fleet;
        let said = test_fleet.propose("app", &yaml(&format!("{}{volumes}", services(&[("a", second)])))).warnings;
        assert!(
            said.contains("data/x on gamma (it runs there) and a on beta ([stacks.app.place] a = \"beta\" (landfast.toml:16:1) places it) share"),
            "{said}"
        );
    }
}

#[test]
fn a_volume_that_another_stack_mounts_is_not_deleted_with_the_first() {
    let of = |service: &str| {
        yaml(&format!(
            "{}volumes: {{data: {{name: shared}}, own: {{}}}}\n",
            services(&[(service, "'data:/data', 'own:/own'")])
        ))
    };
    let mut test_fleet = TestFleet::new("[stacks.data]\n[stacks.app]\n");
    test_fleet.up("app", &of("a"));
    test_fleet.up("data", &of("x"));
    for (stack, stays) in [("data", true), ("app", false)] {
        let proposal = test_fleet.propose_down(stack, true);
        let plan = proposal.plan.to_string();
        assert!(plan.contains(&format!("{stack}_own")), "{plan}");
        assert_eq!(plan.contains("the volume shared stays on alpha: app also mounts it"), stays, "{plan}");
        test_fleet.done(proposal);
        let volumes = test_fleet.held["alpha"].volumes.iter().filter(|volume| !volume.remove);
        let names: Vec<&str> = volumes.map(|volume| volume.name.as_str()).collect();
        assert_eq!(names, if stays { vec!["app_own", "shared"] } else { vec![] }, "{plan}");
    }
}

const REPLICAS: &str =
    "services:\n  web: {image: 'i:1', volumes: ['data:/data'], deploy: {replicas: 3}NETS}\nvolumes: {data: {}}\n";

#[test]
fn replicas_spread_with_separate_volumes_and_return_to_them() {
    for network in ["", ", networks: [infra_net]"] {
        let text = yaml(&REPLICAS.replace("NETS", network));
        let mut test_fleet = TestFleet::new("");
        // The first host has most, so that the replicas do not come in the order of the hosts.
        test_fleet.up("other", &yaml("services: {x: {image: 'i:1', networks: [infra_net]}}\n"));
        let said = test_fleet.propose("app", &text).warnings;
        assert!(
            said.contains("web runs on alpha, beta, gamma, and the volume app_data on each host is a copy of its own"),
            "{said}"
        );
        test_fleet.up("app", &text);
        let first = hosts(&test_fleet, &["web.1", "web.2", "web.3"]);
        assert_eq!(first, ["beta", "gamma", "alpha"], "{network}");
        assert!(!test_fleet.propose("app", &text).warnings.contains("is its own"));
        down(&mut test_fleet, "app");
        assert_eq!(users(&test_fleet, "beta", "app_data"), ["app/web.1"]);
        down(&mut test_fleet, "other");
        let plan = test_fleet.up("app", &text);
        assert_eq!(hosts(&test_fleet, &["web.1", "web.2", "web.3"]), first, "{plan}");
        assert!(plan.contains("its volume app_data is there"), "{plan}");
    }
}

#[test]
fn replicas_that_only_read_run_on_the_host_of_the_writer() {
    let service = |name: &str, count: u32, mode: &str| {
        format!(
            "  {name}: {{image: 'i:1', networks: [infra_net], volumes: ['data:/data{mode}'], deploy: {{replicas: {count}, \
             placement: {{max_replicas_per_node: 3}}}}}}\n"
        )
    };
    let of = |a: (u32, &str), b: (u32, &str)| {
        yaml(&format!("services:\n{}{}volumes: {{data: {{}}}}\n", service("a", a.0, a.1), service("b", b.0, b.1)))
    };
    // Whichever is looked at first.
    for (text, names) in [
        (of((1, ""), (3, ":ro")), ["a.1", "b.1", "b.2", "b.3"]),
        (of((3, ":ro"), (1, "")), ["a.1", "a.2", "a.3", "b.1"]),
    ] {
        let mut test_fleet = TestFleet::new("");
        assert_eq!(test_fleet.propose("app", &text).warnings, "");
        let plan = test_fleet.up("app", &text);
        assert_eq!(hosts(&test_fleet, &names), ["alpha"; 4], "{plan}");
    }
    // Those that write have a copy each, with its reader beside it, and the plan says so.
    let mut test_fleet = TestFleet::new("");
    let text = of((2, ""), (2, ":ro"));
    let said = test_fleet.propose("app", &text).warnings;
    assert!(
        said.contains("a runs on alpha, beta, and the volume app_data on each host is a copy of its own"),
        "{said}"
    );
    test_fleet.up("app", &text);
    assert_eq!(hosts(&test_fleet, &["a.1", "b.1", "a.2", "b.2"]), ["alpha", "alpha", "beta", "beta"]);
    // What keeps them apart is told.
    let test_fleet = TestFleet::new("");
    let text = of((1, ""), (3, ":ro")).replacen("max_replicas_per_node: 3", "max_replicas_per_node: 0", 1);
    let said =
        test_fleet.propose("app", &text.replace("max_replicas_per_node: 3", "max_replicas_per_node: 2")).warnings;
    assert!(said.contains("share the volume app_data, but each host has its own"), "{said}");
}

#[test]
fn replicas_that_were_removed_and_added_again_return_to_their_volumes() {
    let of = |count: &str| yaml(&REPLICAS.replace("NETS", ", networks: [infra_net]").replace("replicas: 3", count));
    let mut test_fleet = TestFleet::new("");
    test_fleet.up("app", &of("replicas: 3"));
    let first = hosts(&test_fleet, &["web.1", "web.2", "web.3"]);
    test_fleet.up("app", &of("replicas: 1"));
    test_fleet.up("other", &yaml("services: {x: {image: 'i:1', networks: [infra_net], deploy: {replicas: 2}}}\n"));
    test_fleet.up("app", &of("replicas: 3"));
    assert_eq!(hosts(&test_fleet, &["web.1", "web.2", "web.3"]), first);
    // The first one takes none of the volumes that the others left.
    down(&mut test_fleet, "app");
    let others = format!("[stacks.app.place]\nweb = [{:?}, {:?}]\n", first[1], first[2]);
    test_fleet.fleet = TestFleet::new(&others).fleet;
    let proposal = test_fleet.propose("app", &of("replicas: 1"));
    assert!(proposal.warnings.contains(&format!("its data stays on {}", first[0])), "{}", proposal.warnings);
    assert!(proposal.plan.to_string().contains("fewest instances"), "{}", proposal.plan);
}

#[test]
fn a_moved_instance_is_recorded_on_its_new_host() {
    let text = yaml(&format!("{}volumes: {{data: {{}}}}\n", services(&[("web", "'data:/data'")])));
    let placed = |host: &str| TestFleet::new(&format!("[stacks.app.place]\nweb = \"{host}\"\n")).fleet;
    let mut test_fleet = TestFleet::new("");
    test_fleet.fleet = placed("beta");
    test_fleet.up("app", &text);
    test_fleet.fleet = placed("alpha");
    test_fleet.up("app", &text);
    assert_eq!((users(&test_fleet, "alpha", "app_data").len(), users(&test_fleet, "beta", "app_data").len()), (1, 0));
    down(&mut test_fleet, "app");
    test_fleet.fleet = TestFleet::new("").fleet;
    test_fleet.up("app", &text);
    assert_eq!(hosts(&test_fleet, &["web.1"]), ["alpha"]);
    down(&mut test_fleet, "app");
    test_fleet.fleet = placed("gamma");
    let said = test_fleet.propose("app", &text).warnings;
    assert!(
        said.contains(
            "app/web.1 is placed on gamma ([stacks.app.place] web = \"gamma\" (landfast.toml:16:1) places it), but its data stays on alpha: the volume app_data"
        ),
        "{said}"
    );
}

#[test]
fn two_copies_without_a_record_are_refused_until_the_user_chooses() {
    let text = yaml(&format!("{}volumes: {{data: {{}}}}\n", services(&[("web", "'data:/data'")])));
    let placed = |host: &str| TestFleet::new(&format!("[stacks.app.place]\nweb = \"{host}\"\n")).fleet;
    let mut test_fleet = TestFleet::new("");
    for host in ["beta", "alpha"] {
        test_fleet.fleet = placed(host);
        test_fleet.up("app", &text);
    }
    down(&mut test_fleet, "app");
    // As an earlier version leaves it.
    test_fleet.held.values_mut().flat_map(|state| &mut state.volumes).for_each(|volume| volume.users.clear());
    test_fleet.fleet = TestFleet::new("").fleet;
    let refusal = test_fleet.compile("app", &text).unwrap_err();
    assert!(
        refusal.contains("app_data exists on alpha and beta, and Landfast does not know which copy belongs to web"),
        "{refusal}"
    );
    assert!(refusal.contains("choose one: write web = \"alpha\" under [stacks.app.place]"), "{refusal}");
    test_fleet.fleet = placed("beta");
    assert!(test_fleet.compile("app", &text).is_ok());
    // As many replicas as copies: each takes one.
    test_fleet.fleet = TestFleet::new("").fleet;
    let two = text.replace("image: 'i:1'", "image: 'i:1', deploy: {replicas: 2}");
    test_fleet.up("app", &two);
    assert_eq!(hosts(&test_fleet, &["web.1", "web.2"]), ["alpha", "beta"]);
}

#[test]
fn a_service_runs_on_the_host_of_an_existing_volume() {
    let text = yaml(&format!("{}volumes: {{data: {{}}}}\n", services(&[("web", "'data:/data'")])));
    let mut test_fleet = TestFleet::new("");
    test_fleet.has_volume("gamma", "app_data");
    let plan = test_fleet.propose("app", &text).plan.to_string();
    assert!(plan.contains("app/web.1 on gamma at infra_net 172.19.128.1: the volume app_data is there"), "{plan}");
    test_fleet.has_volume("beta", "app_data");
    let said = test_fleet.propose("app", &text).warnings;
    assert!(
        said.contains("the volume app_data exists on beta and gamma, and Landfast does not know which copy"),
        "{said}"
    );
}

#[test]
fn records_of_a_removed_volume_are_deleted() {
    let text = yaml(&format!("{}volumes: {{data: {{}}}}\n", services(&[("web", "'data:/data'")])));
    let mut test_fleet = TestFleet::new("[stacks.app.place]\nweb = \"beta\"\n");
    test_fleet.up("app", &text);
    let removed = BTreeSet::from(["app".to_owned()]);
    let proposal = test_fleet.propose_input(
        DesiredInput { deployments: &[], removed: &removed, remove_volumes: true, unmanaged: &BTreeSet::new() },
        String::new(),
    );
    test_fleet.done(proposal);
    test_fleet.fleet = TestFleet::new("").fleet;
    test_fleet.up("app", &text);
    assert_eq!(hosts(&test_fleet, &["web.1"]), ["alpha"]);
}

#[test]
fn a_plan_gives_data_as_the_reason_for_a_host() {
    let text = yaml(
        "services:
  db: {image: 'db:1', networks: [infra_net], volumes: ['data:/data'], deploy: {replicas: 2}}
  backup: {image: 'backup:1', networks: [infra_net], volumes: ['data:/data:ro', '/srv/backup:/backup']}
  upload: {image: 'upload:1', networks: [infra_net], volumes: ['/srv/backup/last:/backup:ro']}
volumes: {data: {}}
",
    );
    let mut test_fleet = TestFleet::new("[stacks.app.place]\ndb = [\"beta\", \"gamma\"]\n");
    test_fleet.up("app", &text);
    down(&mut test_fleet, "app");
    test_fleet.fleet = TestFleet::new("").fleet;
    assert_eq!(
        format!("\n{}", test_fleet.up("app", &text)),
        "
1. sync           app on beta: the stack is new on this host
2. sync           app on gamma: the stack is new on this host
3. create         app/backup.1 on beta at infra_net 172.19.128.1: its volume app_data is there
4. create         app/db.1 on beta at infra_net 172.19.128.2: its volume app_data is there
5. create         app/db.2 on gamma at infra_net 172.19.128.3: its volume app_data is there
6. create         app/upload.1 on beta at infra_net 172.19.128.4: backup is there, and they share the path /srv/backup/last

Plan: 2 bundles to sync, 4 instances to create.
"
    );
}
