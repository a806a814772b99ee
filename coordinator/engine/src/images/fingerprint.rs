//! What an image is, equal for equal images on both of Docker's image stores: the BLAKE3 digest of compact JSON with
//! sorted keys, of architecture, system, unpacked layers and what of the configuration changes a container. Nulls, zeros
//! and empty things are left out, because engines differ in which of these they say. The agents compute the same for
//! theirs; the test's vector is in both.

use std::collections::BTreeMap;

use bollard::models::{HealthConfig, ImageConfig, ImageInspect};
use serde_json::{Value, json};

/// The image's identity.
pub(super) fn fingerprint(image: &ImageInspect) -> String {
    let parts = object([
        ("architecture", json!(image.architecture)),
        ("config", image.config.as_ref().map_or(Value::Null, config)),
        ("layers", json!(image.root_fs.as_ref().and_then(|root| root.layers.as_ref()))),
        ("os", json!(image.os)),
    ]);
    blake3::hash(parts.to_string().as_bytes()).to_hex().to_string()
}

fn config(config: &ImageConfig) -> Value {
    let labels = config.labels.as_ref().map(|labels| labels.iter().collect::<BTreeMap<_, _>>());
    object([
        ("Cmd", json!(config.cmd)),
        ("Entrypoint", json!(config.entrypoint)),
        ("Env", json!(config.env)),
        ("ExposedPorts", set(config.exposed_ports.as_ref())),
        ("Healthcheck", config.healthcheck.as_ref().map_or(Value::Null, health)),
        ("Labels", json!(labels)),
        ("OnBuild", json!(config.on_build)),
        ("Shell", json!(config.shell)),
        ("StopSignal", json!(config.stop_signal)),
        ("User", json!(config.user)),
        ("Volumes", set(config.volumes.as_ref())),
        ("WorkingDir", json!(config.working_dir)),
    ])
}

fn health(health: &HealthConfig) -> Value {
    object([
        ("Interval", json!(health.interval)),
        ("Retries", json!(health.retries)),
        ("StartInterval", json!(health.start_interval)),
        ("StartPeriod", json!(health.start_period)),
        ("Test", json!(health.test)),
        ("Timeout", json!(health.timeout)),
    ])
}

/// What Docker writes as an object of empty objects, by its keys.
fn set(keys: Option<&Vec<String>>) -> Value {
    let mut keys = keys.cloned().unwrap_or_default();
    keys.sort();
    json!(keys)
}

/// Without what says nothing. The names above are in order.
fn object<const N: usize>(parts: [(&str, Value); N]) -> Value {
    let said = parts.into_iter().filter(|(_, value)| says_something(value));
    let map = said.map(|(name, value)| (name.to_owned(), value)).collect::<serde_json::Map<_, _>>();
    if map.is_empty() { Value::Null } else { Value::Object(map) }
}

fn says_something(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(_) => true,
        Value::Number(number) => number.as_i64() != Some(0),
        Value::String(text) => !text.is_empty(),
        Value::Array(list) => !list.is_empty(),
        Value::Object(map) => !map.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use bollard::models::ImageInspect;
    use serde_json::json;

    use super::fingerprint;

    fn image(json: serde_json::Value) -> ImageInspect {
        serde_json::from_value(json).expect("as the engine says it")
    }

    /// The same image as in the agent's test of the same name.
    #[test]
    fn the_vector_holds() {
        let classic = image(json!({
            "Id": "sha256:1111", "Architecture": "amd64", "Os": "linux", "Size": 5,
            "Config": {
                "Hostname": "", "Domainname": "", "User": "", "AttachStdin": false, "Tty": false, "Image": "sha256:22",
                "ExposedPorts": {"80/tcp": {}, "443/tcp": {}}, "Env": ["PATH=/bin", "A=1"], "Cmd": ["httpd", "-f"],
                "Volumes": null, "WorkingDir": "/srv", "Entrypoint": null, "OnBuild": null,
                "Labels": {"b": "2", "a": "1"},
                "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000},
            },
            "RootFS": {"Type": "layers", "Layers": ["sha256:aa", "sha256:bb"]},
        }));
        assert_eq!(fingerprint(&classic), "2608a4ab637b3b6fdd166506d842bd9a31bfa407fc80f63a862192baac5cf0ee");
    }
}
