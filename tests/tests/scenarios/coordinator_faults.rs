//! F7: the coordinator is killed during a rolling update, or the reader of its output goes away.

use std::io::{BufRead as _, BufReader};

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Lab, catch};

use crate::fixtures::{LONG, compose, containers, ids, plan, running_container, running_demo, service};

#[test]
fn f07_a_coordinator_killed_during_a_rolling_update_continues_where_it_stopped() -> Result<()> {
    let lab = Lab::of(3)?;
    let hosts = ["alpha", "beta", "gamma"];
    let services = |tag: &str| {
        let after = |name: &str| format!("    depends_on: {{{name}: {{condition: service_healthy}}}}\n");
        compose(&[service("a", tag, ""), service("b", tag, &after("a")), service("c", tag, &after("b"))])
    };
    let place = "[stacks.demo.place]\na = \"alpha\"\nb = \"beta\"\nc = \"gamma\"\n";
    let fleet = running_demo(&lab, &services("1"), place)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let before = ids(&fleet)?;

    fleet.write("demo/compose.yaml", &services("2"))?;
    let up = fleet.start(&["up", "--yes"])?;
    let alpha = lab.host("alpha")?;
    catch("the first service is replaced", LONG, || {
        Ok(containers(alpha, "demo", "a")?
            .iter()
            .any(|(id, state)| !before.values().any(|old| same(old, id)) && state == "running"))
    })?;
    up.kill()?;
    let first = containers(alpha, "demo", "a")?.first().context("a has no container")?.0.clone();

    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let after = ids(&fleet)?;
    for (host, service) in hosts.iter().zip(["a", "b", "c"]) {
        let name = format!("demo/{service}.1");
        ensure!(after[&name] != before[&name], "{name} on {host} was not updated");
        assert_eq!(containers(lab.host(host)?, "demo", service)?.len(), 1, "{name} has one container");
    }
    ensure!(same(&after["demo/a.1"], &first), "alpha was updated twice");
    assert_eq!(plan(&fleet)?.len(), 0);
    Ok(())
}

#[test]
fn a_reader_that_stops_after_the_first_line_does_not_stop_a_rollout() -> Result<()> {
    let lab = Lab::of(1)?;
    let fleet = running_demo(&lab, &compose(&[service("web", "1", "")]), "")?;
    let (reader, writer) = std::io::pipe()?;
    let mut command = fleet.command(&["up", "--yes"])?;
    let mut up = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    drop(command);
    let first = BufReader::new(reader).lines().next().context("no plan was printed")??;
    ensure!(first.starts_with("1. create network"), "{first}");
    ensure!(up.wait()?.code() == Some(0), "the exit code is not that of a successful rollout");
    running_container(lab.host("alpha")?, "demo", "web")?;
    assert_eq!(plan(&fleet)?.len(), 0);
    Ok(())
}

/// Returns whether two ids are equal. Either may be shortened.
fn same(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}
