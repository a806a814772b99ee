//! Tests of hosts that are reached through jump hosts.

use super::super::host_key::{HostKeyError, Trust};
use super::super::*;
use super::sessions::works;
use super::sshd::{Sshd, SshdOptions};
use crate::output::progress;

#[tokio::test]
async fn every_jump_host_is_verified() {
    let (first, second, host) = (Sshd::start(), Sshd::start(), Sshd::start());
    let route = [first.known(), second.known(), host.known()];
    works(&Session::open(&route, &*progress::printer(true)).await.unwrap()).await;

    for unknown in 0..3 {
        let mut route = route.clone();
        route[unknown].trust = Trust::KnownHosts(vec!["/dev/null".into()]);
        let before = host.log().matches("Accepted publickey").count();
        let error = Session::open(&route, &*progress::printer(true)).await.err().unwrap();
        assert!(
            matches!(&error, SshError::HostKey(HostKeyError::Unknown { host, .. }) if *host == route[unknown].names.name),
            "{error:?}"
        );
        assert_eq!(
            host.log().matches("Accepted publickey").count(),
            before,
            "a host was logged in to through an unverified one"
        );
    }
}

#[tokio::test]
async fn a_jump_host_that_forwards_nothing_is_reported() {
    let gate = Sshd::with_options(&SshdOptions { settings: "AllowTcpForwarding no", ..SshdOptions::default() });
    let host = Sshd::start();
    let error = Session::open(&[gate.known(), host.known()], &*progress::printer(true)).await.err().unwrap();
    assert!(matches!(&error, SshError::Forward { jump, .. } if *jump == gate.destination().to_string()), "{error:?}");
}
