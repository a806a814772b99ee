//! F60 and F71: what the hosts keep of the fleet is enough for another folder of it, for a lost store, and for a host that leaves.

use std::fs;

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Lab};
use serde_json::Value;

use crate::fixtures::{compose, ids, plan, running_demo, service, status};

const STORE: &str = ".landfast/state.redb";

/// Returns a compose file with a service on each of two hosts.
fn two(tag: &str) -> String {
    compose(&[service("web", tag, ""), service("mid", tag, "")])
}

/// Prints a command's output that must be the same in every folder: the history or a plan.
fn printed(fleet: &Fleet<'_>, arguments: &[&str]) -> Result<String> {
    let output = fleet.landfast(arguments)?;
    ensure!(matches!(output.code, 0 | 3), "{output}");
    Ok(output.stdout)
}

/// Operations and outcomes of the history of `demo`, newest first.
fn history(fleet: &Fleet<'_>) -> Result<Vec<String>> {
    let releases: Value = serde_json::from_str(&printed(fleet, &["history", "demo", "--format", "json"])?)?;
    let releases = releases.as_array().context("a list")?;
    let line = |it: &Value| format!("{} {} {}", it["release"], it["operation"], it["outcome"]).replace('"', "");
    Ok(releases.iter().map(line).collect())
}

#[test]
fn f60_a_lost_or_damaged_store_is_made_again_from_what_the_hosts_know() -> Result<()> {
    let lab = Lab::of(3)?;
    let place = "[stacks.demo.place]\nweb = \"alpha\"\nmid = \"beta\"\n";
    let fleet = running_demo(&lab, &two("1"), place)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    fleet.write("demo/compose.yaml", &two("2"))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let before = ids(&fleet)?;

    // A folder without a store knows the same history and makes the same plan.
    fleet.write("demo/compose.yaml", &two("1"))?;
    let seen = |fleet: &Fleet<'_>| Ok::<_, anyhow::Error>((printed(fleet, &["history"])?, printed(fleet, &["plan"])?));
    let known = seen(&fleet)?;
    fs::remove_file(fleet.path(STORE))?;
    assert_eq!(seen(&fleet)?, known);
    fleet.landfast(&["rollback", "demo", "--yes"])?.succeeds()?;
    let after = ids(&fleet)?;
    ensure!(after.iter().all(|(name, id)| before[name] != *id), "both instances are those of the first release");
    assert_eq!(history(&fleet)?, ["3 rollback done", "2 up done", "1 up done"]);
    assert_eq!(plan(&fleet)?.len(), 0);

    // A damaged store is refused with the command that makes a new one, and nothing restarts.
    fs::write(fleet.path(STORE), "damaged")?;
    let refused = fleet.landfast(&["plan"])?;
    ensure!(refused.code == 1 && refused.stderr.contains("landfast recover"), "{refused}");
    let recovered = fleet.landfast(&["recover"])?.succeeds()?;
    ensure!(recovered.stderr.contains("3 releases of 1 stack, and what 3 hosts hold"), "{recovered}");
    assert_eq!(plan(&fleet)?.len(), 0);
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    assert_eq!(ids(&fleet)?, after);

    fleet.landfast(&["down", "demo", "--yes"])?.succeeds()?;
    fs::remove_file(fleet.path(STORE))?;
    assert_eq!(history(&fleet)?[0], "4 down done");
    Ok(())
}

#[test]
fn a_host_that_is_removed_keeps_its_volumes_and_the_others_forget_its_addresses() -> Result<()> {
    let lab = Lab::of(3)?;
    let files =
        format!("{}volumes: {{files: }}\n", compose(&[service("web", "1", "    volumes: [\"files:/files\"]\n")]));
    let fleet = running_demo(&lab, &files, "[stacks.demo.place]\nweb = \"gamma\"\n")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let (alpha, gamma) = (lab.host("alpha")?, lab.host("gamma")?);
    let neighbours =
        || Ok::<_, anyhow::Error>(alpha.sh("ip neighbour show nud permanent")?.succeeds()?.stdout.lines().count());
    let before = neighbours()?;

    let refused = fleet.landfast(&["host", "rm", "gamma", "--yes"])?;
    ensure!(refused.code == 2 && refused.stderr.contains("landfast.toml still needs it"), "{refused}");
    fleet.edit("landfast.toml", "web = \"gamma\"", "web = \"alpha\"")?;
    let refused = fleet.landfast(&["host", "rm", "gamma", "--lost", "--yes"])?;
    ensure!(refused.code == 1 && refused.stderr.contains("gamma answers"), "{refused}");
    let removed = fleet.landfast(&["host", "rm", "gamma", "--yes"])?.succeeds()?;
    ensure!(removed.stderr.contains("remove") && removed.stderr.contains("demo/web.1"), "{removed}");
    assert_eq!(gamma.docker(&["ps", "-aq"])?.succeeds()?.stdout, "");
    assert_eq!(gamma.docker(&["volume", "ls", "-q"])?.succeeds()?.stdout.trim(), "demo_files");
    ensure!(!gamma.docker(&["network", "ls"])?.succeeds()?.stdout.contains("infra_net"), "its network is removed");
    assert_eq!(neighbours()?, before - 2, "the address of the service and of its bridge");
    let hosts = status(&fleet)?["hosts"].as_array().context("hosts")?.len();
    assert_eq!(hosts, 2);

    // A host that never returns is removed without it.
    let beta = lab.host("beta")?;
    beta.kill_agent()?;
    let refused = fleet.landfast(&["host", "rm", "beta", "--yes"])?;
    ensure!(refused.code == 1 && refused.stderr.contains("beta"), "{refused}");
    let lost = fleet.landfast(&["host", "rm", "beta", "--lost", "--yes"])?.succeeds()?;
    ensure!(lost.stderr.contains("if beta comes back"), "{lost}");
    assert_eq!(neighbours()?, 0);
    fleet.landfast(&["up", "--yes"])?;
    beta.start_agent()
}
