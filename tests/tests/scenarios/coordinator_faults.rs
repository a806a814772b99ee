//! F7 and F65: the coordinator is killed during a rolling update, or the reader of its output goes away, or two operators
//! deploy at the same time.

use std::io::{BufRead as _, BufReader};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Lab, catch};

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

/// Returns a copy of a fleet's folder without its store, as another operator has it.
fn another_laptop<'lab>(lab: &'lab Lab, fleet: &Fleet<'_>) -> Result<Fleet<'lab>> {
    let copy = lab.empty_fleet("laptop")?;
    for part in ["landfast.toml", "demo"] {
        let copied = Command::new("cp").arg("-r").arg(fleet.path(part)).arg(copy.folder()).status()?;
        ensure!(copied.success(), "{part} cannot be copied");
    }
    let operator = copy.path(".landfast");
    std::fs::create_dir_all(&operator)?;
    let copied = Command::new("cp").arg("-r").arg(fleet.path(".landfast/operator")).arg(&operator).status()?;
    ensure!(copied.success(), "the operator's certificate cannot be copied");
    Ok(copy)
}

#[test]
fn f65_of_two_operators_at_once_the_second_is_told_and_can_wait() -> Result<()> {
    let lab = Lab::of(2)?;
    let service = |tag: &str| compose(&[service("web", tag, ""), service("app", tag, "")]);
    let place = "[stacks.demo.place]\nweb = \"alpha\"\napp = \"beta\"\n";
    // The image is not healthy for a while, so that the first run lasts long enough to be met.
    let slow = service("1").replace("interval: 500ms", "interval: 3s");
    let fleet = running_demo(&lab, &slow, place)?;
    let other = another_laptop(&lab, &fleet)?;
    other.write("demo/compose.yaml", &service("2"))?;

    let first = fleet.start(&["up", "--yes"])?;
    let alpha = lab.host("alpha")?;
    catch("the first run creates a container", LONG, || Ok(!containers(alpha, "demo", "web")?.is_empty()))?;
    let refused = other.landfast(&["up", "--yes"])?;
    ensure!(refused.code == 1, "the second run should be refused: {refused}");
    ensure!(refused.stderr.contains("changes the fleet (`landfast up`, since "), "{refused}");
    let second = other.landfast(&["up", "--yes", "--wait", "2m"])?.succeeds()?;
    ensure!(second.stderr.contains("waiting: "), "{second}");
    let first = first.ends(LONG)?;
    ensure!(first.code == 0, "the first run is not disturbed: {first}");

    for (host, service) in [("alpha", "web"), ("beta", "app")] {
        let found =
            lab.host(host)?.docker(&["inspect", "--format", "{{.Config.Image}}", &format!("demo-{service}-1")])?;
        assert_eq!(found.stdout.trim(), "landfast/small:2", "{service} is that of the second run");
        assert_eq!(containers(lab.host(host)?, "demo", service)?.len(), 1);
    }
    assert_eq!(plan(&other)?.len(), 0);
    Ok(())
}

/// Returns whether two ids are equal. Either may be shortened.
fn same(one: &str, other: &str) -> bool {
    one.starts_with(other) || other.starts_with(one)
}
