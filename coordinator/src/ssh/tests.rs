//! Against a real OpenSSH server on the loopback, started by each test with keys and configuration of its own.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use landfast_certs::{Authority, Credentials, Identity, Role, Validity, key_and_request, server_config};
use landfast_proto::v1::DescribeResponse;

use super::host_key::{HostKeyError, Trust};
use super::service::{Run, Supervisor};
use super::*;
use crate::connect::tests::{listener, serve_on};
use crate::output::progress;

/// An sshd and what a user needs to log in to it. It ends with the test.
struct Sshd {
    folder: tempfile::TempDir,
    process: Child,
    port: u16,
}

impl Sshd {
    fn start() -> Self {
        let program = Path::new("/usr/sbin/sshd");
        assert!(program.exists(), "no {}: install openssh-server, which these tests log in to", program.display());
        // Where OpenSSH's privilege separation wants an empty folder; its package makes it at boot.
        std::fs::create_dir_all("/run/sshd").unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for key in ["host", "host_ecdsa", "user", "stranger"] {
            let kind = if key == "host_ecdsa" { "ecdsa" } else { "ed25519" };
            run(Command::new("ssh-keygen").args(["-q", "-t", kind, "-N", "", "-f"]).arg(path(key)));
        }
        std::fs::copy(path("user.pub"), path("authorized_keys")).unwrap();
        let port = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let shown = folder.path().display();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {shown}/host\nHostKey {shown}/host_ecdsa\nPidFile none\n\
             AuthorizedKeysFile {shown}/authorized_keys\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n\
             PermitRootLogin yes\nSubsystem sftp internal-sftp\n"
        );
        std::fs::write(path("config"), config).unwrap();
        let log = std::fs::File::create(path("log")).unwrap();
        let mut command = Command::new(program);
        command.args(["-D", "-e", "-f"]).arg(path("config")).stdin(Stdio::null()).stderr(log);
        let process = command.spawn().unwrap();
        let sshd = Self { folder, process, port };
        sshd.wait_until_it_listens();
        sshd
    }

    fn wait_until_it_listens(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).is_err() {
            let log = std::fs::read_to_string(self.path("log")).unwrap();
            assert!(Instant::now() < deadline, "sshd does not listen: {log}");
            std::thread::yield_now();
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn destination(&self) -> Destination {
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        Destination { user: user.trim().to_owned(), address: Ipv4Addr::LOCALHOST.into(), port: self.port }
    }

    /// A `known_hosts` with this text before the public key in that file.
    fn known_hosts(&self, before: &str, key: &str) -> PathBuf {
        let public = std::fs::read_to_string(self.path(key)).unwrap();
        let file = self.path("known_hosts");
        std::fs::write(&file, format!("# a comment\n{before} {public}")).unwrap();
        file
    }

    fn name(&self) -> String {
        self.destination().known_as()
    }

    fn login(&self, trust: Trust) -> Login {
        let keys = vec![self.path("user")];
        Login { destination: self.destination(), trust, keys, named: true, agent: None }
    }

    fn known(&self) -> Login {
        self.login(Trust::KnownHosts(self.known_hosts(&self.name(), "host.pub")))
    }

    fn fingerprint(&self, key: &str) -> String {
        let output = Command::new("ssh-keygen").arg("-lf").arg(self.path(key)).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(' ').nth(1).unwrap().to_owned()
    }

    async fn refusal(&self, trust: Trust) -> HostKeyError {
        match Session::open(&self.login(trust)).await {
            Err(SshError::HostKey(error)) => {
                // Nothing was sent: the server saw no attempt to log in.
                let log = std::fs::read_to_string(self.path("log")).unwrap();
                assert!(!log.contains("Accepted publickey") && !log.contains("Failed publickey"), "{log}");
                error
            }
            Err(error) => panic!("{error:?}"),
            Ok(_) => panic!("logged in to a host that nothing vouches for"),
        }
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn commands_and_files_go_to_a_host_that_is_known() {
    let sshd = Sshd::start();
    let session = Session::open(&sshd.known()).await.unwrap();
    assert_eq!(session.run(["echo", "a:b", "c=d"]).await.unwrap(), "a:b c=d\n");
    let error = session.run(["ls", "/nowhere"]).await.unwrap_err().to_string();
    assert!(error.contains("`ls /nowhere`") && error.contains("No such file"), "{error}");
    assert!(session.run(["echo", "$HOME"]).await.unwrap_err().to_string().contains("cannot be sent"));
    assert!(!session.succeeds(["false"]).await.unwrap());

    let contents: Vec<u8> = (0..3_000_000_u32).map(|number| (number % 251) as u8).collect();
    let staging = session.make_staging().await.unwrap();
    let file = format!("{staging}/file");
    session.write(&file, &contents, 0o600, |_| ()).await.unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), contents);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(session.write(&file, b"again", 0o600, |_| ()).await.is_err(), "a file that was there was written over");
    session.remove_staging(&staging).await.unwrap();
    assert!(!Path::new(&staging).exists());
    session.close().await;
}

#[tokio::test]
async fn t34_an_unknown_host_is_refused_with_its_fingerprint() {
    let sshd = Sshd::start();
    let file = sshd.path("nobody");
    let error = sshd.refusal(Trust::KnownHosts(file.clone())).await;
    let (hint, fingerprint) = (error.hint().unwrap(), sshd.fingerprint("host.pub"));
    assert!(matches!(&error, HostKeyError::Unknown { .. }), "{error:?}");
    assert!(error.to_string().contains(&fingerprint) && hint.contains("ssh-keyscan"), "{error} {hint}");
    assert!(!file.exists(), "an unknown host was learned");
    let elsewhere = sshd.known_hosts("192.0.2.1", "host.pub");
    assert!(matches!(sshd.refusal(Trust::KnownHosts(elsewhere)).await, HostKeyError::Unknown { .. }));
}

#[tokio::test]
async fn t34_a_changed_key_is_refused_with_the_line_that_knows_better() {
    let sshd = Sshd::start();
    let error = sshd.refusal(Trust::KnownHosts(sshd.known_hosts(&sshd.name(), "stranger.pub"))).await;
    assert!(matches!(&error, HostKeyError::Changed { line: 2, .. }), "{error:?}");
    let revoked = sshd.known_hosts(&sshd.name(), "host.pub");
    let public = std::fs::read_to_string(sshd.path("host.pub")).unwrap();
    let text = std::fs::read_to_string(&revoked).unwrap();
    std::fs::write(&revoked, format!("{text}@revoked * {public}")).unwrap();
    assert!(matches!(sshd.refusal(Trust::KnownHosts(revoked)).await, HostKeyError::Revoked { .. }));
}

#[tokio::test]
async fn t34_a_fingerprint_is_accepted_only_if_it_is_the_hosts() {
    let sshd = Sshd::start();
    let other = sshd.fingerprint("stranger.pub");
    assert!(matches!(sshd.refusal(Trust::Fingerprint(other)).await, HostKeyError::NotAccepted { .. }));
    Session::open(&sshd.login(Trust::Fingerprint(sshd.fingerprint("host.pub")))).await.unwrap();
}

#[tokio::test]
async fn a_host_with_several_keys_shows_the_one_it_is_known_by() {
    let sshd = Sshd::start();
    let file = sshd.known_hosts(&sshd.name(), "host_ecdsa.pub");
    Session::open(&sshd.login(Trust::KnownHosts(file))).await.unwrap();
}

#[tokio::test]
async fn a_hashed_known_hosts_line_counts() {
    let sshd = Sshd::start();
    let file = sshd.known_hosts(&sshd.name(), "host.pub");
    run(Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&file));
    assert!(!std::fs::read_to_string(&file).unwrap().contains("127.0.0.1"));
    Session::open(&sshd.login(Trust::KnownHosts(file))).await.unwrap();
}

#[tokio::test]
async fn a_key_that_is_not_let_in_is_named() {
    let sshd = Sshd::start();
    let login = Login { keys: vec![sshd.path("stranger")], ..sshd.known() };
    let Err(error) = Session::open(&login).await else { panic!("a stranger is in") };
    assert!(matches!(&error, SshError::Login { tried, .. } if tried.contains("stranger")), "{error:?}");
    assert!(error.hint().unwrap().contains("--identity"));
    let login = Login { keys: vec![sshd.path("nothing")], ..sshd.known() };
    assert!(matches!(Session::open(&login).await, Err(SshError::Key { .. })));
    let login = Login { keys: vec![], named: false, ..sshd.known() };
    assert!(matches!(Session::open(&login).await, Err(SshError::Login { .. })));
}

#[tokio::test]
async fn a_key_that_ssh_agent_holds_logs_in() {
    let sshd = Sshd::start();
    let socket = sshd.path("agent");
    let mut agent = Command::new("ssh-agent").args(["-D", "-a"]).arg(&socket).stdout(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    while !socket.exists() {
        assert!(Instant::now() < deadline, "ssh-agent makes no socket");
        std::thread::yield_now();
    }
    run(Command::new("ssh-add").arg("-q").arg(sshd.path("user")).env("SSH_AUTH_SOCK", &socket));
    let login = Login { keys: vec![], named: false, agent: Some(socket), ..sshd.known() };
    let opened = Session::open(&login).await;
    agent.kill().unwrap();
    agent.wait().unwrap();
    opened.unwrap();
}

/// A host whose agent is a script; the test serves in its place, with what the host then has.
struct Joining {
    sshd: Sshd,
    authority: Authority,
    operator: Credentials,
}

impl Joining {
    fn new() -> Self {
        let sshd = Sshd::start();
        let authority = Authority::create("home", SystemTime::now()).unwrap();
        let anna = Identity::operator("home", "anna", Role::Admin).unwrap();
        let operator = authority.issue(&anna, Validity::standard(SystemTime::now())).unwrap();
        let calls = sshd.path("calls");
        let script = format!(
            "#!/bin/sh\necho \"$@\" >> {}\ncase $1 in request) cat {}/request.pem ;; run) exec sleep 60 ;; esac\n",
            calls.display(),
            sshd.path("identity").display()
        );
        std::fs::write(sshd.path("script"), script).unwrap();
        let request = key_and_request(&sshd.path("identity")).unwrap();
        std::fs::write(sshd.path("identity/request.pem"), request).unwrap();
        Self { sshd, authority, operator }
    }

    fn run(&self, target: &crate::connect::Target) -> Run {
        let path = |name: &str| self.sshd.path(name);
        Run {
            program: path("bin/landfast-agent"),
            identity: path("identity"),
            state: path("state"),
            docker: path("docker.sock"),
            listen: target.socket(),
            pid: path("agent.pid"),
            log: path("agent.log"),
        }
    }

    fn join(&self, target: &crate::connect::Target) -> Join<'_> {
        Join {
            login: self.sshd.known(),
            target: target.clone(),
            authority: &self.authority,
            operator: &self.operator,
            binary: self.sshd.path("script"),
            run: self.run(target),
            supervisor: Some(Supervisor::Process),
        }
    }

    /// The process that was started, once its number is there.
    fn process(&self) -> u32 {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let pid = std::fs::read_to_string(self.sshd.path("agent.pid")).unwrap_or_default();
            match pid.trim().parse() {
                Ok(pid) => return pid,
                Err(_) => assert!(Instant::now() < deadline, "no process was started"),
            }
            std::thread::yield_now();
        }
    }
}

#[tokio::test]
async fn a_host_joins_and_joins_again() {
    let joining = Joining::new();
    for _ in 0..2 {
        let (listener, target) = listener().await;
        let identity = joining.sshd.path("identity");
        std::fs::remove_file(identity.join("cert.pem")).ok();
        tokio::spawn(async move {
            while !identity.join("cert.pem").exists() {
                tokio::task::yield_now().await;
            }
            let credentials = Credentials::load(&identity).unwrap();
            let answer = DescribeResponse { agent_version: "9".to_owned(), ..Default::default() };
            serve_on(listener, server_config(&credentials).unwrap(), Ok(answer));
        });
        let joined = join(&joining.join(&target), &*progress::listener(true)).await.unwrap();
        assert_eq!(joined.agent_version, "9");
        let pid = joining.process();
        run(Command::new("kill").arg(pid.to_string()));
        std::fs::remove_file(joining.sshd.path("agent.pid")).unwrap();

        let calls = std::fs::read_to_string(joining.sshd.path("calls")).unwrap();
        let shown = joining.sshd.folder.path().display();
        assert!(calls.contains(&format!("request --identity {shown}/identity --host alpha --fleet home\n")), "{calls}");
        assert!(
            calls.contains(&format!("--listen {} --docker unix://{shown}/docker.sock\n", target.socket())),
            "{calls}"
        );
    }
    let identity = joining.sshd.path("identity");
    let key = std::fs::metadata(identity.join("key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert_eq!(Credentials::load(&identity).unwrap().identity().to_string(), "landfast://home/agent/alpha");
}

#[tokio::test]
async fn a_program_for_another_processor_is_noticed_before_it_goes_there() {
    let joining = Joining::new();
    let (_listener, target) = listener().await;
    let mut elf = vec![0; 64];
    elf[..4].copy_from_slice(b"\x7fELF");
    elf[18..20].copy_from_slice(&if cfg!(target_arch = "x86_64") { 183_u16 } else { 62 }.to_le_bytes());
    std::fs::write(joining.sshd.path("script"), elf).unwrap();
    let error = join(&joining.join(&target), &*progress::listener(true)).await.unwrap_err();
    assert!(matches!(error, JoinError::Machine { .. }), "{error:?}");
    assert!(!joining.sshd.path("bin").exists());
}
