//! How containers start, fail and are updated: what waits for what, and what a failure reports until it is repaired.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use landfast_tests::lab::{Fleet, Host, Lab, Output, wait_for};

use crate::fixtures::{LONG, containers, ids, plan, running_container, running_demo, toml};

/// Places the whole stack on one host.
fn on(host: &str) -> String {
    format!("[stacks.demo.place]\n\"*\" = \"{host}\"\n")
}

/// Returns a service that runs this script, with more keys.
fn service(name: &str, script: &str, more: &str) -> String {
    format!("  {name}:\n    image: landfast/small:1\n    init: true\n    entrypoint: [sh, -c, \"{script}\"]\n{more}")
}

fn stack(services: &[String]) -> String {
    format!("services:\n{}", services.concat())
}

const STAY: &str = "sleep 100000";

/// A health check that passes once the file /ready exists.
const WHEN_READY: &str =
    "    healthcheck: {test: [CMD, test, -f, /ready], interval: 500ms, timeout: 2s, retries: 200}\n";

#[test]
fn a_service_that_waits_for_a_start_does_not_wait_for_health() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let services = [
        service("db", STAY, WHEN_READY),
        service("app", STAY, "    depends_on: {db: {condition: service_started}}\n"),
        service("late", STAY, "    depends_on: {db: {condition: service_healthy}}\n"),
    ];
    let fleet = running_demo(&lab, &stack(&services), "")?;
    let up = fleet.start(&["up", "--yes"])?;
    running_container(alpha, "demo", "app")?;
    let db = running_container(alpha, "demo", "db")?;
    let health = alpha.docker(&["inspect", "-f", "{{.State.Health.Status}}", &db])?;
    ensure!(health.text() == "starting", "the database is {}", health.text());
    ensure!(containers(alpha, "demo", "late")?.iter().all(|(_, state)| state != "running"), "late runs already");
    alpha.exec(&db, &["touch", "/ready"])?.succeeds()?;
    up.ends(LONG)?.succeeds()?;
    running_container(alpha, "demo", "late")?;
    Ok(())
}

#[test]
fn a_container_that_exits_before_it_is_healthy_fails_with_its_status_and_output() -> Result<()> {
    let lab = Lab::of(1)?;
    let slow = "    restart: \"no\"\n    healthcheck: {test: [CMD, test, -f, /ready], interval: 5s, retries: 20}\n";
    let app = service("app", STAY, "    depends_on: {db: {condition: service_healthy}}\n");
    let ends = stack(&[service("db", "echo giving up; sleep 1; exit 0", slow), app.clone()]);
    let fleet = running_demo(&lab, &ends, "")?;
    let reported = |output: Output| -> Result<Output> {
        output
            .exits(1)?
            .says("demo/db.1 on alpha: it ended with status 0 before it was healthy")?
            .says("    | giving up")
    };
    reported(fleet.landfast(&["up", "--yes"])?)?;
    // The same failure in an update of a running stack.
    let well = "    healthcheck: {test: [CMD, \"true\"], interval: 500ms}\n";
    fleet.write("demo/compose.yaml", &stack(&[service("db", STAY, well), app]))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    fleet.write("demo/compose.yaml", &ends.replace("sleep 100000", "sleep 200000"))?;
    reported(fleet.landfast(&["up", "--yes"])?)?;
    Ok(())
}

#[test]
fn a_failed_job_is_reported_with_its_last_lines() -> Result<()> {
    let lab = Lab::of(1)?;
    // Use one stream, because an engine keeps no order between the two.
    let job = service("job", "exec >&2; seq 1 40; echo no such table; exit 7", "    restart: \"no\"\n");
    let app = service("app", STAY, "    depends_on: {job: {condition: service_completed_successfully}}\n");
    let fleet = running_demo(&lab, &stack(&[job, app]), "")?;
    let failed = fleet.landfast(&["up", "--yes"])?.exits(1)?;
    for expected in ["demo/job.1 on alpha: it ended with status 7", "    | no such table", "    | 40", "    | 22"] {
        ensure!(failed.stderr.contains(expected), "it should say {expected:?}: {failed}");
    }
    ensure!(!failed.stderr.contains("    | 21\n"), "more than twenty lines: {failed}");
    ensure!(failed.stderr.matches("no such table").count() == 1, "the output should appear once: {failed}");
    Ok(())
}

#[test]
fn a_crash_loop_stops_an_update_at_the_first_replica_and_leaves_no_temporary_name() -> Result<()> {
    let lab = Lab::of(3)?;
    let replicas = |script: &str| stack(&[service("web", script, "    restart: always\n    deploy: {replicas: 3}\n")]);
    let fleet = running_demo(&lab, &replicas(STAY), "")?;
    for (name, script) in
        [("alpha", "sleep 1; echo boom; exit 3"), ("alpha", "echo boom; exit 3"), ("gamma", "echo boom; exit 3")]
    {
        let host = lab.host(name)?;
        fleet.write("landfast.toml", &toml(&lab, &on(name)))?;
        fleet.write("demo/compose.yaml", &replicas(STAY))?;
        fleet.landfast(&["up", "--yes"])?.succeeds()?;
        let before = ids(&fleet)?;
        fleet.write("demo/compose.yaml", &replicas(script))?;
        let failed = fleet.landfast(&["up", "--yes"])?.exits(1)?;
        for expected in ["demo/web.1 on", "it keeps exiting: 3 restarts, last status 3", "    | boom"] {
            ensure!(failed.stderr.contains(expected), "{name}: it should say {expected:?}: {failed}");
        }
        let after = ids(&fleet)?;
        for untouched in ["demo/web.2", "demo/web.3"] {
            ensure!(before[untouched] == after[untouched], "{name}: {untouched} was touched: {failed}");
        }
        names_are_final(host)?;
        // The failure stays in every plan until the service is changed.
        ensure!(
            plan(&fleet)?.iter().any(|step| step["instance"] == "demo/web.1"),
            "the plan does not contain the failure"
        );
        fleet.landfast(&["status"])?.succeeds()?.says("demo/web.1: it keeps exiting")?;
        fleet.landfast(&["up", "--yes"])?.exits(1)?;
        fleet.write("demo/compose.yaml", &replicas(STAY))?;
        fleet.landfast(&["up", "--yes"])?.succeeds()?;
        ensure!(plan(&fleet)?.is_empty(), "something is left to do");
        names_are_final(host)?;
        fleet.landfast(&["down", "--yes"])?.succeeds()?;
    }
    Ok(())
}

fn names_are_final(host: &Host) -> Result<()> {
    let names = host.docker(&["ps", "-a", "--format", "{{.Names}}"])?.succeeds()?;
    let strange = names.stdout.lines().find(|name| !name.starts_with("demo-web-") || name.contains('.'));
    match strange {
        None => Ok(()),
        Some(name) => bail!("{} has a container {name}", host.name()),
    }
}

#[test]
fn an_unhealthy_update_is_reported_until_it_is_changed() -> Result<()> {
    let lab = Lab::of(1)?;
    let web = |test: &str| {
        let check = format!("    healthcheck: {{test: [CMD-SHELL, \"{test}\"], interval: 500ms, retries: 2}}\n");
        stack(&[service("web", STAY, &check)])
    };
    let fleet = running_demo(&lab, &web("true"), "")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    fleet.write("demo/compose.yaml", &web("echo no answer; false"))?;
    fleet.landfast(&["up", "--yes"])?.exits(1)?.says("demo/web.1 on alpha: it is unhealthy: no answer")?;
    fleet.landfast(&["plan"])?.exits(3)?.says("demo/web.1 on alpha: it is unhealthy")?;
    fleet.landfast(&["up", "--yes"])?.exits(1)?.says("it is unhealthy")?;
    fleet.landfast(&["status"])?.succeeds()?.says("alpha: demo/web.1: it is unhealthy; last output: no answer")?;
    fleet.write("demo/compose.yaml", &web("true"))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    ensure!(plan(&fleet)?.is_empty(), "something is left to do");
    Ok(())
}

#[test]
fn a_change_that_cannot_start_reports_what_failed_and_what_runs_instead() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let web = |program: &str| {
        format!(
            "services:\n  web:\n    image: landfast/small:1\n    init: true\n    entrypoint: [{program}, \"100000\"]\n"
        )
    };
    let fleet = running_demo(&lab, &web("sleep"), "")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let before = running_container(alpha, "demo", "web")?;
    // With `init: true`, the engine starts even a missing program. Without it, the engine reports the program.
    fleet.write("demo/compose.yaml", &web("no-such-program").replace("    init: true\n", ""))?;
    let failed = fleet.landfast(&["up", "--yes"])?.exits(1)?;
    ensure!(failed.stderr.contains("no-such-program"), "it should name the program: {failed}");
    ensure!(running_container(alpha, "demo", "web")? == before, "the old container was not restored");
    ensure!(
        alpha.docker(&["ps", "-a", "--format", "{{.Names}}"])?.text() == "demo-web-1",
        "the name of the container has changed"
    );
    let planned = fleet.landfast(&["plan"])?.exits(3)?;
    for expected in ["it failed:", "no-such-program"] {
        ensure!(planned.stdout.contains(expected), "it should say {expected:?}: {planned}");
    }
    fleet.landfast(&["status"])?.succeeds()?.says("its container of release 1 runs instead")?;
    fleet.landfast(&["up", "--yes"])?.exits(1)?;
    ensure!(running_container(alpha, "demo", "web")? == before, "the old container was not restored");
    Ok(())
}

#[test]
fn a_container_is_compared_with_the_files_it_has_held_since_its_start() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let compose = stack(&[service("web", STAY, "    volumes: [\"./web.conf:/web.conf:ro\"]\n")]);
    let fleet = running_demo(&lab, &compose, "")?;
    fleet.write("demo/web.conf", "version 2\n")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let first = running_container(alpha, "demo", "web")?;
    fleet.write("demo/web.conf", "version 3\n")?;
    fleet.landfast(&["sync", "--yes"])?.succeeds()?;
    alpha.docker(&["restart", "-t", "0", &first])?.succeeds()?;
    wait_for("the container has been started again and reads version 3", LONG, || {
        let read = alpha.exec(&first, &["cat", "/web.conf"])?;
        Ok((read.text() == "version 3").then_some(()))
    })?;
    fleet.write("demo/web.conf", "version 2\n")?;
    wait_for("plan shows the difference", Duration::from_secs(30), || {
        let planned = fleet.landfast(&["plan"])?;
        let expected = "it started with another version of web.conf";
        Ok(planned.stdout.contains(expected).then_some(()))
    })?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let second = running_container(alpha, "demo", "web")?;
    alpha.exec(&second, &["cat", "/web.conf"])?.succeeds()?.says("version 2")?;
    ensure!(plan(&fleet)?.is_empty(), "something is left to do");
    Ok(())
}

#[test]
fn a_container_that_was_disconnected_by_hand_is_detected_and_recreated() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let web = service("web", STAY, "    networks: [infra_net, own]\n");
    let compose = format!("{}networks:\n  infra_net: {{name: infra_net}}\n  own: {{}}\n", stack(&[web]));
    let fleet = running_demo(&lab, &compose, "")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let first = running_container(alpha, "demo", "web")?;
    alpha.docker(&["network", "disconnect", "demo_own", &first])?.succeeds()?;
    wait_until_planned(&fleet, "it was disconnected from the network demo_own on its host")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    ensure!(running_container(alpha, "demo", "web")? != first, "the container was not recreated");
    ensure!(plan(&fleet)?.is_empty(), "something is left to do");
    Ok(())
}

/// Waits until `plan` prints this text. The engine notifies the agent of a manual change after a moment.
fn wait_until_planned(fleet: &Fleet<'_>, expected: &str) -> Result<()> {
    wait_for("plan shows the manual change", Duration::from_secs(45), || {
        Ok(fleet.landfast(&["plan"])?.stdout.contains(expected).then_some(()))
    })
}
