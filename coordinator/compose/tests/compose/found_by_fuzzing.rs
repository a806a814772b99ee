//! One test for each failure that fuzzing found, named after what failed.
//!
//! Two more are elsewhere: `ulimits_of_zero_are_printed_where_they_are_read_again` in `printing.rs`, and
//! `a_port_that_no_container_can_have_is_refused` among the tests of the compile step.
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use landfast_compose::{canonical_for_yaml, dotenv, doubled, yaml_text};
use serde_json::json;

use crate::stack::{Stack, service, stack};

fn env_file(text: &str) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    dotenv::parse(text, &mut variables, &|_| None).unwrap();
    variables
}

/// Loads a project that is refused, and panics when that takes longer than a limit that works could let it.
#[track_caller]
#[allow(clippy::disallowed_methods, reason = "only a thread of its own can be given a deadline")]
fn refusal_in_time(stack: Stack) -> String {
    let (sender, answer) = mpsc::channel();
    thread::spawn(move || sender.send(stack.refusal()));
    answer.recv_timeout(Duration::from_secs(20)).expect("the project is refused within 20 seconds")
}

/// Prints a project as YAML, and the project that is loaded from the print.
fn printed_twice(stack: &Stack) -> (String, String) {
    let printed = yaml_text(&canonical_for_yaml(stack.load()));
    let again = yaml_text(&canonical_for_yaml(crate::stack::stack(&doubled(&printed)).load()));
    (printed, again)
}

#[test]
fn a_tag_before_a_comma_does_not_panic() {
    // libyaml-safer, which the loader used before, panics.
    let printed = service("labels: {a: !!str , b: x}\ncommand: [!!str , c]").printed("services.web");
    assert_eq!(printed["labels"], json!({"a": "", "b": "x"}));
    assert_eq!(printed["command"], json!(["", "c"]));
}

#[test]
fn a_block_text_without_an_end_does_not_panic() {
    // libyaml-safer, which the loader used before, panics.
    for style in ["|", ">", "|-", "|+", "|2"] {
        let text = format!("services: {{a: {{image: a}}}}\nx-text: {style}");
        assert_eq!(stack(&text).printed("x-text"), json!(""), "{style}");
    }
}

#[test]
fn white_space_of_any_kind_after_export_is_no_part_of_the_name() {
    for blank in ["\t\u{b}", "\u{c}", " \u{a0}\u{85}", "\r"] {
        let text = format!("export{blank}A=b\n");
        assert_eq!(env_file(&text), BTreeMap::from([("A".to_owned(), "b".to_owned())]), "{text:?}");
    }
}

#[test]
fn an_octal_escape_that_is_no_byte_stays_text() {
    let value = |text: &str| env_file(&format!("A=\"{text}\"\n"))["A"].clone();
    assert_eq!(value("\\0101 \\0377"), "A \u{ff}");
    assert_eq!(value("\\0400 \\0777 \\012 \\0"), "\\400 \\777 \\12 \\");
}

#[test]
fn an_env_file_looks_up_no_more_than_its_budget_even_when_nothing_comes_of_it() {
    let lookups = Cell::new(0);
    let large = |_: &str| {
        lookups.set(lookups.get() + 1);
        Some("x".repeat(1 << 20))
    };
    let text = format!("A={}\n", "${V:+}".repeat(10_000));
    let refusal = dotenv::parse(&text, &mut BTreeMap::new(), &large).unwrap_err().to_string();
    assert_eq!(refusal, "line 1: the values of the file grow beyond 16 MiB");
    assert_eq!(lookups.get(), 64);
}

#[test]
fn a_project_copies_no_variable_once_its_budget_is_spent() {
    let text = format!("x-v: '{}'\n", "${V:+}".repeat(10_000));
    let refusal = refusal_in_time(stack(&text).variable("V", &"x".repeat(32 << 20)));
    assert!(refusal.contains("expands to more than 500000 values or 64 MiB of text"), "{refusal}");
}

#[test]
fn a_key_of_megabytes_is_not_compared_with_every_known_one() {
    let text = format!("services:\n  a:\n    image: a\n    ? {}\n    : 1\n", "x".repeat(5 << 20));
    let refusal = refusal_in_time(stack(&text));
    assert!(refusal.contains("unknown key `xxx"), "{refusal}");
}

#[test]
fn a_file_that_is_no_mapping_is_not_quoted() {
    let refusal = stack("include: [secret.txt]").file("secret.txt", &"s3cret ".repeat(20)).refusal();
    assert!(refusal.contains("the file must contain a mapping, not a string"), "{refusal}");
    assert!(!refusal.contains("s3cret"), "{refusal}");
}

#[test]
fn characters_that_yaml_takes_only_as_escapes_are_printed_as_escapes() {
    let (printed, again) = printed_twice(&service(r#"environment: {V: "a\x7f\x85\ufeff\u2028\u0007b"}"#));
    assert!(printed.contains(r#"V: "a\x7F\N\uFEFF\L\ab""#), "{printed}");
    assert_eq!(again, printed);
}

#[test]
fn a_whole_number_of_processors_is_printed_the_same_when_it_is_read_again() {
    let (printed, again) = printed_twice(&service("cpus: 5.0\ndeploy: {resources: {reservations: {cpus: 2.0}}}"));
    assert!(printed.contains("cpus: 5\n"), "{printed}");
    assert_eq!(again, printed);
}

#[test]
fn port_0_is_printed_without_its_target() {
    // As the reference prints it, which does not read it back.
    let web = service("ports: [{target: 0, published: 8080}]");
    assert_eq!(web.printed("services.web.ports"), json!([{"mode": "ingress", "protocol": "tcp", "published": "8080"}]));
}

#[test]
fn an_address_that_a_host_is_given_twice_is_printed_twice() {
    // As the reference prints it, which does not read it back.
    let web = service("extra_hosts: ['h:1.1.1.1', 'h=1.1.1.1']");
    assert_eq!(web.printed("services.web.extra_hosts"), json!(["h=1.1.1.1", "h=1.1.1.1"]));
}

#[test]
fn an_empty_build_context_is_not_printed() {
    // As the reference prints it, which reads it back as another project.
    let build = service("build: {context: '', target: t}").printed("services.web.build");
    assert_eq!(build, json!({"dockerfile": "Dockerfile", "target": "t"}));
}
