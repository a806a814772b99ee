//! The typed project.
//!
//! Paths are absolute, sizes are in bytes, durations are in nanoseconds, and short forms are expanded. `extends`, `include`,
//! profiles and variables are resolved. Field names are those of Compose. `None` means that the file does not set the field.
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

/// A Compose project with the services that the selected profiles enable.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Project {
    /// Name of the project, in lower case because names in the engine start with it.
    pub name: String,
    /// Absolute path of the folder that relative paths were resolved against.
    pub working_dir: PathBuf,
    /// Services by name.
    pub services: BTreeMap<String, Service>,
    /// Networks by their key in the file. `Network::name` is the name in the engine.
    pub networks: BTreeMap<String, Network>,
    /// Volumes by their key in the file. `Volume::name` is the name in the engine.
    pub volumes: BTreeMap<String, Volume>,
    /// Secrets by their key in the file.
    pub secrets: BTreeMap<String, FileObject>,
    /// Configs by their key in the file.
    pub configs: BTreeMap<String, FileObject>,
    /// Location of each key, by dotted path.
    pub locations: Locations,
}

impl Project {
    /// Returns the location of the key at a dotted path such as `services.web.networks.infra_net.ipv4_address`. If the key is
    /// not written, returns the location of the nearest key that contains it.
    pub fn locate(&self, path: &str) -> Option<&Location> {
        self.locations.find(path)
    }
}

/// Locations of the keys of a project by dotted path, such as `services.web.ports[0].published`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Locations(pub BTreeMap<String, Location>);

impl Locations {
    /// Returns the location of a path. If the key is not written, returns the location of the nearest key that contains it.
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
