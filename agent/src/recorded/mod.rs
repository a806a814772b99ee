//! What was recorded of the wire, of the agent's files and of the labels on the engine's objects is read as it was meant:
//! see `tests/fixtures/README.md`. `LANDFAST_FIXTURES=overwrite cargo test -p landfast-agent recorded` writes today's anew.

mod takeover;
mod values;

use std::collections::BTreeMap;
use std::path::PathBuf;

use landfast_proto::v1::{DescribeResponse, Report, Unit};
use prost::Message;
use serde_json::{Value, json};

use crate::docker::{Labels, Place, creation};
use crate::wire::{Contents, HeldUnit, Instance};

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// Returns a recorded file. `now` is what today's code makes; it is recorded on request, but never in place of a file of an
/// earlier version.
#[track_caller]
fn recorded(name: &str, now: &[u8]) -> Vec<u8> {
    let path = path(name);
    let is_wanted = std::env::var_os("LANDFAST_FIXTURES").is_some_and(|value| value == "overwrite");
    if is_wanted && (name.starts_with("today/") || !path.exists()) {
        std::fs::write(&path, now).expect("written");
    }
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Checks that the recorded message is this one, and that it is still sent in the same bytes.
#[track_caller]
fn assert_recorded<M: Message + Default + PartialEq>(name: &str, message: &M) {
    let bytes = recorded(&format!("today/{name}"), &message.encode_to_vec());
    let read = M::decode(bytes.as_slice()).expect("it can be read");
    assert!(
        read == *message,
        "{name} is read as another message: was a field renumbered, or is a new one not recorded?"
    );
    assert!(message.encode_to_vec() == bytes, "{name} is sent in other bytes than it was recorded in");
}

#[test]
fn units_are_read_as_they_were_recorded_and_have_the_recorded_digests() {
    let mut digests = BTreeMap::new();
    for (name, contents) in values::units() {
        let digest = contents.digest();
        digests.insert(name, digest.clone());
        let unit = Unit {
            stamp: Some(values::stamp(digest)),
            if_digest: Some("before".to_owned()),
            contents: Some(contents.encode()),
        };
        assert_recorded(name, &unit);
        let bytes = std::fs::read(path(&format!("today/{name}"))).expect("recorded");
        let held = HeldUnit::decode(&Unit::decode(bytes.as_slice()).expect("a unit")).expect("it is taken");
        assert!(held.contents == contents, "{name} has other contents");
    }
    let text = serde_json::to_string_pretty(&digests).expect("plain") + "\n";
    let was = recorded("today/digests.json", text.as_bytes());
    assert_eq!(String::from_utf8(was).expect("text"), text, "equal contents have another digest than before");
    assert_recorded("unit-fabric-delta", &values::fabric_delta());
}

#[test]
fn reports_and_descriptions_are_read_as_they_were_recorded() {
    assert_recorded::<Report>("report", &values::report());
    assert_recorded::<DescribeResponse>("describe", &values::description());
}

/// The labels of a container, a stack's network, a fleet's network and a volume, as this version creates them.
fn labels() -> Value {
    let units = values::units();
    let Contents::Stack(state) = &units["unit-stack"] else { panic!("a stack") };
    let instance: &Instance = &state.instances[0];
    let plain = instance.container.clone().map(|container| crate::wire::Container {
        // They need partners or a newer engine, and bear no labels.
        network_mode: String::new(),
        volumes_from: Vec::new(),
        mounts: Vec::new(),
        ..container
    });
    let instance = Instance { container: plain, ..instance.clone() };
    let place = Place { fleet: "home".to_owned(), image: "redis:7".to_owned(), ..Place::default() };
    let container = creation(&instance, &place, 51).expect("can be created").body.labels.expect("it has labels");
    let (network, volume) = (&state.networks[0], &state.volumes[0]);
    let part = (network.stack.as_str(), network.project.as_str(), network.key.as_str());
    let fleet_network = Labels::of_part("network", ("", "", "infra_net"), &BTreeMap::new(), "home");
    let volume_part = (volume.stack.as_str(), volume.project.as_str(), volume.key.as_str());
    json!({
        "container": container.into_iter().collect::<BTreeMap<_, _>>(),
        "network": Labels::of_part("network", part, &network.labels, "home").into_iter().collect::<BTreeMap<_, _>>(),
        "fleet_network": fleet_network.into_iter().collect::<BTreeMap<_, _>>(),
        "volume": Labels::of_part("volume", volume_part, &volume.labels, "home").into_iter().collect::<BTreeMap<_, _>>(),
    })
}

#[test]
fn labels_are_those_that_were_recorded() {
    let text = serde_json::to_string_pretty(&labels()).expect("plain") + "\n";
    let was = String::from_utf8(recorded("today/labels.json", text.as_bytes())).expect("text");
    assert_eq!(was, text, "a label was renamed: objects that exist keep the old one");
}
