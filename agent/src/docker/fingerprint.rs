//! The fingerprint of an image: equal for equal images on both of Docker's image stores and at every API version.
//!
//! An image's id is not equal: the classic store uses the digest of the configuration, and the containerd store that of the
//! manifest. The fingerprint is the BLAKE3 digest, in hex, of compact JSON with sorted keys: `architecture`, `config`,
//! `layers` (the digests of the unpacked layers) and `os`. `config` has only what changes a container, under Docker's own
//! names. Null, empty and zero values are left out, because versions differ in which of them they write. The coordinator
//! computes the same for the images of its own engine, and both test the same example.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{HealthConfig, ImageConfig, ImageInspect};
use serde_json::{Value, json};

/// Returns the fingerprint of an image that the engine describes.
pub(crate) fn fingerprint(image: &ImageInspect) -> String {
    let layers = image.root_fs.as_ref().and_then(|root| root.layers.clone()).unwrap_or_default();
    let parts = [
        ("architecture", text(image.architecture.as_ref())),
        ("config", image.config.as_ref().map_or(Value::Null, config)),
        ("layers", json!(layers)),
        ("os", text(image.os.as_ref())),
    ];
    blake3::hash(sorted(parts).to_string().as_bytes()).to_hex().to_string()
}

fn config(config: &ImageConfig) -> Value {
    sorted([
        ("Cmd", list(config.cmd.as_ref())),
        ("Entrypoint", list(config.entrypoint.as_ref())),
        ("Env", list(config.env.as_ref())),
        ("ExposedPorts", set(config.exposed_ports.as_ref())),
        ("Healthcheck", config.healthcheck.as_ref().map_or(Value::Null, health)),
        ("Labels", map(config.labels.as_ref())),
        ("OnBuild", list(config.on_build.as_ref())),
        ("Shell", list(config.shell.as_ref())),
        ("StopSignal", text(config.stop_signal.as_ref())),
        ("User", text(config.user.as_ref())),
        ("Volumes", set(config.volumes.as_ref())),
        ("WorkingDir", text(config.working_dir.as_ref())),
    ])
}

fn health(health: &HealthConfig) -> Value {
    let number = |number: Option<i64>| number.filter(|number| *number != 0).map_or(Value::Null, |number| json!(number));
    sorted([
        ("Interval", number(health.interval)),
        ("Retries", number(health.retries)),
        ("StartInterval", number(health.start_interval)),
        ("StartPeriod", number(health.start_period)),
        ("Test", list(health.test.as_ref())),
        ("Timeout", number(health.timeout)),
    ])
}

/// Returns an object with sorted keys and without empty values; null if nothing is left.
fn sorted<const N: usize>(parts: [(&str, Value); N]) -> Value {
    let present: BTreeMap<&str, Value> = parts.into_iter().filter(|(_, value)| !is_nothing(value)).collect();
    if present.is_empty() { Value::Null } else { json!(present) }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

fn text(text: Option<&String>) -> Value {
    json!(text)
}

fn list(list: Option<&Vec<String>>) -> Value {
    json!(list)
}

/// Returns the keys of an object of empty objects, which is how Docker writes a set.
fn set(set: Option<&Vec<String>>) -> Value {
    let mut keys = set.cloned().unwrap_or_default();
    keys.sort();
    json!(keys)
}

fn map(map: Option<&HashMap<String, String>>) -> Value {
    json!(map.map(|map| map.iter().collect::<BTreeMap<_, _>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(json: Value) -> ImageInspect {
        serde_json::from_value(json).expect("as the engine says it")
    }

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
    fn both_stores_and_all_versions_give_the_same() {
        let newer = json!({
            "Id": "sha256:9999", "Architecture": "amd64", "Os": "linux", "Variant": "", "Size": 7,
            "Config": {
                "ExposedPorts": {"443/tcp": {}, "80/tcp": {}}, "Env": ["PATH=/bin", "A=1"], "Cmd": ["httpd", "-f"],
                "WorkingDir": "/srv", "Entrypoint": [], "Labels": {"a": "1", "b": "2"}, "Volumes": {},
                "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000, "Retries": 0},
            },
            "RootFS": {"Type": "layers", "Layers": ["sha256:aa", "sha256:bb"]},
        });
        assert_eq!(fingerprint(&image(classic())), fingerprint(&image(newer)));
    }

    #[test]
    fn the_vector_holds() {
        assert_eq!(fingerprint(&image(classic())), "2608a4ab637b3b6fdd166506d842bd9a31bfa407fc80f63a862192baac5cf0ee");
    }

    #[test]
    fn what_changes_a_container_changes_it() {
        let whole = fingerprint(&image(classic()));
        for (pointer, value) in [
            ("/Config/Env/1", json!("A=2")),
            ("/Config/Cmd", json!(["httpd"])),
            ("/RootFS/Layers/1", json!("sha256:cc")),
            ("/Architecture", json!("arm64")),
            ("/Config/Healthcheck/Interval", json!(2_000_000_000)),
        ] {
            let mut changed = classic();
            *changed.pointer_mut(pointer).expect("is there") = value;
            assert_ne!(fingerprint(&image(changed)), whole, "{pointer}");
        }
    }
}
