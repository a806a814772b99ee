//! Removes incidental values from the engine's descriptions: ids, times, and addresses and MACs that the engine chose.

use std::net::IpAddr;

use serde_json::{Map, Value};

use super::intended::is_at;

/// Objects that one side made of a project, as the engine's `inspect` describes them.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// Containers keyed by service and number: `web.1`.
    pub containers: Map<String, Value>,
    /// Networks keyed by name.
    pub networks: Map<String, Value>,
    /// Volumes keyed by name.
    pub volumes: Map<String, Value>,
    /// Folder of the project's files on the host.
    pub folder: String,
}

/// Fields that are left out, each with the reason.
const LEFT_OUT: &[(&[&str], &str)] = &[
    (&["containers", "*", "Created"], "a time"),
    (&["containers", "*", "State"], "state, not settings"),
    (&["containers", "*", "RestartCount"], "state, not settings"),
    (&["containers", "*", "ExecIDs"], "health checks that are running at this moment"),
    (&["containers", "*", "GraphDriver"], "folders named by ids"),
    (&["containers", "*", "Storage"], "folders named by ids"),
    (&["containers", "*", "NetworkSettings", "Sandbox*"], "an id"),
    (&["containers", "*", "NetworkSettings", "EndpointID"], "an id"),
    (&["containers", "*", "NetworkSettings", "Networks", "*", "EndpointID"], "an id"),
    (&["networks", "*", "Created"], "a time"),
    (&["networks", "*", "Containers"], "also in the descriptions of the containers"),
    (&["networks", "*", "Status"], "counts of addresses"),
    (&["volumes", "*", "CreatedAt"], "a time"),
];

/// Lists in the order of a hash table of the engine or of the reference.
const UNORDERED: &[&[&str]] = &[
    &["containers", "*", "Mounts"],
    &["containers", "*", "Config", "Env"],
    &["containers", "*", "HostConfig", "Binds"],
    &["containers", "*", "HostConfig", "Mounts"],
    &["containers", "*", "HostConfig", "Ulimits"],
    &["containers", "*", "HostConfig", "ExtraHosts"],
    &["containers", "*", "NetworkSettings", "Networks", "*", "DNSNames"],
    &["containers", "*", "NetworkSettings", "Networks", "*", "Aliases"],
];

/// Label that lists services, separated by commas, in the order of a hash table.
const DEPENDENCIES: &[&str] = &["containers", "*", "Config", "Labels", "com.docker.compose.depends_on"];

impl Made {
    /// Returns one tree without incidental values: they are left out, sorted, or replaced by a symbolic name.
    pub fn settled(&self) -> Value {
        let mut tree = serde_json::json!({
            "containers": self.containers, "networks": self.networks, "volumes": self.volumes,
        });
        let names = self.names();
        settle(&mut tree, &mut Vec::new(), &names);
        tree
    }

    /// Returns the ids and folders that have a symbolic name, longest first.
    fn names(&self) -> Vec<(String, String)> {
        let mut names = vec![(self.folder.clone(), "<project>".to_owned())];
        for (kind, objects) in [("container", &self.containers), ("network", &self.networks)] {
            for (name, object) in objects {
                let Some(id) = object["Id"].as_str() else { continue };
                names.push((id.to_owned(), format!("<{kind} {name}>")));
                names.push((id.chars().take(12).collect(), format!("<{kind} {name}>")));
            }
        }
        for (name, container) in &self.containers {
            for mount in container["Mounts"].as_array().into_iter().flatten() {
                let hash = mount["Name"].as_str().filter(|name| is_id(name));
                let target = mount["Destination"].as_str().unwrap_or_default();
                names.extend(hash.map(|hash| (hash.to_owned(), format!("<anonymous {name} {target}>"))));
            }
        }
        names.retain(|(text, _)| !text.is_empty());
        // A volume that several containers mount is named after the first of them.
        names.sort_by(|(a, first), (b, other)| (b.len(), a, first).cmp(&(a.len(), b, other)));
        names
    }
}

fn settle(value: &mut Value, path: &mut Vec<String>, names: &[(String, String)]) {
    match value {
        Value::Object(fields) => {
            if fields.get("IPAddress").and_then(Value::as_str).is_some_and(is_chosen_address) {
                // The prefix length belongs to the subnet, which the engine chose too.
                fields.remove("IPPrefixLen");
            }
            fields.retain(|name, _| {
                path.push(name.clone());
                let stays = !LEFT_OUT.iter().any(|(pattern, _)| is_at(pattern, path));
                path.pop();
                stays
            });
            for (name, value) in fields {
                path.push(name.clone());
                settle(value, path, names);
                path.pop();
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter_mut().enumerate() {
                path.push(at.to_string());
                settle(value, path, names);
                path.pop();
            }
            if UNORDERED.iter().any(|pattern| is_at(pattern, path)) {
                items.sort_by_key(order);
            }
        }
        Value::String(text) if is_at(DEPENDENCIES, path) => {
            let mut services: Vec<_> = text.split(',').collect();
            services.sort_unstable();
            *text = services.join(",");
        }
        Value::String(text) => *text = read(text, names),
        _ => {}
    }
}

/// Returns the key to sort an item by: its target or name if it has one, otherwise its text.
fn order(value: &Value) -> String {
    let target = value.get("Destination").or_else(|| value.get("Target")).or_else(|| value.get("Name"));
    target.unwrap_or(value).to_string()
}

fn read(text: &str, names: &[(String, String)]) -> String {
    if is_chosen_address(text) || is_chosen_mac(text) {
        return "<automatic>".to_owned();
    }
    names.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

/// Returns whether an address is from the engine's own pools. The parity projects use 10/8 and fd42::/16 only.
fn is_chosen_address(text: &str) -> bool {
    let (address, length) = text.split_once('/').unwrap_or((text, "0"));
    let is_chosen = match address.parse() {
        Ok(IpAddr::V4(address)) => {
            let [first, second, ..] = address.octets();
            (first == 172 && (16..32).contains(&second)) || (first == 192 && second == 168)
        }
        Ok(IpAddr::V6(address)) => address.segments()[0] >> 8 == 0xfd && address.segments()[0] != 0xfd42,
        Err(_) => false,
    };
    is_chosen && length.parse::<u8>().is_ok()
}

/// Returns whether the engine chose a MAC.
///
/// MACs of the parity projects begin with 0a:42:0a. Landfast's own, on networks of the fleet, begin with 02:1f:00.
/// Three bytes are compared, because a random MAC matches two bytes too often.
fn is_chosen_mac(text: &str) -> bool {
    let parts: Vec<_> = text.split(':').collect();
    let is_mac = parts.len() == 6 && parts.iter().all(|part| part.len() == 2 && u8::from_str_radix(part, 16).is_ok());
    is_mac && !text.starts_with("0a:42:0a:") && !text.starts_with("02:1f:00:")
}

/// Returns whether a text is an id that the engine generated: 64 hexadecimal digits.
fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_are_replaced_by_names() {
        let (container, network) = ("c0".repeat(32), "d1".repeat(32));
        let made = Made {
            containers: Map::from_iter([(
                "web.1".to_owned(),
                json!({"Id": container, "Config": {"Hostname": &container[..12]}, "NetworkSettings": {"Networks": {"n": {"NetworkID": network}}}}),
            )]),
            networks: Map::from_iter([("n".to_owned(), json!({"Id": network}))]),
            ..Made::default()
        };
        let settled = made.settled();
        assert_eq!(settled["containers"]["web.1"]["Config"]["Hostname"], "<container web.1>");
        assert_eq!(
            settled["containers"]["web.1"]["NetworkSettings"]["Networks"]["n"]["NetworkID"],
            settled["networks"]["n"]["Id"]
        );
    }

    #[test]
    fn values_that_the_engine_chose_are_replaced_and_written_values_are_kept() {
        for chosen in [
            "172.18.0.2",
            "172.18.0.0/16",
            "192.168.16.1",
            "fd7e:1::2",
            "ce:12:00:00:00:01",
            "02:42:ac:12:00:02",
            "02:1f:36:76:4c:c2",
        ] {
            assert_eq!(read(chosen, &[]), "<automatic>", "{chosen}");
        }
        for written in [
            "10.201.0.10",
            "10.0.0.0/8",
            "fd42:202::6",
            "0a:42:0a:c9:00:0a",
            "172.18.0.2 is ours",
            "12:30",
            "127.0.0.1",
        ] {
            assert_eq!(read(written, &[]), written);
        }
    }

    #[test]
    fn a_volume_of_several_containers_has_one_name_in_any_order() {
        let mounts = json!({"Mounts": [{"Name": "ab".repeat(32), "Destination": "/z"}]});
        let made = |names: [&str; 2]| {
            let containers = names.map(|name| (name.to_owned(), mounts.clone()));
            Made { containers: Map::from_iter(containers), ..Made::default() }.settled()
        };
        let tree = made(["web.1", "db.1"]);
        assert_eq!(tree, made(["db.1", "web.1"]));
        assert_eq!(tree["containers"]["web.1"]["Mounts"][0]["Name"], "<anonymous db.1 /z>");
    }

    #[test]
    fn the_size_of_a_subnet_goes_with_its_address() {
        let made = |address: &str| {
            let ends = json!({"Networks": {"n": {"IPAddress": address, "IPPrefixLen": 20}}});
            let container = json!({"NetworkSettings": ends});
            Made { containers: Map::from_iter([("web.1".to_owned(), container)]), ..Made::default() }.settled()
        };
        let size = |tree: Value| tree["containers"]["web.1"]["NetworkSettings"]["Networks"]["n"]["IPPrefixLen"].clone();
        assert_eq!((size(made("192.168.16.2")), size(made("10.201.0.2"))), (Value::Null, json!(20)));
    }

    #[test]
    fn folders_and_anonymous_volumes_have_names() {
        let volume = "ab".repeat(32);
        let mounts = json!([
            {"Name": volume, "Destination": "/z", "Source": format!("/var/lib/docker/volumes/{volume}/_data")},
            {"Source": "/srv/project/data", "Destination": "/a"},
        ]);
        let made = Made {
            containers: Map::from_iter([("web.1".to_owned(), json!({"Mounts": mounts}))]),
            folder: "/srv/project".to_owned(),
            ..Made::default()
        };
        let mounts = made.settled()["containers"]["web.1"]["Mounts"].clone();
        assert_eq!(mounts[0]["Source"], "<project>/data");
        assert_eq!(mounts[1]["Source"], "/var/lib/docker/volumes/<anonymous web.1 /z>/_data");
    }

    #[test]
    fn lists_in_the_order_of_a_hash_table_are_sorted() {
        let made = |env: [&str; 2], depends_on: &str| {
            let labels = json!({"com.docker.compose.depends_on": depends_on});
            let container = json!({"Config": {"Env": env, "Cmd": env, "Labels": labels}});
            Made { containers: Map::from_iter([("web.1".to_owned(), container)]), ..Made::default() }.settled()
        };
        let (one, other) = (made(["a", "b"], "job:x,db:y"), made(["b", "a"], "db:y,job:x"));
        assert_eq!(one["containers"]["web.1"]["Config"]["Env"], other["containers"]["web.1"]["Config"]["Env"]);
        assert_eq!(one["containers"]["web.1"]["Config"]["Labels"], other["containers"]["web.1"]["Config"]["Labels"]);
        assert_ne!(one, other);
    }

    #[test]
    fn times_and_states_are_left_out() {
        let container = json!({"Created": "now", "State": {"Pid": 7}, "Name": "/web-1"});
        let made = Made { containers: Map::from_iter([("web.1".to_owned(), container)]), ..Made::default() };
        assert_eq!(made.settled()["containers"]["web.1"], json!({"Name": "/web-1"}));
    }
}
