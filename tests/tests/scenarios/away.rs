//! F59: a host whose agent or engine does not answer stops only what concerns it.

use anyhow::{Result, ensure};
use landfast_tests::lab::{Fleet, Lab, Output};

use crate::fixtures::{compose, ids, plan, running_demo, service, status};

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

#[test]
fn f59_a_host_that_is_away_stops_only_what_concerns_it_and_learns_the_rest_later() -> Result<()> {
    let lab = Lab::of(3)?;
    let place = "[stacks.demo.place]\nweb = \"alpha\"\nmid = \"beta\"\nextra = \"beta\"\n";
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
    let shown = status(&fleet)?["hosts"].to_string();
    ensure!(shown.contains("gamma: it has missed a change of the fleet's addresses and names"), "{shown}");
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

    let beta = lab.host("beta")?;
    beta.stop_engine("KILL")?;
    fleet.write("side/compose.yaml", &services(&[("app", "2"), ("key", "1")]))?;
    up_without(&fleet, "beta", &["side"])?;
    beta.start_engine()
}
