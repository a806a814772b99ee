//! Tests of joining a host, once and again.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;
use std::time::{Duration, Instant, SystemTime};

use landfast_certs::{Authority, Credentials, Identity, Role, Validity, key_and_request, server_config};
use landfast_engine::connect::FEATURES;
use landfast_engine::connect::Target;
use landfast_proto::v1::DescribeResponse;
use tokio::net::TcpListener;

use super::super::service::{AgentOptions, Supervisor};
use super::super::*;
use super::agent_server::serve_on;
use super::sshd::{Sshd, run};
use crate::output::progress;

/// A host whose agent is a script. The test serves the agent's API instead, with the identity that the host received.
struct JoinTest {
    sshd: Sshd,
    authority: Authority,
    operator: Credentials,
}

impl JoinTest {
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

    fn agent_options(&self, target: &Target) -> AgentOptions {
        let path = |name: &str| self.sshd.path(name);
        AgentOptions {
            program: path("bin/landfast-agent"),
            identity: path("identity"),
            state: path("state"),
            docker: path("docker.sock"),
            listen: target.socket(),
            pid: path("agent.pid"),
            log: path("agent.log"),
        }
    }

    fn join(&self, target: &Target) -> Join<'_> {
        Join {
            hops: vec![self.sshd.known()],
            target: target.clone(),
            authority: &self.authority,
            operator: &self.operator,
            binary: self.sshd.path("script"),
            agent: self.agent_options(target),
            supervisor: Some(Supervisor::Process),
        }
    }

    /// The id of the started process, as soon as it is written.
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

async fn listener() -> (TcpListener, Target) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Target { host: "alpha".to_owned(), address: Ipv4Addr::LOCALHOST, port })
}

#[tokio::test]
async fn a_host_can_join_twice() {
    let test = JoinTest::new();
    for _ in 0..2 {
        let (listener, target) = listener().await;
        let identity = test.sshd.path("identity");
        std::fs::remove_file(identity.join("cert.pem")).ok();
        tokio::spawn(async move {
            while !identity.join("cert.pem").exists() {
                tokio::task::yield_now().await;
            }
            let credentials = Credentials::load(&identity).unwrap();
            let features = FEATURES.map(str::to_owned).to_vec();
            let answer = DescribeResponse { agent_version: "9".to_owned(), features, ..Default::default() };
            serve_on(listener, server_config(&credentials).unwrap(), Ok(answer));
        });
        let joined = join(&test.join(&target), &*progress::printer(true)).await.unwrap();
        assert_eq!(joined.agent_version, "9");
        let pid = test.process();
        run(Command::new("kill").arg(pid.to_string()));
        std::fs::remove_file(test.sshd.path("agent.pid")).unwrap();

        let calls = std::fs::read_to_string(test.sshd.path("calls")).unwrap();
        let shown = test.sshd.folder.path().display();
        assert!(calls.contains(&format!("request --identity {shown}/identity --host alpha --fleet home\n")), "{calls}");
        assert!(
            calls.contains(&format!("--listen {} --docker unix://{shown}/docker.sock\n", target.socket())),
            "{calls}"
        );
    }
    let identity = test.sshd.path("identity");
    let key = std::fs::metadata(identity.join("key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
    assert_eq!(Credentials::load(&identity).unwrap().identity().to_string(), "landfast://home/agent/alpha");
}

#[tokio::test]
async fn a_binary_for_another_processor_is_refused_before_it_is_copied() {
    let test = JoinTest::new();
    let (_listener, target) = listener().await;
    let mut elf = vec![0; 64];
    elf[..4].copy_from_slice(b"\x7fELF");
    elf[18..20].copy_from_slice(&if cfg!(target_arch = "x86_64") { 183_u16 } else { 62 }.to_le_bytes());
    std::fs::write(test.sshd.path("script"), elf).unwrap();
    let error = join(&test.join(&target), &*progress::printer(true)).await.unwrap_err();
    assert!(matches!(error, JoinError::Machine { .. }), "{error:?}");
    assert!(!test.sshd.path("bin").exists());
}
