//! scribe: Compose files in `deploy/`, env files in `environments/`, a store that needs two others.

use anyhow::{Result, ensure};
use landfast_tests::lab::{Host, Lab};

use super::{
    a_second_up_has_nothing_to_do, all_healthy, down_leaves_volumes, exec, hosts, inspected, page, started_at,
    up_recreates,
};

const MIB: u64 = 1 << 20;
/// Interval of the health checks in nanoseconds.
const SECOND: u64 = 1_000_000_000;

#[test]
fn scribe_starts_vectors_when_the_services_it_needs_are_healthy() -> Result<()> {
    let lab = Lab::of(2)?;
    let fleet = lab.fleet("scribe")?;
    fleet.install_agents()?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    all_healthy(&fleet, 4, &[])?;
    let mut used: Vec<_> = hosts(&fleet)?.into_values().collect();
    used.dedup();
    assert_eq!(used.len(), 1, "the network has one host, but services are on {used:?}");

    let host = lab.host(&used[0])?;
    resources_and_logs_are_limited(host)?;
    the_other_environment_is_not_sent(host)?;
    for (first, second) in [("etcd", "vectors"), ("objects", "vectors"), ("vectors", "api")] {
        started_after_a_check(host, first, second)?;
    }
    a_second_up_has_nothing_to_do(&fleet)?;

    let value = "http://127.0.0.1:8080/cgi-bin/value/greeting";
    exec(host, "scribe", "vectors", &["wget", "-q", "-O", "-", "--post-data", "hello", value])?;
    fleet.edit("deploy/config/vectors.conf", "STORE_NAME=vectors", "STORE_NAME=embeddings")?;
    up_recreates(&fleet, &["scribe/vectors.1"])?;
    all_healthy(&fleet, 4, &[])?;
    let health = page(host, "scribe", "vectors", "http://127.0.0.1:8080/cgi-bin/health")?;
    assert_eq!(health, "embeddings: ok", "it should read the edited file");
    assert_eq!(page(host, "scribe", "vectors", value)?, "hello", "its volume should be kept");
    down_leaves_volumes(&lab, &fleet, &["scribe_etcd", "scribe_objects", "scribe_vectors"])
}

/// Checks the limits, whose numbers are those of `environments/.env.dev`.
fn resources_and_logs_are_limited(host: &Host) -> Result<()> {
    for (service, memory, cpus) in [("etcd", 256, 1.0), ("objects", 128, 0.5), ("vectors", 128, 0.5), ("api", 128, 0.5)]
    {
        let settings = &inspected(host, "scribe", service)?["HostConfig"];
        assert_eq!(settings["Memory"], memory * MIB, "{service}");
        assert_eq!(settings["NanoCpus"], (cpus * 1e9) as u64, "{service}");
        assert_eq!(settings["LogConfig"]["Type"], "json-file", "{service}");
        assert_eq!(settings["LogConfig"]["Config"]["max-size"], "5m", "{service}");
        assert_eq!(settings["LogConfig"]["Config"]["max-file"], "3", "{service}");
    }
    Ok(())
}

fn the_other_environment_is_not_sent(host: &Host) -> Result<()> {
    let sent = host.run(&["ls", "-A", "/var/lib/landfast/stacks/scribe/live/environments"])?.succeeds()?;
    assert_eq!(sent.text(), ".env.dev");
    Ok(())
}

/// Checks that `second` started after the first health check of `first`, which runs one interval after its start.
fn started_after_a_check(host: &Host, first: &str, second: &str) -> Result<()> {
    let (before, after) = (started_at(host, "scribe", first)?, started_at(host, "scribe", second)?);
    ensure!(after >= before + SECOND, "{second} was started at {after}, {first} at {before}");
    Ok(())
}
