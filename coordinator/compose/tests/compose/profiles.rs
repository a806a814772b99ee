//! Which services are meant.
use serde_json::json;

use crate::stack::{Stack, stack};

const TEXT: &str = "services:\n  web: {image: w, depends_on: {log: {condition: service_started, required: false}}}\n  \
                    log: {image: l, profiles: [logs], volumes: ['vol:/v']}\n  db: {image: d, profiles: [data, all]}\n\
                    volumes: {vol: }\n";

fn names(stack: &Stack) -> Vec<String> {
    stack.printed("services").as_object().unwrap().keys().cloned().collect()
}

#[test]
fn services_with_profiles_wait_for_one_of_them() {
    assert_eq!(names(&stack(TEXT)), ["web"]);
    assert_eq!(names(&stack(TEXT).profile("data")), ["db", "web"]);
    assert_eq!(names(&stack(TEXT).profile("*")), ["db", "log", "web"]);
    assert_eq!(names(&stack(TEXT).variable("COMPOSE_PROFILES", "logs, data")), ["db", "log", "web"]);
}

#[test]
fn a_profile_without_a_name_is_enabled_until_others_are() {
    let text = "services: {web: {image: w, profiles: ['$TOOLS']}, db: {image: d}}";
    assert_eq!(names(&stack(text)), ["db", "web"]);
    assert_eq!(names(&stack(text).variable("TOOLS", "tools")), ["db"]);
    assert_eq!(names(&stack(text).variable("COMPOSE_PROFILES", "other")), ["db"]);
    assert_eq!(names(&stack(text).profile("other")), ["db"]);
}

#[test]
fn resources_of_disabled_services_are_left_out() {
    assert_eq!(stack(TEXT).printed("volumes"), json!(null));
    assert_eq!(stack(TEXT).profile("logs").printed("volumes.vol.name"), json!("app_vol"));
}

#[test]
fn a_required_dependency_must_be_enabled() {
    let text = "services: {web: {image: w, depends_on: [db]}, db: {image: d, profiles: [data]}}";
    let refusal = stack(text).refusal();
    assert!(refusal.contains("service `db` is disabled by its profiles"), "{refusal}");
    assert!(refusal.contains("--profile (data)"), "{refusal}");
    assert_eq!(names(&stack(text).profile("data")), ["db", "web"]);
}

#[test]
fn services_asked_for_bring_what_they_depend_on() {
    let text = "services: {web: {image: w, depends_on: [db]}, db: {image: d}, other: {image: o}, tool: {image: t, profiles: [t]}}";
    assert_eq!(names(&stack(text).only("web")), ["db", "web"]);
    assert_eq!(names(&stack(text).only("tool")), ["tool"]);
    assert!(stack(text).only("nope").refusal().contains("there is no service `nope`"));
}

#[test]
fn a_service_asked_for_needs_what_it_requires_and_no_more() {
    let text = "services:\n  web: {image: w, profiles: [w], depends_on: {log: {condition: service_started, required: false}}}\n  \
                log: {image: l, profiles: [l]}\n  app: {image: a, profiles: [w], depends_on: [log]}\n";
    let web = stack(text).only("web");
    assert_eq!(web.printed("services.web.depends_on"), json!(null));
    let both = stack(text).only("web").only("log");
    assert_eq!(both.printed("services.web.depends_on.log.required"), json!(false));
    let refusal = stack(text).only("app").refusal();
    assert!(refusal.contains(":4:47: service `log` is not defined, or its profiles are not enabled"), "{refusal}");
}

#[test]
fn a_build_may_start_from_a_service_that_no_profile_enables() {
    let text = "services: {web: {build: {context: ., additional_contexts: {base: 'service:base'}}}, \
                base: {build: ./base, profiles: [never]}}";
    assert_eq!(names(&stack(text)), ["web"]);
}
