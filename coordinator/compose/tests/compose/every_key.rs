//! A project with every key prints the same bytes as the reference, and its services have the same digests.
use landfast_compose::{
    Layout, canonical, canonical_for_yaml, doubled, json_text, service_digests, sort_keys, yaml_text,
};

use crate::stack::{Stack, stack};

fn project() -> Stack {
    stack(include_str!("every_key/compose.yaml")).profile("*").variable("S", "made-up")
}

#[test]
fn the_output_equals_that_of_the_reference() {
    let yaml = doubled(&yaml_text(&canonical_for_yaml(project().load())));
    assert!(yaml == include_str!("every_key/printed.yaml"), "{yaml}");
    let json = doubled(&json_text(&canonical(project().load()), Layout::Indented));
    assert!(json == include_str!("every_key/printed.json"), "{json}");
}

#[test]
fn printed_yaml_loads_to_the_same_project() {
    let text = |stack: Stack| doubled(&yaml_text(&canonical_for_yaml(stack.load())));
    let printed = text(project());
    let again = text(stack(&printed).profile("*").variable("S", "made-up"));
    assert!(again == printed, "{again}");
}

#[test]
fn the_digests_equal_those_of_the_reference() {
    let digests = service_digests(project().load());
    let digests = digests.iter().map(|(name, digest)| (name.as_str(), digest.as_str())).collect::<Vec<_>>();
    let expected = [
        ("left-out", "36d53e6f42b55e5f70a33736de281880cebcbee611b18c046468ab7e090fc06e"),
        ("machine", "636d04ef8a3c4d2dcee3dc2d1543f5bb9888b08066694788ee9447d827d4e96b"),
        ("outside", "ea24552aca25a8904f86b99bc154a614d8171a3e64b7d7e9a934b0dc830d702f"),
        ("plain", "ead32641ace023dfb5148a9f4e8937d023a3b7fcc8af8f3e47f76229311a2be6"),
        ("process", "b8c4292f6e0b6e53d645696d8b565e1eb4c0969b97fb175fb5727d943d5159c4"),
    ];
    assert_eq!(digests, expected);
}

#[test]
fn builds_pulls_scales_and_dependencies_do_not_change_a_digest() {
    let digest = |keys: &str| {
        let text = format!("services:\n  a: {{image: a{keys}}}\n  b: {{image: b}}\n");
        service_digests(stack(&text).load()).swap_remove(0)
    };
    let made = ", build: ., pull_policy: always, scale: 3, depends_on: [b], x-own: 1";
    assert_eq!(digest(made), digest(""));
    assert_ne!(digest(", user: u"), digest(""));
}

#[test]
fn keys_of_an_uninterpolated_project_are_sorted() {
    let mut written = stack("services: {v10: {image: $A}, v9: {image: a}}\n").uninterpolated();
    sort_keys(&mut written);
    let text = yaml_text(&written["services"]);
    assert!(text.starts_with("v9:\n  image: a\n") && text.contains("\nv10:\n  image: $A\n"), "{text}");
}
