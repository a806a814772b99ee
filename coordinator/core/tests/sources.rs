//! Mounts with paths that cannot work, as the hosts describe them. All are reported at once, with their hosts and users.
#![allow(clippy::unwrap_used)]
mod test_fleet;

use std::collections::BTreeMap;

use landfast_core::bundle::Manifest;
use landfast_core::plan::sources::{Answers, Lacking, Place, Seen, missing, places};
use test_fleet::TestFleet;

const HERE: &str = "[stacks.app]\npath = \"app\"\n[stacks.app.place]\n\"*\" = \"alpha\"\n";

/// Problems of a stack when the host has this at these paths. All other paths are missing.
fn reported(services: &str, seen: &[(&str, Seen)]) -> Lacking {
    let test_fleet = TestFleet::new(HERE).file("conf/web.conf", "text").file("l", "text");
    let proposal = test_fleet.propose("app", services);
    let manifest = test_fleet.manifest();
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
    missing(&proposal.plan, &proposal.target, &bundles, &answers)
}

fn conflicts(services: &str, seen: &[(&str, Seen)]) -> Vec<String> {
    reported(services, seen).conflicts.iter().map(ToString::to_string).collect()
}

fn web(volumes: &str) -> String {
    format!("services: {{web: {{image: w, volumes: {volumes}}}}}")
}

#[test]
fn a_path_exists_or_is_created_or_is_reported() {
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
        let reported = conflicts(&services, &[("/srv/x", seen)]);
        assert_eq!(reported, expected.into_iter().map(str::to_owned).collect::<Vec<_>>(), "{what}");
    }
}

#[test]
fn paths_in_the_bundle_are_not_asked_for_and_others_may_be_on_the_host() {
    let long = |source: &str| {
        web(&format!("[{{type: bind, source: {source}, target: /x, bind: {{create_host_path: false}}}}]"))
    };
    for source in ["./conf/web.conf", "./conf", ".", "./l"] {
        assert_eq!(conflicts(&long(source), &[]), Vec::<String>::new(), "{source}");
    }
    assert_eq!(conflicts(&long("./data/made"), &[("./data/made", Seen::There)]), Vec::<String>::new());
    let reported = "alpha: ./data/made is not on the host, and is missing or ignored in the folder of the stack app: \
                app/web.1 mounts it at /x";
    assert_eq!(conflicts(&long("./data/made"), &[]), [reported]);
}

#[test]
fn devices_and_folders_that_volumes_are_bound_to_must_exist() {
    let services = "
services:
  web: {image: w, volumes: ['data:/data', 'plain:/plain', 'shared:/shared'], devices: ['/dev/ttyX']}
  other: {image: w, volumes: ['data:/data']}
volumes:
  data: {driver_opts: {type: none, o: 'ro,bind', device: /srv/data}}
  plain: {}
  shared: {driver_opts: {type: nfs, o: 'addr=10.0.0.1', device: ':/export'}}
";
    let reported = conflicts(services, &[]);
    let data = "alpha: /srv/data does not exist, and nothing creates it: app/other.1 mounts the volume app_data, which is \
                bound to it, app/web.1 mounts the volume app_data, which is bound to it";
    let device = "alpha: /dev/ttyX does not exist, and nothing creates it: app/web.1 uses it as a device";
    assert_eq!(reported, [device, data], "all at once, and each cause once");
    assert_eq!(conflicts(services, &[("/srv/data", Seen::There), ("/dev/ttyX", Seen::There)]), Vec::<String>::new());
}

#[test]
fn a_path_that_another_container_may_create_is_only_a_warning() {
    let services = "
services:
  init: {image: w, volumes: ['/srv/data:/data']}
  web:
    image: w
    volumes: [{type: bind, source: /srv/data/web.conf, target: /web.conf, bind: {create_host_path: false}}]
";
    let reported = reported(services, &[]);
    assert!(reported.conflicts.is_empty(), "{reported:?}");
    let warning = "alpha: /srv/data/web.conf does not exist, and nothing creates it: app/web.1 mounts it at /web.conf, which \
                   fails unless app/init.1 creates it first";
    assert_eq!(reported.warnings, [warning]);
}

#[test]
fn paths_of_unchanged_instances_are_not_asked_for() {
    let services = web("['/srv/x:/x']");
    let mut test_fleet = TestFleet::new(HERE);
    test_fleet.up("app", &services);
    let proposal = test_fleet.propose("app", &services);
    assert!(places(&proposal.plan, &proposal.target, &BTreeMap::new()).is_empty());
}
