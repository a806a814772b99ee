//! `landfast env` and `--env`: which environment counts, what keeps one from being used, and what the fleet's file says
//! afterwards.

use std::process::{Command, Output};

use serde_json::Value;

use crate::fleet::Fleet;

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
struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        let folder = Self(tempfile::tempdir().expect("a folder"));
        folder.write("landfast.toml", FLEET);
        folder.write("web/compose.yaml", COMPOSE);
        folder.write("web/.env", "COMMON=common\nWHO=nobody\n");
        folder.write("web/.env.dev", "WHO=dev-value\n");
        folder.write("web/.env.test", "WHO=test-value\nEXTRA=extra-value\n");
        folder.write("web/.env.example", "WHO=\n");
        folder.write("plain/compose.yaml", COMPOSE);
        folder
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().expect("beneath the folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    fn fleet(&self) -> String {
        std::fs::read_to_string(self.0.path().join("landfast.toml")).expect("a file")
    }

    fn landfast(&self, arguments: &[&str]) -> Output {
        self.landfast_with(arguments, &[])
    }

    fn landfast_with(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfast"));
        command.args(arguments).current_dir(self.0.path()).env_clear().envs(variables.iter().copied());
        let output = command.output().expect("the command runs");
        let said = format!("{}{}", text(&output.stdout), text(&output.stderr));
        assert!(arguments[0] == "config" || !said.contains("-value"), "a value was said: {said}");
        output
    }

    /// The command of the service, as `config` prints it.
    fn command(&self, arguments: &[&str], variables: &[(&str, &str)]) -> String {
        let arguments = [&["config", "--format", "json"], arguments].concat();
        let output = self.landfast_with(&arguments, variables);
        let config: Value =
            serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output.stderr)));
        config["services"]["app"]["command"].to_string()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("text")
}

#[test]
fn the_environments_are_listed_with_what_they_lack_and_which_one_counts() {
    let folder = Folder::new();
    folder.write("web/.env.example", "WHO=\nASKED=\n");
    insta::assert_snapshot!(text(&folder.landfast(&["env", "ls"]).stdout));
    insta::assert_snapshot!(text(&folder.landfast(&["env", "ls", "web", "--env", "test"]).stdout));
}

#[test]
fn the_json_of_env_ls_is_a_contract() {
    let folder = Folder::new();
    folder.write("web/.env.example", "WHO=\nASKED=\n");
    insta::assert_snapshot!(text(&folder.landfast(&["env", "ls", "--format", "json"]).stdout));
}

#[test]
fn a_choice_is_written_into_landfast_toml_and_counts_from_then_on() {
    let folder = Folder::new();
    assert_eq!(folder.command(&["--stack", "web"], &[]), r#"["dev-value","common"]"#);
    let output = folder.landfast(&["env", "use", "test"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    insta::assert_snapshot!(text(&output.stderr), @r"
    plain has no environments: left as it is
    warning: web/.env.test:2:1: EXTRA is not in web/.env.example
      hint: name it there too, so that the other environments get it, or take it out here
    web uses test: `landfast plan web` says what that changes
    ");
    assert_eq!(folder.fleet(), FLEET.replace("\"dev\"", "\"test\""));
    assert_eq!(folder.command(&["--stack", "web"], &[]), r#"["test-value","common"]"#);
    assert_eq!(folder.command(&["--stack", "web", "--env", "dev"], &[]), r#"["dev-value","common"]"#);
}

#[test]
fn the_shell_wins_over_the_environments_own_file_and_that_over_the_common_one() {
    let folder = Folder::new();
    assert_eq!(folder.command(&["--stack", "web"], &[("WHO", "shell"), ("COMMON", "s")]), r#"["shell","s"]"#);
    // Without a fleet, too.
    assert_eq!(folder.command(&["-f", "web/compose.yaml", "--env", "test"], &[]), r#"["test-value","common"]"#);
    assert_eq!(folder.command(&["-f", "web/compose.yaml"], &[]), r#"["nobody","common"]"#);
    // As with the reference, an env file that is named stands alone.
    let named = ["-f", "web/compose.yaml", "--env-file", "web/.env.test"];
    assert_eq!(folder.command(&named, &[]), r#"["test-value","none"]"#);
    let output = folder.landfast(&["config", "-f", "web/compose.yaml", "--env-file", "web/.env.test", "--env", "dev"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn an_environment_without_a_file_is_refused_with_those_that_have_one() {
    let folder = Folder::new();
    for arguments in [
        &["env", "use", "tset"][..],
        &["env", "use", "tset", "web"],
        &["plan", "web", "--env", "tset"],
        &["config", "--stack", "web", "--env", "tset"],
        &["config", "-f", "web/compose.yaml", "--env", "tset"],
        &["check", "web", "--env", "tset"],
    ] {
        let output = folder.landfast(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains("environment tset has no file") && said.contains("web/.env.tset"),
            "{arguments:?}: {said}"
        );
        assert!(said.contains("did you mean test? there are dev, test"), "{arguments:?}: {said}");
    }
    assert_eq!(folder.fleet(), FLEET);
    let output = folder.landfast(&["env", "use", "dev", "plain"]);
    assert!(text(&output.stderr).contains("no environment has one there"), "{}", text(&output.stderr));
    for bad in ["../web/.env", "a/b", ""] {
        assert_eq!(folder.landfast(&["env", "use", bad, "web"]).status.code(), Some(1), "{bad:?}");
    }
}

#[test]
fn an_environment_that_lacks_a_name_is_refused_with_both_files_before_anything_is_asked_of_a_host() {
    let folder = Folder::new();
    folder.write("web/.env.example", "WHO=\nASKED=\nTOO=\n");
    for arguments in [&["plan", "web"][..], &["up", "web", "--yes"], &["env", "use", "dev"]] {
        let output = folder.landfast(arguments);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(
            said.contains("web/.env.example:2:1: ASKED is asked for here, and web/.env.dev does not say it"),
            "{said}"
        );
        assert!(said.contains("web/.env.example:3:1: TOO "), "all at once: {said}");
    }
    assert_eq!(folder.fleet(), FLEET);
    // The shell says it, or the file does.
    let output = folder.landfast_with(&["env", "use", "test"], &[("ASKED", "1"), ("TOO", "")]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn an_environment_of_landfast_toml_without_a_file_is_listed_with_a_warning() {
    let folder = Folder::new();
    folder.write("landfast.toml", &FLEET.replace("\"dev\"", "\"dve\""));
    let output = folder.landfast(&["env", "ls"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(
        text(&output.stderr).contains("environment dve has no file .env.dve: did you mean dev?"),
        "{}",
        text(&output.stderr)
    );
}

#[tokio::test]
async fn a_plan_says_what_an_environment_has_beyond_the_example() {
    let fleet = Fleet::raise(&["alpha"], "[stacks.web]\npath = \"web\"\nenv = \"dev\"\n").await;
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
    assert!(refusal.contains("web/.env.example:1:1: WHO is asked for here"), "{refusal}");
}

/// The expected texts are what docker-compose 5.6.1 printed for the same files.
#[test]
fn the_variables_are_listed_as_the_reference_lists_them() {
    let folder = Folder::new();
    folder.write(
        "listed/.env",
        "SP=a b  c\nQ=\"he said \\\"x\\\"\"\nSQ='single'\nEMPTY=\nEMPTYQ=\"\"\nML=\"one\ntwo\"\nML2='x\ny'\nDOL=$$HOME\n\
         DOL2='$HOME'\nTAB=\"a\\tb\"\nLEAD=\"  lead\"\nUNI=naïve\nCR=\"a\\rb\"\nB=back\\slash\n",
    );
    folder.write("listed/compose.yaml", "services: {app: {image: 'app:1'}}\n");
    let list = |arguments: &[&str]| {
        let arguments = [&["-f", "listed/compose.yaml", "config", "--environment"], arguments].concat();
        let output = folder.landfast_with(&arguments, &[("OUT", "1"), ("NONE", "")]);
        text(&output.stdout).replace(folder.0.path().to_str().expect("text"), "FOLDER")
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
