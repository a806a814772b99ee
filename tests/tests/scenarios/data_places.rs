//! Data and placement on real hosts: replicas return to their own volumes, services that share a volume run on one
//! host, and objects on the hosts have the names that Compose gives them.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab, Output, compose as reference};
use serde_json::Value;

use crate::fixtures::{compose, plan, running_container, running_demo, service, status, text};

/// Returns the host of each instance: "demo/web.1" is on "alpha".
fn hosts(fleet: &Fleet<'_>) -> Result<BTreeMap<String, String>> {
    let status = status(fleet)?;
    let instances = status["instances"].as_array().context("the status has no instances")?;
    instances.iter().map(|one| Ok((text(one, "instance")?.to_owned(), text(one, "host")?.to_owned()))).collect()
}

/// Returns what the only container of `web` on a host reads in its volume.
fn read(host: &Host) -> Result<String> {
    let id = running_container(host, "demo", "web")?;
    Ok(host.exec(&id, &["cat", "/data/me"])?.succeeds()?.text().to_owned())
}

#[test]
fn replicas_return_to_their_hosts_and_volumes_even_without_local_state() -> Result<()> {
    let lab = Lab::of(3)?;
    let web = service("web", "1", "    volumes: [\"data:/data\"]\n    deploy: {replicas: 3}\n");
    let other = service("aaa", "1", "");
    let fleet = running_demo(&lab, &(compose(&[other, web]) + "volumes:\n  data:\n"), "")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?.says("the volume demo_data on each host is a copy of its own")?;
    let before = hosts(&fleet)?;
    for (instance, name) in before.iter().filter(|(instance, _)| instance.contains("web")) {
        let host = lab.host(name)?;
        let id = running_container(host, "demo", "web")?;
        host.exec(&id, &["sh", "-c", &format!("echo {instance} >/data/me")])?.succeeds()?;
    }

    fleet.landfast(&["down", "--yes"])?.succeeds()?;
    // As on another machine, there is no local state: the hosts report where each instance was.
    std::fs::remove_file(fleet.path(".landfast/state.redb"))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    assert_eq!(hosts(&fleet)?, before);
    for (instance, name) in before.iter().filter(|(instance, _)| instance.contains("web")) {
        assert_eq!(&read(lab.host(name)?)?, instance, "{name}");
    }
    Ok(())
}

#[test]
fn services_that_share_a_volume_run_on_one_host_and_see_its_files() -> Result<()> {
    let lab = Lab::of(3)?;
    let writer = service("writer", "1", "    volumes: [\"db:/db\"]\n");
    let between = service("between", "1", "");
    let reader = service("reader", "1", "    volumes: [\"db:/db:ro\"]\n");
    let file = compose(&[writer, between, reader]) + "volumes:\n  db:\n";
    let fleet = running_demo(&lab, &file, "\n[stacks.demo.place]\nwriter = \"gamma\"\n")?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    let host = lab.host("gamma")?;
    let (writer, reader) = (running_container(host, "demo", "writer")?, running_container(host, "demo", "reader")?);
    host.exec(&writer, &["sh", "-c", "echo row >/db/one.sqlite"])?.succeeds()?;
    assert_eq!(host.exec(&reader, &["cat", "/db/one.sqlite"])?.succeeds()?.text(), "row");

    fleet.edit("landfast.toml", "writer = \"gamma\"", "writer = \"gamma\"\nreader = \"beta\"")?;
    let plan = fleet.landfast(&["plan"])?.exits(3)?;
    ensure!(plan.stdout.contains("writer on gamma") && plan.stdout.contains("share the volume demo_db"), "{plan}");
    Ok(())
}

/// Returns the projects that Compose lists on a host.
fn projects(host: &Host) -> Result<Vec<String>> {
    let mut list = Command::new(reference());
    list.env("DOCKER_HOST", format!("unix://{}", host.socket().display()));
    let listed: Value = Output::of(list.args(["ls", "--format", "json"]))?.succeeds()?.json()?;
    let listed = listed.as_array().context("the answer is not a list of projects")?;
    listed.iter().map(|project| Ok(text(project, "Name")?.to_owned())).collect()
}

#[test]
fn objects_have_the_projects_name_which_cannot_change_once_there_is_data() -> Result<()> {
    let lab = Lab::of(1)?;
    let plain = service("web", "1", "").replace("[infra_net]", "[infra_net, own]");
    let with = |name: &str, more: &str, volumes: &str| {
        format!("name: {name}\n{}  own:\n{volumes}", compose(&[plain.clone() + more]))
    };
    let fleet = running_demo(&lab, &with("before", "", ""), "")?;
    let host = lab.host("alpha")?;
    let shown = |what: &str| -> Result<String> {
        let listed = host.docker(&[what, "ls", "-q", "--filter", "label=landfast.stack=demo"])?.succeeds()?;
        let names = listed.text().lines().map(|id| {
            let label = "{{.Name}} {{index .Labels \"com.docker.compose.project\"}}";
            Ok(host.docker(&[what, "inspect", "--format", label, id])?.succeeds()?.text().to_owned())
        });
        Ok(names.collect::<Result<Vec<_>>>()?.join(", "))
    };
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    assert_eq!((shown("network")?.as_str(), projects(host)?), ("before_own before", vec!["before".to_owned()]));

    // Without data the name may change: everything is recreated under the new one.
    fleet.write("demo/compose.yaml", &with("shop", "    volumes: [\"data:/data\"]\n", "volumes:\n  data:\n"))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?.says("recreated under the new name")?;
    running_container(host, "shop", "web")?;
    assert_eq!((shown("network")?.as_str(), projects(host)?), ("shop_own shop", vec!["shop".to_owned()]));
    assert_eq!(shown("volume")?, "shop_data shop");
    assert_eq!(text(&status(&fleet)?["instances"][0], "stack")?, "demo");

    // With data a new name is refused, until landfast.toml keeps the old one.
    fleet.edit("demo/compose.yaml", "name: shop", "name: later")?;
    let refused = fleet.landfast(&["up", "--yes"])?.exits(1)?;
    for part in ["shop_data on alpha", "write project = \"shop\" under [stacks.demo]"] {
        ensure!(refused.stderr.contains(part), "{refused}");
    }
    fleet.edit("landfast.toml", "path = \"demo\"\n", "path = \"demo\"\nproject = \"shop\"\n")?;
    // The edited file is sent to the host, and no container is recreated.
    let steps = plan(&fleet)?;
    ensure!(steps.iter().all(|step| step["action"] == "sync"), "{steps:?}");
    Ok(())
}
