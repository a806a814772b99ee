//! ybis: workers that share a volume, a dashboard that reads the engine's socket, a trainer that no host can run.

use anyhow::{Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab, wait_until};
use serde_json::Value;

use super::{
    a_second_up_has_nothing_to_do, all_healthy, down_leaves_volumes, exec, hosts, inspected, page, up_recreates,
};
use crate::fixtures::LONG;

#[test]
fn ybis_keeps_its_workers_together_and_reads_the_engines_socket() -> Result<()> {
    let lab = Lab::of(3)?;
    let fleet = lab.fleet("ybis")?;
    fleet.install_agents()?;
    a_gpu_is_refused_where_there_is_none(&fleet)?;
    the_trainer_goes_where_a_gpu_may_be(lab.host("gamma")?, &fleet)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    all_healthy(&fleet, 6, &[])?;

    let together = workers_share_a_host(&fleet)?;
    items_arrive_in_the_graph(&lab, &fleet)?;
    the_dashboard_reads_the_socket(lab.host("alpha")?)?;
    a_second_up_has_nothing_to_do(&fleet)?;
    fleet.edit("workers/digest.sh", "sleep 1 &", "sleep 2 &")?;
    up_recreates(&fleet, &["ybis/archiver.1", "ybis/digester.1"])?;
    all_healthy(&fleet, 6, &[])?;
    assert_eq!(workers_share_a_host(&fleet)?, together, "the workers should stay on their host");
    down_leaves_volumes(&lab, &fleet, &["ybis_bus", "ybis_graph", "ybis_inbox"])
}

fn a_gpu_is_refused_where_there_is_none(fleet: &Fleet<'_>) -> Result<()> {
    let text = fleet.read("compose.yaml")?;
    let line = text.lines().position(|line| line.contains("- driver: nvidia")).unwrap_or_default() + 1;
    let plan = fleet.landfast(&["plan", "--profile", "gpu"])?.exits(1)?;
    let place = format!("compose.yaml:{line}:");
    for part in [&*place, "no host has an NVIDIA GPU", "trainer", "NVIDIA Container Toolkit"] {
        ensure!(plan.stderr.contains(part), "it should say {part}: {plan}");
    }
    fleet.landfast(&["up", "--yes", "--profile", "gpu"])?.exits(1)?.says("no host has an NVIDIA GPU")?;
    Ok(())
}

/// Installs the hook by which an engine detects GPU support. The agent reads that when it connects to its engine.
fn the_trainer_goes_where_a_gpu_may_be(gamma: &Host, fleet: &Fleet<'_>) -> Result<()> {
    let hook = "/usr/local/bin/nvidia-container-runtime-hook";
    gamma.sh(&format!("install -m 755 /bin/true {hook}"))?.succeeds()?;
    gamma.kill_agent()?;
    gamma.start_agent()?;
    let plan: Value = fleet.landfast(&["plan", "--profile", "gpu", "--format", "json"])?.exits(3)?.json()?;
    gamma.sh(&format!("rm {hook}"))?.succeeds()?;
    gamma.kill_agent()?;
    gamma.start_agent()?;
    let trainer = plan["steps"].as_array().into_iter().flatten().find(|step| step["service"] == "trainer");
    assert_eq!(trainer.map(|step| &step["host"]), Some(&Value::from("gamma")), "{plan}");
    Ok(())
}

fn workers_share_a_host(fleet: &Fleet<'_>) -> Result<String> {
    let hosts = hosts(fleet)?;
    let of = |name: &str| hosts.get(&format!("ybis/{name}")).cloned().unwrap_or_default();
    let there = of("collector.1");
    assert_eq!(
        [of("digester.1"), of("archiver.1")],
        [there.clone(), there.clone()],
        "services that share a volume should share a host"
    );
    Ok(there)
}

fn items_arrive_in_the_graph(lab: &Lab, fleet: &Fleet<'_>) -> Result<()> {
    let hosts = hosts(fleet)?;
    let graph = lab.host(&hosts["ybis/graph.1"])?;
    for key in ["/data/latest", "/data/archive"] {
        let newest = || exec(graph, "ybis", "graph", &["cat", key]);
        let first = newest()?;
        ensure!(first.starts_with("item "), "{key} is {first:?}");
        wait_until("the next item arrives", LONG, || Ok(newest()? != first))?;
    }
    Ok(())
}

fn the_dashboard_reads_the_socket(alpha: &Host) -> Result<()> {
    let page = page(alpha, "ybis", "dashboard", "http://127.0.0.1:8088/")?;
    ensure!(page.contains("ybis-dashboard-1 running landfast/app:1"), "it should list itself: {page}");
    let mounts = inspected(alpha, "ybis", "dashboard")?["Mounts"].clone();
    let socket = mounts.as_array().into_iter().flatten().find(|mount| mount["Destination"] == "/var/run/docker.sock");
    ensure!(socket.is_some_and(|mount| mount["RW"] == false), "the socket should be mounted read-only: {mounts}");
    alpha.run(&["test", "-S", "/var/run/docker.sock"])?.succeeds()?;
    Ok(())
}
