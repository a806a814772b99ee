//! What a container has of files that are not its image's.
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::scalars;
use crate::quantity::Bytes;

/// A secret or config as a file in a container.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct FileReference {
    /// Its key at the top of the project.
    pub source: String,
    /// Absolute path, or a name beneath `/run/secrets` (secrets) or `/` (configs). Absent: the source's.
    pub target: Option<String>,
    /// Owner, as a number.
    pub uid: Option<String>,
    /// Group, as a number.
    pub gid: Option<String>,
    /// Permission bits.
    #[serde(deserialize_with = "scalars::mode")]
    pub mode: Option<u32>,
}

/// The short form of a tmpfs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tmpfs {
    /// In the container.
    pub target: String,
    /// `size=64m,mode=1777`; empty for none.
    pub options: String,
}

impl<'de> Deserialize<'de> for Tmpfs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (target, options) = text.split_once(':').unwrap_or((&text, ""));
        Ok(Self { target: target.to_owned(), options: options.to_owned() })
    }
}

/// A mount.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Mount {
    /// What is mounted.
    #[serde(rename = "type")]
    pub kind: MountKind,
    /// Absolute path (bind), volume key (volume; absent for an anonymous one), image reference (image).
    pub source: Option<String>,
    /// In the container.
    pub target: String,
    /// Cannot be written.
    pub read_only: bool,
    /// `consistent`, `cached`, `delegated`; without effect on Linux.
    pub consistency: Option<String>,
    /// Of bind mounts.
    pub bind: BindOptions,
    /// Of volumes.
    pub volume: VolumeOptions,
    /// Of tmpfs.
    pub tmpfs: TmpfsOptions,
    /// Of images.
    pub image: ImageOptions,
}

/// What is mounted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MountKind {
    /// A path of the host.
    #[default]
    Bind,
    /// A volume of the engine.
    Volume,
    /// Memory.
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
    /// `rprivate`, `rshared`, …
    pub propagation: Option<String>,
    /// Make the source a folder when it is not there.
    pub create_host_path: bool,
    /// Relabel: `z` or `Z`.
    pub selinux: Option<String>,
    /// `enabled`, `disabled`, `writable`, `readonly`.
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
    /// Do not fill an empty volume from the image.
    pub nocopy: bool,
    /// A path inside the volume.
    pub subpath: Option<String>,
    /// Labels of an anonymous volume.
    pub labels: BTreeMap<String, String>,
}

/// Options of a mounted tmpfs.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TmpfsOptions {
    /// Absent: half of memory.
    pub size: Option<Bytes>,
    /// Permission bits.
    pub mode: Option<u32>,
}

/// Options of mounted images.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct ImageOptions {
    /// A path inside the image.
    pub subpath: Option<String>,
}
