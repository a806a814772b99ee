//! Tests of project names on the hosts: the default is that of Docker Compose, and a new name leaves no data behind.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use test_fleet::{NET, TestFleet};

const YAML: &str = "services:
  web: {image: 'i:1', networks: [infra_net, own], volumes: ['data:/data', 'named:/named'], links: ['db:store']}
  db: {image: 'i:1', networks: [own]}
volumes: {data: {}, named: {name: by-hand}}
";

fn yaml() -> String {
    format!("{YAML}{}", NET.replace("networks: {", "networks: {own: {}, "))
}

fn without_data() -> String {
    yaml().replace(", volumes: ['data:/data', 'named:/named']", "")
}

const PLACED: &str = "[stacks.demo]\nplace = { \"*\" = \"beta\" }\n";

#[test]
fn resources_have_the_name_of_the_project_and_instances_the_name_of_the_stack() {
    let mut test_fleet = TestFleet::new(PLACED);
    test_fleet.projects.insert("demo".into(), "shop".into());
    let plan = test_fleet.up("demo", &yaml());
    assert!(plan.contains("create volume  shop_data on beta: demo/web.1 mounts it"), "{plan}");
    let state = &test_fleet.held["beta"];
    let web = &state.instance(&"demo/web.1".parse().unwrap()).unwrap().container;
    assert_eq!(web.name, "shop-web-1");
    let label = |key: &str| web.labels[&format!("com.docker.compose.{key}")].as_str();
    assert_eq!((label("project"), label("project.working_dir")), ("shop", "/var/lib/landfast/stacks/demo/live"));
    assert_eq!(web.networks.iter().find(|end| end.network == "shop_own").unwrap().links, ["shop-db-1:store"]);
    let volumes: Vec<_> = state.volumes.iter().map(|it| (it.name.as_str(), it.stack.as_str(), it.project())).collect();
    assert_eq!(volumes, [("by-hand", "demo", "shop"), ("shop_data", "demo", "shop")]);
    let networks: Vec<_> = state.networks.iter().map(|it| (it.name.as_str(), it.project.as_str())).collect();
    assert_eq!(networks, [("infra_net", ""), ("shop_own", "shop")]);
    assert!(test_fleet.held["alpha"].fabric.names.contains_key("web.demo"), "DNS goes by the handle");
    assert_eq!(state.trees[0].stack, "demo");
}

#[test]
fn a_new_name_that_would_leave_data_behind_is_refused_with_a_hint() {
    let mut test_fleet = TestFleet::new(PLACED);
    test_fleet.up("demo", &yaml());
    test_fleet.projects.insert("demo".into(), "shop".into());
    let refusal = test_fleet.compile("demo", &yaml()).unwrap_err();
    assert_eq!(
        refusal,
        "landfast.toml:15:9: the hosts have demo as the project demo, but its name is now shop: the data in its \
         volumes would be left behind (demo_data on beta) (stacks.demo.project)\n  hint: to keep the name, write \
         project = \"demo\" under [stacks.demo]; to delete the data first, run landfast down -v demo"
    );
    let proposal = test_fleet.propose_down("demo", false);
    test_fleet.done(proposal);
    assert_eq!(test_fleet.compile("demo", &yaml()).unwrap_err(), refusal, "the data is there after `down` too");
}

#[test]
fn writing_the_current_name_changes_nothing() {
    let mut test_fleet = TestFleet::new(PLACED);
    test_fleet.up("demo", &yaml());
    test_fleet.projects.insert("demo".into(), "demo".into());
    let again = test_fleet.propose("demo", &yaml());
    assert!(again.plan.is_empty() && again.warnings.is_empty(), "{}{}", again.plan, again.warnings);
}

#[test]
fn the_name_may_change_after_the_data_was_removed() {
    let mut test_fleet = TestFleet::new(PLACED);
    test_fleet.up("demo", &yaml());
    let proposal = test_fleet.propose_down("demo", true);
    test_fleet.done(proposal);
    test_fleet.projects.insert("demo".into(), "shop".into());
    assert!(test_fleet.compile("demo", &yaml()).is_ok());
}

#[test]
fn without_data_a_new_name_recreates_everything_with_a_warning() {
    let mut test_fleet = TestFleet::new(PLACED);
    test_fleet.up("demo", &without_data());
    test_fleet.projects.insert("demo".into(), "shop".into());
    let proposal = test_fleet.propose("demo", &without_data());
    assert_eq!(
        proposal.warnings,
        "landfast.toml:15:9: the hosts have demo as the project demo, but its name is now shop: its containers \
         and networks are recreated under the new name (stacks.demo.project)\n  hint: to keep the name, write project = \
         \"demo\" under [stacks.demo]\n"
    );
    let plan = proposal.plan.to_string();
    assert!(plan.contains("recreate       demo/web.1 on beta") && plan.contains("name changed"), "{plan}");
    assert!(plan.contains("remove network demo_own on beta") && plan.contains("create network shop_own on beta"));
    test_fleet.done(proposal);
    let again = test_fleet.propose("demo", &without_data());
    assert!(again.plan.is_empty() && again.warnings.is_empty(), "{}{}", again.plan, again.warnings);
}

#[test]
fn two_stacks_with_one_project_name_are_refused_on_one_host_only() {
    let stacks = |host: &str| {
        format!("[stacks.dev]\nplace = {{ \"*\" = \"beta\" }}\n[stacks.test]\nplace = {{ \"*\" = \"{host}\" }}\n")
    };
    let mut test_fleet = TestFleet::new(&stacks("beta"));
    test_fleet.projects.insert("dev".into(), "shop".into());
    test_fleet.projects.insert("test".into(), "shop".into());
    let text = without_data().replace("own: {}", "own: {name: '${STACK}'}");
    test_fleet.environment.insert("STACK".into(), "one".into());
    test_fleet.up("dev", &text);
    test_fleet.environment.insert("STACK".into(), "two".into());
    let refusal = test_fleet.compile("test", &text).unwrap_err();
    assert!(
        refusal
            .contains("landfast.toml:17:9: test and dev have the same project name shop on beta (stacks.test.project)"),
        "{refusal}"
    );
    assert!(refusal.contains("write project = \"test\" under [stacks.test], or place one of them on other hosts"));
    test_fleet.fleet = TestFleet::new(&stacks("gamma")).fleet;
    assert!(test_fleet.compile("test", &text).is_ok());
}

#[test]
fn a_stack_does_not_get_the_data_of_another_stack_with_the_same_project_name() {
    let mut test_fleet =
        TestFleet::new("[stacks.dev]\nplace = { \"*\" = \"beta\" }\n[stacks.test]\nplace = { \"*\" = \"beta\" }\n");
    test_fleet.projects.insert("dev".into(), "shop".into());
    test_fleet.projects.insert("test".into(), "shop".into());
    test_fleet.up("dev", &yaml());
    let proposal = test_fleet.propose_down("dev", false);
    test_fleet.done(proposal);
    let refusal = test_fleet.compile("test", &yaml()).unwrap_err();
    assert!(refusal.contains("test and dev have the same project name shop on beta"), "{refusal}");
}

#[test]
fn stacks_of_different_projects_may_share_a_network_name() {
    let text = "services: {web: {image: 'i:1', networks: [front]}}\nnetworks: {front: {name: shared-net}}\n";
    let mut test_fleet =
        TestFleet::new("[stacks.dev]\nplace = { web = \"beta\" }\n[stacks.test]\nplace = { web = \"beta\" }\n");
    test_fleet.projects.insert("dev".into(), "shop".into());
    test_fleet.up("dev", text);
    let said = test_fleet.propose("test", text).warnings;
    assert!(
        said.contains("shared-net is also a network of the stack dev, so containers of both stacks share it"),
        "{said}"
    );
}
