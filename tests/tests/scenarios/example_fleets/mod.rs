//! Fleets of `tests/fleets` that model existing projects, each from the first deployment to removal.
//!
//! All services become healthy, a second `up` has nothing to do, an edited file recreates the instances that mount it,
//! and `down` keeps the data.

mod carbon;
mod investor;
mod scribe;
mod ybis;

use std::collections::BTreeMap;

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab, wait_until};
use serde_json::Value;

use crate::fixtures::{LONG, ids, name_of, plan, running_container, status, text};

/// Waits until there are `count` instances that are all healthy. Instances of `jobs` must have exited instead.
fn all_healthy(fleet: &Fleet<'_>, count: usize, jobs: &[&str]) -> Result<()> {
    wait_until("every instance is healthy", LONG, || {
        let instances = instances(fleet)?;
        for instance in &instances {
            let is_job = jobs.contains(&text(instance, "service")?);
            let good = if is_job { instance["state"] == "exited" } else { instance["health"] == "healthy" };
            ensure!(good, "{} is {} {}", name_of(instance), instance["state"], instance["health"]);
        }
        ensure!(instances.len() == count, "there are {} instances", instances.len());
        Ok(true)
    })
}

fn instances(fleet: &Fleet<'_>) -> Result<Vec<Value>> {
    status(fleet)?["instances"].as_array().cloned().context("the status has no instances")
}

/// Returns the host of each instance.
fn hosts(fleet: &Fleet<'_>) -> Result<BTreeMap<String, String>> {
    instances(fleet)?.iter().map(|instance| Ok((name_of(instance), text(instance, "host")?.to_owned()))).collect()
}

fn a_second_up_has_nothing_to_do(fleet: &Fleet<'_>) -> Result<()> {
    let before = ids(fleet)?;
    assert_eq!(plan(fleet)?, Vec::<Value>::new());
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    assert_eq!(ids(fleet)?, before, "a second up recreated a container");
    Ok(())
}

/// Deploys an edit and checks that exactly these instances have a new container.
fn up_recreates(fleet: &Fleet<'_>, expected: &[&str]) -> Result<()> {
    let before = ids(fleet)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let after = ids(fleet)?;
    let is_new = |(name, id): &(&String, &String)| before.get(*name) != Some(*id);
    let changed: Vec<_> = after.iter().filter(is_new).map(|(name, _)| name.as_str()).collect();
    assert_eq!(changed, expected);
    Ok(())
}

fn down_leaves_volumes(lab: &Lab, fleet: &Fleet<'_>, volumes: &[&str]) -> Result<()> {
    fleet.landfast(&["down", "--yes"])?.succeeds()?;
    let mut left = Vec::new();
    for host in lab.hosts() {
        assert_eq!(host.docker(&["ps", "-aq"])?.text(), "", "{} still has containers", host.name());
        left.extend(host.docker(&["volume", "ls", "-q"])?.succeeds()?.text().lines().map(str::to_owned));
    }
    left.sort();
    assert_eq!(left, volumes);
    Ok(())
}

/// Runs a command in the only container of a service on a host and returns what it prints.
fn exec(host: &Host, stack: &str, service: &str, words: &[&str]) -> Result<String> {
    let container = running_container(host, stack, service)?;
    Ok(host.exec(&container, words)?.succeeds()?.text().to_owned())
}

/// Requests the page at this address from a container of the service.
fn page(host: &Host, stack: &str, service: &str, address: &str) -> Result<String> {
    exec(host, stack, service, &["wget", "-q", "-O", "-", address])
}

/// Returns the start of the only container of a service as Unix time in nanoseconds.
fn started_at(host: &Host, stack: &str, service: &str) -> Result<u64> {
    let state = inspected(host, stack, service)?["State"].clone();
    let date = host.run(&["date", "-d", text(&state, "StartedAt")?, "+%s%N"])?.succeeds()?;
    Ok(date.text().parse()?)
}

/// Returns the engine's description of the only container of a service.
fn inspected(host: &Host, stack: &str, service: &str) -> Result<Value> {
    host.api().get(&format!("/containers/{}/json", running_container(host, stack, service)?))
}
