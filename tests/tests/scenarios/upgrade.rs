//! The upgrade from the last version that had one state for each host. `tests/upgrade.sh` builds that version and runs this.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab, Output};

use crate::fixtures::{ids, plan};

/// Returns a program of the old version.
fn old(name: &str) -> Result<PathBuf> {
    let folder = std::env::var_os("LANDFAST_OLD").context("LANDFAST_OLD is not set: run tests/upgrade.sh")?;
    Ok(PathBuf::from(folder).join(name))
}

fn old_landfast(fleet: &Fleet<'_>, arguments: &[&str]) -> Result<Output> {
    Output::with_input(&mut fleet.command_of(&old("landfast")?, arguments)?, b"")
}

/// Replaces the agent of a host by that of the old version, which has no state yet.
fn install_old_agent(host: &Host) -> Result<()> {
    host.kill_agent()?;
    let installed = host.path("/usr/local/bin/landfast-agent");
    fs::remove_file(&installed)?;
    fs::copy(old("landfast-agent")?, &installed)?;
    host.sh("find /var/lib/landfast -mindepth 1 -delete")?.succeeds()?;
    host.start_agent()
}

#[test]
#[ignore = "it needs the programs of an old version: run tests/upgrade.sh"]
fn the_new_version_takes_over_what_the_old_one_deployed_without_recreating_a_container() -> Result<()> {
    let lab = Lab::of(3)?;
    let fleet = lab.fleet("infra")?;
    fleet.install_agents()?;
    for host in lab.hosts() {
        install_old_agent(host)?;
    }
    old_landfast(&fleet, &["up", "--yes"])?.succeeds()?;
    let before = ids(&fleet)?;
    ensure!(!before.is_empty(), "the old version deployed nothing");

    let refused = fleet.landfast(&["plan"])?;
    ensure!(
        refused.code == 1 && refused.stderr.contains("landfast host add alpha --upgrade"),
        "an old agent is refused: {refused}"
    );
    for host in lab.hosts() {
        // The lab started the old agent, so `host add` does not know its process.
        host.kill_agent()?;
        fleet.upgrade(host)?.succeeds()?;
    }
    assert_eq!(plan(&fleet)?.len(), 0, "the new version has nothing to change");
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    assert_eq!(ids(&fleet)?, before, "no container was created again");

    fleet.landfast(&["down", "--yes"])?.succeeds()?;
    assert_eq!(ids(&fleet)?.len(), 0, "what was taken over can be removed");
    Ok(())
}
