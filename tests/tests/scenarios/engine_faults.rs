//! F18, F34, F48, F49: what the engine is, has, or lacks.

use anyhow::{Result, ensure};
use landfast_tests::lab::{Fleet, Lab, catch};

use crate::fixtures::{LONG, compose, containers, ids, plan, running_container, running_demo, service, text};

#[test]
fn f18_an_engine_restarted_amid_a_deployment_is_waited_for() -> Result<()> {
    for live_restore in [false, true] {
        let lab = Lab::of(2)?;
        let beta = lab.host("beta")?;
        beta.set_live_restore(live_restore)?;
        let names: Vec<String> = (1..=6).map(|number| format!("web-{number}")).collect();
        let services: Vec<String> = names.iter().map(|name| service(name, "1", "")).collect();
        let fleet = running_demo(&lab, &compose(&services), "[stacks.demo.place]\n\"*\" = \"beta\"\n")?;

        let up = fleet.start(&["up", "--yes"])?;
        catch("the first container is there", LONG, || {
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
fn f34_a_network_of_that_name_with_other_options_is_refused_and_left() -> Result<()> {
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
fn f48_an_image_that_is_nowhere_fails_before_anything_is_stopped() -> Result<()> {
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

/// A service with a published port.
fn with_port(port: u16) -> String {
    compose(&[service("web", "1", &format!("    ports: [\"{port}:8080\"]\n"))])
}

#[test]
fn f49_a_port_that_is_taken_leaves_the_old_instance_running_and_names_the_owner() -> Result<()> {
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
    ensure!(ids(&fleet)? != before, "the port is free now");
    Ok(())
}

#[test]
fn f49_a_port_taken_between_plan_and_start_restarts_the_old_container() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = running_demo(&lab, &with_port(9001), "")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;

    // A process that is no container holds the port.
    let mut holder = alpha.command("busybox").args(["nc", "-l", "-s", "127.0.0.1", "-p", "9003"]).spawn()?;
    fleet.write("demo/compose.yaml", &with_port(9003))?;
    let refused = refused_naming(&fleet, &["9003"]);
    holder.kill()?;
    holder.wait()?;
    refused?;
    running_container(alpha, "demo", "web").map(drop)
}

fn refused_naming(fleet: &Fleet<'_>, parts: &[&str]) -> Result<()> {
    let up = fleet.landfast(&["up", "--yes"])?.exits(1)?;
    for part in parts {
        ensure!(up.stderr.contains(part), "it should say {part}: {up}");
    }
    Ok(())
}
