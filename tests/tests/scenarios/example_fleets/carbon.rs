//! carbon: five services with a build, each waiting for the one before it; development, then production with three
//! feeds.

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Lab, wait_until};

use super::{
    a_second_up_has_nothing_to_do, all_healthy, down_leaves_volumes, hosts, inspected, instances, page, started_at,
    up_recreates,
};
use crate::fixtures::{LONG, text};

const CHAIN: [&str; 5] = ["ledger", "tariffs", "meter", "feed", "portal"];

#[test]
fn carbon_is_built_and_started_in_order_and_moves_to_production() -> Result<()> {
    let lab = Lab::of(3)?;
    let fleet = lab.fleet("carbon")?;
    fleet.install_agents()?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    all_healthy(&fleet, 5, &[])?;

    each_started_when_the_one_before_was_healthy(&lab, &fleet)?;
    reads(&lab, "/", "ledger: ok > tariffs > meter > feed > portal")?;
    reads(&lab, "/reading", "reading 1 from ")?;
    a_second_up_has_nothing_to_do(&fleet)?;
    fleet.edit("feed/feed.py", "GREETING = \"reading\"", "GREETING = \"amount\"")?;
    up_recreates(&fleet, &["carbon/feed.1"])?;
    all_healthy(&fleet, 5, &[])?;
    reads(&lab, "/reading", "amount 1 from ")?;

    production_has_three_feeds(&lab, &fleet)?;
    down_leaves_volumes(&lab, &fleet, &["carbon_ledger"])
}

/// Waits until a page of the portal, requested by a service on another host, begins with this text.
fn reads(lab: &Lab, path: &str, expected: &str) -> Result<()> {
    wait_until(&format!("{path} of the portal begins with {expected}"), LONG, || {
        let page = page(lab.host("beta")?, "carbon", "tariffs", &format!("http://portal:8080{path}"))?;
        ensure!(page.starts_with(expected), "it is {page}");
        Ok(true)
    })
}

fn each_started_when_the_one_before_was_healthy(lab: &Lab, fleet: &Fleet<'_>) -> Result<()> {
    let hosts = hosts(fleet)?;
    let mut not_before = 0;
    for service in CHAIN {
        let host = lab.host(&hosts[&format!("carbon/{service}.1")])?;
        let check = &inspected(host, "carbon", service)?["Config"]["Healthcheck"];
        assert_eq!(check["StartPeriod"], 40_000_000_000_u64, "{service}");
        let started = started_at(host, "carbon", service)?;
        ensure!(started >= not_before, "{service} was started at {started}, before {not_before}");
        // The first check runs one interval after the start.
        not_before = started + check["Interval"].as_u64().context("the health check has no interval")?;
    }
    Ok(())
}

fn production_has_three_feeds(lab: &Lab, fleet: &Fleet<'_>) -> Result<()> {
    fleet.edit("landfast.toml", "compose.dev.yaml", "compose.prod.yaml")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    all_healthy(fleet, 7, &[])?;
    let feeds = instances(fleet)?.into_iter().filter(|one| one["service"] == "feed");
    let feeds = feeds.map(|one| Ok(text(&one, "host")?.to_owned())).collect::<Result<Vec<_>>>()?;
    assert_eq!(feeds.len(), 3);
    let portal = inspected(lab.host("alpha")?, "carbon", "portal")?;
    assert_eq!(portal["HostConfig"]["RestartPolicy"]["Name"], "unless-stopped");
    wait_until("a feed in production answers", LONG, || {
        let page = page(lab.host("beta")?, "carbon", "tariffs", "http://portal:8080/reading")?;
        ensure!(page.ends_with("in prod"), "it is {page}");
        Ok(true)
    })?;
    let ledger = inspected(lab.host("alpha")?, "carbon", "ledger")?;
    let image = ledger["Config"]["Image"].as_str().context("the container has no image")?;
    ensure!(image.starts_with("carbon-ledger"), "it should run the built image: {image}");
    Ok(())
}
