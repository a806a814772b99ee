//! Data of services on a host: volumes, and paths that are not in the bundle. Each host has its own copy, so services that share
//! data belong on one host.
use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use super::PlacementInput;
use crate::bundle::{beneath, files_at, normalise};
use crate::container::{self, Source};
use landfast_compose::model::{Mount, MountKind, Service};

/// File systems that several hosts can share.
const NETWORKED: [&str; 14] = [
    "nfs",
    "nfs3",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ceph",
    "glusterfs",
    "9p",
    "lustre",
    "beegfs",
    "gfs2",
    "ocfs2",
    "davfs",
];

/// System paths that every host has. They and everything below them are not data of a stack.
const SYSTEM: [&str; 27] = [
    "/dev",
    "/proc",
    "/sys",
    "/run",
    "/var/run",
    "/boot",
    "/bin",
    "/sbin",
    "/lib",
    "/lib64",
    "/usr/bin",
    "/usr/lib",
    "/usr/share",
    "/usr/src",
    "/tmp/.X11-unix",
    "/var/lib/docker",
    "/var/lib/containerd",
    "/etc/localtime",
    "/etc/timezone",
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/machine-id",
    "/etc/os-release",
    "/etc/passwd",
    "/etc/group",
    "/etc/ssl",
];

/// Top-level folders that are mounted to inspect a host, rather than to store data.
const BROAD: [&str; 4] = ["", "/etc", "/usr", "/var"];

/// Data that exists on one host only.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Data {
    /// A volume, by its name in the engine.
    Volume(String),
    /// A path of the host.
    Path(String),
    /// A path in the stack's live tree that is not in the bundle.
    LiveTree(String),
}

impl fmt::Display for Data {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Volume(name) => write!(f, "the volume {name}"),
            Self::Path(path) => write!(f, "the path {path}"),
            Self::LiveTree(path) => write!(f, "the path ./{path}"),
        }
    }
}

/// Use of data by a service.
#[derive(Debug, Clone)]
pub(super) struct DataUse {
    pub(super) data: Data,
    writable: bool,
    /// Key of the service that mounts the data, such as `volumes[0]`.
    pub(super) key: String,
}

impl DataUse {
    /// Whether both use the same files, and at least one of them may change them.
    pub(super) fn meets(&self, other: &Self) -> bool {
        let written = self.writable || other.writable;
        match (&self.data, &other.data) {
            // The files of a volume exist on one host only, even if neither service writes to them.
            (Data::Volume(one), Data::Volume(other)) => one == other,
            (Data::Path(one), Data::Path(other)) | (Data::LiveTree(one), Data::LiveTree(other)) => {
                written && (is_in(one, other) || is_in(other, one))
            }
            _ => false,
        }
    }

    /// Whether replicas on several hosts have separate copies.
    pub(super) fn is_own_data(&self) -> bool {
        self.writable
    }
}

/// Whether a path is equal to another one, or below it.
fn is_in(path: &str, above: &str) -> bool {
    path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Location of a volume's files.
#[derive(Debug, Clone, PartialEq, Eq)]
enum VolumeKind {
    /// In the engine of each host.
    Local,
    /// At a path on each host.
    Bound(String),
    /// On storage that hosts share.
    Shared,
}

impl VolumeKind {
    fn of(driver: &str, options: &BTreeMap<String, String>) -> Self {
        let option = |key: &str| options.get(key).map(String::as_str).unwrap_or_default();
        let system = option("type").to_lowercase();
        let is_networked = NETWORKED.contains(&system.as_str()) || system.starts_with("fuse");
        if !matches!(driver, "" | "local" | "default") || is_networked {
            return Self::Shared;
        }
        match option("o").split(',').any(|word| matches!(word.trim(), "bind" | "rbind")) {
            true if option("device").starts_with('/') => Self::Bound(normalise(Path::new(option("device")))),
            _ => Self::Local,
        }
    }
}

/// Locations of volumes, by their names in the engine.
#[derive(Debug, Default)]
pub(super) struct Volumes(BTreeMap<String, VolumeKind>);

impl Volumes {
    /// Collects the volumes of the compose files, then of the deployments, then of the engines. The first entry counts.
    pub(super) fn known(input: PlacementInput<'_>) -> Self {
        let mut kinds = BTreeMap::new();
        let mut add = |name: &String, driver: &str, options: &BTreeMap<String, String>| {
            kinds.entry(name.clone()).or_insert_with(|| VolumeKind::of(driver, options));
        };
        for volume in input.project.volumes.values().filter(|volume| !volume.external) {
            add(&volume.name, volume.driver.as_deref().unwrap_or_default(), &volume.driver_opts);
        }
        for volume in input.beside.iter().flat_map(|deployment| deployment.volumes.values()) {
            add(&volume.name, &volume.driver, &volume.options);
        }
        for volume in input.held.values().flat_map(|state| &state.volumes) {
            add(&volume.name, &volume.driver, &volume.options);
        }
        for volume in input.found.values().flat_map(|found| &found.volumes) {
            add(&volume.name, &volume.driver, &volume.options);
        }
        Self(kinds)
    }

    /// Whether each host has its own copy of a volume.
    fn is_local(&self, name: &str) -> bool {
        self.0.get(name) != Some(&VolumeKind::Shared)
    }

    fn data(&self, name: &str) -> Option<Data> {
        match self.0.get(name) {
            Some(VolumeKind::Shared) => None,
            Some(VolumeKind::Bound(path)) => of_host(path),
            Some(VolumeKind::Local) | None => Some(Data::Volume(name.to_owned())),
        }
    }

    /// Returns the volumes of a service of which each host has its own copy, by their names in the engine.
    pub(super) fn of_service(&self, input: PlacementInput<'_>, service: &Service) -> Vec<String> {
        let names = service.volumes.iter().filter_map(|mount| volume_name(input, mount));
        names.filter(|name| self.is_local(name)).map(str::to_owned).collect()
    }

    /// Returns the data that a service uses.
    pub(super) fn uses(&self, input: PlacementInput<'_>, service: &Service) -> Vec<DataUse> {
        let uses = service.volumes.iter().enumerate().filter_map(|(at, mount)| {
            let data = match mount.kind {
                MountKind::Volume => self.data(volume_name(input, mount)?),
                MountKind::Bind => path(input, mount.source.as_deref()?),
                _ => None,
            };
            Some(DataUse { data: data?, writable: !mount.read_only, key: format!("volumes[{at}]") })
        });
        uses.collect()
    }

    /// Returns the data that a container of another stack uses.
    pub(super) fn uses_of(&self, mounts: &[container::Mount]) -> Vec<DataUse> {
        let uses = mounts.iter().filter_map(|mount| {
            let data = match &mount.source {
                Source::Volume(name) if !name.is_empty() => self.data(name),
                Source::Host(path) => of_host(&normalise(Path::new(path))),
                _ => None,
            };
            Some(DataUse { data: data?, writable: !mount.read_only, key: String::new() })
        });
        uses.collect()
    }
}

/// Returns the name in the engine of a mounted volume, or `None` for an anonymous volume.
fn volume_name<'a>(input: PlacementInput<'a>, mount: &'a Mount) -> Option<&'a str> {
    let key = mount.source.as_ref().filter(|key| mount.kind == MountKind::Volume && !key.is_empty())?;
    Some(input.project.volumes.get(key).map_or(key, |volume| &volume.name))
}

/// Returns the data at a mounted path. Files of the bundle are the same on every host.
fn path(input: PlacementInput<'_>, source: &str) -> Option<Data> {
    let Some(inner) = beneath(input.root, Path::new(source)) else {
        return of_host(&normalise(Path::new(source)));
    };
    let brought = files_at(input.manifest, &inner).values().any(|what| !what.starts_with("folder"));
    (!brought && !inner.is_empty()).then_some(Data::LiveTree(inner))
}

/// Returns the data at a path of the host. Sockets, devices and system paths are not data.
fn of_host(path: &str) -> Option<Data> {
    let is_system = BROAD.contains(&path) || SYSTEM.iter().any(|above| is_in(path, above));
    let is_socket = path.ends_with(".sock") || path.ends_with(".socket");
    (!is_system && !is_socket).then(|| Data::Path(path.to_owned()))
}
