//! Identity of an image, which is the same on both of Docker's image stores and at every API version.
//!
//! An image's id is not such an identity: the classic store derives it from the configuration, and the containerd store
//! from the manifest. The fingerprint is the BLAKE3 digest, in hex, of compact JSON with sorted keys: `architecture`,
//! `config`, `layers` (the digests of the unpacked layers) and `os`. The configuration only counts as far as it changes a
//! container. Values that are null, zero or empty are left out, because engines differ in which of these they report.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Texts of the configuration that count.
const TEXTS: [&str; 3] = ["StopSignal", "User", "WorkingDir"];
/// Lists of the configuration that count, in their order.
const LISTS: [&str; 5] = ["Cmd", "Entrypoint", "Env", "OnBuild", "Shell"];
/// Sets of the configuration that count. Docker writes them as objects of empty objects.
const SETS: [&str; 2] = ["ExposedPorts", "Volumes"];
/// Fields of the health check that count.
const HEALTH: [&str; 6] = ["Interval", "Retries", "StartInterval", "StartPeriod", "Test", "Timeout"];

/// Returns the fingerprint of an image, from the description that the engine's API has of it (`GET /images/{name}/json`).
#[must_use]
pub fn fingerprint(image: &Value) -> String {
    let parts = object([
        ("architecture", image["Architecture"].clone()),
        ("config", config(&image["Config"])),
        ("layers", image["RootFS"]["Layers"].clone()),
        ("os", image["Os"].clone()),
    ]);
    blake3::hash(parts.to_string().as_bytes()).to_hex().to_string()
}

fn config(config: &Value) -> Value {
    let as_written = TEXTS.into_iter().chain(LISTS).map(|key| (key, config[key].clone()));
    let sets = SETS.into_iter().map(|key| (key, set(&config[key])));
    let health = HEALTH.into_iter().map(|key| (key, config["Healthcheck"][key].clone()));
    object(as_written.chain(sets).chain([("Healthcheck", object(health)), ("Labels", sorted(&config["Labels"]))]))
}

/// Returns the keys of a set, sorted. Clients may hand the set over as a list of its keys.
fn set(value: &Value) -> Value {
    let mut keys: Vec<&str> = match value {
        Value::Object(map) => map.keys().map(String::as_str).collect(),
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    keys.sort_unstable();
    json!(keys)
}

fn sorted(map: &Value) -> Value {
    json!(map.as_object().map(|map| map.iter().collect::<BTreeMap<_, _>>()))
}

/// Returns an object with sorted keys and without values that say nothing; null if none is left.
fn object<'a>(parts: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let parts: BTreeMap<&str, Value> = parts.into_iter().filter(|(_, value)| !is_empty(value)).collect();
    if parts.is_empty() { Value::Null } else { json!(parts) }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::fingerprint;

    /// An image as API 1.41 describes it, from the classic store.
    fn classic() -> Value {
        json!({
            "Id": "sha256:1111", "Architecture": "amd64", "Os": "linux", "Size": 5,
            "Config": {
                "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "Tty": false, "Image": "sha256:22",
                "ExposedPorts": {"80/tcp": {}, "443/tcp": {}}, "Env": ["PATH=/bin", "A=1"], "Cmd": ["httpd", "-f"],
                "Volumes": null, "WorkingDir": "/srv", "Entrypoint": null, "OnBuild": null,
                "Labels": {"b": "2", "a": "1"},
                "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000},
            },
            "RootFS": {"Type": "layers", "Layers": ["sha256:aa", "sha256:bb"]},
        })
    }

    #[test]
    fn both_stores_and_all_versions_give_the_same_fingerprint() {
        let newer = json!({
            "Id": "sha256:9999", "Architecture": "amd64", "Os": "linux", "Variant": "", "Size": 7,
            "Config": {
                "ExposedPorts": {"443/tcp": {}, "80/tcp": {}}, "Env": ["PATH=/bin", "A=1"], "Cmd": ["httpd", "-f"],
                "WorkingDir": "/srv", "Entrypoint": [], "Labels": {"a": "1", "b": "2"}, "Volumes": {},
                "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000, "Retries": 0},
            },
            "RootFS": {"Type": "layers", "Layers": ["sha256:aa", "sha256:bb"]},
        });
        assert_eq!(fingerprint(&classic()), fingerprint(&newer));
    }

    /// bollard writes sets as lists of their keys.
    #[test]
    fn a_set_written_as_a_list_is_the_same() {
        let mut listed = classic();
        listed["Config"]["ExposedPorts"] = json!(["80/tcp", "443/tcp"]);
        assert_eq!(fingerprint(&listed), fingerprint(&classic()));
    }

    #[test]
    fn the_vector_holds() {
        assert_eq!(fingerprint(&classic()), "2608a4ab637b3b6fdd166506d842bd9a31bfa407fc80f63a862192baac5cf0ee");
    }

    #[test]
    fn what_changes_a_container_changes_the_fingerprint() {
        let whole = fingerprint(&classic());
        for (pointer, value) in [
            ("/Config/Env/1", json!("A=2")),
            ("/Config/Cmd", json!(["httpd"])),
            ("/RootFS/Layers/1", json!("sha256:cc")),
            ("/Architecture", json!("arm64")),
            ("/Config/Healthcheck/Interval", json!(2_000_000_000)),
        ] {
            let mut changed = classic();
            *changed.pointer_mut(pointer).expect("is there") = value;
            assert_ne!(fingerprint(&changed), whole, "{pointer}");
        }
    }
}
