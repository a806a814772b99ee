//! The differences that are meant. An entry that no difference needs any more is itself a mistake.

use std::fmt;

use serde_json::Value;

use super::difference::Difference;

/// Fields in which Landfast's containers, networks and volumes are meant to differ from the reference's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Intended {
    /// Where; `*` stands for any text within one name.
    pub path: &'static [&'static str],
    /// How.
    pub change: Change,
    /// The reason.
    pub why: &'static str,
}

/// How a field differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Only Landfast has it.
    Added,
    /// Only the reference has it.
    Absent,
    /// Both have it, with other contents.
    Other,
    /// Exactly this instead of that.
    Becomes(&'static str, &'static str),
}

/// The whole list.
pub const INTENDED: &[Intended] = &[
    intended(
        &["containers", "*", "Config", "Labels", "landfast.*"],
        Change::Added,
        "whose container it is, and what it was made from",
    ),
    intended(&["*", "*", "Labels", "landfast.*"], Change::Added, "whose network or volume it is"),
    intended(
        &["containers", "*", "Config", "Labels", "com.docker.compose.version"],
        Change::Other,
        "who made it: landfast",
    ),
    intended(&["*", "*", "Labels", "com.docker.compose.version"], Change::Other, "who made it: landfast"),
    intended(
        &["containers", "*", "Config", "Labels", "com.docker.compose.config-hash"],
        Change::Other,
        "Compose's is of its own model, Landfast's is the digest of the instance",
    ),
    intended(
        &["*", "*", "Labels", "com.docker.compose.config-hash"],
        Change::Absent,
        "Compose's is of its own model; Landfast compares the network itself",
    ),
    intended(
        &["containers", "*", "Config", "Labels", "com.docker.compose.image"],
        Change::Absent,
        "a new image under an old name is seen by its fingerprint, which is in the digest",
    ),
    intended(
        &["containers", "*", "HostConfig", "PortBindings", "*", "*", "HostIp"],
        Change::Becomes("", "127.0.0.1"),
        "a port without an address is published on loopback, unless landfast.toml opens it",
    ),
    intended(
        &["containers", "*", "NetworkSettings", "Ports", "*"],
        Change::Other,
        "the same: on loopback instead of all addresses of IPv4 and IPv6",
    ),
    intended(
        &["containers", "*", "Config", "Labels", "com.docker.compose.depends_on"],
        Change::Becomes("first:service_started:true", "first:service_started:false"),
        "what shares a namespace is made again with its owner, and not restarted with it",
    ),
    intended(
        &["containers", "read_only_guest.1", "HostConfig", "VolumesFrom", "*"],
        Change::Other,
        "volumes_from with :ro is read-only, as the specification says; Compose loses the :ro",
    ),
    intended(&["containers", "read_only_guest.1", "Mounts", "*", "RW"], Change::Other, "the same, as it is mounted"),
    intended(
        &["containers", "linked.1", "NetworkSettings", "Networks", "*", "Links"],
        Change::Other,
        "names that are aliases already are no links too, and Compose's service-1 is no name",
    ),
    intended(
        &["containers", "*", "Config", "StopTimeout"],
        Change::Other,
        "a part of a second is rounded up and not down, as half a second to stop in is not none",
    ),
    intended(
        &["networks", "infra_net", "Options", "*"],
        Change::Added,
        "of a network of the fleet: its bridge has a name, and an MTU that leaves room for VXLAN",
    ),
    intended(
        &["containers", "*", "NetworkSettings", "Networks", "infra_net", "MacAddress"],
        Change::Other,
        "on a network of the fleet the MAC follows from the address and its epoch, which every host knows",
    ),
    intended(&["containers", "*", "Config", "MacAddress"], Change::Added, "the same, as engines repeat it"),
    intended(
        &["containers", "*", "HostConfig", "Dns"],
        Change::Added,
        "who is on a network of the fleet asks the agent, who knows the names of all hosts, unless `dns` says otherwise",
    ),
    intended(
        &["containers", "automatic.1", "NetworkSettings", "Networks", "infra_net", "IPAddress"],
        Change::Other,
        "an address that nobody wrote comes from the fleet's own range, so that no two hosts choose the same",
    ),
    intended(
        &["containers", "automatic.1", "NetworkSettings", "Networks", "infra_net", "IPAMConfig", "IPv4Address"],
        Change::Added,
        "the same, as it is asked for",
    ),
    intended(
        &["containers", "then_there.1", "HostConfig", "NetworkMode"],
        Change::Becomes("fleet_inner", "infra_net"),
        "engines before 25 give a MAC on the first network alone, so that of the fleet comes first",
    ),
];

const fn intended(path: &'static [&'static str], change: Change, why: &'static str) -> Intended {
    Intended { path, change, why }
}

impl Intended {
    /// Whether this is the difference that is meant.
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
            Change::Other => write!(out, "{path} is another: {}", self.why),
            Change::Becomes(from, to) => write!(out, "{path} is {to:?} and not {from:?}: {}", self.why),
        }
    }
}

/// All differences of a run against a list of what is meant.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Not in the list: project and difference.
    pub undocumented: Vec<(String, Difference)>,
    /// How often each entry of the list was needed.
    needed: Vec<usize>,
}

impl Verdict {
    /// Judges the differences of one more project.
    pub fn add(&mut self, project: &str, differences: Vec<Difference>, intended: &[Intended]) {
        self.needed.resize(intended.len(), 0);
        for difference in differences {
            match intended.iter().position(|entry| entry.covers(&difference)) {
                Some(at) => self.needed[at] += 1,
                None => self.undocumented.push((project.to_owned(), difference)),
            }
        }
    }

    /// Each entry of the list with how many differences it covered.
    pub fn counts<'i>(&self, intended: &'i [Intended]) -> Vec<(&'i Intended, usize)> {
        intended.iter().enumerate().map(|(at, entry)| (entry, self.needed.get(at).copied().unwrap_or(0))).collect()
    }
}

/// Whether the path is one that the pattern means: as many names, each like its part of the pattern.
pub(super) fn is_at(pattern: &[&str], path: &[String]) -> bool {
    pattern.len() == path.len() && pattern.iter().zip(path).all(|(pattern, name)| is_like(pattern, name))
}

/// `landfast.*` is like `landfast.fleet`; a pattern has one star at most.
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
    fn what_is_meant_is_covered_and_counted() {
        let mut verdict = Verdict::default();
        let meant = vec![
            difference(&["a", "web", "landfast.fleet"], Value::Null, json!("home")),
            difference(&["a", "db", "landfast.fleet"], Value::Null, json!("home")),
        ];
        verdict.add("demo", meant, LIST);
        assert_eq!(verdict.undocumented, []);
        assert_eq!(verdict.counts(LIST).iter().map(|(_, count)| *count).collect::<Vec<_>>(), [2, 0]);
    }

    #[test]
    fn another_place_or_another_change_is_not_meant() {
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
