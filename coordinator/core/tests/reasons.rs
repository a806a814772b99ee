//! Why an instance is on its host: the reason names what decided.
mod test_fleet;

use test_fleet::TestFleet;

/// The host and the reason of each instance.
fn reasons(stacks: &str, yaml: &str) -> Vec<String> {
    let compiled = TestFleet::new(stacks).compile("app", yaml).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let instances = compiled.deployment.instances.iter();
    instances.map(|(name, instance)| format!("{name} {}: {}", instance.host, instance.placed)).collect()
}

#[test]
fn a_rule_is_quoted_with_its_place_and_a_constraint_with_its_text() {
    let one = "services: {web: {image: i}}\n";
    let constrained =
        |text: &str| format!("services: {{web: {{image: i, deploy: {{placement: {{constraints: [{text}]}}}}}}}}\n");
    for (place, yaml, expected) in [
        ("web = \"beta\"", one, "beta: [stacks.app.place] web = \"beta\" (landfast.toml:16:1) places it"),
        ("\"*\" = \"beta\"", one, "beta: [stacks.app.place] \"*\" = \"beta\" (landfast.toml:16:1) places it"),
        (
            "\"*\" = { label = \"disk=ssd\" }",
            one,
            "alpha: [stacks.app.place] \"*\" = { label = \"disk=ssd\" } (landfast.toml:16:1) places it",
        ),
        (
            "web = [\"beta\", \"gamma\"]",
            one,
            "beta: fewest instances (0); of beta, gamma: [stacks.app.place] web = [\"beta\", \"gamma\"] (landfast.toml:16:1)",
        ),
        ("", &constrained("node.hostname==gamma"), "gamma: the constraint node.hostname==gamma places it"),
        (
            "",
            &constrained("node.hostname!=gamma, node.hostname!=alpha"),
            "beta: the constraint node.hostname!=alpha and the constraint node.hostname!=gamma place it",
        ),
        (
            "web = [\"beta\", \"gamma\"]",
            &constrained("node.hostname!=gamma"),
            "beta: [stacks.app.place] web = [\"beta\", \"gamma\"] (landfast.toml:16:1) and the constraint node.hostname!=gamma place it",
        ),
        ("", one, "alpha: fewest instances (0)"),
    ] {
        assert_eq!(
            reasons(&format!("[stacks.app.place]\n{place}\n"), yaml),
            [format!("app/web.1 {expected}")],
            "{place} {yaml}"
        );
    }
}

#[test]
fn of_the_hosts_that_are_left_what_decided_is_named() {
    let services = |of: &[(&str, &str)]| {
        let service = |(name, keys): &(&str, &str)| format!("  {name}: {{image: i, {keys}}}\n");
        format!("services:\n{}networks: {{x: {{}}, y: {{}}, z: {{}}}}\n", of.iter().map(service).collect::<String>())
    };
    let places = "[stacks.app.place]\na = \"alpha\"\nb = \"alpha\"\nc = \"beta\"\n";
    let said = |of: &[(&str, &str)]| reasons(places, &services(of)).pop().unwrap_or_default();
    let here = ("a", "networks: [x], ports: ['80:80']");
    let there = ("c", "networks: [y]");
    for (last, expected) in [
        ("networks: [x]", "alpha: the others on x are there"),
        ("networks: [z]", "gamma: fewest instances (0)"),
        ("networks: [z], ports: ['80:80']", "gamma: its port is taken on alpha; fewest instances (0)"),
        ("networks: [y], ports: ['80:80']", "beta: its port is taken on alpha; the others on y are there"),
        ("networks: [x], ports: ['80:80']", "gamma: its port is taken on alpha; fewest instances (0)"),
    ] {
        assert_eq!(said(&[here, there, ("z", last)]), format!("app/z.1 {expected}"), "{last}");
    }
    let three = reasons(places, &services(&[here, ("z", "networks: [z], deploy: {replicas: 3}")]));
    assert_eq!(
        three[1..],
        [
            "app/z.1 beta: fewest instances (0)",
            "app/z.2 beta: the others on z are there",
            "app/z.3 beta: the others on z are there",
        ]
    );
}
