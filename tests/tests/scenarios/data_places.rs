//! Data and places on real hosts: replicas return to their own volumes, services that share a file are on one host, and
//! what the hosts show has the names that Compose gives.

use std::collections::BTreeMap;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use landfast_tests::lab::{Fleet, Host, Lab, Output, compose as reference};
use serde_json::Value;

use crate::fixtures::{compose, plan, running_container, running_demo, service, status, text};

/// Host by instance: "demo/web.1" is on "alpha".
fn hosts(fleet: &Fleet<'_>) -> Result<BTreeMap<String, String>> {
    let status = status(fleet)?;
    let instances = status["instances"].as_array().context("status has instances")?;
    instances.iter().map(|one| Ok((text(one, "instance")?.to_owned(), text(one, "host")?.to_owned()))).collect()
}

/// What the one container of `web` on a host reads in its volume.
fn read(host: &Host) -> Result<String> {
    let id = running_container(host, "demo", "web")?;
    Ok(host.exec(&id, &["cat", "/data/me"])?.succeeds()?.text().to_owned())
}

#[test]
fn replicas_return_to_their_hosts_and_volumes_whoever_deploys() -> Result<()> {
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
    // Another machine remembers nothing: the hosts say where each one was.
    std::fs::remove_file(fleet.path(".landfast/state.redb"))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?;
    assert_eq!(hosts(&fleet)?, before);
    for (instance, name) in before.iter().filter(|(instance, _)| instance.contains("web")) {
        assert_eq!(&read(lab.host(name)?)?, instance, "{name}");
    }
    Ok(())
}

#[test]
fn services_that_share_a_file_are_on_one_host_and_see_it() -> Result<()> {
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
    let told = fleet.landfast(&["plan"])?.exits(3)?;
    ensure!(told.stdout.contains("writer on gamma") && told.stdout.contains("share the volume demo_db"), "{told}");
    Ok(())
}

/// The projects that Compose lists on a host.
fn projects(host: &Host) -> Result<Vec<String>> {
    let mut list = Command::new(reference());
    list.env("DOCKER_HOST", format!("unix://{}", host.socket().display()));
    let listed: Value = Output::of(list.args(["ls", "--format", "json"]))?.succeeds()?.json()?;
    let listed = listed.as_array().context("a list of projects")?;
    listed.iter().map(|project| Ok(text(project, "Name")?.to_owned())).collect()
}

#[test]
fn hosts_show_the_projects_name_and_data_keeps_the_one_it_was_made_under() -> Result<()> {
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

    // Without data the name may be another: everything is made again under it.
    fleet.write("demo/compose.yaml", &with("shop", "    volumes: [\"data:/data\"]\n", "volumes:\n  data:\n"))?;
    fleet.landfast(&["up", "--yes"])?.succeeds()?.says("made again under that name")?;
    running_container(host, "shop", "web")?;
    assert_eq!((shown("network")?.as_str(), projects(host)?), ("shop_own shop", vec!["shop".to_owned()]));
    assert_eq!(shown("volume")?, "shop_data shop");
    assert_eq!(text(&status(&fleet)?["instances"][0], "stack")?, "demo");

    // With data it is refused, until the line is there that keeps the name.
    fleet.edit("demo/compose.yaml", "name: shop", "name: later")?;
    let refused = fleet.landfast(&["up", "--yes"])?.exits(1)?;
    for part in ["shop_data on alpha", "write project = \"shop\" under [stacks.demo]"] {
        ensure!(refused.stderr.contains(part), "{refused}");
    }
    fleet.edit("landfast.toml", "path = \"demo\"\n", "path = \"demo\"\nproject = \"shop\"\n")?;
    // The edited file goes to the host; no container is made again.
    let steps = plan(&fleet)?;
    ensure!(steps.iter().all(|step| step["action"] == "sync"), "{steps:?}");
    Ok(())
}
