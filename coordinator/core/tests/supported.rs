//! Tests that every supported key has an effect: one project has all of them, and removing any one of them changes the
//! deployment.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use landfast_compose::{Key, Support, keys};
use landfast_core::deployment::Deployment;
use serde_json::Value;
use test_fleet::TestFleet;

/// Keys that do not change a deployment, with the reason.
const WITHOUT_DIFFERENCE: &[(&str, &str)] = &[
    ("name", "the stack's name stands over it"),
    ("services.*.pull_policy", "the image is there or is brought, before anything is compiled"),
    ("networks.*.external.name", "an older form of `name`, and long before a deployment"),
    ("volumes.*.external.name", "an older form of `name`, and long before a deployment"),
    ("secrets.*.external", "an external secret is refused"),
    ("secrets.*.external.name", "an external secret is refused"),
    ("configs.*.external", "an external config is refused"),
    ("configs.*.external.name", "an external config is refused"),
    ("services.*.deploy.update_config.delay", "none is what there is anyway"),
    ("services.*.deploy.update_config.failure_action", "pause is what happens anyway"),
    ("services.*.deploy.update_config.max_failure_ratio", "none is what there is anyway"),
    ("services.*.deploy.update_config.order", "stop-first is what happens anyway"),
    ("services.*.volumes[].consistency", "without effect on Linux"),
];

fn test_fleet() -> TestFleet {
    let mut test_fleet = TestFleet::new("")
        .file("web.env", "A=1\n")
        .file("raw.env", "B='2'\n")
        .file("web.labels", "from=file\n")
        .file("key.txt", "k")
        .file("app.conf", "c")
        .file("seccomp.json", "{}")
        .file("data/x", "x")
        .file("other/inc.env", "INC=included\n")
        .file("other/inc.yaml", "services: {included: {image: 'inc:${INC}', env_file: [./svc.env]}}\n")
        .file("other/svc.env", "S=1\n")
        .file("svc.env", "S=2\n")
        .file("base.yaml", "services: {base: {image: 'base:2', user: '9'}}\n");
    test_fleet.environment.insert("TOKEN".into(), "t".into());
    test_fleet
}

/// Returns a project with all supported keys.
fn project() -> Value {
    serde_json::from_str(include_str!("every_key.json")).unwrap()
}

/// Returns the project without one key, or `None` if it does not have the key.
fn without(project: &Value, path: &str) -> Option<Value> {
    let mut project = project.clone();
    let steps: Vec<String> = path.replace("[]", ".*").split('.').map(str::to_owned).collect();
    take(&mut project, &steps).then_some(project)
}

fn take(value: &mut Value, path: &[String]) -> bool {
    let (Some((step, rest)), true) = (path.split_first(), value.is_object() || value.is_array()) else { return false };
    match value {
        Value::Array(items) => items.iter_mut().filter_map(|item| take(item, rest).then_some(())).count() > 0,
        Value::Object(map) if step == "*" => {
            map.values_mut().filter_map(|item| take(item, rest).then_some(())).count() > 0
        }
        Value::Object(map) if rest.is_empty() => map.remove(step).is_some(),
        Value::Object(map) => map.get_mut(step).is_some_and(|inner| take(inner, rest)),
        _ => false,
    }
}

fn deployment(test_fleet: &TestFleet, project: &Value) -> Result<Deployment, String> {
    test_fleet.compile("app", &project.to_string()).map(|compiled| compiled.deployment)
}

fn is_exempt(key: &Key) -> bool {
    // What an image is built from is in its fingerprint.
    let is_built = key.path.starts_with("services.*.build");
    is_built || key.note.contains("documentation only") || WITHOUT_DIFFERENCE.iter().any(|(path, _)| *path == key.path)
}

#[test]
fn every_supported_key_makes_a_difference() {
    let (test_fleet, project) = (test_fleet(), project());
    let whole = deployment(&test_fleet, &project).unwrap_or_else(|mistakes| panic!("{mistakes}"));
    let mut found = Vec::new();
    for key in keys().iter().filter(|key| key.support == Support::Supported && !is_exempt(key)) {
        match without(&project, &key.path) {
            None => found.push(format!("{} is not in the project of this test", key.path)),
            Some(less) if deployment(&test_fleet, &less).as_ref() == Ok(&whole) => {
                found.push(format!("{} makes no difference", key.path));
            }
            Some(_) => {}
        }
    }
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn exempt_keys_are_supported_keys() {
    let keys = keys();
    for (path, _) in WITHOUT_DIFFERENCE {
        assert!(keys.iter().any(|key| key.path == *path && key.support == Support::Supported), "{path}");
    }
}
