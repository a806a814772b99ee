//! Tests of the command line: exit codes, standard output and standard error.

use std::process::{Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::fleet::Fleet;

const STACK: &str = "[stacks.web]\npath = \"web\"\n[stacks.web.place]\napp = \"alpha\"\n";

pub(crate) const COMPOSE: &str = "\
services:
  app:
    image: app:1
    ports: ['8080:80']
    volumes: ['files:/srv']
    networks:
      infra_net:
        ipv4_address: 172.19.0.7
volumes:
  files:
networks:
  infra_net:
    external: true
";

pub(crate) async fn web() -> Fleet {
    let fleet = Fleet::start(&["alpha"], STACK).await;
    fleet.write("web/compose.yaml", COMPOSE);
    fleet.image("app:1", "app1");
    fleet
}

impl Fleet {
    /// Runs `landfast …` in the fleet's folder, without a terminal.
    pub(crate) async fn landfast(&self, arguments: &[&str]) -> Output {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_landfast"));
        command.args(arguments).current_dir(self.path()).env_clear().stdin(Stdio::null());
        command.env("DOCKER_HOST", "unix:///nonexistent");
        command.output().await.expect("the command runs")
    }

    /// Replaces values that differ from run to run.
    pub(crate) fn stable(&self, text: &[u8]) -> String {
        let text = String::from_utf8(text.to_vec()).expect("text");
        let text = text.replace(self.path().to_str().expect("text"), "FOLDER");
        self.hosts.values().fold(text, |text, host| text.replace(&host.port.to_string(), "PORT"))
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("text")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn plan_exits_3_when_there_is_something_to_do_and_0_when_not() {
    let fleet = web().await;
    let output = fleet.landfast(&["plan"]).await;
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stdout(&output).contains("create         web/app.1 on alpha"), "{}", stdout(&output));
    let output = fleet.landfast(&["up", "--yes"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "", "talk goes to stderr");
    assert_eq!(fleet.landfast(&["plan"]).await.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_images_are_counted_and_listed_only_with_verbose() {
    let fleet = Fleet::start(&["alpha", "beta"], STACK).await;
    fleet.write("web/compose.yaml", &COMPOSE.replace("  app:", "  other: {image: 'lan:5000/new:1'}\n  app:"));
    fleet.host("beta").has_image("app:1", "app1");
    let short = stdout(&fleet.landfast(&["plan"]).await);
    assert!(short.contains("\nto transfer: 2 images to 2 hosts, at least 1.00 MiB\n"), "{short}");
    let long = stdout(&fleet.landfast(&["plan", "--verbose"]).await);
    for line in ["image app:1 to alpha from beta, 1.00 MiB", "image lan:5000/new:1 to beta from a registry"] {
        assert!(long.contains(&format!("\nto transfer: {line}\n")), "{line} in {long}");
    }
    assert!(!long.contains("2 images") && !short.contains("from beta"), "{short}{long}");
    let down = fleet.landfast(&["down", "-v", "--verbose", "--yes"]).await;
    assert_eq!(down.status.code(), Some(0), "-v is still of the volumes: {}", stderr(&down));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_is_built_is_not_pulled() {
    let fleet = web().await;
    fleet.write("web/compose.yaml", "services: {app: {build: .}}\n");
    fleet.write("web/Dockerfile", "FROM scratch\n");
    let plan = stdout(&fleet.landfast(&["plan", "--verbose"]).await);
    for line in ["build images: web-app from . (2 files", "\nto transfer: image web-app to alpha from its build\n"] {
        assert!(plan.contains(line), "{line} in {plan}");
    }
    assert!(!plan.contains("registry"), "{plan}");
}

#[tokio::test(flavor = "multi_thread")]
async fn pull_decides_when_registries_are_asked() {
    let fleet = web().await;
    let plan = fleet.landfast(&["plan", "--pull", "always"]).await;
    assert!(stdout(&plan).starts_with("ask a registry: app:1 (pull_policy of web/app: always)\n"), "{}", stdout(&plan));
    let up = fleet.landfast(&["up", "--yes", "--pull", "always"]).await;
    assert_eq!(up.status.code(), Some(1));
    for part in ["image app:1 cannot be pulled; no host was changed", "no registry has app:1", "`--pull missing`"] {
        assert!(stderr(&up).contains(part), "{part} in {}", stderr(&up));
    }
    assert_eq!(fleet.landfast(&["up", "--yes", "--pull", "never"]).await.status.code(), Some(0));
    assert_eq!(fleet.landfast(&["up", "--pull", "sometimes"]).await.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn up_without_a_terminal_shows_the_plan_and_requires_yes() {
    let fleet = web().await;
    let output = fleet.landfast(&["up"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("web/app.1") && stderr(&output).contains("--yes"), "{}", stderr(&output));
    assert_eq!(fleet.host("alpha").instances(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_of_plan_is_a_contract() {
    let fleet = web().await;
    let output = fleet.landfast(&["plan", "--format", "json"]).await;
    insta::assert_snapshot!(fleet.stable(&output.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_of_status_is_a_contract() {
    let fleet = web().await;
    fleet.landfast(&["up", "--yes"]).await;
    let output = fleet.landfast(&["status", "--format", "json"]).await;
    let mut status: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(status["hosts"][0]["age_ms"].take().as_u64().is_some_and(|age| age < 5000));
    assert_eq!(status["instances"][0]["container_id"].take().as_str().map(str::len), Some(12));
    insta::assert_snapshot!(serde_json::to_string_pretty(&status).expect("JSON"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_json_of_up_and_history_is_a_contract() {
    let fleet = web().await;
    let output = fleet.landfast(&["up", "--yes", "--format", "json"]).await;
    let up = stdout(&output);
    let output = fleet.landfast(&["history", "--format", "json"]).await;
    let mut history: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(history[0]["time"].take().as_str().is_some_and(|time| time.ends_with('Z')));
    assert_eq!(history[0]["bundle"].take().as_str().map(str::len), Some(64));
    insta::assert_snapshot!(format!("{up}{}", serde_json::to_string_pretty(&history).expect("JSON")));
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_have_aligned_columns() {
    let fleet = web().await;
    fleet.landfast(&["up", "--yes"]).await;
    let output = fleet.landfast(&["status"]).await;
    insta::assert_snapshot!(fleet.stable(&output.stdout));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unreachable_host_fails_up_but_not_status() {
    let mut fleet = web().await;
    fleet.hosts.clear();
    let output = fleet.landfast(&["status", "--format", "json"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("\"unreachable\""), "{}", stdout(&output));
    assert!(stderr(&output).contains("connection refused"), "{}", stderr(&output));
    let output = fleet.landfast(&["up", "--yes"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("alpha"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn down_with_volumes_lists_the_volumes_and_requires_confirmation() {
    let fleet = web().await;
    fleet.landfast(&["up", "--yes"]).await;
    let output = fleet.landfast(&["down", "-v"]).await;
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("web_files"), "{}", stderr(&output));
    assert_eq!(fleet.host("alpha").instances(), ["web/app.1"]);
    let output = fleet.landfast(&["down", "-v", "--yes"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(fleet.host("alpha").instances(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn t36_logs_cannot_control_the_terminal_and_are_sorted_by_time() {
    let fleet = web().await;
    fleet.landfast(&["up", "--yes"]).await;
    let output = fleet.landfast(&["logs", "-t", "app"]).await;
    insta::assert_snapshot!(stdout(&output), @r"
    web/app.1 | 1970-01-01T00:00:01.000000000Z app says \u{1b}[31m1
    web/app.1 | 1970-01-01T00:00:03.000000000Z app says \u{1b}[31m3
    ");
    assert_eq!(fleet.landfast(&["logs", "nobody"]).await.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_are_reported_with_file_line_and_hint() {
    let fleet = web().await;
    fleet.write("web/compose.yaml", &COMPOSE.replace("172.19.0.7", "10.0.0.1"));
    let output = fleet.landfast(&["plan"]).await;
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(fleet.stable(&output.stderr));
    fleet.write("landfast.toml", "[fleet]\nname = \"home\"\ncolour = \"red\"\n");
    let output = fleet.landfast(&["plan"]).await;
    assert_eq!(output.status.code(), Some(1));
    insta::assert_snapshot!(fleet.stable(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_takes_no_compose_file_from_a_folder_above_its_own() {
    let fleet = web().await;
    std::fs::rename(fleet.path().join("web/compose.yaml"), fleet.path().join("compose.yaml")).expect("moved");
    let output = fleet.landfast(&["plan"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("stack web has no compose file"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_exit_2() {
    let fleet = web().await;
    for arguments in
        [&["up", "nosuch", "--yes"][..], &["fly"], &["-f", "x.yaml", "up"], &["status", "--format", "yaml"]]
    {
        let output = fleet.landfast(arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(!stderr(&output).is_empty());
    }
    let outside = tempfile::tempdir().expect("a folder");
    let output = fleet.landfast(&["-C", outside.path().to_str().expect("text"), "status"]).await;
    assert!(stderr(&output).contains("landfast init"), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn config_needs_no_fleet_and_takes_its_flags_before_and_after_the_verb() {
    let fleet = web().await;
    let before = fleet.landfast(&["-f", "web/compose.yaml", "config", "--format", "json"]).await;
    let after = fleet.landfast(&["config", "-f", "web/compose.yaml", "--format", "json"]).await;
    assert_eq!(before.status.code(), Some(0), "{}", stderr(&before));
    assert_eq!(stdout(&before), stdout(&after));
    let output = fleet.landfast(&["-f", "web/compose.yaml", "config", "--services"]).await;
    assert_eq!(stdout(&output), "app\n");
    let output = fleet.landfast(&["config", "--stack", "web", "--images"]).await;
    assert_eq!(stdout(&output), "app:1\n", "{}", stderr(&output));
    let output = fleet.landfast(&["-f", "web/compose.yaml", "config", "-q"]).await;
    assert_eq!((output.status.code(), stdout(&output)), (Some(0), String::new()));
}

#[tokio::test(flavor = "multi_thread")]
async fn config_prints_lists_for_programs() {
    let fleet = web().await;
    let text = "name: two\nservices:\n  a: {image: 'a:${TAG:-1}', depends_on: [b], models: [m]}\n  b: {image: b, env_file: [none]}\n\
                models: {m: {model: ai/small}}\n";
    std::fs::write(fleet.path().join("two.yaml"), text).expect("a file");
    let config = async |arguments: &[&str]| fleet.landfast(&[&["config", "-f", "two.yaml"], arguments].concat()).await;
    assert_eq!(stdout(&config(&["--services"]).await), "b\na\n", "what is depended on comes first");
    assert_eq!(stdout(&config(&["--models"]).await), "ai/small\n");
    let table = stdout(&config(&["--variables"]).await);
    assert!(table.starts_with("NAME ") && table.contains("\nTAG                 false               1  "), "{table}");
    let missing = config(&["--hash", "*"]).await;
    assert!(stderr(&missing).contains("does not exist"), "{}", stderr(&missing));
    let hash = stdout(&config(&["--no-env-resolution", "--hash", "a"]).await);
    assert!(hash.starts_with("a ") && hash.len() == "a ".len() + 64 + 1, "{hash}");
    let unknown = config(&["--no-env-resolution", "--hash", "a,c"]).await;
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("there is no service `c`"), "{}", stderr(&unknown));
    let printed = stdout(&config(&["--no-env-resolution"]).await);
    let saved = config(&["--no-env-resolution", "--output", "out.yaml"]).await;
    assert_eq!((saved.status.code(), stdout(&saved)), (Some(0), String::new()));
    assert_eq!(std::fs::read_to_string(fleet.path().join("out.yaml")).expect("a file"), printed);
    let nowhere = config(&["--no-env-resolution", "-o", "no/folder"]).await;
    assert!(stderr(&nowhere).contains("no/folder cannot be written"), "{}", stderr(&nowhere));
}

const AFTER: &str = "  after:
    image: app:1
    depends_on:
      app:
        condition: service_healthy
volumes:
  files:
";

#[tokio::test(flavor = "multi_thread")]
async fn f56_a_signal_stops_a_rollout_after_the_current_step_and_the_state_is_reported() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        stops_after_the_current_step(signal).await;
    }
}

async fn stops_after_the_current_step(signal: Signal) {
    let fleet = web().await;
    let checked = COMPOSE.replace("    image: app:1\n", "    image: app:1\n    healthcheck: {test: [CMD, 'true']}\n");
    fleet.write("web/compose.yaml", &checked.replace("volumes:\n  files:\n", AFTER));
    fleet.host("alpha").with(|state| state.unhealthy.insert("web/app.1".to_owned()));
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_landfast"));
    command.args(["up", "--yes"]).current_dir(fleet.path()).env_clear().env("DOCKER_HOST", "unix:///nonexistent");
    let mut process = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command runs");
    let mut talk = BufReader::new(process.stderr.take().expect("piped")).lines();
    let mut printed = Vec::new();
    while let Some(line) = talk.next_line().await.expect("text") {
        if line == "create web/app.1 on alpha" {
            let id = process.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("it runs");
            kill_process(id, signal).expect("a signal");
        }
        // The operation completes its current step, which ends now.
        if line.contains("stopping") {
            fleet.host("alpha").with(|state| state.unhealthy.clear());
        }
        printed.push(line);
    }
    let printed = printed.join("\n");
    assert_eq!(process.wait().await.expect("it ends").code(), Some(1), "{signal:?}: {printed}");
    assert!(printed.contains("state of each step") && printed.contains("not started  create web/after.1"), "{printed}");
    assert_eq!(fleet.host("alpha").instances(), ["web/app.1"]);
}
