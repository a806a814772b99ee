//! Tests of `init`, `cert` and `host`: what they create, what they refuse, and that they overwrite nothing.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use landfast_certs::{Credentials, Role};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder that contains a fleet.
    fn initialised() -> Self {
        let folder = Self::new();
        folder.landfast(&["init", "home"], 0);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }

    /// Runs the command, expects this exit code, and returns its standard output and standard error.
    fn landfast(&self, arguments: &[&str], code: i32) -> (String, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_landfast"));
        command.args(arguments).current_dir(self.0.path()).env_clear().stdin(Stdio::null());
        let Output { status, stdout, stderr } =
            command.env("USER", "anna").env("HOME", self.0.path()).output().unwrap();
        let (stdout, stderr) = (String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
        assert_eq!(status.code(), Some(code), "{arguments:?}: {stdout}{stderr}");
        (stdout, stderr)
    }
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn init_creates_a_valid_fleet_and_an_admin() {
    let folder = Folder::initialised();
    assert!(folder.read("landfast.toml").starts_with("[fleet]\nname = \"home\"\n"));
    let operator = Credentials::load(&folder.path(".landfast/operator")).unwrap();
    assert_eq!(operator.identity().to_string(), "landfast://home/operator/anna?role=admin");
    assert_eq!(mode(&folder.path(".landfast")), 0o700);
    assert_eq!(mode(&folder.path(".landfast/authority/ca-key.pem")), 0o600);
    assert_eq!(folder.read(".landfast/.gitignore"), "*\n");
    let (hosts, _) = folder.landfast(&["host", "ls", "--format", "json"], 0);
    assert_eq!(hosts, "[]\n");
}

#[test]
fn init_overwrites_nothing_and_completes_an_interrupted_run() {
    let folder = Folder::initialised();
    let key = folder.read(".landfast/authority/ca-key.pem");
    let (_, printed) = folder.landfast(&["init"], 1);
    assert!(printed.contains("never overwritten"), "{printed}");
    let (_, printed) = folder.landfast(&["init", "away"], 2);
    assert!(printed.contains("defines the fleet home, not away"), "{printed}");
    std::fs::remove_dir_all(folder.path(".landfast/operator")).unwrap();
    folder.landfast(&["init"], 0);
    assert_eq!(folder.read(".landfast/authority/ca-key.pem"), key);
    Credentials::load(&folder.path(".landfast/operator")).unwrap();
}

#[test]
fn init_keeps_an_existing_fleet() {
    let folder = Folder::new();
    let text = "# mine\n[fleet]\nname = \"boat\"\n";
    std::fs::write(folder.path("landfast.toml"), text).unwrap();
    folder.landfast(&["init"], 0);
    assert_eq!(folder.read("landfast.toml"), text);
    assert_eq!(Credentials::load(&folder.path(".landfast/operator")).unwrap().identity().fleet(), "boat");
}

#[test]
fn an_invalid_name_creates_nothing() {
    let folder = Folder::new();
    folder.landfast(&["init", "My Fleet"], 2);
    assert_eq!(std::fs::read_dir(folder.0.path()).unwrap().count(), 0);
}

#[test]
fn certificates_have_the_requested_role_or_the_least_privileged_one() {
    let folder = Folder::initialised();
    for (arguments, role) in [(&["--role", "deployer"][..], Role::Deployer), (&[], Role::Viewer)] {
        let out = format!("for-{role}");
        folder.landfast(&[&["cert", "issue", "operator", "bob", "--out", &out], arguments].concat(), 0);
        assert_eq!(Credentials::load(&folder.path(&out)).unwrap().identity().role(), Some(role));
        assert_eq!(mode(&folder.path(&out).join("key.pem")), 0o600);
    }
    let (shown, _) = folder.landfast(&["cert", "show", "for-viewer", "--format", "json"], 0);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    assert_eq!(
        (&shown["identity"], &shown["role"]),
        (&"landfast://home/operator/bob?role=viewer".into(), &"viewer".into())
    );
    folder.landfast(&["cert", "issue", "operator", "bob", "--role", "root", "--out", "x"], 2);
    folder.landfast(&["cert", "issue", "agent", "../alpha", "--out", "x"], 2);
    assert!(!folder.path("x").exists());
}

#[test]
fn an_issued_key_is_never_overwritten() {
    let folder = Folder::initialised();
    let (_, printed) = folder.landfast(&["cert", "issue", "agent", "alpha", "--out", "x"], 0);
    assert!(printed.contains("landfast.toml has no host alpha yet"), "{printed}");
    let key = folder.read("x/key.pem");
    let (_, printed) = folder.landfast(&["cert", "issue", "agent", "alpha", "--out", "x"], 2);
    assert!(printed.contains("already has a key") && folder.read("x/key.pem") == key, "{printed}");
}

#[test]
fn certificates_require_the_authority() {
    let folder = Folder::initialised();
    std::fs::remove_dir_all(folder.path(".landfast/authority")).unwrap();
    let (_, printed) = folder.landfast(&["cert", "issue", "agent", "alpha", "--out", "x"], 1);
    assert!(
        printed.contains("ca.pem") && printed.contains("hint: only a machine with the fleet's authority"),
        "{printed}"
    );
}

#[test]
fn an_unreachable_host_is_not_added() {
    let folder = Folder::initialised();
    let before = folder.read("landfast.toml");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let ssh = format!("root@:{port}");
    let (_, printed) =
        folder.landfast(&["host", "add", "alpha", "127.0.0.1", "--ssh", &ssh, "--agent", "/bin/true"], 1);
    assert!(printed.contains("cannot be reached") && printed.contains("hint:"), "{printed}");
    for arguments in [
        ["alpha", "127.0.0.1", "root@127.0.0.1:x"],
        ["alpha", "127.0.0.1", "-x@127.0.0.1"],
        ["Alpha", "127.0.0.1", "root@"],
    ] {
        let [host, address, ssh] = arguments;
        folder.landfast(&["host", "add", host, address, &format!("--ssh={ssh}")], 2);
    }
    assert_eq!(folder.read("landfast.toml"), before);
}

#[test]
fn adding_a_host_again_does_not_change_its_address() {
    let folder = Folder::initialised();
    let text = folder.read("landfast.toml") + "[hosts.alpha]\naddress = \"127.0.0.1\"\nport = 9\n";
    std::fs::write(folder.path("landfast.toml"), &text).unwrap();
    let (_, printed) = folder.landfast(&["host", "add", "alpha", "127.0.0.2", "--ssh", "root@"], 1);
    assert!(printed.contains("landfast.toml has alpha at 127.0.0.1:9, not at 127.0.0.2:7219"), "{printed}");
    let (hosts, printed) = folder.landfast(&["host", "ls"], 0);
    assert!(
        hosts.contains("alpha  127.0.0.1:9  unreachable") && printed.contains("connection refused"),
        "{hosts}{printed}"
    );
}

#[test]
fn only_a_host_of_the_fleet_can_be_upgraded_and_its_address_is_that_of_the_file() {
    let folder = Folder::initialised();
    let (_, printed) = folder.landfast(&["host", "add", "alpha", "--upgrade", "--ssh", "root@"], 2);
    assert!(
        printed.contains("landfast.toml has no host alpha") && printed.contains("host add alpha ADDRESS"),
        "{printed}"
    );
    let (_, printed) = folder.landfast(&["host", "add", "alpha", "127.0.0.1", "--upgrade", "--ssh", "root@"], 2);
    assert!(printed.contains("cannot be used with"), "{printed}");
    let (_, printed) = folder.landfast(&["host", "add", "alpha", "--ssh", "root@"], 2);
    assert!(printed.contains("<ADDRESS>"), "{printed}");
}
