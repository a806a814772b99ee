//! Properties that hold for any text.
use landfast_compose::{canonical, dotenv, doubled};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;
use serde_json::{Map, Value, json};

use crate::stack::stack;

/// Words with a meaning in YAML, interpolation or Compose.
const WORDS: &[&str] = &[
    "services:",
    "\n",
    "\n  ",
    "\n    ",
    "- ",
    "a: ",
    "image: x",
    "ports: ",
    "80:80",
    "&a ",
    "*a",
    "<<: ",
    "!reset ",
    "!override ",
    "${A:-",
    "}",
    "$A",
    "{",
    "[",
    "]",
    ",",
    "'",
    "\"",
    "|\n",
    ">-\n",
    "null",
    "1.5",
    "2024-01-01",
    "extends: ",
    "include: ",
    "volumes: ",
    "./a:/b",
    "deploy: ",
    "---\n",
    "#",
    "%",
    "\t",
    "é",
    "x-",
];

fn jumble() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(WORDS), 0..40).prop_map(|words| words.concat())
}

/// Settings of the property tests: seeds that fail are saved beside this file.
fn config() -> ProptestConfig {
    ProptestConfig::with_failure_persistence(FileFailurePersistence::WithSource("proptest-regressions"))
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_text_causes_a_panic(text in prop_oneof![jumble(), any::<String>()]) {
        let web = stack(&text).over("over.yaml", &text).file("a", &text).profile("*");
        if let Ok(loaded) = web.try_load() {
            drop(loaded.project());
        }
        drop(dotenv::parse(&text, &mut Default::default(), &|_| None));
        drop(dotenv::parse_raw(&text, &mut Default::default(), &|_| None));
    }

    #[test]
    fn any_value_with_escaped_dollars_stays_the_same(value: String) {
        let written = json!({"services": {"a": {"image": "a", "environment": {"V": value.replace('$', "$$")}}}});
        let project = stack(&written.to_string()).project();
        prop_assert_eq!(project.services["a"].environment["V"].as_deref(), Some(value.as_str()));
    }

    #[test]
    fn printed_projects_load_to_the_same_project(
        command in prop::collection::vec("[a-z$ '\"]{0,6}", 0..4),
        variables in prop::collection::btree_map("[A-Z]{1,3}", prop::option::of("[ -~]{0,8}"), 0..4),
        target in 1_u16..,
        published in prop::option::of(1_u16..),
        seconds in 1_u32..100_000,
        bytes in 1_i64..,
    ) {
        let dollars = |text: &String| text.replace('$', "$$");
        let pair = |(name, value): (&String, &Option<String>)| (name.clone(), json!(value.as_ref().map(dollars)));
        let environment: Map<String, Value> = variables.iter().map(pair).collect();
        let published = published.map(|port| format!("{port}:")).unwrap_or_default();
        let written = json!({"services": {"a": {
            "image": "a",
            "command": command.iter().map(dollars).collect::<Vec<_>>(),
            "environment": environment,
            "ports": [format!("{published}{target}")],
            "stop_grace_period": format!("{seconds}s"),
            "mem_limit": bytes,
        }}});
        let printed = canonical(stack(&written.to_string()).load());
        let again = canonical(stack(&doubled(&printed.to_string())).load());
        prop_assert_eq!(printed, again);
    }
}
