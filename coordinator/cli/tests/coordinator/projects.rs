//! Tests of a stack's project name: it is chosen like in Compose, `config` and `up` agree on it, and it never changes
//! while a stack has data.

use std::process::{Output, Stdio};

use landfast_proto::v1::HostState;
use serde_json::Value;

use crate::fleet::Fleet;

const COMPOSE: &str = "\
services:
  app:
    image: app:1
    volumes: ['files:/srv']
    networks: [infra_net]
volumes:
  files:
networks:
  infra_net:
    external: true
";

fn stack(path: &str, more: &str) -> String {
    format!("[stacks.web]\npath = \"{path}\"\n{more}")
}

async fn raise(stack: &str) -> Fleet {
    let fleet = Fleet::start(&["alpha"], stack).await;
    fleet.image("app:1", "app1");
    fleet
}

/// Runs `landfast …` with a `COMPOSE_*` variable in the shell.
async fn landfast(fleet: &Fleet, arguments: &[&str]) -> Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_landfast"));
    command.args(arguments).current_dir(fleet.path()).env_clear().stdin(Stdio::null());
    command.env("DOCKER_HOST", "unix:///nonexistent").env("COMPOSE_PROJECT_NAME", "of-the-shell");
    command.output().await.expect("the command runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn held(fleet: &Fleet) -> HostState {
    fleet.host("alpha").with(|state| state.held.clone().expect("assigned"))
}

/// The name that `config` prints, and the name of the container that `up` creates.
async fn names(fleet: &Fleet) -> (String, String) {
    let output = landfast(fleet, &["config", "--stack", "web", "--format", "json"]).await;
    let config: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", stderr(&output)));
    let output = landfast(fleet, &["up", "--yes"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let container = held(fleet).instances[0].container.clone().expect("a container").name;
    (config["name"].as_str().expect("a name").to_owned(), container)
}

#[tokio::test(flavor = "multi_thread")]
async fn config_and_up_choose_the_name_like_compose() {
    for (path, more, name, env, expected) in [
        ("web", "", "", "", "web"),
        ("apps/My Shop", "", "", "", "myshop"),
        ("web", "", "name: 'shop-${ENV:-dev}'\n", "", "shop-dev"),
        ("web", "", "name: shop\n", "COMPOSE_PROJECT_NAME=of-the-file\n", "of-the-file"),
        ("web", "project = \"pinned\"\n", "name: shop\n", "COMPOSE_PROJECT_NAME=of-the-file\n", "pinned"),
    ] {
        let fleet = raise(&stack(path, more)).await;
        fleet.write(&format!("{path}/compose.yaml"), &format!("{name}{COMPOSE}"));
        fleet.write(&format!("{path}/.env"), env);
        assert_eq!(
            names(&fleet).await,
            (expected.to_owned(), format!("{expected}-app-1")),
            "{path} {more} {name} {env}"
        );
        let volume = held(&fleet).volumes[0].clone();
        assert_eq!((volume.name, volume.stack), (format!("{expected}_files"), "web".to_owned()));
        let output = landfast(&fleet, &["status"]).await;
        let table = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(table.contains("web/app.1"), "the stack is the handle: {table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_project_name_is_refused_until_it_is_configured() {
    let fleet = raise(&stack("shop", "project = \"web\"\n")).await;
    fleet.write("shop/compose.yaml", COMPOSE);
    assert_eq!(landfast(&fleet, &["up", "--yes"]).await.status.code(), Some(0));
    let toml = std::fs::read_to_string(fleet.path().join("landfast.toml")).expect("a file");
    fleet.write("landfast.toml", &toml.replace("project = \"web\"\n", ""));
    for verb in [&["plan"][..], &["up", "--yes"]] {
        let output = landfast(&fleet, verb).await;
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        let printed = stderr(&output);
        assert!(printed.contains("the hosts have web as the project web, but its name is now shop"), "{printed}");
        assert!(
            printed.contains("web_files on alpha") && printed.contains("write project = \"web\" under [stacks.web]"),
            "{printed}"
        );
    }
    fleet.write("landfast.toml", &toml);
    let output = landfast(&fleet, &["plan"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_name_on_the_command_line_is_refused() {
    let fleet = raise(&stack("web", "")).await;
    fleet.write("web/compose.yaml", COMPOSE);
    for arguments in
        [&["-p", "other", "up", "--yes"][..], &["-p", "other", "plan"], &["config", "--stack", "web", "-p", "x"]]
    {
        let output = landfast(&fleet, arguments).await;
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        let printed = stderr(&output);
        assert!(printed.contains("`project` (for -p)") || arguments[0] == "config", "{printed}");
    }
}
