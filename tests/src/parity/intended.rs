//! List of the intended differences. An entry that covers no difference any more is a mistake.

use std::fmt;

use serde_json::Value;

use super::difference::Difference;

/// A field in which Landfast's containers, networks or volumes intentionally differ from the reference's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intended {
    /// Path of the field; `*` matches any text within one name.
    pub path: &'static [&'static str],
    /// Kind of the difference.
    pub change: Change,
    /// Reason for the difference.
    pub why: &'static str,
}

/// Kind of a difference in a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Only Landfast has the field.
    Added,
    /// Only the reference has the field.
    Absent,
    /// Both have the field, with different values.
    Other,
    /// The reference has the first value, and Landfast the second.
    Becomes(&'static str, &'static str),
}

/// All intended differences.
pub const INTENDED: &[Intended] = &[
    intended(
        &["containers", "*", "Config", "Labels", "landfast.*"],
        Change::Added,
        "owner of the container, and what it was made from",
    ),
    intended(&["*", "*", "Labels", "landfast.*"], Change::Added, "owner of the network or volume"),
    intended(
        &["containers", "*", "Config", "Labels", "com.docker.compose.version"],
        Change::Other,
        "creator of the container: landfast",
    ),
    intended(&["*", "*", "Labels", "com.docker.compose.version"], Change::Other, "creator of the object: landfast"),
    intended(
        &["containers", "*", "Config", "Labels", "com.docker.compose.config-hash"],
        Change::Other,
        "Compose hashes its own model; Landfast uses the digest of the instance",
    ),
    intended(
        &["*", "*", "Labels", "com.docker.compose.config-hash"],
        Change::Absent,
        "Compose hashes its own model; Landfast compares the network itself",
    ),
    intended(
        &["containers", "*", "Config", "Labels", "com.docker.compose.image"],
        Change::Absent,
        "Landfast detects a new image under an old name by its fingerprint, which is part of the digest",
    ),
    intended(
        &["containers", "*", "HostConfig", "PortBindings", "*", "*", "HostIp"],
        Change::Becomes("", "127.0.0.1"),
        "a port without an address is published on loopback, unless landfast.toml publishes it on the LAN",
    ),
    intended(
        &["containers", "*", "NetworkSettings", "Ports", "*"],
        Change::Other,
        "as above: loopback instead of all IPv4 and IPv6 addresses",
    ),
    intended(
        &["containers", "*", "Config", "Labels", "com.docker.compose.depends_on"],
        Change::Becomes("first:service_started:true", "first:service_started:false"),
        "a container that shares a namespace is recreated with the namespace's owner, not restarted with it",
    ),
    intended(
        &["containers", "read_only_guest.1", "HostConfig", "VolumesFrom", "*"],
        Change::Other,
        "volumes_from with :ro is read-only, as specified; Compose ignores the :ro",
    ),
    intended(
        &["containers", "read_only_guest.1", "Mounts", "*", "RW"],
        Change::Other,
        "as above, in the list of mounts",
    ),
    intended(
        &["containers", "linked.1", "NetworkSettings", "Networks", "*", "Links"],
        Change::Other,
        "names that are already aliases are not added as links, and Compose's service-1 is not a name",
    ),
    intended(
        &["containers", "*", "Config", "StopTimeout"],
        Change::Other,
        "a fraction of a second is rounded up, because half a second of grace must not become none",
    ),
    intended(
        &["networks", "infra_net", "Options", "*"],
        Change::Added,
        "a network of the fleet has a named bridge, and an MTU that leaves room for VXLAN",
    ),
    intended(
        &["containers", "*", "NetworkSettings", "Networks", "infra_net", "MacAddress"],
        Change::Other,
        "on a network of the fleet, every host derives the MAC from the address and its epoch",
    ),
    intended(&["containers", "*", "Config", "MacAddress"], Change::Added, "as above, where engines repeat it"),
    intended(
        &["containers", "*", "HostConfig", "Dns"],
        Change::Added,
        "containers on a network of the fleet use the agent's DNS server, which knows the names of all hosts, unless `dns` is set",
    ),
    intended(
        &["containers", "automatic.1", "NetworkSettings", "Networks", "infra_net", "IPAddress"],
        Change::Other,
        "an automatic address comes from the fleet's own range, so that no two hosts choose the same",
    ),
    intended(
        &["containers", "automatic.1", "NetworkSettings", "Networks", "infra_net", "IPAMConfig", "IPv4Address"],
        Change::Added,
        "as above, in the request",
    ),
    intended(
        &["containers", "then_there.1", "HostConfig", "NetworkMode"],
        Change::Becomes("fleet_inner", "infra_net"),
        "engines before 25 set a MAC on the first network only, so the network of the fleet comes first",
    ),
];

const fn intended(path: &'static [&'static str], change: Change, why: &'static str) -> Intended {
    Intended { path, change, why }
}

impl Intended {
    /// Returns whether this entry covers the difference.
    pub fn covers(&self, difference: &Difference) -> bool {
        let Difference { path, theirs, ours } = difference;
        let how = match self.change {
            Change::Added => theirs.is_null() && !ours.is_null(),
            Change::Absent => !theirs.is_null() && ours.is_null(),
            Change::Other => !theirs.is_null() && !ours.is_null(),
            Change::Becomes(from, to) => theirs == &Value::from(from) && ours == &Value::from(to),
        };
        how && is_at(self.path, path)
    }
}

impl fmt::Display for Intended {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.join(" > ");
        match self.change {
            Change::Added => write!(out, "{path} is added: {}", self.why),
            Change::Absent => write!(out, "{path} is absent: {}", self.why),
            Change::Other => write!(out, "{path} differs: {}", self.why),
            Change::Becomes(from, to) => write!(out, "{path} is {to:?} and not {from:?}: {}", self.why),
        }
    }
}

/// Differences of a run, compared with the list of intended ones.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Differences that are not in the list, each with its project.
    pub undocumented: Vec<(String, Difference)>,
    /// Number of differences that each entry of the list covers.
    needed: Vec<usize>,
}

impl Verdict {
    /// Adds the differences of one project.
    pub fn add(&mut self, project: &str, differences: Vec<Difference>, intended: &[Intended]) {
        self.needed.resize(intended.len(), 0);
        for difference in differences {
            match intended.iter().position(|entry| entry.covers(&difference)) {
                Some(at) => self.needed[at] += 1,
                None => self.undocumented.push((project.to_owned(), difference)),
            }
        }
    }

    /// Returns each entry of the list with the number of differences that it covers.
    pub fn counts<'i>(&self, intended: &'i [Intended]) -> Vec<(&'i Intended, usize)> {
        intended.iter().enumerate().map(|(at, entry)| (entry, self.needed.get(at).copied().unwrap_or(0))).collect()
    }
}

/// Returns whether a path matches a pattern: the same number of names, each matching its part of the pattern.
pub(super) fn is_at(pattern: &[&str], path: &[String]) -> bool {
    pattern.len() == path.len() && pattern.iter().zip(path).all(|(pattern, name)| is_like(pattern, name))
}

/// Returns whether a name matches a pattern with at most one star: `landfast.*` matches `landfast.fleet`.
fn is_like(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, end)) => name.strip_prefix(start).is_some_and(|rest| rest.ends_with(end)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn difference(path: &[&str], theirs: Value, ours: Value) -> Difference {
        Difference { path: path.iter().map(ToString::to_string).collect(), theirs, ours }
    }

    const LIST: &[Intended] = &[
        Intended { path: &["a", "*", "landfast.*"], change: Change::Added, why: "ours" },
        Intended { path: &["ip"], change: Change::Becomes("0.0.0.0", "127.0.0.1"), why: "loopback" },
    ];

    #[test]
    fn an_intended_difference_is_covered_and_counted() {
        let mut verdict = Verdict::default();
        let differences = vec![
            difference(&["a", "web", "landfast.fleet"], Value::Null, json!("home")),
            difference(&["a", "db", "landfast.fleet"], Value::Null, json!("home")),
        ];
        verdict.add("demo", differences, LIST);
        assert_eq!(verdict.undocumented, []);
        assert_eq!(verdict.counts(LIST).iter().map(|(_, count)| *count).collect::<Vec<_>>(), [2, 0]);
    }

    #[test]
    fn a_difference_at_another_path_or_of_another_kind_is_not_covered() {
        for other in [
            difference(&["a", "landfast.fleet"], Value::Null, json!("home")),
            difference(&["a", "web", "other.fleet"], Value::Null, json!("home")),
            difference(&["a", "web", "landfast.fleet"], json!("home"), Value::Null),
            difference(&["ip"], json!("0.0.0.0"), json!("10.0.0.1")),
        ] {
            assert!(!LIST.iter().any(|entry| entry.covers(&other)), "{other}");
        }
        assert!(LIST[1].covers(&difference(&["ip"], json!("0.0.0.0"), json!("127.0.0.1"))));
    }
}
