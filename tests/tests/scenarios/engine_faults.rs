//! F18, F34, F48, F49: the engine restarts, has a conflicting network, lacks an image, or cannot publish a port.

use std::time::Duration;

use anyhow::{Result, ensure};
use landfast_tests::lab::{Fleet, Lab, catch, wait_until};

use crate::fixtures::{LONG, compose, containers, ids, plan, running_container, running_demo, service, text};

#[test]
fn f18_a_deployment_waits_for_an_engine_that_restarts() -> Result<()> {
    for live_restore in [false, true] {
        let lab = Lab::of(2)?;
        let beta = lab.host("beta")?;
        beta.set_live_restore(live_restore)?;
        let names: Vec<String> = (1..=6).map(|number| format!("web-{number}")).collect();
        let services: Vec<String> =
            names.iter().map(|name| service(name, "1", "    restart: unless-stopped\n")).collect();
        let fleet = running_demo(&lab, &compose(&services), "[stacks.demo.place]\n\"*\" = \"beta\"\n")?;

        let up = fleet.start(&["up", "--yes"])?;
        catch("the first container exists", LONG, || {
            Ok(beta.api().get("/containers/json?all=1")?.as_array().is_some_and(|all| !all.is_empty()))
        })?;
        beta.restart_engine()?;
        up.ends(LONG)?.succeeds()?;
        for name in &names {
            running_container(beta, "demo", name)?;
        }
        assert_eq!(plan(&fleet)?.len(), 0, "live-restore {live_restore}");
        beta.set_live_restore(false)?;
    }
    Ok(())
}

#[test]
fn f34_an_existing_network_with_other_options_is_refused_and_left_alone() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = running_demo(&lab, &compose(&[service("web", "1", "")]), "")?;
    alpha.docker(&["network", "create", "--subnet", "172.30.0.0/16", "infra_net"])?.succeeds()?;
    let before = alpha.api().get("/networks/infra_net")?;

    let up = fleet.landfast(&["up", "--yes"])?.exits(1)?;
    for part in ["infra_net", "172.30.0.0/16", "172.19.0.0/16", "alpha"] {
        ensure!(up.stderr.contains(part), "it should say {part}: {up}");
    }
    assert_eq!(text(&alpha.api().get("/networks/infra_net")?, "Id")?, text(&before, "Id")?, "it was left alone");
    assert_eq!(containers(alpha, "demo", "web")?, []);

    alpha.docker(&["network", "rm", "infra_net"])?.succeeds()?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    running_container(alpha, "demo", "web").map(drop)
}

#[test]
fn f48_a_missing_image_fails_before_anything_is_stopped() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let services = [service("web", "1", ""), service("other", "1", "")];
    let fleet = running_demo(&lab, &compose(&services), "")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let before = ids(&fleet)?;

    fleet.write("demo/compose.yaml", &compose(&[service("web", "9", ""), service("other", "2", "")]))?;
    let up = fleet.landfast(&["up", "--yes"])?.exits(1)?;
    ensure!(up.stderr.contains("landfast/small:9"), "it should name the image: {up}");
    assert_eq!(ids(&fleet)?, before, "nothing was stopped, not even what could have been updated");
    running_container(alpha, "demo", "web").map(drop)
}

/// Returns a compose file with a service that publishes this port.
fn with_port(port: u16) -> String {
    compose(&[service("web", "1", &format!("    ports: [\"{port}:8080\"]\n"))])
}

#[test]
fn f49_a_port_that_is_in_use_leaves_the_old_instance_running_and_the_message_names_the_owner() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = running_demo(&lab, &with_port(9001), "")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let before = ids(&fleet)?;

    alpha.docker(&["run", "-d", "--name", "squatter", "-p", "127.0.0.1:9002:8080", "landfast/small:1"])?.succeeds()?;
    fleet.write("demo/compose.yaml", &with_port(9002))?;
    refused_naming(&fleet, &["9002", "squatter"])?;
    assert_eq!(ids(&fleet)?, before, "the old instance was left running");
    running_container(alpha, "demo", "web")?;

    alpha.docker(&["rm", "-f", "squatter"])?.succeeds()?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    ensure!(ids(&fleet)? != before, "the container was not recreated although the port is free");
    Ok(())
}

/// A script that binds a TCP port as soon as `/run/go` exists and holds it until it is killed.
const HOLDER: &str = "
import os, socket, time
while not os.path.exists('/run/go'): time.sleep(0.001)
held = socket.create_server(('127.0.0.1', 9003))
open('/run/held', 'w').close()
time.sleep(600)
";

#[test]
fn f49_the_old_container_is_restored_when_a_process_takes_the_port_after_the_plan() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = running_demo(&lab, &with_port(9001), "")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let before = ids(&fleet)?;
    alpha.sh("rm -f /run/go /run/held")?;
    let mut holder = alpha.command("/usr/bin/python3").args(["-c", HOLDER]).spawn()?;

    fleet.write("demo/compose.yaml", &with_port(9003))?;
    let up = fleet.start(&["up", "--yes"])?;
    catch("the old container is stopped", LONG, || {
        Ok(!containers(alpha, "demo", "web")?.iter().any(|(_, state)| state == "running"))
    })?;
    std::fs::write(alpha.path("/run/go"), "")?;
    catch("the port is held", LONG, || Ok(alpha.path("/run/held").exists()))?;
    let ended = up.ends(LONG);
    let back = wait_until("the old container runs again", Duration::from_secs(20), || {
        let all = containers(alpha, "demo", "web")?;
        ensure!(all.iter().any(|(id, state)| state == "running" && before.values().any(|old| old == id)), "{all:?}");
        Ok(true)
    });
    alpha.sh("pkill -KILL -x python3; true")?;
    holder.wait()?;
    let ended = ended?.exits(1)?;
    ensure!(ended.stderr.contains("9003"), "it should say 9003: {ended}");
    back?;

    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    running_container(alpha, "demo", "web").map(drop)
}

#[test]
fn f49_a_port_that_a_process_holds_is_refused_before_anything_is_stopped() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = running_demo(&lab, &with_port(9001), "")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let before = ids(&fleet)?;
    alpha.sh("rm -f /run/held; touch /run/go")?;
    let mut holder = alpha.command("/usr/bin/python3").args(["-c", HOLDER]).spawn()?;
    catch("the port is held", LONG, || Ok(alpha.path("/run/held").exists()))?;
    fleet.write("demo/compose.yaml", &with_port(9003))?;
    let refused = refused_naming(&fleet, &["9003", "a process"]);
    alpha.sh("pkill -KILL -x python3; true")?;
    holder.wait()?;
    refused?;
    assert_eq!(ids(&fleet)?, before, "nothing was touched");
    Ok(())
}

fn refused_naming(fleet: &Fleet<'_>, parts: &[&str]) -> Result<()> {
    let up = fleet.landfast(&["up", "--yes"])?.exits(1)?;
    for part in parts {
        ensure!(up.stderr.contains(part), "it should say {part}: {up}");
    }
    Ok(())
}
