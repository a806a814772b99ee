//! F59: a host whose agent or engine does not answer stops only what concerns it.

use anyhow::{Result, ensure};
use landfast_tests::lab::{Fleet, Lab, Output, wait_until};

use crate::fixtures::{LONG, compose, ids, plan, running_demo, service, status};

/// Stack on gamma beside `demo`, which is on alpha and beta.
const SIDE: &str = "\n[stacks.side]\npath = \"side\"\n[stacks.side.place]\napp = \"gamma\"\nkey = \"alpha\"\n";

/// Runs `up` and checks that it warns about an absent host.
fn up_without(fleet: &Fleet<'_>, host: &str, arguments: &[&str]) -> Result<Output> {
    let up = fleet.landfast(&[&["up", "--yes"], arguments].concat())?.succeeds()?;
    let warning =
        up.stderr.lines().find(|line| line.contains(host) && line.contains("nothing of a host that is away changes"));
    ensure!(warning.is_some(), "{host} is not mentioned: {up}");
    Ok(up)
}

/// Returns a compose file with these services, each with the tag of its image.
fn services(all: &[(&str, &str)]) -> String {
    compose(&all.iter().map(|(name, tag)| service(name, tag, "")).collect::<Vec<_>>())
}

/// Whether the status says that gamma has missed a change of the addresses.
fn has_missed_a_change(fleet: &Fleet<'_>) -> Result<bool> {
    let shown = status(fleet)?["hosts"].to_string();
    Ok(shown.contains("gamma: it has missed a change of the fleet's addresses and names"))
}

#[test]
fn f59_a_host_that_is_away_stops_only_what_concerns_it_and_learns_the_rest_later() -> Result<()> {
    let lab = Lab::of(3)?;
    let place = "[stacks.demo.place]\nweb = \"alpha\"\nmid = \"beta\"\nextra = \"beta\"\nmore = \"beta\"\n";
    let fleet = running_demo(&lab, &services(&[("web", "1"), ("mid", "1")]), &format!("{place}{SIDE}"))?;
    fleet.write("side/compose.yaml", &services(&[("app", "1"), ("key", "1")]))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let before = ids(&fleet)?;
    let gamma = lab.host("gamma")?;
    gamma.kill_agent()?;

    fleet.write("demo/compose.yaml", &services(&[("web", "2"), ("mid", "1")]))?;
    up_without(&fleet, "gamma", &["demo"])?;
    fleet.write("demo/compose.yaml", &services(&[("web", "2"), ("mid", "1"), ("extra", "1")]))?;
    let owed = up_without(&fleet, "gamma", &["demo"])?;
    ensure!(owed.stderr.contains("learns of the changed addresses and names with the next run: "), "{owed}");

    fleet.write("side/compose.yaml", &services(&[("app", "2"), ("key", "2")]))?;
    let refused = fleet.landfast(&["up", "--yes"])?;
    ensure!(refused.code == 1 && refused.stderr.contains("the plan changes gamma: "), "{refused}");
    let refused = fleet.landfast(&["down", "side", "--yes"])?;
    ensure!(refused.code == 1 && refused.stderr.contains("remove side/app.1 on gamma"), "{refused}");
    let partial = up_without(&fleet, "gamma", &["--without", "gamma"])?;
    ensure!(
        partial.stderr.contains("partly done: ") && partial.stderr.contains("recreate side/app.1 on gamma"),
        "{partial}"
    );

    let owed = status(&fleet)?["owed"].to_string();
    ensure!(owed.contains("recreate side/app.1 on gamma"), "{owed}");
    gamma.start_agent()?;
    // An agent that starts learns from the others what has changed meanwhile, and nothing else.
    wait_until("gamma has learned of the changed addresses and names", LONG, || Ok(!has_missed_a_change(&fleet)?))?;
    let owed = status(&fleet)?["owed"].to_string();
    ensure!(owed.contains("recreate side/app.1 on gamma"), "{owed}");
    let after = ids(&fleet)?;
    for instance in ["demo/web.1", "side/key.1"] {
        ensure!(after[instance] != before[instance], "{instance} on a host that answers is updated");
    }
    assert_eq!(after["side/app.1"], before["side/app.1"]);
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    ensure!(ids(&fleet)?["side/app.1"] != before["side/app.1"], "what was owed is done");
    gamma.exec("side-app-1", &["wget", "-q", "-O", "/dev/null", "http://extra:8080/"])?.succeeds()?;
    assert_eq!(plan(&fleet)?.len(), 0);
    assert_eq!(status(&fleet)?["owed"].to_string(), "[]");

    // An agent that went on running learns of a change with the next run.
    gamma.disconnect()?;
    fleet.write("demo/compose.yaml", &services(&[("web", "2"), ("mid", "1"), ("extra", "1"), ("more", "1")]))?;
    up_without(&fleet, "gamma", &["demo"])?;
    gamma.reconnect()?;
    ensure!(has_missed_a_change(&fleet)?, "the status does not say that gamma has missed a change");
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    ensure!(!has_missed_a_change(&fleet)?, "gamma has not learned of the change");

    let beta = lab.host("beta")?;
    beta.stop_engine("KILL")?;
    fleet.write("side/compose.yaml", &services(&[("app", "2"), ("key", "1")]))?;
    up_without(&fleet, "beta", &["side"])?;
    beta.start_engine()
}
