//! F21: a host that starts asks the others whether it has missed a change, and whether what it depends on is ready there.

use anyhow::Result;
use landfast_tests::lab::{Fleet, Host, Lab, wait_until};

use crate::fixtures::{LONG, compose, containers, running_container, running_demo, service, status};

const DB: &str = "172.19.0.50";

/// A service that the engine starts again unless it was stopped by hand. So the agent has to start it.
fn unless_stopped(name: &str, more: &str) -> String {
    service(name, "1", &format!("    restart: unless-stopped\n{more}"))
}

/// Returns a compose file with `db`, which has a fixed address, and these services.
fn with_db(others: &[String]) -> String {
    let address = format!("    networks: {{infra_net: {{ipv4_address: {DB}}}}}\n");
    let db = unless_stopped("db", "").replace("    networks: [infra_net]\n", &address);
    compose(&[&[db], others].concat())
}

/// Stops the agent of a host and then one of its containers, so that only an agent starts the container again.
fn stop_behind_the_agent(host: &Host, container: &str) -> Result<()> {
    host.kill_agent()?;
    host.docker(&["stop", "--time", "0", container])?.succeeds()?;
    Ok(())
}

/// Problems of all hosts, as `status` prints them.
fn problems(fleet: &Fleet<'_>) -> Result<String> {
    Ok(status(fleet)?["hosts"].to_string())
}

#[test]
fn f21_a_host_that_was_off_learns_that_an_address_has_moved_and_does_not_start_the_old_instance() -> Result<()> {
    let lab = Lab::of(3)?;
    let place = "[stacks.demo.place]\ndb = \"gamma\"\nweb = \"alpha\"\n";
    let fleet = running_demo(&lab, &with_db(&[unless_stopped("web", "")]), place)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let (alpha, beta, gamma) = (lab.host("alpha")?, lab.host("beta")?, lab.host("gamma")?);
    stop_behind_the_agent(gamma, "demo-db-1")?;
    gamma.stop_engine("KILL")?;

    // Nobody knows whether the host returns, so it is removed. Its instance gets the same address on another host.
    fleet.edit("landfast.toml", "db = \"gamma\"", "db = \"beta\"")?;
    let with_gamma = fleet.read("landfast.toml")?;
    fleet.landfast(&["host", "rm", "gamma", "--lost", "--yes"])?.succeeds()?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    running_container(beta, "demo", "db")?;

    // It returns as it was, without any command of a coordinator.
    gamma.start_engine()?;
    gamma.start_agent()?;
    fleet.write("landfast.toml", &with_gamma)?;
    let moved =
        format!("start demo/db.1: must not start here: {DB} on infra_net has moved to the host {}", beta.address());
    wait_until("the status says that the address has moved", LONG, || Ok(problems(&fleet)?.contains(&moved)))?;
    let states: Vec<String> = containers(gamma, "demo", "db")?.into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["exited"]);

    // What it has learned is programmed: the address leads to the host that has it now.
    wait_until("the address is on the overlay of gamma", LONG, || {
        let neighbours = gamma.sh("ip neighbour show nud permanent")?.succeeds()?.stdout;
        Ok(neighbours.lines().any(|line| line.starts_with(&format!("{DB} "))))
    })?;
    alpha.exec("demo-web-1", &["wget", "-q", "-O", "/dev/null", "http://db:8080/"])?.succeeds()?;
    Ok(())
}

#[test]
fn f21_a_host_that_no_other_one_answers_starts_and_says_so_until_one_answers() -> Result<()> {
    let lab = Lab::of(2)?;
    let fleet = running_demo(&lab, &with_db(&[]), "[stacks.demo.place]\ndb = \"alpha\"\n")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let (alpha, beta) = (lab.host("alpha")?, lab.host("beta")?);
    beta.kill_agent()?;
    stop_behind_the_agent(alpha, "demo-db-1")?;
    alpha.start_agent()?;
    running_container(alpha, "demo", "db")?;
    let silence = "ask peers: no other host answered";
    wait_until("the status says that nobody answered", LONG, || Ok(problems(&fleet)?.contains(silence)))?;
    beta.start_agent()?;
    wait_until("one has answered", LONG, || Ok(!problems(&fleet)?.contains(silence)))
}

#[test]
fn f21_after_a_restart_an_instance_waits_for_what_it_depends_on_on_another_host() -> Result<()> {
    let lab = Lab::of(2)?;
    let depends = "    depends_on: {db: {condition: service_healthy}}\n";
    // It is healthy while the file does not exist.
    let check = "    healthcheck: {test: [CMD, test, \"!\", -e, /tmp/ill], interval: 500ms, timeout: 2s, retries: 1}\n";
    let db =
        format!("  db:\n    image: landfast/small:1\n    networks: [infra_net]\n    restart: unless-stopped\n{check}");
    let place = "[stacks.demo.place]\nweb = \"alpha\"\ndb = \"beta\"\n";
    let fleet = running_demo(&lab, &compose(&[unless_stopped("web", depends), db]), place)?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let (alpha, beta) = (lab.host("alpha")?, lab.host("beta")?);
    stop_behind_the_agent(alpha, "demo-web-1")?;
    beta.exec("demo-db-1", &["touch", "/tmp/ill"])?.succeeds()?;
    let health = || {
        Ok::<_, anyhow::Error>(
            beta.docker(&["inspect", "-f", "{{.State.Health.Status}}", "demo-db-1"])?.text().to_owned(),
        )
    };
    wait_until("db is unhealthy", LONG, || Ok(health()? == "unhealthy"))?;

    alpha.start_agent()?;
    let waits =
        format!("start demo/web.1: waits for demo/db.1 on the host {}, which is not healthy yet", beta.address());
    wait_until("the status says that web waits", LONG, || Ok(problems(&fleet)?.contains(&waits)))?;
    let states: Vec<String> = containers(alpha, "demo", "web")?.into_iter().map(|(_, state)| state).collect();
    assert_eq!(states, ["exited"]);
    beta.exec("demo-db-1", &["rm", "/tmp/ill"])?.succeeds()?;
    running_container(alpha, "demo", "web")?;
    Ok(())
}
