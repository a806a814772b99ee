//! A host on which an earlier version deployed is taken over: nothing is created again.

use std::collections::BTreeSet;

use landfast_agent_core::desired::Incarnation;
use landfast_agent_core::observed::{Observed, Tree};
use landfast_agent_core::plan::{Action, plan};
use landfast_agent_core::reconcile::{Observation, Snapshot};
use prost::Message as _;
use serde_json::{Value, json};

use super::{recorded, values};
use crate::docker::fake::{Answer, Fake};
use crate::observe::tests::observer;
use crate::state::Holder;
use crate::wire::Held;

/// Header of the file in which earlier versions kept the state of a host.
const HEADER: &[u8] = b"landfast host state 1\n";

/// Labels as the version before the units created them. Each entry is the labels of one object.
fn old_labels() -> Value {
    let file = recorded("old/labels.json", b"");
    serde_json::from_slice(&file).expect("JSON")
}

/// The units that the recorded file of an earlier version becomes.
fn taken_over(folder: &tempfile::TempDir) -> Held {
    let body = values::old_host_state().encode_to_vec();
    let file = [HEADER, blake3::hash(&body).to_hex().as_bytes(), b"\n", &body].concat();
    let file = recorded("old/host_state", &file);
    std::fs::write(folder.path().join("host_state"), file).expect("written");
    let holder = Holder::open(folder.path(), "home", "alpha").expect("taken over");
    (*holder.current()).clone()
}

/// The engine of the host, with the containers that the old agent created.
fn engine() -> Fake {
    let labels = old_labels();
    let container = |id: &str, service: &str, state: &str| {
        let name = format!("/data-{service}-1");
        let labels = labels[format!("container_{service}")].clone();
        let networks = json!({"infra_net": {"IPAddress": "172.19.0.8"}});
        let listed = json!({
            "Id": id, "Names": [name], "State": state, "Labels": labels, "NetworkSettings": {"Networks": networks},
        });
        let inspected = json!({
            "Id": id, "Name": name, "State": {"Status": state}, "Config": {"Labels": labels},
            "HostConfig": {"RestartPolicy": {"Name": "unless-stopped"}},
            "NetworkSettings": {"Networks": networks},
            "Mounts": [{"Type": "volume", "Name": "data_redis"}],
        });
        (listed, (format!("/containers/{id}/json"), Answer::Json(inspected)))
    };
    let [(app, app_inspected), (redis, redis_inspected)] =
        [container("c1", "app", "running"), container("c2", "redis", "exited")];
    let block = |subnet: &str, gateway: &str| json!({"Config": [{"Subnet": subnet, "Gateway": gateway}]});
    let bridge = "lf-".to_owned() + &blake3::hash(b"infra_net").to_hex()[..12];
    let networks = json!([
        {
            "Name": "infra_net", "Driver": "bridge", "IPAM": block("172.19.0.0/16", "172.19.255.1"),
            "Options": {"com.docker.network.bridge.name": bridge, "com.docker.network.driver.mtu": "1450"},
            "Labels": labels["fleet_network"],
        },
        {
            "Name": "data_own", "Driver": "bridge", "Internal": true, "IPAM": block("10.9.0.0/24", "10.9.0.1"),
            "Options": {"a": "first", "mode": "1"}, "Labels": labels["network"],
        },
    ]);
    let volume = json!({
        "Name": "data_redis", "Driver": "local", "Mountpoint": "/v", "Scope": "local", "Options": {}, "Labels": labels["volume"],
    });
    Fake::answering(vec![
        ("/containers/json".to_owned(), Answer::Json(json!([app, redis]))),
        app_inspected,
        redis_inspected,
        ("/networks".to_owned(), Answer::Json(networks)),
        ("/volumes".to_owned(), Answer::Json(json!({"Volumes": [volume]}))),
        ("/images/json".to_owned(), Answer::Json(json!([]))),
    ])
}

async fn observed(held: &Held) -> Observed {
    let (fake, mut snapshot) = (engine(), Snapshot::default());
    let observation = observer(&fake).observe(&mut snapshot, &held.desired, &BTreeSet::new()).await;
    assert_eq!(observation, Observation::Complete);
    let mut observed = snapshot.observed;
    observed.trees.insert("data".to_owned(), Tree { manifest: "manifest".to_owned(), ..Tree::default() });
    observed
}

#[test]
fn the_recorded_state_of_an_earlier_version_is_read_as_it_was_meant() {
    let folder = tempfile::tempdir().expect("a folder");
    let held = taken_over(&folder);
    assert_eq!((held.seen.epoch, held.seen.generation), (2, 9));
    let Held { desired, .. } = &held;
    assert_eq!(desired.instances.keys().map(ToString::to_string).collect::<Vec<_>>(), ["data/app.1", "data/redis.1"]);
    assert_eq!(desired.networks.keys().collect::<Vec<_>>(), ["data_own", "infra_net"]);
    assert_eq!(desired.volumes.keys().collect::<Vec<_>>(), ["data_redis"]);
    assert_eq!(desired.trees["data"], "manifest");
    // What each unit contains is the old state, with the epochs that were only in the MACs.
    let mut expected = values::old_host_state();
    let instances = expected.instances.iter_mut();
    for end in instances.flat_map(|instance| instance.container.iter_mut().flat_map(|it| &mut it.networks)) {
        end.epoch = if end.address == "172.19.0.8" { 2 } else { 3 };
    }
    for instance in &expected.instances {
        let name = Incarnation { instance: crate::wire::instance_name(instance), number: 0 };
        assert!(held.instance(&name) == Some(instance), "{name} is read as another instance");
    }
    for network in expected.networks.iter_mut() {
        network.overlay.iter_mut().for_each(|overlay| overlay.neighbours.clear());
        assert!(held.network(&network.name) == Some(network), "{} is read as another network", network.name);
    }
    assert!(held.volume("data_redis") == expected.volumes.first());
    let overlay = desired.networks["infra_net"].overlay.as_ref().expect("spans hosts");
    let others = overlay.neighbours.iter().map(|(address, it)| format!("{address} {}", it.mac));
    assert_eq!(others.collect::<Vec<_>>(), ["172.19.0.5 02:1f:00:02:00:05", "172.19.255.2 02:1f:00:00:ff:02"]);
}

#[tokio::test]
async fn what_an_earlier_version_deployed_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let held = taken_over(&folder);
    let observed = observed(&held).await;
    assert_eq!(observed.containers.len(), 2, "the labels name the instances");
    assert!(observed.networks.values().all(|network| network.ours) && observed.volumes["data_redis"].ours);
    assert_eq!(observed.networks["data_own"].stack, "data");
    assert_eq!(observed.networks["data_own"].project, "shop");
    let mut plan = plan(&held.desired, &observed, &BTreeSet::new());
    // This machine has no bridge of the fleet. Programming it again does no harm.
    plan.steps.retain(|step| !matches!(step.action, Action::Program { .. }));
    assert_eq!(plan.to_string(), "");
}
