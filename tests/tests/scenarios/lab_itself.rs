//! Checks the lab itself, because all other scenarios rely on it.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use landfast_tests::lab::{EngineKind, Lab, Output, wait_until};

#[test]
fn hosts_run_the_expected_engines() -> Result<()> {
    let lab = Lab::of(3)?;
    for host in lab.hosts() {
        let version = host.api().get("/version")?["Version"].to_string();
        let info = host.api().get("/info")?;
        let (expected, store) = match host.kind() {
            EngineKind::Debian => ("\"20.10.", "overlay2"),
            EngineKind::Newer => ("\"28.", "overlayfs"),
        };
        assert!(version.starts_with(expected), "{} runs {version}", host.name());
        assert_eq!(info["Driver"], store, "{}", host.name());
        assert_eq!(info["Name"], host.name());
    }
    Ok(())
}

#[test]
fn hosts_reach_each_other_until_one_is_disconnected() -> Result<()> {
    let lab = Lab::of(2)?;
    let (alpha, beta) = (lab.host("alpha")?, lab.host("beta")?);
    let address = beta.address().to_string();
    let reaches = || Ok(alpha.run(&["busybox", "ping", "-c1", "-W1", &address])?.code == 0);
    wait_until("alpha reaches beta", Duration::from_secs(10), reaches)?;
    beta.disconnect()?;
    wait_until("alpha no longer reaches beta", Duration::from_secs(10), || Ok(!reaches()?))?;
    beta.reconnect()?;
    wait_until("alpha reaches beta again", Duration::from_secs(10), reaches)
}

#[test]
fn a_container_runs_and_does_not_exist_in_the_next_lab() -> Result<()> {
    {
        let lab = Lab::of(3)?;
        for host in lab.hosts() {
            host.docker(&["run", "-d", "--restart=always", "--name", "left", "landfast/small:1"])?.succeeds()?;
            host.docker(&["network", "create", "--subnet", "172.19.0.0/16", "infra_net"])?.succeeds()?;
        }
    }
    let lab = Lab::of(3)?;
    for host in lab.hosts() {
        assert_eq!(host.docker(&["ps", "-aq"])?.succeeds()?.text(), "", "{}", host.name());
        assert!(host.docker(&["network", "inspect", "infra_net"])?.code != 0, "{}", host.name());
    }
    Ok(())
}

#[test]
fn the_coordinator_logs_in_over_ssh_only_if_the_host_key_is_known() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let known = lab.folder().join("known_hosts");
    std::fs::write(&known, alpha.known_hosts())?;
    let key = alpha.client_key().display().to_string();
    let ssh = |known: &str| -> Result<Output> {
        let mut command: Command = lab.lan().command("ssh");
        command.args(["-F", "/dev/null", "-i", &key, "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes"]);
        command.args(["-o", &format!("UserKnownHostsFile={known}"), &format!("root@{}", alpha.address()), "hostname"]);
        Output::of(&mut command)
    };
    assert_eq!(ssh(&known.display().to_string())?.succeeds()?.text(), "alpha");
    ssh("/dev/null")?.exits(255)?.says("Host key verification failed")?;
    Ok(())
}
