//! Variables, env files and label files.
use serde_json::json;

use crate::stack::{service, stack};

#[test]
fn variables_are_interpolated_everywhere_except_in_keys() {
    let web = service("environment: {'$A': 'x$A'}\nprivileged: ${YES}\nports: ['${PORT:-8080}:80']")
        .variable("A", "a")
        .variable("YES", "true");
    assert_eq!(web.printed("services.web.environment"), json!({"$A": "xa"}));
    assert_eq!(web.printed("services.web.privileged"), json!(true));
    assert_eq!(web.printed("services.web.ports.0.published"), json!("8080"));
    assert!(service("privileged: ${YES}").variable("YES", "maybe").refusal().contains("`maybe` is not a boolean"));
    assert!(service("scale: ${N}").variable("N", "").refusal().contains("`` is not a number"));
}

#[test]
fn a_missing_variable_is_a_warning_and_a_required_one_a_mistake() {
    let warnings = service("user: $WHO").warnings();
    assert!(warnings.starts_with("/srv/app/compose.yaml:4:5: variable WHO is not set"), "{warnings}");
    let refusal = service("user: ${WHO:?say who}").refusal();
    assert!(
        refusal.starts_with("/srv/app/compose.yaml:4:5: required variable WHO is missing a value: say who"),
        "{refusal}"
    );
    assert!(refusal.contains("(services.web.user)\n  hint: set WHO"), "{refusal}");
    assert!(service("user: ${WHO").refusal().contains("invalid interpolation format in `${WHO`"));
}

#[test]
fn environment_overrides_env_files_and_later_files_override_earlier_ones() {
    let web = service("env_file: [a.env, {path: b.env, required: false}, {path: no.env, required: false}]\nenvironment: {A: own, N: }")
        .variable("OUT", "outer")
        .file("a.env", "A=a\nB=a\nC=$OUT-$A\n")
        .file("b.env", "B=b\nRAW='$OUT'\n");
    let expected = json!({"A": "own", "B": "b", "C": "outer-own", "N": null, "RAW": "$OUT"});
    assert_eq!(web.printed("services.web.environment"), expected);
}

#[test]
fn raw_env_files_are_not_interpreted() {
    let web = service("env_file: [{path: a.env, format: raw}]").file("a.env", "A='$B'\n");
    assert_eq!(web.printed("services.web.environment"), json!({"A": "'$B'"}));
    let refusal = service("env_file: [{path: a.env, format: toml}]").file("a.env", "A=1").refusal();
    assert!(refusal.contains("unknown format `toml`"), "{refusal}");
}

#[test]
fn a_missing_or_invalid_env_file_is_refused() {
    let refusal = service("env_file: no.env").refusal();
    assert!(refusal.starts_with("/srv/app/compose.yaml:4:5: file /srv/app/no.env does not exist"), "{refusal}");
    let refusal = service("env_file: [a.env]").file("a.env", "A=1\nB C=2\n").refusal();
    assert!(refusal.starts_with("/srv/app/a.env:2:1: variable name `B C` contains a space"), "{refusal}");
}

#[test]
fn all_missing_files_are_reported_at_once() {
    let refusal = stack("services: {a: {image: a, env_file: a.env}, b: {image: b, env_file: b.env}}").refusal();
    assert!(refusal.contains("a.env") && refusal.contains("b.env"), "{refusal}");
}

#[test]
fn labels_override_label_files() {
    let web = service("label_file: l\nlabels: [a=own]").file("l", "a=file\nb=file\n");
    assert_eq!(web.printed("services.web.labels"), json!({"a": "own", "b": "file"}));
    assert!(service("label_file: no").refusal().contains("file /srv/app/no does not exist"));
}

#[test]
fn the_project_name_comes_from_option_variable_file_or_folder() {
    let text = "services: {a: {image: a, environment: {N: $COMPOSE_PROJECT_NAME}}}";
    let name = |stack: crate::stack::Stack| stack.printed("services.a.environment.N");
    assert_eq!(name(stack(text)), json!("app"));
    assert_eq!(name(stack(&format!("name: In-${{X:-File}}!\n{text}"))), json!("in-file"));
    assert_eq!(name(stack(text).variable("COMPOSE_PROJECT_NAME", "env")), json!("env"));
    assert_eq!(name(stack(text).variable("COMPOSE_PROJECT_NAME", "env").named("given")), json!("given"));
    assert!(stack(text).named("Bad.Name").refusal().contains("`Bad.Name` is not a valid project name"));
}
