//! Hosts that are reached over others.

use super::super::host_key::{HostKeyError, Trust};
use super::super::*;
use super::sessions::works;
use super::sshd::{Odd, Sshd};
use crate::output::progress;

#[tokio::test]
async fn a_host_is_reached_over_others_each_of_them_judged() {
    let (first, second, host) = (Sshd::start(), Sshd::start(), Sshd::start());
    let way = [first.known(), second.known(), host.known()];
    works(&Session::open(&way, &*progress::printer(true)).await.unwrap()).await;

    for unknown in 0..3 {
        let mut way = way.clone();
        way[unknown].trust = Trust::KnownHosts(vec!["/dev/null".into()]);
        let before = host.log().matches("Accepted publickey").count();
        let error = Session::open(&way, &*progress::printer(true)).await.err().unwrap();
        assert!(
            matches!(&error, SshError::HostKey(HostKeyError::Unknown { host, .. }) if *host == way[unknown].names.name),
            "{error:?}"
        );
        assert_eq!(host.log().matches("Accepted publickey").count(), before, "a host was logged in to over a stranger");
    }
}

#[tokio::test]
async fn a_host_that_passes_nothing_on_is_named() {
    let gate = Sshd::odd(&Odd { settings: "AllowTcpForwarding no", ..Odd::default() });
    let host = Sshd::start();
    let error = Session::open(&[gate.known(), host.known()], &*progress::printer(true)).await.err().unwrap();
    assert!(matches!(&error, SshError::Forward { jump, .. } if *jump == gate.destination().to_string()), "{error:?}");
}
