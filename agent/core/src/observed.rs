//! What a host is: one snapshot of the engine, the live trees and the overlay. Plans and reports are made from it.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{Claim, InstanceName, Restart};
use crate::overlay;

/// A snapshot of the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Our containers by id: those with this fleet's label.
    pub containers: BTreeMap<String, Container>,
    /// Everybody else's, by id. Never touched; they count where they stand in the way.
    pub foreign: BTreeMap<String, Foreign>,
    /// By name.
    pub networks: BTreeMap<String, Network>,
    /// By name.
    pub volumes: BTreeMap<String, Volume>,
    /// By stack.
    pub trees: BTreeMap<String, Tree>,
    /// What the engine has to create containers from.
    pub images: Images,
    /// By the network's name.
    pub overlays: BTreeMap<String, overlay::Observed>,
}

/// One of our containers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Container {
    /// Without the leading slash.
    pub name: String,
    /// From its labels.
    pub instance: InstanceName,
    /// From its labels.
    pub digest: String,
    /// From its labels.
    pub release: u64,
    /// What it does.
    pub state: State,
    /// By its health check.
    pub health: Health,
    /// Of the last run.
    pub exit_code: i32,
    /// The engine's restart policy for it.
    pub restart: Restart,
    /// Unix time in nanoseconds.
    pub created_at: i64,
    /// Unix time in nanoseconds, 0 for never.
    pub started_at: i64,
    /// Unix time in nanoseconds, 0 for never.
    pub finished_at: i64,
    /// Seconds that its process has to end after the stop signal; none for the engine's own 10.
    pub stop_grace: Option<u32>,
    /// Names of the volumes it mounts.
    pub volumes: BTreeSet<String>,
    /// Ids of the containers in whose namespaces it runs.
    pub joined: BTreeSet<String>,
    /// What it holds while it runs.
    pub claims: BTreeSet<Claim>,
    /// Network > its address there, empty while it does not run.
    pub addresses: BTreeMap<String, String>,
    /// The ports that are published now.
    pub ports: Vec<Port>,
    /// The reference it was created from.
    pub image: String,
    /// How often the engine has restarted it.
    pub restarts: u32,
    /// The last output of a health check that failed.
    pub health_output: String,
    /// Why the commands after its start did not all go through; none when they did, or there are none.
    pub unfinished: Option<String>,
    /// The last lines it wrote, when it [ended by itself](Container::has_trouble) or keeps ending.
    pub output: String,
    /// Digest of the manifest that its stack's live tree was when it was last started; none when that is not known, or it
    /// mounts nothing of the tree.
    pub tree: Option<String>,
}

impl Container {
    /// Whether its last run ended otherwise than it should: it failed, it is being restarted, or it ended although somebody
    /// may wait for its health.
    pub fn has_trouble(&self) -> bool {
        match self.state {
            State::Restarting => true,
            State::Running => self.restarts > 0,
            State::Exited => self.exit_code != 0 || self.health != Health::None,
            State::Created | State::Paused | State::Dead | State::Removing => false,
        }
    }
}

/// A published port.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// Of the host.
    pub address: String,
    /// Of the host.
    pub published: u16,
    /// In the container.
    pub target: u16,
    /// tcp, udp, sctp
    pub protocol: String,
}

/// What a container does, in the engine's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// Never started.
    #[default]
    Created,
    /// Running.
    Running,
    /// Frozen by somebody.
    Paused,
    /// Between two attempts of the engine.
    Restarting,
    /// Ended.
    Exited,
    /// Half removed: only fit to be removed.
    Dead,
    /// On its way out: nothing to do but wait.
    Removing,
}

impl State {
    /// Holds its addresses and ports.
    pub fn is_up(self) -> bool {
        matches!(self, State::Running | State::Paused | State::Restarting)
    }
}

/// What a container's health check says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It has none.
    #[default]
    None,
    /// Not known yet.
    Starting,
    /// Well.
    Healthy,
    /// Not well.
    Unhealthy,
}

/// A container that is not ours.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Foreign {
    /// Without the leading slash.
    pub name: String,
    /// Networks it is attached to.
    pub networks: BTreeSet<String>,
}

/// A container of the host as the engine lists it: enough to decide whether to inspect it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Listed {
    /// Instance that the container belongs to; `None` for a container that is not of this fleet.
    pub instance: Option<InstanceName>,
    /// What the container does.
    pub state: State,
    /// Name of the container and networks that it is attached to.
    pub foreign: Foreign,
    /// Published ports.
    pub ports: Vec<Port>,
    /// Addresses that the container holds, by network.
    pub addresses: BTreeMap<String, String>,
}

/// A network of the engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// Carries this fleet's label.
    pub ours: bool,
    /// bridge, …
    pub driver: String,
    /// IPv4 first.
    pub subnets: Vec<String>,
    /// In the order of the subnets.
    pub gateways: Vec<String>,
    /// Without a way out.
    pub internal: bool,
    /// The driver's.
    pub options: BTreeMap<String, String>,
    /// The Compose project that made it; empty when none did.
    pub project: String,
}

/// A volume of the engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volume {
    /// Carries this fleet's label.
    pub ours: bool,
    /// local, …
    pub driver: String,
    /// The driver's.
    pub options: BTreeMap<String, String>,
}

/// A stack's live tree.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// Digest of the manifest it was made from.
    pub manifest: String,
    /// Files of the bundle that were changed or removed by hand.
    pub drift: Vec<String>,
}

/// The engine's images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    /// Reference, normalised > fingerprint.
    pub references: BTreeMap<String, String>,
    /// Fingerprint > an id.
    pub ids: BTreeMap<String, String>,
}

impl Images {
    /// What to create a container from: the reference when it is the right image, else the right image by its id.
    pub fn resolve(&self, reference: &str, fingerprint: &str) -> Option<String> {
        let found = self.references.get(&normalised(reference));
        match found {
            Some(found) if fingerprint.is_empty() || found == fingerprint => Some(reference.to_owned()),
            _ if fingerprint.is_empty() => None,
            _ => self.ids.get(fingerprint).cloned(),
        }
    }
}

/// A reference as the engine lists it: without `docker.io/` and `library/`, with a tag.
pub fn normalised(reference: &str) -> String {
    let short = reference.strip_prefix("docker.io/").or_else(|| reference.strip_prefix("index.docker.io/"));
    let short = short.unwrap_or(reference);
    let short = short.strip_prefix("library/").unwrap_or(short);
    let (name, digest) = match short.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (short, None),
    };
    let last = name.rsplit('/').next().unwrap_or(name);
    match digest {
        // The engine lists `name@digest` without the tag.
        Some(digest) => format!("{}@{digest}", last.find(':').map_or(name, |at| &name[..name.len() - last.len() + at])),
        None if last.contains(':') => name.to_owned(),
        None => format!("{name}:latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_compared_as_the_engine_lists_them() {
        for (written, listed) in [
            ("redis", "redis:latest"),
            ("docker.io/library/redis:7", "redis:7"),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
            ("localhost:5000/a/b:1", "localhost:5000/a/b:1"),
            ("redis:7@sha256:00", "redis@sha256:00"),
            ("localhost:5000/b@sha256:00", "localhost:5000/b@sha256:00"),
        ] {
            assert_eq!(normalised(written), listed);
        }
    }

    #[test]
    fn an_image_is_taken_by_reference_only_when_it_is_the_right_one() {
        let images = Images {
            references: [("app:1".to_owned(), "new".to_owned())].into(),
            ids: [("new".to_owned(), "sha256:2".to_owned()), ("old".to_owned(), "sha256:1".to_owned())].into(),
        };
        assert_eq!(images.resolve("app:1", "new").as_deref(), Some("app:1"));
        assert_eq!(images.resolve("app:1", "old").as_deref(), Some("sha256:1"));
        assert_eq!(images.resolve("app:1", "").as_deref(), Some("app:1"));
        assert_eq!(images.resolve("app:1", "other"), None);
        assert_eq!(images.resolve("app:2", ""), None);
    }
}
