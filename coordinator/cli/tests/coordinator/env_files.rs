//! Tests of `env_files` in `landfast.toml` and of `--env-file`: which files are read, in which order, and which are
//! sent to hosts.

use serde_json::Value;

use crate::fleet::Fleet;
use crate::folder::{Folder, text};

const FLEET: &str = "\
[fleet]
name = \"home\"

[hosts.alpha]
address = \"127.0.0.1\"
port = 1

[stacks.web]
path = \"web\"
env  = \"dev\"
env_files = [\"common.env\",
  \"environments/{env}.env\", \"../secrets/{env}.env\"]

[stacks.fixed]
env_files = [\"environments/.env.dev\"]
";

const COMPOSE: &str = "services: {app: {image: 'app:1', command: ['$WHO', '${COMMON:-none}', '${DOT:-none}']}}\n";

fn folder() -> Folder {
    let folder = Folder::of(FLEET);
    for stack in ["web", "fixed"] {
        folder.write(&format!("{stack}/compose.yaml"), COMPOSE);
        folder.write(&format!("{stack}/.env"), "DOT=read\n");
    }
    folder.write("web/common.env", "WHO=common\nCOMMON=common\n");
    for env in ["dev", "test"] {
        folder.write(&format!("web/environments/{env}.env"), &format!("WHO={env}\nSECRET=none\n"));
        folder.write(&format!("secrets/{env}.env"), "SECRET=secret-value\nCOMMON=$WHO-${SECRET:+set}\n");
    }
    folder.write("web/environments/half.env", "WHO=half\n");
    folder.write("fixed/environments/.env.dev", "WHO=fixed\n");
    folder.write("one.env", "WHO=one\nCOMMON=one\n");
    folder.write("two.env", "WHO=two\n");
    folder
}

/// The exit code and the output of a refused command.
fn refusal(folder: &Folder, arguments: &[&str]) -> (Option<i32>, String) {
    let output = folder.landfast(arguments, &[]);
    (output.status.code(), text(&output.stderr))
}

#[test]
fn env_files_replace_env_and_the_shell_overrides_them() {
    let folder = folder();
    assert_eq!(folder.command(&["--stack", "web"], &[]), r#"["dev","dev-set","none"]"#);
    assert_eq!(folder.command(&["--stack", "web", "--env", "test"], &[]), r#"["test","test-set","none"]"#);
    assert_eq!(folder.command(&["--stack", "web"], &[("WHO", "shell")]), r#"["shell","shell-set","none"]"#);
    assert_eq!(folder.command(&["--stack", "fixed"], &[]), r#"["fixed","none","none"]"#);
}

#[test]
fn an_env_file_on_the_command_line_replaces_all_others() {
    let folder = folder();
    let one = r#"["one","one","none"]"#;
    assert_eq!(folder.command(&["--stack", "web", "--env-file", "one.env"], &[]), one);
    let both = ["--stack", "web", "--env-file", "one.env", "--env-file", "two.env"];
    assert_eq!(folder.command(&both, &[]), r#"["two","one","none"]"#);
    let output = folder.landfast(&["--env-file", "one.env", "config", "--stack", "web", "--env-file", "two.env"], &[]);
    assert!(text(&output.stdout).contains("- two\n      - one\n"), "{}", text(&output.stdout));
    for verb in [&["plan"][..], &["up", "--yes"], &["sync", "--yes"]] {
        let refusal = |arguments: &[&str]| refusal(&folder, &[verb, arguments].concat());
        let (code, printed) = refusal(&["web", "--env-file", "no.env"]);
        assert_eq!(code, Some(1), "{printed}");
        assert!(printed.starts_with("error: cannot read --env-file no.env: No such file"), "{printed}");
        let (code, printed) = refusal(&["web", "--env-file", "web"]);
        assert!(code == Some(1) && printed.starts_with("error: cannot read --env-file web: "), "{printed}");
        let (code, printed) = refusal(&["web", "--env-file", "one.env", "--env", "dev"]);
        assert!(code == Some(2) && printed.contains("--env and --env-file cannot be combined"), "{printed}");
        let (code, printed) = refusal(&["--env-file", "one.env"]);
        assert!(code == Some(2) && printed.contains("--env-file requires the names of stacks"), "{printed}");
    }
    for verb in ["status", "history", "down"] {
        let (code, printed) = refusal(&folder, &["--env-file", "one.env", verb]);
        assert!(code == Some(2) && printed.contains("--env-file is only for commands that read"), "{printed}");
    }
}

#[test]
fn environments_are_found_by_env_file_patterns() {
    let folder = folder();
    folder.write("web/environments/example.env", "WHO=\nASKED=\n");
    let listed: Value =
        serde_json::from_slice(&folder.landfast(&["env", "ls", "--format", "json"], &[]).stdout).expect("JSON");
    let environments = listed[1]["environments"].as_array().expect("a list");
    let names: Vec<_> = environments.iter().map(|one| one["env"].as_str().expect("text")).collect();
    assert_eq!(names, ["dev", "test"], "half has no file of secrets");
    assert_eq!(environments[0]["file"], "secrets/dev.env");
    assert_eq!(environments[0]["missing"][0]["name"], "ASKED");
    assert_eq!(environments[0]["missing"][0]["file"], "web/environments/example.env");
    assert_eq!(
        (listed[0]["stack"].as_str(), listed[0]["environments"].as_array().map(Vec::len)),
        (Some("fixed"), Some(0))
    );
    let (code, printed) = refusal(&folder, &["plan", "web"]);
    assert!(
        code == Some(1) && printed.starts_with("web/environments/example.env:2:1: ASKED is required here"),
        "{printed}"
    );
    folder.write("web/environments/example.env", "WHO=\n");
    let (code, printed) = refusal(&folder, &["env", "use", "test"]);
    assert!(code == Some(0) && printed.starts_with("fixed has no environments: skipped\n"), "{printed}");
    assert_eq!(folder.command(&["--stack", "web"], &[]), r#"["test","test-set","none"]"#);
    let (code, printed) = refusal(&folder, &["env", "use", "half", "web"]);
    assert!(
        code == Some(1) && printed.contains("environment half has no file") && printed.contains("secrets/half.env"),
        "{printed}"
    );
    let (code, printed) = refusal(&folder, &["env", "use", "dev", "fixed"]);
    assert!(
        code == Some(1) && printed.contains("stack fixed has no environments: no path in its env_files has {env}"),
        "{printed}"
    );
}

#[test]
fn unreadable_env_files_are_reported_with_their_location() {
    let folder = folder();
    let plan = |arguments: &[&str]| refusal(&folder, &[&["plan"], arguments].concat());
    let (code, printed) = plan(&["web", "--env", "tset"]);
    assert_eq!(code, Some(1));
    insta::assert_snapshot!(printed, @r"
    landfast.toml:12:3: the file web/environments/tset.env does not exist (stacks.web.env_files)
      hint: did you mean the environment test? existing environments: dev, half, test
    ");
    let (code, printed) = plan(&["fixed", "--env", "dev"]);
    assert!(code == Some(1) && printed.contains("stack fixed has no environments"), "{printed}");
    let (code, printed) = plan(&["web", "--env", "../x"]);
    assert!(code == Some(1) && printed.contains("environment ../x has no file"), "{printed}");
    folder.write("landfast.toml", &FLEET.replace("env  = \"dev\"\n", ""));
    let (_, printed) = plan(&["web"]);
    assert!(
        printed.contains("landfast.toml:11:3: environments/{env}.env needs an environment, but none is chosen"),
        "{printed}"
    );
    assert!(
        printed.contains("hint: set `env` under [stacks.web], or pass --env; existing environments: dev, half, test"),
        "{printed}"
    );
    folder.write("landfast.toml", &FLEET.replace(".env.dev", ".env.prod"));
    let (_, printed) = plan(&["fixed"]);
    assert!(
        printed.contains(
            "landfast.toml:15:14: the file fixed/environments/.env.prod does not exist (stacks.fixed.env_files)"
        ),
        "{printed}"
    );
    folder.write("landfast.toml", &FLEET.replace("../secrets", "../../secrets"));
    let (_, printed) = plan(&["web"]);
    assert!(printed.contains("secrets/dev.env is outside the fleet's folder"), "{printed}");
}

/// Whether a blob on any host contains this word. Every file of a stack is a blob on its hosts.
fn holds(fleet: &Fleet, word: &str) -> bool {
    let holds = |blob: &[u8]| blob.windows(word.len()).any(|part| part == word.as_bytes());
    fleet.host("alpha").with(|state| state.blobs.values().any(|blob| holds(blob)))
}

#[tokio::test]
async fn only_the_chosen_env_files_are_sent() {
    let stack = "[stacks.web]\nenv = \"dev\"\nenv_files = [\".env.common\", \"environments/{env}.env\"]\n";
    let fleet = Fleet::start(&["alpha"], stack).await;
    fleet.write("web/compose.yaml", "services: {app: {image: 'app:1', command: ['$WHO'], volumes: ['.:/stack']}}\n");
    fleet.write("web/.env.common", "COMMON=word-of-common\n");
    fleet.write("web/environments/example.env", "WHO=\n");
    for env in ["dev", "test", "dev.old", "test.old"] {
        fleet.write(&format!("web/environments/{env}.env"), &format!("WHO=word-of-{env}-\n"));
        fleet.write(&format!("web/.env.{env}"), &format!("WHO=dot-of-{env}-\n"));
    }
    fleet.image("app:1", "app1");
    fleet.up().await.expect("done");
    for word in ["word-of-common", "word-of-dev-", "word-of-dev.old-", "dot-of-dev-"] {
        assert!(holds(&fleet, word), "{word} is not on the host");
    }
    for word in ["word-of-test-", "word-of-test.old-", "dot-of-test-"] {
        assert!(!holds(&fleet, word), "{word} is on the host");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn env_files_of_a_nested_stack_are_not_sent_with_the_outer_stack() {
    let stacks =
        "[stacks.outer]\npath = \".\"\n[stacks.inner]\nenv = \"dev\"\nenv_files = [\"environments/{env}.env\"]\n";
    let fleet = Fleet::start(&["alpha"], stacks).await;
    for folder in ["", "inner/"] {
        fleet.write(&format!("{folder}compose.yaml"), "services: {app: {image: 'app:1', volumes: ['.:/stack']}}\n");
    }
    for env in ["dev", "test"] {
        fleet.write(&format!("inner/environments/{env}.env"), &format!("WHO=word-of-{env}\n"));
    }
    fleet.write("inner/conf", "word-of-all\n");
    fleet.image("app:1", "app1");
    let output = fleet.landfast(&["up", "--yes", "outer"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(holds(&fleet, "word-of-all") && !holds(&fleet, "word-of-dev") && !holds(&fleet, "word-of-test"));
}

#[tokio::test]
async fn only_the_env_file_on_the_command_line_is_sent() {
    let stack = "[stacks.web]\nenv = \"dev\"\nenv_files = [\"environments/{env}.env\"]\n";
    let fleet = Fleet::start(&["alpha"], stack).await;
    fleet.write("web/compose.yaml", "services: {app: {image: 'app:1', command: ['$WHO'], volumes: ['.:/stack']}}\n");
    for env in ["dev", "test", "prod"] {
        fleet.write(&format!("web/environments/{env}.env"), &format!("WHO=word-of-{env}\n"));
    }
    fleet.image("app:1", "app1");
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_landfast"));
    command.args(["up", "--yes", "--env-file", "environments/test.env"]).current_dir(fleet.path().join("web"));
    let output =
        command.env_clear().env("DOCKER_HOST", "unix:///nonexistent").output().await.expect("the command runs");
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(holds(&fleet, "word-of-test") && !holds(&fleet, "word-of-dev") && !holds(&fleet, "word-of-prod"));
    let command = fleet.host("alpha").with(|state| {
        let held = state.held.clone().expect("assigned");
        held.instances[0].container.as_ref().expect("a container").command.clone()
    });
    assert_eq!(format!("{command:?}").matches("word-of-test").count(), 1, "{command:?}");
}
