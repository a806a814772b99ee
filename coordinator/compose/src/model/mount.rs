//! Mounts, configs and secrets of a container.
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::scalars;
use crate::quantity::Bytes;

/// A secret or config that is a file in a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FileReference {
    /// Key of the secret or config at the top level of the project.
    pub source: String,
    /// Absolute path, or a name below `/run/secrets` (secrets) or `/` (configs). The default is the name of the source.
    pub target: Option<String>,
    /// Id of the owner.
    pub uid: Option<String>,
    /// Id of the group.
    pub gid: Option<String>,
    /// Permission bits of the file.
    #[serde(deserialize_with = "scalars::mode")]
    pub mode: Option<u32>,
}

/// A tmpfs in short form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// Path in the container.
    pub target: String,
    /// Options such as `size=64m,mode=1777`; empty if there are none.
    pub options: String,
}

impl<'de> Deserialize<'de> for Tmpfs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (target, options) = text.split_once(':').unwrap_or((&text, ""));
        Ok(Self { target: target.to_owned(), options: options.to_owned() })
    }
}

/// A mount in a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// Type of the mount.
    #[serde(rename = "type")]
    pub kind: MountKind,
    /// Absolute path of a bind mount, key of a volume (absent for an anonymous one), or reference of an image.
    pub source: Option<String>,
    /// Path in the container.
    pub target: String,
    /// Whether the mount is read-only.
    pub read_only: bool,
    /// Consistency: `consistent`, `cached` or `delegated`, which have no effect on Linux.
    pub consistency: Option<String>,
    /// Options of a bind mount.
    pub bind: BindOptions,
    /// Options of a volume.
    pub volume: VolumeOptions,
    /// Options of a tmpfs.
    pub tmpfs: TmpfsOptions,
    /// Options of an image.
    pub image: ImageOptions,
}

/// Type of a mount.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A path on the host.
    #[default]
    Bind,
    /// A volume of the engine.
    Volume,
    /// A file system in memory.
    Tmpfs,
    /// The files of an image.
    Image,
    /// A named pipe (Windows).
    Npipe,
    /// A CSI volume (Swarm).
    Cluster,
}

/// Options of bind mounts.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default)]
pub struct BindOptions {
    /// Propagation, such as `rprivate` or `rshared`.
    pub propagation: Option<String>,
    /// Whether to create the source as a folder when it does not exist.
    pub create_host_path: bool,
    /// SELinux label: `z` or `Z`.
    pub selinux: Option<String>,
    /// Mounts below the source: `enabled`, `disabled`, `writable` or `readonly`.
    pub recursive: Option<String>,
}

impl Default for BindOptions {
    fn default() -> Self {
        Self { propagation: None, create_host_path: true, selinux: None, recursive: None }
    }
}

/// Options of mounted volumes.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct VolumeOptions {
    /// Whether not to copy files of the image to an empty volume.
    pub nocopy: bool,
    /// Path inside the volume.
    pub subpath: Option<String>,
    /// Labels of an anonymous volume.
    pub labels: BTreeMap<String, String>,
}

/// Options of a mounted tmpfs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TmpfsOptions {
    /// Size; the default is half of the memory.
    pub size: Option<Bytes>,
    /// Permission bits of the file.
    pub mode: Option<u32>,
}

/// Options of mounted images.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ImageOptions {
    /// Path inside the image.
    pub subpath: Option<String>,
}
