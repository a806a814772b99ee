//! Selection of services by profile and by name.
use serde_json::json;

use crate::stack::{Stack, stack};

const TEXT: &str = "services:\n  web: {image: w, depends_on: {log: {condition: service_started, required: false}}}\n  \
                    log: {image: l, profiles: [logs], volumes: ['vol:/v']}\n  db: {image: d, profiles: [data, all]}\n\
                    volumes: {vol: }\n";

fn names(stack: &Stack) -> Vec<String> {
    stack.printed("services").as_object().unwrap().keys().cloned().collect()
}

#[test]
fn services_with_profiles_need_an_enabled_profile() {
    assert_eq!(names(&stack(TEXT)), ["web"]);
    assert_eq!(names(&stack(TEXT).profile("data")), ["db", "web"]);
    assert_eq!(names(&stack(TEXT).profile("*")), ["db", "log", "web"]);
    assert_eq!(names(&stack(TEXT).variable("COMPOSE_PROFILES", "logs, data")), ["db", "log", "web"]);
}

#[test]
fn the_profile_with_the_empty_name_is_enabled_by_default() {
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
fn selected_services_include_their_dependencies() {
    let text = "services: {web: {image: w, depends_on: [db]}, db: {image: d}, other: {image: o}, tool: {image: t, profiles: [t]}}";
    assert_eq!(names(&stack(text).only("web")), ["db", "web"]);
    assert_eq!(names(&stack(text).only("tool")), ["tool"]);
    assert!(stack(text).only("nope").refusal().contains("service `nope` is not defined"));
}

#[test]
fn a_selected_service_only_needs_its_required_dependencies() {
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
fn a_build_may_use_a_disabled_service() {
    let text = "services: {web: {build: {context: ., additional_contexts: {base: 'service:base'}}}, \
                base: {build: ./base, profiles: [never]}}";
    assert_eq!(names(&stack(text)), ["web"]);
}
