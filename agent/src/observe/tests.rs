//! Observations of an engine that answers badly to some requests.

use std::time::Duration;

use landfast_agent_core::observed::State;
use serde_json::{Value, json};

use super::*;
use crate::blobs::BlobStore;
use crate::docker::fake::{Answer, Fake};

pub(crate) fn observer(fake: &Fake) -> Observer {
    let state = fake.folder.path();
    let blobs = BlobStore::open(state).expect("a store");
    let sources = Sources {
        images: Arc::default(),
        trees: Arc::new(Trees::open(state, blobs).expect("trees")),
        overlay: Arc::new(Overlay::open().expect("a netlink socket")),
        starts: Arc::new(Starts::open(state)),
        started: Started::open(state),
    };
    Observer::new("home".to_owned(), fake.engine.clone(), sources)
}

fn labels(service: &str) -> Value {
    json!({
        "landfast.fleet": "home", "landfast.stack": "data", "landfast.service": service, "landfast.index": "1",
        "landfast.digest": "d", "landfast.release": "4",
    })
}

fn listed(id: &str, labels: Value) -> Value {
    json!({
        "Id": id, "Names": [format!("/{id}")], "State": "running", "Created": 5, "Labels": labels,
        "Mounts": [{"Type": "volume", "Name": "files"}],
        "NetworkSettings": {"Networks": {"own": {"IPAddress": "10.0.0.2"}}},
    })
}

/// An engine with good and bad containers of the fleet, one of another client, and good and bad images.
fn fake() -> Fake {
    let good =
        json!({"Id": "good", "Name": "/good", "State": {"Status": "running"}, "Config": {"Labels": labels("good")}});
    let containers = ["broken", "garbled", "good", "silent"].map(|id| listed(id, labels(id)));
    let containers: Vec<Value> = containers.into_iter().chain([listed("theirs", json!({}))]).collect();
    let image = |id: &str, name: &str| {
        json!({
            "Id": id, "ParentId": "", "RepoTags": [name], "RepoDigests": [], "Created": 0, "Size": 1, "SharedSize": 0,
            "Labels": {}, "Containers": 0,
        })
    };
    let volume =
        json!({"Name": "files", "Driver": "local", "Mountpoint": "/v", "Labels": {}, "Scope": "local", "Options": {}});
    Fake::answering(vec![
        ("/containers/json".to_owned(), Answer::Json(json!(containers))),
        ("/containers/good/json".to_owned(), Answer::Json(good)),
        ("/containers/broken/json".to_owned(), Answer::Raw(500, r#"{"message": "its layer is gone"}"#)),
        ("/containers/garbled/json".to_owned(), Answer::Raw(200, "{\"Id\": 7")),
        ("/containers/silent/json".to_owned(), Answer::Silence),
        ("/networks".to_owned(), Answer::Json(json!([{"Name": "own", "Labels": {"landfast.fleet": "home"}}]))),
        (
            "/volumes".to_owned(),
            Answer::Json(json!({"Volumes": [volume], "Warnings": ["plugin nfs: connection refused"]})),
        ),
        ("/images/json".to_owned(), Answer::Json(json!([image("i1", "app:1"), image("i2", "bad:1")]))),
        ("/images/i1/json".to_owned(), Answer::Json(json!({"Id": "i1", "Os": "linux"}))),
        ("/images/i2/json".to_owned(), Answer::Raw(500, r#"{"message": "content digest not found"}"#)),
    ])
}

async fn observe(observer: &mut Observer, snapshot: &mut Snapshot) -> Observation {
    let (desired, busy) = (Desired::default(), BTreeSet::new());
    let observing = observer.observe(snapshot, &desired, &busy);
    tokio::time::timeout(Duration::from_secs(60), observing).await.expect("ends")
}

#[tokio::test]
async fn objects_that_answer_badly_blind_nothing_else_and_containers_of_others_are_not_inspected() {
    let (fake, mut snapshot) = (fake(), Snapshot::default());
    let mut observer = observer(&fake);
    assert_eq!(observe(&mut observer, &mut snapshot).await, Observation::Complete);
    let asked = fake.asked();
    assert!(asked.iter().any(|path| path == "/containers/good/json"), "{asked:?}");
    assert!(!asked.iter().any(|path| path.contains("theirs")), "{asked:?}");

    let observed = &snapshot.observed;
    let unknown = &observed.unknown;
    assert_eq!(unknown.containers.keys().collect::<Vec<_>>(), ["broken", "garbled", "silent"]);
    let reason = |id: &str| unknown.containers[id].clone().expect("it failed");
    assert_eq!(reason("broken"), "its layer is gone");
    assert!(reason("garbled").contains("cannot be parsed"), "{}", reason("garbled"));
    assert_eq!(reason("silent"), "the Docker Engine did not answer within 3 s");
    // What the list says of them is known.
    let broken = &observed.containers["broken"];
    assert_eq!(
        (broken.instance.to_string(), broken.digest.as_str(), broken.release),
        ("data/broken.1".to_owned(), "d", 4)
    );
    assert_eq!((broken.state, broken.created_at), (State::Running, 5_000_000_000));
    assert_eq!(
        (broken.volumes.iter().next().expect("one").as_str(), broken.addresses["own"].as_str()),
        ("files", "10.0.0.2")
    );
    assert_eq!(observed.containers["good"].name, "good");
    assert_eq!(observed.foreign.keys().collect::<Vec<_>>(), ["theirs"]);

    assert_eq!((observed.networks.len(), observed.volumes.len()), (1, 1));
    assert_eq!(unknown.volume_drivers.as_deref(), Some("plugin nfs: connection refused"));
    assert!(observed.images.references.contains_key("app:1"));
    assert_eq!(unknown.images["bad:1"], "content digest not found");
    assert_eq!(snapshot.stale, landfast_agent_core::reconcile::Stale::default(), "nothing is asked again at once");

    // The period lists the containers, and inspects none of those that did not change.
    snapshot.stale.list = true;
    assert_eq!(observe(&mut observer, &mut snapshot).await, Observation::Complete);
    assert_eq!(fake.asked(), ["/containers/json"]);
}

#[tokio::test]
async fn a_list_that_fails_leaves_what_was_seen_and_the_other_lists() {
    let bad = Answer::Raw(500, r#"{"message": "out of order"}"#);
    let fake = Fake::answering(vec![
        ("/containers/json".to_owned(), Answer::Json(json!([]))),
        ("/networks".to_owned(), bad.clone()),
        ("/volumes".to_owned(), bad.clone()),
        ("/images/json".to_owned(), bad),
    ]);
    let (mut observer, mut snapshot) = (observer(&fake), Snapshot::default());
    snapshot.observed.networks.insert("own".to_owned(), Default::default());
    assert_eq!(observe(&mut observer, &mut snapshot).await, Observation::Complete);
    let unknown = &snapshot.observed.unknown;
    for reason in [&unknown.networks, &unknown.volumes, &unknown.image_list] {
        assert_eq!(reason.as_deref(), Some("out of order"));
    }
    assert!(snapshot.observed.networks.contains_key("own"));
}

#[tokio::test]
async fn an_engine_that_is_gone_fails_the_observation() {
    let fake = Fake::answering(Vec::new());
    std::fs::remove_file(fake.folder.path().join("engine")).expect("removed");
    let (mut observer, mut snapshot) = (observer(&fake), Snapshot::default());
    assert_eq!(observe(&mut observer, &mut snapshot).await, Observation::Failed);
    assert!(snapshot.stale.list && snapshot.stale.networks);
}
