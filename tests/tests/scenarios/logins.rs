//! Joining hosts that `ssh` reaches in special ways: by a name in `~/.ssh/config`, through another host, and with an
//! unusual sshd or login shell.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use landfast_tests::lab::{Fleet, Host, Lab, Output, agent_binary};

/// A second sshd of a host, on its own port. It stops when the value is dropped.
struct Sshd<'lab> {
    host: &'lab Host,
    port: u16,
}

impl<'lab> Sshd<'lab> {
    fn start(host: &'lab Host, port: u16, settings: &str) -> Result<Self> {
        let config = format!(
            "Port {port}\nHostKey /etc/ssh/lab_host_key\nPermitRootLogin prohibit-password\nUsePAM no\n\
             PidFile /run/sshd-{port}.pid\n{settings}"
        );
        fs::write(host.path("/etc/ssh/second_sshd_config"), config)?;
        host.run(&["/usr/sbin/sshd", "-f", "/etc/ssh/second_sshd_config"])?.succeeds()?;
        Ok(Self { host, port })
    }
}

impl Drop for Sshd<'_> {
    fn drop(&mut self) {
        self.host.sh(&format!("kill $(cat /run/sshd-{}.pid)", self.port)).ok();
    }
}

/// Commands that root's shell on a host runs first, until the value is dropped.
struct Greeting<'lab>(&'lab Host);

impl<'lab> Greeting<'lab> {
    fn of(host: &'lab Host, text: &str) -> Result<Self> {
        fs::write(host.path("/root/.bashrc"), text)?;
        Ok(Self(host))
    }
}

impl Drop for Greeting<'_> {
    fn drop(&mut self) {
        fs::remove_file(self.0.path("/root/.bashrc")).ok();
    }
}

/// Writes the coordinator's `~/.ssh/config`.
fn ssh_config(lab: &Lab, text: &str) -> Result<()> {
    let folder = lab.folder().join("home/.ssh");
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("config"), text).context("cannot write ~/.ssh/config")
}

/// Runs `landfast host add` with only a name to log in to.
fn add(fleet: &Fleet<'_>, host: &Host, ssh: &str) -> Result<Output> {
    let (address, agent) = (host.address().to_string(), agent_binary()?);
    let agent = agent.to_str().context("the path is not UTF-8")?;
    fleet.landfast(&["host", "add", host.name(), &address, "--ssh", ssh, "--agent", agent])
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_host_joins_by_its_name_in_ssh_config_through_another_host() -> Result<()> {
    let lab = Lab::of(2)?;
    let (alpha, beta) = (lab.host("alpha")?, lab.host("beta")?);
    let fleet = lab.empty_fleet("fleet")?;
    fleet.landfast(&["init"])?.succeeds()?;
    // This sshd accepts logins from beta only.
    let sshd = Sshd::start(alpha, 2222, &format!("AllowUsers root@{}\n", beta.address()))?;
    let known = lab.folder().join("keys");
    let written =
        format!("gate\t{}\n# alpha, by its address and port\n[10.77.0.*]:2222 {}\n", key_of(beta)?, key_of(alpha)?);
    fs::write(&known, &written)?;
    let (key, files) = (shown(alpha.client_key()), shown(&known));
    let hosts = format!(
        "Host box direct\n HostName {}\n Port {}\nHost box\n ProxyJump gate\nHost gate\n HostName {}\n \
         HostKeyAlias gate\nHost *\n User root\n IdentityFile {key}\n IdentitiesOnly yes\n \
         UserKnownHostsFile /dev/null {files}\n",
        alpha.address(),
        sshd.port,
        beta.address(),
    );
    ssh_config(&lab, &hosts)?;
    add(&fleet, alpha, "direct")?.exits(1)?.says("rejected the login")?;
    // The key of a jump host is checked like that of any other host.
    fs::write(&known, written.replace("gate\t", "other\t"))?;
    add(&fleet, alpha, "box")?.exits(1)?.says("the host key of gate is unknown")?;
    fs::write(&known, &written)?;
    add(&fleet, alpha, "box")?.succeeds()?.says(&format!(
        "logging in to root@[{}]:2222, over root@{}",
        alpha.address(),
        beta.address()
    ))?;
    fleet.landfast(&["host", "ls"])?.succeeds()?.says("ready")?;

    let line = hosts.lines().count() + 1;
    ssh_config(&lab, &format!("{hosts} Port many\n"))?;
    add(&fleet, alpha, "other")?
        .exits(1)?
        .says(&format!(".ssh/config:{line}: `many` is not a valid value for `Port`"))?;
    Ok(())
}

#[test]
fn a_host_without_sftp_with_one_session_and_a_greeting_joins() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = lab.empty_fleet("fleet")?;
    fleet.landfast(&["init"])?.succeeds()?;
    let sshd = Sshd::start(alpha, 2222, "MaxSessions 1\nMaxAuthTries 2\n")?;
    let _greeting = Greeting::of(alpha, "echo Welcome to alpha\nprintf 'Last login: never'\n")?;
    let known = lab.folder().join("keys");
    fs::write(&known, format!("{} {}\n", alpha.address(), key_of(alpha)?))?;
    ssh_config(
        &lab,
        &format!(
            "Match host 10.77.0.*\n IdentityFile \"{}\"\n UserKnownHostsFile={}\n",
            shown(alpha.client_key()),
            shown(&known)
        ),
    )?;
    add(&fleet, alpha, &format!("root@:{}", sshd.port))?.succeeds()?;
    fleet.landfast(&["host", "ls"])?.succeeds()?.says("ready")?;
    Ok(())
}

/// Returns the type and the key of the host's line in known_hosts.
fn key_of(host: &Host) -> Result<&str> {
    host.known_hosts().split_once(' ').map(|(_, key)| key).context("the line has no key")
}
