//! Tests of `landfast check`: its output and its exit codes.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

const FLEET: &str = r#"[fleet]
name = "home"

[hosts.alpha]
address = "192.168.2.201"

[check]
LF003 = "off"
LF009 = "off"
LF015 = "off"

[stacks.web]
path = "web"

[stacks.web.check.proxy]
LF007 = "it finds its routes there; see decision 12"

[stacks.web.check."*"]
LF004 = "the engines rotate: daemon.json"

[stacks.web.publish]
db = "lan"
"#;

const COMPOSE: &str = "\
services:
  app:
    image: app
    depends_on: [db]
    environment:
      DB_URL: postgres://app:hunter2@db/app
  db:
    image: postgres
    ports: ['5432:5432']
    healthcheck: {test: pg_isready}
    environment: [POSTGRES_PASSWORD=hunter2]
    x-landfast-check: {LF001: \"the newest, always\"}
  proxy:
    image: traefik:3.1
    volumes: [/var/run/docker.sock:/var/run/docker.sock:ro]
";

/// A fleet's folder with one stack.
struct Folder(tempfile::TempDir);

impl Folder {
    fn with(fleet: &str, compose: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(folder.path().join("web")).expect("a folder");
        std::fs::write(folder.path().join("landfast.toml"), fleet).expect("a file");
        std::fs::write(folder.path().join("web/compose.yaml"), compose).expect("a file");
        Self(folder)
    }

    fn landfast(&self, arguments: &[&str]) -> Output {
        landfast(self.0.path(), arguments)
    }
}

fn landfast(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_landfast"));
    command.args(arguments).current_dir(folder).env_clear().output().expect("the command runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stderr)))
}

#[test]
fn findings_are_grouped_by_file_and_contain_no_secrets() {
    let output = Folder::with(FLEET, COMPOSE).landfast(&["check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!text(&output.stdout).contains("hunter2"));
    insta::assert_snapshot!(format!("{}-- stderr\n{}", text(&output.stdout), text(&output.stderr)));
}

#[test]
fn the_json_of_check_is_a_contract() {
    let output = Folder::with(FLEET, COMPOSE).landfast(&["check", "web", "--format", "json"]);
    assert!(!text(&output.stdout).contains("hunter2"));
    insta::assert_snapshot!(text(&output.stdout));
}

#[test]
fn sarif_has_the_properties_that_code_hosts_require() {
    let output = Folder::with(FLEET, COMPOSE).landfast(&["check", "--format", "sarif"]);
    assert_eq!(output.status.code(), Some(1));
    let mut log = json(&output);
    assert_eq!(log["version"], "2.1.0");
    let run = &mut log["runs"][0];
    let rules = run["tool"]["driver"]["rules"].take();
    for rule in rules.as_array().expect("rules") {
        assert!(rule["help"]["text"].as_str().is_some_and(|help| help.contains("## How to fix it")), "{rule}");
        assert!(rule["fullDescription"]["text"].as_str().is_some_and(|text| !text.is_empty()), "{rule}");
        assert!(["error", "warning", "note"].iter().any(|level| rule["defaultConfiguration"]["level"] == *level));
    }
    for result in run["results"].as_array().expect("results") {
        let index = result["ruleIndex"].as_u64().and_then(|index| usize::try_from(index).ok()).expect("an index");
        assert_eq!(rules[index]["id"], result["ruleId"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert!(place["artifactLocation"]["uri"].as_str().is_some_and(|uri| !uri.starts_with('/')), "{place}");
        assert!(place["region"]["startLine"].as_u64().is_some_and(|line| line > 0), "{place}");
    }
    run["tool"]["driver"]["semanticVersion"].take();
    insta::assert_snapshot!(serde_json::to_string_pretty(&log).expect("JSON"));
}

#[test]
fn warnings_fail_only_with_strict() {
    let folder = Folder::with(FLEET, "services: {app: {image: app, logging: {driver: local}}}");
    let output = folder.landfast(&["check"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "0 errors, 3 warnings, 0 notes\n");
    assert_eq!(folder.landfast(&["check", "--strict"]).status.code(), Some(1));
    let good = FLEET.replace("[stacks.web.check", "[stacks.gone.check").replace("[stacks.web]", "[stacks.gone]");
    let folder = Folder::with(&good.replace("[stacks.web.publish]\ndb = \"lan\"\n", ""), "");
    assert_eq!(folder.landfast(&["check", "nosuch"]).status.code(), Some(2));
}

#[test]
fn an_unused_exception_is_reported_with_its_line() {
    let folder = Folder::with(FLEET, "services: {app: {image: 'app:1'}}");
    let output = folder.landfast(&["check"]);
    assert_eq!(
        text(&output.stdout),
        "landfast.toml:16:1: warning LF000: web has no service proxy, which has an exception from LF007 (stacks.web.check.proxy.LF007)\n  \
         16 | LF007 = \"it finds its routes there; see decision 12\"\n     | ^^^^^\n  \
         hint: remove it, so that it does not hide the next finding of the same rule\n"
    );
}

#[test]
fn a_compose_file_is_checked_without_a_fleet() {
    let folder = Folder::with(FLEET, COMPOSE);
    let named = folder.landfast(&["check", "-f", "web/compose.yaml", "--format", "json"]);
    std::fs::remove_file(folder.0.path().join("landfast.toml")).expect("it goes");
    let found = landfast(&folder.0.path().join("web"), &["check", "--format", "json"]);
    for output in [named, found] {
        assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
        let report = json(&output);
        let codes: Vec<_> = report["findings"].as_array().expect("a list").iter().map(|it| &it["code"]).collect();
        assert!(codes.iter().any(|code| *code == "LF007") && codes.iter().any(|code| *code == "LF003"), "{codes:?}");
        assert!(codes.iter().all(|code| *code != "LF006"), "a port without an address stays on its host: {codes:?}");
    }
}

#[test]
fn a_compose_file_and_a_stack_cannot_be_combined() {
    let folder = Folder::with(FLEET, COMPOSE);
    for arguments in [&["check", "web", "-f", "web/compose.yaml"][..], &["-p", "other", "check", "web"]] {
        let output = folder.landfast(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
    }
}

#[test]
fn every_rule_can_be_listed_and_explained() {
    let folder = Folder::with(FLEET, COMPOSE);
    let rules = json(&folder.landfast(&["check", "--list", "--format", "json"]));
    let rules = rules.as_array().expect("a list");
    assert!(rules.len() > 12);
    let all = text(&folder.landfast(&["check", "--explain"]).stdout);
    for rule in rules {
        let code = rule["code"].as_str().expect("a code");
        let page = text(&folder.landfast(&["check", "--explain", &code.to_lowercase()]).stdout);
        assert!(page.starts_with(&format!("# {code}: ")) && all.contains(&page), "{code}");
    }
    let output = folder.landfast(&["check", "--explain", "LF999"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("there is no rule LF999"), "{}", text(&output.stderr));
}

#[test]
fn an_invalid_stack_is_reported_with_its_location() {
    let output = Folder::with(FLEET, "services: {app: {imagee: x}}").landfast(&["check"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).starts_with("web/compose.yaml:1:"), "{}", text(&output.stderr));
}

#[test]
fn the_fleets_of_this_project_have_no_findings() {
    for fleet in ["infra", "small", "investor", "scribe", "ybis", "carbon"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fleets").join(fleet);
        let output = landfast(&folder, &["check", "--strict", "--format", "json"]);
        assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
        let report = json(&output);
        assert_eq!(report["notes"], 0, "{report}");
        let excused = report["excused"].as_u64().is_some_and(|excused| excused > 0);
        assert_eq!(excused, fleet != "carbon", "their exceptions are stated: {report}");
    }
}

/// `path` and `files` that refer to a subfolder, as in `docker compose -f deploy/compose.yaml`.
#[test]
fn paths_are_relative_to_the_folder_of_the_compose_file() {
    let fleet = "[fleet]\nname = \"home\"\n[hosts.alpha]\naddress = \"192.168.2.201\"\n[stacks.web]\npath = \"web\"\n\
                 files = [\"deploy/compose.yaml\"]\nenv = \"dev\"\n";
    let folder = Folder::with(fleet, "services: {other: {image: a:1}}\n");
    std::fs::create_dir(folder.0.path().join("web/deploy")).expect("a folder");
    let binds =
        "services:\n  app:\n    image: app:${TAG}\n    volumes: ['../data:/data', './conf:/conf:ro', '../../x:/x']\n";
    std::fs::write(folder.0.path().join("web/deploy/compose.yaml"), binds).expect("a file");
    std::fs::write(folder.0.path().join("web/.env.dev"), "TAG=7\n").expect("a file");

    let config = json(&folder.landfast(&["config", "--stack", "web", "--format", "json"]));
    let app = &config["services"]["app"];
    assert_eq!(app["image"], "app:7", "the environment is the stack's");
    let web = folder.0.path().join("web");
    let sources: Vec<_> = (0..3).map(|at| app["volumes"][at]["source"].as_str().expect("a path").to_owned()).collect();
    let expected = [web.join("data"), web.join("deploy/conf"), folder.0.path().join("x")];
    assert_eq!(sources, expected.map(|path| path.display().to_string()));

    let checked = folder.landfast(&["check", "--format", "json"]);
    let findings = json(&checked)["findings"].clone();
    let outside: Vec<_> = findings.as_array().expect("a list").iter().filter(|one| one["code"] == "LF011").collect();
    assert_eq!(outside.len(), 1, "only the last of them leaves the stack's folder: {findings}");
    assert_eq!(outside[0]["path"], "services.app.volumes[2]");
}
