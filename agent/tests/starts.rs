//! Starts the program: what it refuses, and what it prints.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

fn agent(arguments: &[&str], folder: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_landfast-agent"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the program starts")
}

#[test]
fn t01_without_an_identity_it_does_not_start_and_says_how_to_get_one() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("identity")).expect("made");
    let run = ["run", "--identity", "identity", "--state", "state", "--listen", "127.0.0.1:0"];
    for identity in ["nowhere", "identity"] {
        let mut run = run;
        run[2] = identity;
        let ended = agent(&run, folder.path());
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(!ended.status.success());
        assert!(said.contains(identity) && said.contains("landfast host add"), "{said}");
        assert!(!folder.path().join("state").exists());
    }
}

#[test]
fn t01_a_coordinators_identity_is_not_an_agents() {
    use landfast_certs::{Authority, Identity, Validity};
    let folder = tempfile::tempdir().expect("a folder");
    let now = std::time::SystemTime::now();
    let coordinator = Identity::coordinator("home", "main").expect("a good name");
    let credentials = Authority::create("home", now).and_then(|it| it.issue(&coordinator, Validity::standard(now)));
    credentials.and_then(|it| it.save(&folder.path().join("identity"))).expect("saved");
    let ended = agent(&["run", "--identity", "identity", "--state", "state"], folder.path());
    assert!(!ended.status.success());
    assert!(String::from_utf8_lossy(&ended.stderr).contains("not an agent's identity"));
}

#[test]
fn a_request_is_printed_and_its_key_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let asked = ["request", "--identity", "identity", "--host", "alpha", "--fleet", "home"];
    let ended = agent(&asked, folder.path());
    let printed = String::from_utf8_lossy(&ended.stdout).into_owned();
    assert!(ended.status.success());
    assert!(printed.starts_with("-----BEGIN CERTIFICATE REQUEST-----"), "{printed}");
    let key = folder.path().join("identity/key.pem");
    assert_eq!(key.metadata().expect("made").permissions().mode() & 0o777, 0o600);
    let made = std::fs::read(&key).expect("made");
    assert!(agent(&asked, folder.path()).status.success());
    assert_eq!(std::fs::read(&key).expect("kept"), made);
}

#[test]
fn a_name_that_cannot_be_is_refused_before_a_key_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let ended = agent(&["request", "--identity", "identity", "--host", "../x", "--fleet", "home"], folder.path());
    assert!(!ended.status.success());
    assert!(!folder.path().join("identity").exists());
}
