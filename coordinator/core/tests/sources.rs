//! Mounts whose places cannot work, as the hosts describe them: found all at once, each named with its host and its users.
#![allow(clippy::unwrap_used)]
mod stage;

use std::collections::BTreeMap;

use landfast_core::bundle::Manifest;
use landfast_core::plan::sources::{Answers, Lacking, Place, Seen, lacking, places};
use stage::Stage;

const HERE: &str = "[stacks.app]\npath = \"app\"\n[stacks.app.place]\n\"*\" = \"alpha\"\n";

/// What is said of services with these keys when the host has this at these paths; all other places are missing.
fn told(services: &str, seen: &[(&str, Seen)]) -> Lacking {
    let stage = Stage::new(HERE).file("conf/web.conf", "text").file("l", "text");
    let proposal = stage.propose("app", services);
    let manifest = stage.manifest();
    let bundles: BTreeMap<&str, &Manifest> = [("app", &manifest)].into();
    let asked = places(&proposal.plan, &proposal.target, &bundles);
    let answer = |place: Place| {
        let path = match &place {
            Place::Host(path) => path.clone(),
            Place::Tree { path, .. } => format!("./{path}"),
        };
        let found = seen.iter().find(|(there, _)| *there == path);
        (place, found.map_or(Seen::Missing, |(_, seen)| seen.clone()))
    };
    let answers: Answers =
        asked.into_iter().map(|(host, places)| (host, places.into_iter().map(answer).collect())).collect();
    lacking(&proposal.plan, &proposal.target, &bundles, &answers)
}

fn conflicts(services: &str, seen: &[(&str, Seen)]) -> Vec<String> {
    told(services, seen).conflicts.iter().map(ToString::to_string).collect()
}

fn web(volumes: &str) -> String {
    format!("services: {{web: {{image: w, volumes: {volumes}}}}}")
}

#[test]
fn a_place_is_there_or_is_made_or_is_named() {
    let long = |more: &str| web(&format!("[{{type: bind, source: /srv/x, target: /x{more}}}]"));
    let missing = "alpha: /srv/x does not exist, and nothing creates it: app/web.1 mounts it at /x";
    let dangling = "alpha: /srv/x is a link to /gone, which is missing: app/web.1 mounts it at /x";
    let link = || Seen::Impossible("/srv/x is a link to /gone, which is missing".to_owned());
    for (what, services, seen, expected) in [
        ("short, there", web("['/srv/x:/x']"), Seen::There, None),
        ("short, missing", web("['/srv/x:/x']"), Seen::Missing, None),
        ("short, impossible", web("['/srv/x:/x']"), link(), Some(dangling)),
        ("long, there", long(", bind: {create_host_path: false}"), Seen::There, None),
        ("long, missing", long(", bind: {create_host_path: false}"), Seen::Missing, Some(missing)),
        ("long with leave, missing", long(", bind: {create_host_path: true}"), Seen::Missing, None),
        ("long, impossible", long(", bind: {create_host_path: false}"), link(), Some(dangling)),
    ] {
        let told = conflicts(&services, &[("/srv/x", seen)]);
        assert_eq!(told, expected.into_iter().map(str::to_owned).collect::<Vec<_>>(), "{what}");
    }
}

#[test]
fn what_the_bundle_brings_is_not_asked_for_and_what_it_lacks_may_be_on_the_host() {
    let long = |source: &str| {
        web(&format!("[{{type: bind, source: {source}, target: /x, bind: {{create_host_path: false}}}}]"))
    };
    for source in ["./conf/web.conf", "./conf", ".", "./l"] {
        assert_eq!(conflicts(&long(source), &[]), Vec::<String>::new(), "{source}");
    }
    assert_eq!(conflicts(&long("./data/made"), &[("./data/made", Seen::There)]), Vec::<String>::new());
    let told = "alpha: ./data/made is neither in the folder of the stack app, unless it is ignored, nor on the host: \
                app/web.1 mounts it at /x";
    assert_eq!(conflicts(&long("./data/made"), &[]), [told]);
}

#[test]
fn volumes_that_stand_for_a_folder_and_devices_must_be_there() {
    let services = "
services:
  web: {image: w, volumes: ['data:/data', 'plain:/plain', 'shared:/shared'], devices: ['/dev/ttyX']}
  other: {image: w, volumes: ['data:/data']}
volumes:
  data: {driver_opts: {type: none, o: 'ro,bind', device: /srv/data}}
  plain: {}
  shared: {driver_opts: {type: nfs, o: 'addr=10.0.0.1', device: ':/export'}}
";
    let told = conflicts(services, &[]);
    let data = "alpha: /srv/data does not exist, and nothing creates it: app/other.1 mounts the volume app_data, which is \
                that folder, app/web.1 mounts the volume app_data, which is that folder";
    let device = "alpha: /dev/ttyX does not exist, and nothing creates it: app/web.1 has it as a device";
    assert_eq!(told, [device, data], "all at once, and each cause once");
    assert_eq!(conflicts(services, &[("/srv/data", Seen::There), ("/dev/ttyX", Seen::There)]), Vec::<String>::new());
}

#[test]
fn what_another_container_may_make_first_is_only_warned_of() {
    let services = "
services:
  init: {image: w, volumes: ['/srv/data:/data']}
  web:
    image: w
    volumes: [{type: bind, source: /srv/data/web.conf, target: /web.conf, bind: {create_host_path: false}}]
";
    let told = told(services, &[]);
    assert!(told.conflicts.is_empty(), "{told:?}");
    let warning = "alpha: /srv/data/web.conf does not exist, and nothing creates it: app/web.1 mounts it at /web.conf, which \
                   fails unless app/init.1 makes it first";
    assert_eq!(told.warnings, [warning]);
}

#[test]
fn what_the_plan_leaves_as_it_is_is_not_asked_about() {
    let services = web("['/srv/x:/x']");
    let mut stage = Stage::new(HERE);
    stage.up("app", &services);
    let proposal = stage.propose("app", &services);
    assert!(places(&proposal.plan, &proposal.target, &BTreeMap::new()).is_empty());
}
