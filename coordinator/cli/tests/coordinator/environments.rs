//! Tests of `landfast env` and `--env`: which environment is selected, which ones are refused, and how the choice is
//! written to `landfast.toml`.

use std::process::Output;

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
env  = \"dev\"   # everybody's

[stacks.plain]
path = \"plain\"
";

const COMPOSE: &str = "services: {app: {image: 'app:1', command: ['${WHO}', '${COMMON:-none}']}}\n";

/// A fleet of two stacks, one with environments.
fn folder() -> Folder {
    let folder = Folder::of(FLEET);
    folder.write("web/compose.yaml", COMPOSE);
    folder.write("web/.env", "COMMON=common\nWHO=nobody\n");
    folder.write("web/.env.dev", "WHO=dev-value\n");
    folder.write("web/.env.test", "WHO=test-value\nEXTRA=extra-value\n");
    folder.write("web/.env.example", "WHO=\n");
    folder.write("plain/compose.yaml", COMPOSE);
    folder
}

fn fleet(folder: &Folder) -> String {
    std::fs::read_to_string(folder.path().join("landfast.toml")).expect("a file")
}

fn landfast(folder: &Folder, arguments: &[&str]) -> Output {
    folder.landfast(arguments, &[])
}

#[test]
fn environments_are_listed_with_missing_variables_and_the_selected_one() {
    let folder = folder();
    folder.write("web/.env.example", "WHO=\nASKED=\n");
    insta::assert_snapshot!(text(&landfast(&folder, &["env", "ls"]).stdout));
    insta::assert_snapshot!(text(&landfast(&folder, &["env", "ls", "web", "--env", "test"]).stdout));
}

#[test]
fn the_json_of_env_ls_is_a_contract() {
    let folder = folder();
    folder.write("web/.env.example", "WHO=\nASKED=\n");
    insta::assert_snapshot!(text(&landfast(&folder, &["env", "ls", "--format", "json"]).stdout));
}

#[test]
fn a_choice_is_written_to_landfast_toml() {
    let folder = folder();
    assert_eq!(folder.command(&["--stack", "web"], &[]), r#"["dev-value","common"]"#);
    let output = landfast(&folder, &["env", "use", "test"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stderr), @r"
    plain has no environments: skipped
    warning: web/.env.test:2:1: EXTRA is not in web/.env.example
      hint: add it there too, so that the other environments set it, or remove it here
    web uses test: `landfast plan web` shows what that changes
    ");
    assert_eq!(fleet(&folder), FLEET.replace("\"dev\"", "\"test\""));
    assert_eq!(folder.command(&["--stack", "web"], &[]), r#"["test-value","common"]"#);
    assert_eq!(folder.command(&["--stack", "web", "--env", "dev"], &[]), r#"["dev-value","common"]"#);
}

#[test]
fn the_shell_overrides_the_environments_file_which_overrides_the_common_one() {
    let folder = folder();
    assert_eq!(folder.command(&["--stack", "web"], &[("WHO", "shell"), ("COMMON", "s")]), r#"["shell","s"]"#);
    // The same without a fleet.
    assert_eq!(folder.command(&["-f", "web/compose.yaml", "--env", "test"], &[]), r#"["test-value","common"]"#);
    assert_eq!(folder.command(&["-f", "web/compose.yaml"], &[]), r#"["nobody","common"]"#);
    // As in Docker Compose, a named env file replaces the default ones.
    let named = ["-f", "web/compose.yaml", "--env-file", "web/.env.test"];
    assert_eq!(folder.command(&named, &[]), r#"["test-value","none"]"#);
    let output =
        landfast(&folder, &["config", "-f", "web/compose.yaml", "--env-file", "web/.env.test", "--env", "dev"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_environment_without_a_file_is_refused_and_the_others_are_listed() {
    let folder = folder();
    for arguments in [
        &["env", "use", "tset"][..],
        &["env", "use", "tset", "web"],
        &["plan", "web", "--env", "tset"],
        &["config", "--stack", "web", "--env", "tset"],
        &["config", "-f", "web/compose.yaml", "--env", "tset"],
        &["check", "web", "--env", "tset"],
    ] {
        let output = landfast(&folder, arguments);
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {printed}");
        assert!(
            printed.contains("environment tset has no file") && printed.contains("web/.env.tset"),
            "{arguments:?}: {printed}"
        );
        assert!(printed.contains("did you mean test? available environments: dev, test"), "{arguments:?}: {printed}");
    }
    assert_eq!(fleet(&folder), FLEET);
    let output = landfast(&folder, &["env", "use", "dev", "plain"]);
    assert!(text(&output.stderr).contains("this folder has no environments"), "{}", text(&output.stderr));
    for bad in ["../web/.env", "a/b", ""] {
        assert_eq!(landfast(&folder, &["env", "use", bad, "web"]).status.code(), Some(1), "{bad:?}");
    }
}

#[test]
fn an_environment_with_a_missing_variable_is_refused_before_any_host_is_contacted() {
    let folder = folder();
    folder.write("web/.env.example", "WHO=\nASKED=\nTOO=\n");
    for arguments in [&["plan", "web"][..], &["up", "web", "--yes"], &["env", "use", "dev"]] {
        let output = landfast(&folder, arguments);
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {printed}");
        assert!(
            printed.contains("web/.env.example:2:1: ASKED is required here, but web/.env.dev does not set it"),
            "{printed}"
        );
        assert!(printed.contains("web/.env.example:3:1: TOO "), "all at once: {printed}");
    }
    assert_eq!(fleet(&folder), FLEET);
    // The shell or the env file sets the variable.
    let output = folder.landfast(&["env", "use", "test"], &[("ASKED", "1"), ("TOO", "")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn an_environment_of_landfast_toml_without_a_file_is_listed_with_a_warning() {
    let folder = folder();
    folder.write("landfast.toml", &FLEET.replace("\"dev\"", "\"dve\""));
    let output = landfast(&folder, &["env", "ls"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("environment dve has no file .env.dve: did you mean dev?"),
        "{}",
        text(&output.stderr)
    );
}

#[tokio::test]
async fn a_plan_warns_about_variables_that_the_example_lacks() {
    let fleet = Fleet::start(&["alpha"], "[stacks.web]\npath = \"web\"\nenv = \"dev\"\n").await;
    fleet.write("web/compose.yaml", "services: {app: {image: 'app:1', command: ['$WHO']}}\n");
    fleet.write("web/.env.dev", "WHO=dev\nEXTRA=dev-value\n");
    fleet.write("web/.env.example", "WHO=\n");
    fleet.image("app:1", "app1");
    let plan = fleet.plan().await.expect("a plan");
    assert!(plan.contains("web/.env.dev:2:1: EXTRA is not in ") && !plan.contains("dev-value"), "{plan}");
    fleet.write("web/.env.example", "WHO=\nEXTRA=\n");
    assert!(!fleet.plan().await.expect("a plan").contains("EXTRA"));
    fleet.write("web/.env.dev", "EXTRA=dev\n");
    let refusal = fleet.plan().await.expect_err("a refusal").to_string();
    assert!(refusal.contains("web/.env.example:1:1: WHO is required here"), "{refusal}");
}

/// The expected texts are the output of docker-compose 5.6.1 for the same files.
#[test]
fn variables_are_listed_like_docker_compose_lists_them() {
    let folder = folder();
    folder.write(
        "listed/.env",
        "SP=a b  c\nQ=\"he said \\\"x\\\"\"\nSQ='single'\nEMPTY=\nEMPTYQ=\"\"\nML=\"one\ntwo\"\nML2='x\ny'\nDOL=$$HOME\n\
         DOL2='$HOME'\nTAB=\"a\\tb\"\nLEAD=\"  lead\"\nUNI=naïve\nCR=\"a\\rb\"\nB=back\\slash\n",
    );
    folder.write("listed/compose.yaml", "services: {app: {image: 'app:1'}}\n");
    let list = |arguments: &[&str]| {
        let arguments = [&["-f", "listed/compose.yaml", "config", "--environment"], arguments].concat();
        let output = folder.landfast(&arguments, &[("OUT", "1"), ("NONE", "")]);
        text(&output.stdout).replace(folder.path().to_str().expect("text"), "FOLDER")
    };
    let expected = "B=back\\slash\nCOMPOSE_PROJECT_NAME=listed\nCR=a\rb\nDOL2=$HOME\nDOL=$HOME\nEMPTY=\nEMPTYQ=\n\
                    LEAD=  lead\nML2=x\ny\nML=one\ntwo\nNONE=\nOUT=1\nPWD=FOLDER\nQ=he said \"x\"\nSP=a b  c\nSQ=single\n\
                    TAB=a\tb\nUNI=naïve\n";
    assert_eq!(list(&[]), expected);
    assert_eq!(list(&["-p", "other"]), expected.replace("NAME=listed", "NAME=other"));
    let crlf = "A=\"one\r\ntwo\"\r\nB='one\r\n\r\ntwo'\r\nC=three\r\nD=\"x\" \r\nE='y'\r\nF=\r\nG=\"t\" # c\r\nexport H=1\r\nI: 2\r\n\
                OUT\r\nJ=\"last\"\r\n";
    folder.write("crlf.env", crlf);
    let expected = "A=one\r\ntwo\nB=one\r\n\r\ntwo\nC=three\nCOMPOSE_PROJECT_NAME=listed\nD=x\nE=y\nF=\nG=t\nH=1\nI=2\n\
                    J=last\nNONE=\nOUT=1\nPWD=FOLDER\n";
    assert_eq!(list(&["--env-file", "crlf.env"]), expected);
}
