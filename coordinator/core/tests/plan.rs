//! Text of plans, as users read them.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use std::collections::BTreeMap;

use test_fleet::{NET, TestFleet};

const DATA: &str = r#"
services:
  postgres:
    image: postgres:15
    environment: {POSTGRES_DB: app}
    networks: {infra_net: {ipv4_address: 172.19.0.40}}
    volumes: ["pgdata:/var/lib/postgresql/data", "./postgres.conf:/etc/postgres.conf:ro"]
    healthcheck: {test: [CMD, pg_isready]}
  migrate:
    image: app:1
    command: [migrate]
    networks: [infra_net]
    depends_on: {postgres: {condition: service_healthy}}
  app:
    image: app:1
    environment: {LOG_LEVEL: info}
    networks: [infra_net]
    deploy: {replicas: 3}
    depends_on:
      migrate: {condition: service_completed_successfully}
      postgres: {condition: service_healthy}
volumes: {pgdata: {}}
"#;

const PLACED: &str = "[stacks.data]\nplace = { postgres = \"beta\" }\n";

fn data() -> TestFleet {
    TestFleet::new(PLACED).file("postgres.conf", "port = 5432")
}

fn yaml(text: &str) -> String {
    format!("{text}{NET}")
}

#[test]
fn a_first_deployment_lists_everything_that_it_creates_in_order() {
    let plan = data().up("data", &yaml(DATA));
    assert_eq!(
        format!("\n{}", plan),
        "
 1. create network infra_net on alpha: it spans the fleet; gateway 172.19.255.1
 2. create network infra_net on beta: it spans the fleet; gateway 172.19.255.2
 3. create network infra_net on gamma: it spans the fleet; gateway 172.19.255.3
 4. create volume  data_pgdata on beta: data/postgres.1 mounts it
 5. sync           data on alpha: the stack is new on this host
 6. sync           data on beta: the stack is new on this host
 7. sync           data on gamma: the stack is new on this host
 8. create         data/postgres.1 on beta at infra_net 172.19.0.40: [stacks.data.place] postgres = \"beta\" (landfast.toml:16:11) places it
 9. create         data/migrate.1 on alpha at infra_net 172.19.128.4: fewest instances (1)
                   waits for postgres (healthy)
10. create         data/app.1 on alpha at infra_net 172.19.128.1: fewest instances (0)
                   waits for migrate (completed), postgres (healthy)
11. create         data/app.2 on gamma at infra_net 172.19.128.2: fewest of app (0) and of instances (0)
                   waits for migrate (completed), postgres (healthy)
12. create         data/app.3 on beta at infra_net 172.19.128.3: fewest of app (0)
                   waits for migrate (completed), postgres (healthy)

Plan: 3 networks to create, 1 volume to create, 3 bundles to sync, 5 instances to create.
"
    );
}

#[test]
fn a_second_deployment_changes_nothing() {
    let mut test_fleet = data();
    test_fleet.up("data", &yaml(DATA));
    assert_eq!(test_fleet.up("data", &yaml(DATA)), "Nothing to do: everything is as it should be.\n");
}

#[test]
fn an_edited_file_recreates_the_instance_that_mounts_it_and_no_other() {
    let mut test_fleet = data().file("README.md", "one");
    test_fleet.up("data", &yaml(DATA));
    test_fleet.files.insert("postgres.conf".into(), "port = 5433".into());
    assert_eq!(
        format!("\n{}", test_fleet.up("data", &yaml(DATA))),
        "
1. sync           data on alpha: the stack's folder changed
2. sync           data on beta: the stack's folder changed
3. sync           data on gamma: the stack's folder changed
4. recreate       data/postgres.1 on beta at infra_net 172.19.0.40: file postgres.conf changed

Plan: 3 bundles to sync, 1 instance to recreate.
Interrupted for a moment: data/postgres.
"
    );
    test_fleet.files.insert("README.md".into(), "two".into());
    let plan = test_fleet.propose("data", &yaml(DATA)).plan;
    assert_eq!(plan.summary(), "3 bundles to sync");
}

#[test]
fn a_new_image_rolls_in_dependency_order_and_interrupts_only_single_instances() {
    let mut test_fleet = data();
    test_fleet.up("data", &yaml(DATA));
    let changed = DATA.replace("app:1", "app:2").replace("LOG_LEVEL: info", "LOG_LEVEL: secret-debug");
    assert_eq!(
        format!("\n{}", test_fleet.up("data", &yaml(&changed))),
        "
1. recreate       data/migrate.1 on alpha at infra_net 172.19.128.4: image changes from app:1 to app:2
                  waits for postgres (healthy)
2. recreate       data/app.1 on alpha at infra_net 172.19.128.1: image changes from app:1 to app:2; environment LOG_LEVEL changed
                  waits for migrate (completed), postgres (healthy)
3. recreate       data/app.2 on gamma at infra_net 172.19.128.2: image changes from app:1 to app:2; environment LOG_LEVEL changed
                  waits for migrate (completed), postgres (healthy)
4. recreate       data/app.3 on beta at infra_net 172.19.128.3: image changes from app:1 to app:2; environment LOG_LEVEL changed
                  waits for migrate (completed), postgres (healthy)

Plan: 4 instances to recreate.
Interrupted for a moment: data/migrate.
"
    );
}

#[test]
fn a_new_image_under_the_same_name_is_shown_with_both_ids() {
    let mut test_fleet = data();
    let (old, new) = ("0123456789abcdef", "fedcba9876543210");
    test_fleet.images.insert("postgres:15".into(), old.into());
    test_fleet.up("data", &yaml(DATA));
    test_fleet.images.insert("postgres:15".into(), new.into());
    let reason = |test_fleet: &TestFleet| {
        let plan = test_fleet.propose("data", &yaml(DATA)).plan;
        plan.steps.into_iter().find(|step| step.action.subject() == "data/postgres.1").unwrap().reasons.join("; ")
    };
    assert_eq!(
        reason(&test_fleet),
        "image postgres:15 changes from fingerprint 0123456789ab to fedcba987654",
        "no engine gives it an id"
    );
    let ids =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(it, id)| ((*it).into(), format!("sha256:{id}aaaa"))).collect();
    let both = [(old, "111111111111"), (new, "222222222222")];
    test_fleet.image_ids = BTreeMap::from([("alpha".into(), ids(&both)), ("beta".into(), ids(&both[..1]))]);
    assert_eq!(
        reason(&test_fleet),
        "image postgres:15 changes from fingerprint 0123456789ab to fedcba987654",
        "beta has no id for one"
    );
    test_fleet.image_ids.insert("beta".into(), ids(&both));
    assert_eq!(
        format!("\n{}", test_fleet.up("data", &yaml(DATA))),
        "
1. recreate       data/postgres.1 on beta at infra_net 172.19.0.40: image postgres:15 changes from sha256:111111111111 to sha256:222222222222

Plan: 1 instance to recreate.
Interrupted for a moment: data/postgres.
"
    );
    test_fleet.images.insert("postgres:15".into(), String::new());
    assert_eq!(reason(&test_fleet), "image postgres:15 is built or pulled first");
}

#[test]
fn going_down_removes_dependents_first_and_keeps_data() {
    let mut test_fleet = data();
    test_fleet.up("data", &yaml(DATA));
    let down = test_fleet.propose_down("data", false);
    assert_eq!(
        format!("\n{}", down.plan),
        "
1. remove         data/app.1 on alpha: the stack is removed
2. remove         data/app.2 on gamma: the stack is removed
3. remove         data/app.3 on beta: the stack is removed
4. remove         data/migrate.1 on alpha: the stack is removed
5. remove         data/postgres.1 on beta: the stack is removed
6. remove bundle  data on alpha: no instance of the stack runs on this host any more
7. remove bundle  data on beta: no instance of the stack runs on this host any more
8. remove bundle  data on gamma: no instance of the stack runs on this host any more

Plan: 5 instances to remove, 3 bundles to remove.
"
    );
    test_fleet.done(down);
    // Nothing places it any more, but its data is still on beta.
    test_fleet.fleet = TestFleet::new("").fleet;
    let again = test_fleet.up("data", &yaml(DATA));
    assert!(
        again.contains("data/postgres.1 on beta at infra_net 172.19.0.40: its volume data_pgdata is there"),
        "{again}"
    );
}

#[test]
fn going_down_with_volumes_lists_the_data_that_is_deleted() {
    let mut test_fleet = data();
    test_fleet.up("data", &yaml(DATA));
    let down = test_fleet.propose_down("data", true);
    assert!(
        down.plan
            .to_string()
            .contains("remove volume  data_pgdata on beta: requested with --volumes: its data is deleted")
    );
    test_fleet.done(down);
    let nothing = test_fleet.propose_down("data", true);
    assert!(nothing.plan.is_empty(), "{}", nothing.plan);
    assert!(test_fleet.up("data", &yaml(DATA)).contains("create volume  data_pgdata on beta: its data was deleted"));
}

#[test]
fn a_service_that_moves_to_another_host_leaves_its_data_with_a_warning() {
    let mut test_fleet = data();
    test_fleet.up("data", &yaml(DATA));
    test_fleet.fleet = TestFleet::new(&PLACED.replace("beta", "alpha")).fleet;
    let plan = test_fleet.up("data", &yaml(DATA));
    assert!(
        plan.contains(
            "move           data/postgres.1 from beta to alpha at infra_net 172.19.0.40: [stacks.data.place] postgres = \"alpha\" (landfast.toml:16:11) places it"
        ),
        "{plan}"
    );
    assert!(
        plan.contains(
            "Warning: data/postgres.1 moves from beta to alpha: the data in its volume data_pgdata stays on beta"
        ),
        "{plan}"
    );
    // The new MAC address shows that the address has moved.
    let name = "data/postgres.1".parse().unwrap();
    assert_eq!(test_fleet.held["alpha"].instance(&name).unwrap().container.networks[0].mac, "02:1f:00:02:00:28");
}

#[test]
fn an_instance_that_exited_is_recreated_and_a_completed_job_is_not() {
    use landfast_core::report::{ContainerState, InstanceReport, Report};
    let mut test_fleet = data();
    test_fleet.up("data", &yaml(DATA));
    for (host, state) in &test_fleet.held {
        let seen = state.instances.iter().map(|it| InstanceReport {
            name: it.name.clone(),
            state: if it.name.service == "app" { ContainerState::Running } else { ContainerState::Exited },
            exit_code: i32::from(it.name.service == "postgres"),
            digest: it.digest.clone(),
            incarnation: it.incarnation,
            ..InstanceReport::default()
        });
        test_fleet
            .reports
            .insert(host.clone(), Report { converged: true, instances: seen.collect(), ..Report::default() });
    }
    let plan = test_fleet.propose("data", &yaml(DATA)).plan.to_string();
    assert!(
        plan.contains("recreate       data/postgres.1 on beta at infra_net 172.19.0.40: it ended with status 1"),
        "{plan}"
    );
    assert!(plan.contains("Plan: 1 instance to recreate.\n"), "{plan}");
}

#[test]
fn a_container_with_a_failed_command_after_its_start_is_recreated() {
    use landfast_core::report::{ContainerState, InstanceReport, Report};
    let mut test_fleet = data();
    test_fleet.up("data", &yaml(DATA));
    let report = |unfinished: &str, digest: &str| InstanceReport {
        name: "data/postgres.1".parse().unwrap(),
        state: ContainerState::Running,
        digest: digest.to_owned(),
        unfinished: unfinished.to_owned(),
        incarnation: 1,
        ..InstanceReport::default()
    };
    let digest = test_fleet.held["beta"].instance(&"data/postgres.1".parse().unwrap()).unwrap().digest.clone();
    let mut plan_of = |seen: InstanceReport| {
        let app = InstanceReport { name: "data/app.1".parse().unwrap(), ..seen.clone() };
        let report = Report { converged: true, instances: vec![seen, app], ..Report::default() };
        test_fleet.reports.insert("beta".into(), report);
        test_fleet.propose("data", &yaml(DATA)).plan.to_string()
    };
    let plan = plan_of(report("`migrate` after the start ended with status 4: no such table\nsecond line", &digest));
    let why = "at infra_net 172.19.0.40: `migrate` after the start ended with status 4: no such table\n";
    assert!(plan.contains(&format!("recreate       data/postgres.1 on beta {why}")), "{plan}");
    assert!(!plan_of(report("", &digest)).contains("recreate"));
    assert!(!plan_of(report("of the container before", "another")).contains("recreate"));
}

#[test]
fn an_instance_that_takes_over_a_port_waits_until_the_port_is_free() {
    let mut test_fleet = TestFleet::new("[stacks.web]\nplace = { \"*\" = \"alpha\" }\n");
    let old = "services: {old: {image: a:1, ports: [\"8080:80\"], network_mode: bridge}, keep: {image: a:1, network_mode: bridge}}\n";
    test_fleet.up("web", old);
    let new = "services: {new: {image: a:1, ports: [\"8080:80\"], network_mode: bridge}}\n";
    assert_eq!(
        format!("\n{}", test_fleet.up("web", new)),
        "
1. remove         web/old.1 on alpha: the stack has no service old any more
2. create         web/new.1 on alpha: [stacks.web.place] \"*\" = \"alpha\" (landfast.toml:16:11) places it
3. remove         web/keep.1 on alpha: the stack has no service keep any more

Plan: 1 instance to create, 2 instances to remove.
Published on 127.0.0.1 only: web/new 8080. [stacks.web.publish] in landfast.toml can open them.
"
    );
}

#[test]
fn instances_that_exchange_a_port_get_a_warning() {
    let mut test_fleet = TestFleet::new("[stacks.web]\nplace = { \"*\" = \"alpha\" }\n");
    let yaml = "services: {a: {image: i, ports: [\"1:1\"], network_mode: bridge}, b: {image: i, ports: [\"2:1\"], network_mode: bridge}}\n";
    test_fleet.up("web", yaml);
    let swapped = yaml.replace("\"1:1\"", "\"3:1\"").replace("\"2:1\"", "\"1:1\"").replace("\"3:1\"", "\"2:1\"");
    let plan = test_fleet.up("web", &swapped);
    assert!(plan.contains("deploy in two steps"), "{plan}");
    assert!(plan.contains("ports changed"), "{plan}");
}

#[test]
fn a_host_that_joins_becomes_known_to_the_others_without_a_step_for_any_container() {
    let mut test_fleet = data();
    test_fleet.up("data", &yaml(DATA));
    let more = "[hosts.delta]\naddress = \"192.168.2.204\"\n";
    test_fleet.fleet = TestFleet::new(&format!("{more}{PLACED}")).fleet;
    let plan = test_fleet.up("data", &yaml(DATA));
    assert_eq!(
        plan,
        "1. create network infra_net on delta: it spans the fleet; gateway 172.19.255.4\n\nPlan: 1 network to create.\n"
    );
    // The other hosts learn of it in the same plan.
    let known = |host: &str| test_fleet.held[host].fabric.held_at("192.168.2.204".parse().unwrap()).count();
    assert_eq!(["alpha", "beta", "gamma", "delta"].map(known), [1; 4]);
}

#[test]
fn a_plan_is_read_back_from_a_journal_as_it_was_written() {
    let plan = data().propose("data", &yaml(DATA)).plan;
    let written = serde_json::to_string(&plan).unwrap();
    assert_eq!(serde_json::from_str::<landfast_core::plan::Plan>(&written).unwrap(), plan);
}

#[test]
fn force_recreate_recreates_everything_once() {
    use std::collections::{BTreeMap, BTreeSet};

    use landfast_core::desired::{DesiredInput, desired};
    use landfast_core::plan::{Comparison, diff};
    let mut test_fleet = data();
    test_fleet.up("data", &yaml(DATA));
    let mut deployment = test_fleet.compile("data", &yaml(DATA)).unwrap().deployment;
    deployment.force_recreate();
    let removed = BTreeSet::new();
    let input = DesiredInput {
        deployments: std::slice::from_ref(&deployment),
        removed: &removed,
        remove_volumes: false,
        unmanaged: &test_fleet.unmanaged,
    };
    let target = desired(&test_fleet.fleet, input, &test_fleet.held);
    let plan = diff(Comparison {
        started: &Default::default(),
        now: 0,
        current: &test_fleet.held,
        target: &target,
        before: &test_fleet.before,
        after: &BTreeMap::from([("data".to_owned(), deployment.clone())]),
        reports: &BTreeMap::new(),
        image_ids: &BTreeMap::new(),
        force_recreate: true,
    });
    assert_eq!(plan.summary(), "5 instances to recreate");
    assert!(plan.steps.iter().all(|step| step.reasons == ["requested with --force-recreate"]));
    test_fleet.held = target;
    test_fleet.release += 1;
    assert!(test_fleet.propose("data", &yaml(DATA)).plan.is_empty());
}

#[test]
fn a_rollback_gives_a_new_epoch_to_addresses_that_moved() {
    use landfast_core::compile::{RollbackInput, rollback};
    let mut test_fleet = data();
    let first = test_fleet.propose("data", &yaml(DATA));
    let release = first.after["data"].clone();
    test_fleet.done(first);
    test_fleet.fleet = TestFleet::new(&PLACED.replace("beta", "alpha")).fleet;
    test_fleet.up("data", &yaml(&DATA.replace("app:1", "app:2")));
    let earlier = RollbackInput { fleet: &test_fleet.fleet, held: &test_fleet.held, beside: &[], release: 3 };
    let back = rollback(earlier, release.clone()).unwrap();
    let instance = |name: &str| (&back.instances[&name.parse().unwrap()], &release.instances[&name.parse().unwrap()]);
    let (postgres, before) = instance("data/postgres.1");
    assert_eq!((postgres.host.as_str(), before.container.networks[0].mac.as_str()), ("beta", "02:1f:00:01:00:28"));
    assert_eq!(postgres.container.networks[0].mac, "02:1f:00:03:00:28");
    let (app, before) = instance("data/app.1");
    assert_eq!(app, before);
    let mut small = TestFleet::new("").fleet;
    small.hosts.remove("gamma");
    let refusal = rollback(RollbackInput { fleet: &small, ..earlier }, release).unwrap_err().to_string();
    assert!(refusal.contains("data/app.2 ran on gamma, which is no longer in the fleet"), "{refusal}");
}

#[test]
fn a_job_with_restart_on_failure_is_done_when_it_succeeded() {
    use landfast_core::report::{ContainerState, InstanceReport, Report};
    let text = yaml("services:\n  job: {image: 'i:1', restart: on-failure}\n");
    let mut test_fleet = TestFleet::new("[stacks.data.place]\n\"*\" = \"alpha\"\n");
    test_fleet.up("data", &text);
    for (exit_code, is_done) in [(0, true), (1, false)] {
        let job = &test_fleet.held["alpha"].instances[0];
        let (name, digest) = (job.name.clone(), job.digest.clone());
        let job = InstanceReport { name, digest, exit_code, incarnation: 1, ..InstanceReport::default() };
        let job = InstanceReport { state: ContainerState::Exited, ..job };
        let report = Report { converged: true, instances: vec![job], ..Report::default() };
        test_fleet.reports.insert("alpha".to_owned(), report);
        let plan = test_fleet.propose("data", &text).plan;
        assert_eq!(plan.is_empty(), is_done, "{plan}");
    }
}
