//! What a host is: one snapshot of the engine, the live trees and the overlays. Plans and reports are made from it.

use std::collections::{BTreeMap, BTreeSet};

use crate::desired::{Claim, Desired, Incarnation, Instance, InstanceName, Restart};
use crate::overlay;

/// A snapshot of the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Containers of this fleet by id. They carry the fleet's label.
    pub containers: BTreeMap<String, Container>,
    /// All other containers by id. They are never touched, and matter only where they are in the way.
    pub foreign: BTreeMap<String, Foreign>,
    /// Networks by name.
    pub networks: BTreeMap<String, Network>,
    /// Volumes by name.
    pub volumes: BTreeMap<String, Volume>,
    /// Live trees by stack.
    pub trees: BTreeMap<String, Tree>,
    /// Images of the engine.
    pub images: Images,
    /// Overlays by the name of their network.
    pub overlays: BTreeMap<String, overlay::Observed>,
    /// What the engine could not answer about. Steps that depend on it wait.
    pub unknown: Unknown,
}

/// Parts of a host that the engine could not answer about, with the reasons. The rest of the snapshot is not affected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unknown {
    /// Containers of this fleet, by id, whose state is not known. [`Observed::containers`] has what the list says of them, or
    /// what was known before. The reason is `None` for a container that was not inspected yet.
    pub containers: BTreeMap<String, Option<String>>,
    /// Why the networks could not be listed. Those in the snapshot were seen earlier.
    pub networks: Option<String>,
    /// Why the volumes could not be listed. Those in the snapshot were seen earlier.
    pub volumes: Option<String>,
    /// Why volumes of drivers other than `local` may be missing from the list.
    pub volume_drivers: Option<String>,
    /// Why the images could not be listed. Those in the snapshot were seen earlier.
    pub image_list: Option<String>,
    /// Images that could not be described, by normalised reference.
    pub images: BTreeMap<String, String>,
}

impl Unknown {
    /// Whether the engine failed to answer about a part of the host.
    pub fn is_any(&self) -> bool {
        let lists = [&self.networks, &self.volumes, &self.volume_drivers, &self.image_list];
        lists.into_iter().any(Option::is_some)
            || !self.images.is_empty()
            || self.containers.values().any(Option::is_some)
    }

    /// Why it is not known whether a volume with this driver exists that the list does not contain.
    pub fn volume(&self, driver: &str) -> Option<&String> {
        let of_driver = self.volume_drivers.as_ref().filter(|_| !matches!(driver, "" | "local"));
        self.volumes.as_ref().or(of_driver)
    }

    /// Why it is not known whether an image exists that the list does not contain.
    pub fn image(&self, reference: &str) -> Option<&String> {
        self.image_list.as_ref().or_else(|| self.images.get(&normalised(reference)))
    }
}

/// A container of this fleet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Container {
    /// Name without the leading slash.
    pub name: String,
    /// Instance that the container belongs to, from its labels.
    pub instance: InstanceName,
    /// Number of its incarnation, from its labels; 0 if it has none.
    pub incarnation: u64,
    /// Digest of the instance that the container was created from, from its labels.
    pub digest: String,
    /// Number of the release that the container was created for, from its labels.
    pub release: u64,
    /// State of the container.
    pub state: State,
    /// Result of its health check.
    pub health: Health,
    /// Exit code of the last run.
    pub exit_code: i32,
    /// Restart policy of the container.
    pub restart: Restart,
    /// Time of its creation, in nanoseconds of Unix time.
    pub created_at: i64,
    /// Time of its last start, in nanoseconds of Unix time; 0 if it was never started.
    pub started_at: i64,
    /// Time at which its last run ended, in nanoseconds of Unix time; 0 if none has ended.
    pub finished_at: i64,
    /// Seconds that its process has to end after the stop signal; `None` for the engine's default of 10.
    pub stop_grace: Option<u32>,
    /// Names of the volumes that it mounts.
    pub volumes: BTreeSet<String>,
    /// Ids of the containers whose namespaces it shares.
    pub joined: BTreeSet<String>,
    /// Addresses and ports that it holds while it runs.
    pub claims: BTreeSet<Claim>,
    /// Address of the container on each network, by network; empty while it does not run.
    pub addresses: BTreeMap<String, String>,
    /// Ports that are published now.
    pub ports: Vec<Port>,
    /// Reference of the image that it was created from.
    pub image: String,
    /// Number of times that the engine has restarted it.
    pub restarts: u32,
    /// Last output of a health check that failed.
    pub health_output: String,
    /// Why a command after its start failed; `None` if all succeeded or there are none.
    pub unfinished: Option<String>,
    /// Last lines that it wrote, if it [has trouble](Container::has_trouble).
    pub output: String,
    /// Digest of the manifest that its stack's live tree matched when it was last started; `None` if that is not known, or
    /// if it mounts no part of the tree.
    pub tree: Option<String>,
}

impl Container {
    /// The incarnation that the container belongs to.
    pub fn incarnation_in(&self, desired: &Desired) -> Incarnation {
        desired.incarnation_of(&self.instance, self.incarnation)
    }

    /// Whether the container belongs to this incarnation.
    pub fn is_of(&self, incarnation: &Incarnation, desired: &Desired) -> bool {
        self.instance == incarnation.instance && self.incarnation_in(desired) == *incarnation
    }

    /// Whether the container is the one that its incarnation must have. An incarnation without a number has any container with
    /// its digest.
    pub fn is_wanted(&self, incarnation: &Incarnation, instance: &Instance) -> bool {
        let is_numbered = incarnation.number == 0 || self.incarnation == incarnation.number;
        is_numbered && self.digest == instance.digest
    }

    /// Whether its last run went wrong: it failed, the engine restarts it, or it ended although it has a health check that
    /// others may wait for.
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
    /// Address on the host.
    pub address: String,
    /// Port on the host.
    pub published: u16,
    /// Port in the container.
    pub target: u16,
    /// Protocol: `tcp`, `udp` or `sctp`.
    pub protocol: String,
}

/// State of a container, in the engine's terms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// The container was never started.
    #[default]
    Created,
    /// The container runs.
    Running,
    /// The container was paused.
    Paused,
    /// The engine is about to start the container again.
    Restarting,
    /// The container has ended.
    Exited,
    /// The container is half removed, and can only be removed.
    Dead,
    /// The engine is removing the container.
    Removing,
}

impl State {
    /// Whether a container in this state holds its addresses and ports.
    pub fn is_up(self) -> bool {
        matches!(self, State::Running | State::Paused | State::Restarting)
    }
}

/// Result of a container's health check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// The container has no health check.
    #[default]
    None,
    /// The result is not known yet.
    Starting,
    /// The last check succeeded.
    Healthy,
    /// The checks fail.
    Unhealthy,
}

/// A container that is not of this fleet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Foreign {
    /// Name without the leading slash.
    pub name: String,
    /// Networks that the container is attached to.
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
    /// Digest of the instance that the container was created from, from its labels.
    pub digest: String,
    /// Number of the release that the container was created for, from its labels.
    pub release: u64,
    /// Names of the volumes that the container mounts.
    pub volumes: BTreeSet<String>,
    /// Time of its creation, in nanoseconds of Unix time.
    pub created_at: i64,
}

impl Listed {
    /// What is known of a container of this fleet that was not inspected.
    pub fn container(&self) -> Option<Container> {
        Some(Container {
            name: self.foreign.name.clone(),
            instance: self.instance.clone()?,
            digest: self.digest.clone(),
            release: self.release,
            state: self.state,
            created_at: self.created_at,
            volumes: self.volumes.clone(),
            addresses: self.addresses.clone(),
            ports: self.ports.clone(),
            ..Container::default()
        })
    }
}

/// A network of the engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Network {
    /// Whether the network carries this fleet's label.
    pub ours: bool,
    /// Stack that the network was created for, from its label; empty for a network of the fleet.
    pub stack: String,
    /// Driver, such as `bridge`.
    pub driver: String,
    /// Subnets, IPv4 first.
    pub subnets: Vec<String>,
    /// Gateways, in the order of the subnets.
    pub gateways: Vec<String>,
    /// Whether the network has no connection to the outside.
    pub internal: bool,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
    /// Compose project that created the network; empty if none did.
    pub project: String,
}

/// A volume of the engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volume {
    /// Whether the volume carries this fleet's label.
    pub ours: bool,
    /// Driver, such as `local`.
    pub driver: String,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

/// Live tree of a stack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    /// Digest of the manifest that the tree was made from.
    pub manifest: String,
    /// Files of the bundle that were changed or removed by hand.
    pub drift: Vec<String>,
    /// Work that the change under way has done; 0 while the tree is not being changed.
    pub progress: u64,
}

/// Images of the engine.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Images {
    /// Fingerprints by normalised reference.
    pub references: BTreeMap<String, String>,
    /// Ids by fingerprint.
    pub ids: BTreeMap<String, String>,
}

impl Images {
    /// Returns what to create a container from: the reference if it is the right image, or else the id of the right image.
    pub fn resolve(&self, reference: &str, fingerprint: &str) -> Option<String> {
        let found = self.references.get(&normalised(reference));
        match found {
            Some(found) if fingerprint.is_empty() || found == fingerprint => Some(reference.to_owned()),
            _ if fingerprint.is_empty() => None,
            _ => self.ids.get(fingerprint).cloned(),
        }
    }
}

/// Returns a reference as the engine lists it: without `docker.io/` and `library/`, and with a tag.
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
