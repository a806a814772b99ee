//! Printing of projects in canonical form.
use landfast_compose::{canonical, canonical_for_yaml, doubled};
use serde_json::json;

use crate::stack::{service, stack};

#[test]
fn a_small_project_is_printed_completely() {
    let printed = canonical(stack("services: {web: {image: 'w:$$1', x-own: 1}}\nx-top: 1\n").load());
    let expected = json!({
        "name": "app",
        "networks": {"default": {"name": "app_default", "ipam": {}}},
        "services": {"web": {"command": null, "entrypoint": null, "image": "w:$1", "networks": {"default": null}}},
        "x-top": 1,
    });
    assert_eq!(printed, expected);
}

#[test]
fn printed_projects_load_to_the_same_project() {
    let text = "services:\n  web:\n    image: w\n    command: sh -c 'echo $$HOME'\n    ports: ['8080:80']\n    \
                volumes: ['./a:/a:ro', 'v:/v']\n    environment: [A=$$x]\n    healthcheck: {test: a b, interval: 90s}\n    \
                deploy: {replicas: 2, resources: {limits: {cpus: '0.5', memory: 1g}}}\nvolumes: {v: }\n";
    let printed = canonical(stack(text).load());
    let again = canonical(stack(&doubled(&printed.to_string())).load());
    assert_eq!(printed, again);
}

#[test]
fn empty_values_are_not_printed_except_some_written_zeros() {
    let web =
        service("tty: false\nhostname: ''\ncap_add: []\nscale: 0\ninit: false\ndeploy: {}\nhealthcheck: {retries: 0}");
    for key in ["tty", "hostname", "cap_add"] {
        assert_eq!(web.printed(&format!("services.web.{key}")), json!(null), "{key}");
    }
    assert_eq!(web.printed("services.web.scale"), json!(0));
    assert_eq!(web.printed("services.web.init"), json!(false));
    assert_eq!(web.printed("services.web.deploy"), json!({"placement": {}, "replicas": 0, "resources": {}}));
    assert_eq!(web.printed("services.web.healthcheck"), json!({"retries": 0}));
}

#[test]
fn variables_can_be_kept() {
    let web =
        service("ports: ['${PORT:-80}:80']\nenvironment: [A=$A, B]\nvolumes: ['${DATA:-./data}:/data']\nprofiles: [x]");
    let printed = &web.variable("A", "a").variable("B", "b").uninterpolated()["services"]["web"];
    assert_eq!(printed["ports"], json!(["${PORT:-80}:80"]), "a value that cannot be parsed stays as it is");
    assert_eq!(printed["environment"], json!(["A=$A", "B"]));
    assert_eq!(printed["volumes"][0]["target"], json!("/data"));
}

#[test]
fn values_of_kept_variables_are_not_validated() {
    let web = service("pull_policy: '${POLICY:-always}'\ndepends_on: ['${DB:-db}']\ncgroup: '${CGROUP:-host}'");
    let printed = &web.uninterpolated()["services"]["web"];
    assert_eq!(printed["pull_policy"], "${POLICY:-always}");
    assert_eq!(printed["depends_on"]["${DB:-db}"]["condition"], "service_started");
    let replaced = service("pull_policy: 'always$$'").refusal();
    assert!(replaced.contains("`always$` is not always, never"), "{replaced}");
}

#[test]
fn implied_values_can_be_left_out() {
    let text = "services: {web: {image: w, build: ., links: [db], ports: ['80:80']}, db: {image: d}}";
    let printed = canonical(stack(text).unnormalised().load());
    assert_eq!(printed["name"], "app");
    assert_eq!(printed["services"]["web"]["build"], json!({"context": "/srv/app"}));
    assert_eq!(printed["services"]["web"]["ports"][0]["target"], 80);
    for implied in ["depends_on", "networks"] {
        assert_eq!(printed["services"]["web"].get(implied), None);
    }
    assert_eq!(printed.get("networks"), None);
    let named = stack("services: {web: {image: w, networks: [n]}}\nnetworks: {n: }").unnormalised();
    assert_eq!(named.printed("networks.n"), json!({"ipam": {}}));
}

#[test]
fn contents_of_variables_are_not_printed_and_label_files_are() {
    let text =
        "services:\n  web: {image: w, configs: [word], label_file: labels.env}\nconfigs: {word: {environment: WORD}}\n";
    let stack = stack(text).variable("WORD", "made-up").file("labels.env", "a=1\n");
    let printed = canonical(stack.load());
    assert_eq!(printed["configs"]["word"], json!({"name": "app_word", "environment": "WORD"}));
    let web = &printed["services"]["web"];
    assert_eq!(web["labels"], json!({"a": "1"}));
    assert!(web["label_file"][0].as_str().is_some_and(|path| path.ends_with("/labels.env")), "{web}");
}

#[test]
fn ulimits_of_zero_are_printed_in_yaml() {
    let text = "services: {a: {image: a, ulimits: {core: 0, nofile: {soft: 0, hard: 2}, nproc: 5}, build: {context: ., \
                ulimits: {core: {soft: 0, hard: 0}}}}}";
    let json = canonical(stack(text).load());
    assert_eq!(json["services"]["a"]["ulimits"], json!({"core": {}, "nofile": {"hard": 2}, "nproc": 5}));
    let yaml = canonical_for_yaml(stack(text).load());
    let none = json!({"soft": 0, "hard": 0});
    let all = json!({"core": none, "nofile": {"soft": 0, "hard": 2}, "nproc": 5});
    assert_eq!(yaml["services"]["a"]["ulimits"], all);
    assert_eq!(yaml["services"]["a"]["build"]["ulimits"]["core"], none);
    assert_eq!(canonical_for_yaml(stack(&yaml.to_string()).load()), yaml);
}

#[test]
fn relative_paths_can_be_kept() {
    let web = service("volumes: ['./a:/a']\nbuild: ./b").relative();
    assert_eq!(web.printed("services.web.volumes.0.source"), json!("./a"));
    assert_eq!(web.printed("services.web.build.context"), json!("./b"));
}

#[test]
fn an_inconsistent_project_can_be_printed() {
    let web = service("depends_on: [nobody]\nvolumes: ['v:/v']\nnetworks: [n]");
    assert!(web.refusal().contains("nobody"));
    let web = web.unchecked();
    assert_eq!(web.printed("services.web.depends_on.nobody.required"), json!(true));
    assert!(service("privilegd: true").unchecked().refusal().contains("unknown key"), "a mistake stays one");
}

#[test]
fn env_files_can_be_left_unread_and_label_files_are_read() {
    let web = service("env_file: [none.env]\nlabel_file: l.env").file("l.env", "a=1\n").with_env_files_unread();
    assert_eq!(web.printed("services.web.env_file.0.path"), json!("/srv/app/none.env"));
    assert_eq!(web.printed("services.web.labels"), json!({"a": "1"}));
}

#[test]
fn variables_without_a_value_are_set_without_normalisation_too() {
    let web = service("environment: {A: , B: }").variable("A", "a").unnormalised();
    assert_eq!(web.printed("services.web.environment"), json!({"A": "a", "B": null}));
}

#[test]
fn nothing_is_added_without_interpolation_and_normalisation() {
    let written = stack("services: {a: {image: $A}}\nvolumes: {v: }\n").unnormalised().uninterpolated();
    assert_eq!(written, json!({"services": {"a": {"image": "$A"}}, "volumes": {"v": null}}));
}
