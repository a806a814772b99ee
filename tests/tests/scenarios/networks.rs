//! Networks of the fleet and of stacks, on hosts that also have foreign networks.

use anyhow::{Result, ensure};
use landfast_tests::lab::Lab;

use crate::fixtures::{compose, demo, plan, running_container, running_demo, service, toml};

/// Returns a stack whose only network has this name and these additional lines.
fn on_network(name: &str, more: &str) -> String {
    format!(
        "services:\n  web:\n    image: landfast/small:1\n    networks: [front]\nnetworks:\n  front:\n    name: {name}\n{more}"
    )
}

fn without_networks() -> String {
    "services:\n  web:\n    image: landfast/small:1\n".to_owned()
}

#[test]
fn f73_the_first_stacks_on_a_new_host_do_not_use_the_fleets_addresses() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = running_demo(
        &lab,
        &without_networks(),
        "\n[stacks.two]\npath = \"two\"\n\n[stacks.three]\npath = \"three\"\n",
    )?;
    fleet.write("two/compose.yaml", &without_networks())?;
    fleet.write("three/compose.yaml", &compose(&[service("web", "1", "")]))?;
    for stack in ["demo", "two", "three"] {
        fleet.landfast(&["up", "--yes", stack])?.succeeds()?;
    }
    for network in ["demo_default", "two_default"] {
        let subnet = alpha.docker(&["network", "inspect", "-f", "{{(index .IPAM.Config 0).Subnet}}", network])?;
        ensure!(!subnet.text().starts_with("172.19."), "{network} is {}", subnet.text());
    }
    Ok(())
}

#[test]
fn a_host_gets_the_networks_of_the_fleet_when_it_joins_and_when_one_is_added() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = demo(&lab, &without_networks(), "")?;
    fleet.join_all()?;
    let exists = |network: &str| alpha.docker(&["network", "inspect", network]).map(|found| found.code == 0);
    ensure!(exists("infra_net")?, "infra_net does not exist after joining");
    let more = "\n[networks.storage_net]\nsubnet = \"172.29.0.0/16\"\n";
    fleet.write("landfast.toml", &toml(&lab, more))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    ensure!(exists("storage_net")?, "storage_net does not exist after it was added");
    ensure!(plan(&fleet)?.is_empty(), "something is left to do");
    fleet.landfast(&["down", "--yes"])?.succeeds()?;
    ensure!(exists("infra_net")? && exists("storage_net")?, "a network of the fleet was removed with a stack");
    Ok(())
}

#[test]
fn a_foreign_network_with_the_same_addresses_is_reported_with_its_containers_and_the_commands() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    alpha.docker(&["network", "create", "--subnet", "172.19.0.0/24", "theirs"])?.succeeds()?;
    alpha.docker(&["run", "-d", "--name", "their-web", "--network", "theirs", "landfast/small:1"])?.succeeds()?;
    let fleet = running_demo(&lab, &compose(&[service("web", "1", "")]), "")?;
    let refused = fleet.landfast(&["plan"])?.exits(1)?;
    for expected in [
        "alpha: the network infra_net cannot be created: its subnet 172.19.0.0/16 overlaps 172.19.0.0/24 of the network theirs",
        "which has the containers their-web",
        "docker stop their-web && docker rm their-web && docker network rm theirs",
    ] {
        ensure!(refused.stderr.contains(expected), "it should say {expected:?}: {refused}");
    }
    alpha.sh("docker stop -t 0 their-web && docker rm their-web && docker network rm theirs")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    Ok(())
}

#[test]
fn two_stacks_may_share_a_network_and_it_is_removed_with_the_last_of_them() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    let fleet = running_demo(&lab, &on_network("shared-net", ""), "\n[stacks.two]\npath = \"two\"\n")?;
    fleet.write("two/compose.yaml", &on_network("shared-net", ""))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?.says("shared-net is also a network of the stack")?;
    let one = running_container(alpha, "demo", "web")?;
    let two = running_container(alpha, "two", "web")?;
    let on =
        |network: &str| alpha.docker(&["network", "inspect", "-f", "{{range .Containers}}{{.Name}} {{end}}", network]);
    ensure!(on("shared-net")?.text().split_whitespace().count() == 2, "the network does not have both containers");
    ensure!(plan(&fleet)?.is_empty(), "something is left to do");
    fleet.landfast(&["down", "--yes", "demo"])?.succeeds()?;
    ensure!(running_container(alpha, "two", "web")? == two && one != two, "the other stack was touched");
    ensure!(on("shared-net")?.text() == "two-web-1", "the network was removed with the first stack");
    fleet.write("two/compose.yaml", &on_network("shared-net", "    internal: true\n"))?;
    fleet.landfast(&["plan", "two"])?.exits(1)?.says("internal is false and should be true")?;
    fleet.landfast(&["down", "--yes", "two"])?.succeeds()?;
    ensure!(on("shared-net")?.code != 0, "the network still exists");
    Ok(())
}

#[test]
fn a_volume_that_differs_from_what_is_declared_is_refused_and_keeps_its_data() -> Result<()> {
    let lab = Lab::of(1)?;
    let alpha = lab.host("alpha")?;
    alpha.sh("mkdir -p /run/volume-a /run/volume-b && echo rows >/run/volume-a/rows")?;
    let web = |device: &str| {
        let options = format!("driver_opts: {{type: none, o: bind, device: {device}}}");
        format!(
            "services:\n  web:\n    image: landfast/small:1\n    volumes: [\"data:/data\"]\nvolumes:\n  data:\n    {options}\n"
        )
    };
    let fleet = running_demo(&lab, &web("/run/volume-a"), "")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    fleet.write("demo/compose.yaml", &web("/run/volume-b"))?;
    let expected =
        "the volume demo_data differs from its declaration: option device is /run/volume-a and should be /run/volume-b";
    fleet.landfast(&["plan"])?.exits(1)?.says(expected)?;
    fleet.landfast(&["up", "--yes"])?.exits(1)?;
    let container = running_container(alpha, "demo", "web")?;
    alpha.exec(&container, &["cat", "/data/rows"])?.succeeds()?.says("rows")?;
    alpha.sh("rm -rf /run/volume-b")?;
    Ok(())
}
