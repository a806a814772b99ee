//! Tests of host key verification (T34), by landfast and by `ssh` for comparison.

use landfast_engine::Hint as _;
use std::process::{Command, Stdio};

use super::super::config::Family;
use super::super::host_key::{HostKeyError, Names, Trust};
use super::super::*;
use super::sshd::{Sshd, SshdOptions, failure, open, run};

#[tokio::test]
async fn t34_an_unknown_host_is_refused_with_its_fingerprint() {
    let sshd = Sshd::start();
    let file = sshd.path("nobody");
    let error = sshd.refusal(Trust::KnownHosts(vec![file.clone()])).await;
    let (hint, fingerprint) = (error.hint().unwrap(), sshd.fingerprint("host.pub"));
    assert!(matches!(&error, HostKeyError::Unknown { .. }), "{error:?}");
    assert!(error.to_string().contains(&fingerprint) && hint.contains("--accept-fingerprint"), "{error} {hint}");
    assert!(hint.contains(file.to_str().unwrap()), "{hint}");
    assert!(!file.exists(), "an unknown host key was saved");
    let elsewhere = sshd.known_hosts("192.0.2.1", "host.pub");
    assert!(matches!(sshd.refusal(Trust::KnownHosts(vec![elsewhere])).await, HostKeyError::Unknown { .. }));
    let nothing = Trust::KnownHosts(vec!["/dev/null".into()]);
    assert!(matches!(sshd.refusal(nothing).await, HostKeyError::Unknown { file: None, .. }));
}

#[tokio::test]
async fn t34_a_changed_key_is_refused_with_the_line_of_the_known_key() {
    let sshd = Sshd::with_options(&SshdOptions { host_keys: &["host"], ..SshdOptions::default() });
    let error = sshd.refusal_of("# a comment\nNAME {stranger}\n").await;
    assert!(matches!(&error, HostKeyError::Changed { line: 2, .. }), "{error:?}");
    let error = sshd.refusal_of("NAME {host_ecdsa}\n").await;
    assert!(matches!(&error, HostKeyError::OtherKind { line: 1, known: "ecdsa", .. }), "{error:?}");
    let error = sshd.refusal_of("NAME {host}\n@revoked * {host}\n").await;
    assert!(matches!(&error, HostKeyError::Revoked { line: 2, .. }), "{error:?}");
    let error = sshd.refusal_of("@cert-authority * {stranger}\n").await;
    assert!(error.to_string().contains("line 1 is a certificate authority"), "{error}");
}

#[tokio::test]
async fn t34_a_fingerprint_is_accepted_only_if_it_is_the_hosts() {
    let sshd =
        Sshd::with_options(&SshdOptions { host_keys: &["host", "host_ecdsa", "host_rsa"], ..SshdOptions::default() });
    let other = sshd.fingerprint("stranger.pub");
    assert!(matches!(sshd.refusal(Trust::Fingerprint(other)).await, HostKeyError::NotAccepted { .. }));
    for key in ["host.pub", "host_ecdsa.pub", "host_rsa.pub"] {
        open(&sshd.hop(Trust::Fingerprint(sshd.fingerprint(key)))).await.unwrap();
    }
}

/// The verdicts are the same as those of OpenSSH with the same file.
#[tokio::test]
async fn known_hosts_is_interpreted_like_ssh_interprets_it() {
    let sshd =
        Sshd::with_options(&SshdOptions { host_keys: &["host", "host_ecdsa", "host_rsa"], ..SshdOptions::default() });
    let port = sshd.port;
    for (text, known) in [
        // Types of known keys are preferred to other keys of the host.
        ("NAME {host}", true),
        ("NAME {host_ecdsa}", true),
        ("NAME {host_rsa}", true),
        ("NAME {host_rsa}\nNAME {stranger}", false),
        ("NAME {host_rsa}\nNAME {host_ecdsa}", true),
        ("NAME {stranger}", false),
        ("[127.0.0.*]:PORT {host}", true),
        ("*,![127.0.0.2]:PORT {host}", true),
        ("*,!NAME {host}", true),
        ("*,!NAME,!127.0.0.1 {host}", false),
        ("[127.0.0.?]:* {host_rsa}", true),
        ("other,NAME {host}", true),
        ("127.0.0.1 {host}", true),
        ("127.0.0.1 {stranger}", false),
        ("  NAME   {host}   a comment", true),
        ("\tNAME\t\t{host}", true),
        ("NAME ssh-ed25519 AAAAC3Nz\nNAME {host}", true),
        ("NAME\nNAME ssh-ed25519\n@nothing\nNAME {host}", true),
        ("NAME ssh-ed25519 AAAAC3Nz", false),
        ("@revoked NAME {host}\nNAME {host}", false),
        ("", false),
    ] {
        let file = sshd.known_hosts_with(&text.replace("PORT", &port.to_string()));
        let ours = open(&sshd.trusting(file.clone())).await;
        assert_eq!(ours.is_ok(), known, "{text}: {:?}", ours.err());
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "/dev/null", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-i"]);
        ssh.arg(sshd.path("user")).args(["-o", "GlobalKnownHostsFile=/dev/null", "-o"]);
        ssh.arg(format!("UserKnownHostsFile={}", file.display())).args(["-p", &port.to_string(), "127.0.0.1", "true"]);
        assert_eq!(ssh.stderr(Stdio::null()).status().unwrap().success(), known, "ssh disagrees: {text}");
    }
}

#[tokio::test]
async fn a_host_with_only_an_rsa_key_is_verified() {
    let sshd = Sshd::with_options(&SshdOptions { host_keys: &["host_rsa"], ..SshdOptions::default() });
    let error = sshd.refusal_of("NAME {host}\n").await;
    assert!(matches!(&error, HostKeyError::OtherKind { kind: "rsa", known: "ed25519", .. }), "{error:?}");
    open(&sshd.trusting(sshd.known_hosts_with("NAME {host_rsa}\n"))).await.unwrap();
}

#[tokio::test]
async fn an_invalid_line_is_reported_with_its_number() {
    struct RecordedWarnings(std::sync::Mutex<Vec<String>>);
    impl crate::output::progress::Printer for RecordedWarnings {
        fn say(&self, _: &str) {}
        fn warn(&self, line: &str) {
            self.0.lock().unwrap().push(line.to_owned());
        }
        fn transfer(&self, _: &str, _: u64) -> Box<dyn crate::output::progress::Bytes> {
            unreachable!("nothing is sent")
        }
    }
    let sshd = Sshd::start();
    let error = sshd.refusal_of("NAME ssh-ed25519\n").await.to_string();
    assert!(error.contains("line 1 cannot be read: it ends before the key"), "{error}");
    let file = sshd.known_hosts_with("# mine\nNAME ssh-ed25519 AAAAC3Nz\nother ssh-ed25519 AAAA\nNAME {host}\n");
    let recorded = RecordedWarnings(std::sync::Mutex::default());
    Session::open(&[sshd.trusting(file.clone())], &recorded).await.unwrap();
    let expected = format!("{} line 2 is ignored: its key is invalid", file.display());
    assert_eq!(*recorded.0.lock().unwrap(), [expected]);
}

#[tokio::test]
async fn a_hashed_known_hosts_line_counts() {
    let sshd = Sshd::start();
    let file = sshd.known_hosts(&sshd.name(), "host.pub");
    run(Command::new("ssh-keygen").args(["-q", "-H", "-f"]).arg(&file));
    assert!(!std::fs::read_to_string(&file).unwrap().contains("127.0.0.1"));
    open(&sshd.trusting(file)).await.unwrap();
}

#[tokio::test]
async fn the_second_known_hosts_file_counts_too() {
    let sshd = Sshd::start();
    let known = sshd.known_hosts(&sshd.name(), "host.pub");
    open(&sshd.hop(Trust::KnownHosts(vec!["/dev/null".into(), sshd.path("nobody"), known]))).await.unwrap();
}

#[tokio::test]
async fn a_host_is_reached_by_its_name() {
    let sshd = Sshd::start();
    let known = |name: &str| {
        let mut hop = sshd.trusting(sshd.known_hosts(&format!("[{name}]:{}", sshd.port), "host.pub"));
        hop.destination.host = "localhost".to_owned();
        hop.names = Names { name: format!("[localhost]:{}", sshd.port), without_port: Some("localhost".to_owned()) };
        hop.family = Family::V4;
        hop
    };
    open(&known("localhost")).await.unwrap();
    // ssh refuses a host that is known only by its address too, but the message can say why.
    let error = failure(&known("127.0.0.1")).await.to_string();
    assert!(error.contains("line 2 has this key for the host's address, but not for its name"), "{error}");
    let mut hop = known("localhost");
    hop.destination.host = "nowhere.invalid".to_owned();
    let error = failure(&hop).await;
    assert!(matches!(error, SshError::Name { .. }), "{error:?}");
}
