//! investor: stores on one host, the other services on another; binds of `../data` and ports on 127.0.0.1.

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab, wait_until};
use serde_json::Value;

use super::{a_second_up_has_nothing_to_do, all_healthy, down_leaves_volumes, exec, page, up_recreates};
use crate::fixtures::{LONG, text};

const LIVE: &str = "/var/lib/landfast/stacks/investor/live";

#[test]
fn investor_keeps_its_data_beside_the_folder_of_its_compose_file() -> Result<()> {
    let lab = Lab::of(2)?;
    let fleet = lab.fleet("investor")?;
    fleet.install_agents()?;
    fleet.write("investor/data/postgres/local", "data of this machine stays here\n")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    all_healthy(&fleet, 6, &["data-owner"])?;

    let (alpha, beta) = (lab.host("alpha")?, lab.host("beta")?);
    ports_are_bound_to(&lab, "127.0.0.1")?;
    data_is_beside_the_compose_files_folder(alpha, beta)?;
    exec(beta, "investor", "graph", &["wget", "-q", "-O", "-", "--post-data", "ACME", &value("first")])?;
    let seen = page(alpha, "investor", "analyst", "http://graph:8080/cgi-bin/value/first")?;
    assert_eq!(seen, "ACME", "alpha should see the graph on beta");
    let greeting = exec(alpha, "investor", "analyst", &["sh", "-c", "nc -w 2 broker 4222 </dev/null | head -n 1"])?;
    ensure!(greeting.starts_with("INFO "), "the broker on beta should greet a client on alpha: {greeting}");

    a_second_up_has_nothing_to_do(&fleet)?;
    fleet.edit("investor/config/graph.conf", "STORE_NAME=graph", "STORE_NAME=relations")?;
    up_recreates(&fleet, &["investor/graph.1"])?;
    all_healthy(&fleet, 6, &["data-owner"])?;
    assert_eq!(page(beta, "investor", "graph", &value("first"))?, "ACME", "the graph should keep its data");
    another_address_recreates_services_with_ports(&fleet)?;
    data_outlives_down(&lab, &fleet)
}

fn value(key: &str) -> String {
    format!("http://127.0.0.1:8080/cgi-bin/value/{key}")
}

fn ports_are_bound_to(lab: &Lab, address: &str) -> Result<()> {
    let mut bound = Vec::new();
    for host in lab.hosts() {
        let listed = host.api().get("/containers/json")?;
        for port in listed.as_array().into_iter().flatten().flat_map(|one| one["Ports"].as_array()).flatten() {
            if port["PublicPort"].is_number() {
                assert_eq!(text(port, "IP")?, address, "{port} on {}", host.name());
                bound.push(port["PublicPort"].clone());
            }
        }
    }
    bound.sort_by_key(Value::as_u64);
    assert_eq!(bound, [4222, 5432, 6379, 7474, 8080]);
    Ok(())
}

/// Returns the owner and the mode of a path in the live tree.
fn found(host: &Host, path: &str) -> Result<String> {
    Ok(host.run(&["stat", "-c", "%u %a", &format!("{LIVE}/{path}")])?.succeeds()?.text().to_owned())
}

fn data_is_beside_the_compose_files_folder(alpha: &Host, beta: &Host) -> Result<()> {
    // Created folders have the owner and mode that the engine would set. PostgreSQL restricts its own.
    let expected = [
        (alpha, "data", "0 755"),
        (alpha, "data/postgres", "70 700"),
        (alpha, "data/redis", "71 755"),
        (beta, "data/graph", "0 755"),
        (beta, "data/streams", "0 755"),
    ];
    for (host, path, what) in expected {
        assert_eq!(found(host, path)?, what, "{path} on {}", host.name());
    }
    ensure!(
        found(alpha, "data/postgres/PG_VERSION").is_ok(),
        "the database's files are not beside the compose file's folder"
    );
    ensure!(found(alpha, "data/postgres/local").is_err(), "data of the coordinator's machine was sent");
    for host in [alpha, beta] {
        let listed = host.api().get("/containers/json?all=1")?;
        for mount in listed.as_array().into_iter().flatten().flat_map(|one| one["Mounts"].as_array()).flatten() {
            let source = text(mount, "Source")?;
            ensure!(source.starts_with(LIVE), "{source} is mounted on {}", host.name());
        }
    }
    Ok(())
}

fn another_address_recreates_services_with_ports(fleet: &Fleet<'_>) -> Result<()> {
    let variables = [("DOCKER_BIND_IP", "0.0.0.0")];
    let plan: Value = fleet.landfast_in(None, &variables, &["plan", "--format", "json"])?.exits(3)?.json()?;
    let steps = plan["steps"].as_array().context("the plan has no steps")?;
    let recreated = steps.iter().filter(|step| step["action"] == "recreate");
    let mut services = recreated.map(|step| text(step, "service")).collect::<Result<Vec<_>>>()?;
    services.sort_unstable();
    assert_eq!(services, ["analyst", "broker", "graph", "postgres", "redis"]);
    Ok(())
}

fn rows(alpha: &Host) -> Result<u64> {
    let page = page(alpha, "investor", "analyst", "http://127.0.0.1:8080/count")?;
    let rows = page.lines().find_map(|line| line.strip_prefix("rows "));
    Ok(rows.with_context(|| format!("no rows in {page}"))?.parse()?)
}

fn data_outlives_down(lab: &Lab, fleet: &Fleet<'_>) -> Result<()> {
    let alpha = lab.host("alpha")?;
    let before = rows(alpha)?;
    down_leaves_volumes(lab, fleet, &[])?;
    ensure!(found(alpha, "data/postgres/PG_VERSION").is_ok(), "the database's files are gone");
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    all_healthy(fleet, 6, &["data-owner"])?;
    wait_until("the earlier rows exist", LONG, || Ok(rows(alpha)? > before))
}
