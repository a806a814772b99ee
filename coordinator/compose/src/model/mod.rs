//! What a stack is once every form of writing it has been reduced to one: the typed project.
//!
//! Nothing here needs interpretation: paths are absolute, sizes are bytes, durations nanoseconds, short forms are long,
//! `extends`, `include`, profiles and variables are gone. Field names are Compose's own; where a field is an `Option`,
//! `None` means that the file does not say.
use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::diagnostic::Location;

mod deploy;
mod mount;
mod network;
mod parts;
mod read;
mod resource;
mod scalars;
mod service;

pub use deploy::{Deploy, DeviceRequest, Placement, ResourceSet, Resources, RestartPolicy, UpdateConfig};
pub use mount::{BindOptions, FileReference, ImageOptions, Mount, MountKind, Tmpfs, TmpfsOptions, VolumeOptions};
pub use network::{Attachment, ExtraHost, Port, Published};
pub use parts::{
    BlkioConfig, Build, Condition, Dependency, Device, DeviceRate, DeviceWeight, Healthcheck, Hook, Logging, Restart,
    Ulimit,
};
pub use resource::{Contents, FileObject, Ipam, IpamPool, Network, Origin, Volume};
pub use service::Service;

/// One Compose project, with only the services that the chosen profiles enable.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Project {
    /// Lower-case, as the engine's names begin with it.
    pub name: String,
    /// The folder that relative paths started from; absolute.
    pub working_dir: PathBuf,
    /// By service name.
    pub services: BTreeMap<String, Service>,
    /// By key in the file; `Network::name` is the engine's.
    pub networks: BTreeMap<String, Network>,
    /// By key in the file; `Volume::name` is the engine's.
    pub volumes: BTreeMap<String, Volume>,
    /// By key in the file.
    pub secrets: BTreeMap<String, FileObject>,
    /// By key in the file.
    pub configs: BTreeMap<String, FileObject>,
    /// Where each key was written, by dotted path.
    pub locations: Locations,
}

impl Project {
    /// Where the key at this dotted path (`services.web.networks.infra_net.ipv4_address`) was written, or the nearest
    /// key around it that was.
    pub fn locate(&self, path: &str) -> Option<&Location> {
        self.locations.find(path)
    }
}

/// Where each key of a project was written, by dotted path: `services.web.ports[0].published`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Locations(pub BTreeMap<String, Location>);

impl Locations {
    /// The place of this path or, when it was not written (a default), of the nearest key around it.
    pub fn find(&self, path: &str) -> Option<&Location> {
        let mut path = path;
        loop {
            if let Some(location) = self.0.get(path) {
                return Some(location);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}
