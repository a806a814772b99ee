//! Networks, volumes, secrets and configs.
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, de::Error};

use super::scalars;

/// A network of the project.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Network {
    /// The engine's name.
    pub name: String,
    /// Absent: the engine's default.
    pub driver: Option<String>,
    /// Options of the driver.
    #[serde(deserialize_with = "scalars::texts")]
    pub driver_opts: BTreeMap<String, String>,
    /// Who hands out addresses.
    pub ipam: Ipam,
    /// Made by somebody else: never made or removed here.
    pub external: bool,
    /// Without a way out.
    pub internal: bool,
    /// Open to containers outside the project.
    pub attachable: bool,
    /// IPv6, when the file says.
    pub enable_ipv6: Option<bool>,
    /// IPv4, when the file says.
    pub enable_ipv4: Option<bool>,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// Who hands out addresses.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Ipam {
    /// Absent: the engine's default.
    pub driver: Option<String>,
    /// One entry a subnet.
    pub config: Vec<IpamPool>,
    /// Of the driver.
    pub options: BTreeMap<String, String>,
}

/// A subnet, as written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct IpamPool {
    /// `172.19.0.0/16`.
    pub subnet: Option<String>,
    /// An address in it.
    pub gateway: Option<String>,
    /// Where addresses are handed out.
    pub ip_range: Option<String>,
    /// Addresses that are taken, by name.
    pub aux_addresses: BTreeMap<String, String>,
}

/// A volume of the project.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// The engine's name.
    pub name: String,
    /// Absent: the engine's default.
    pub driver: Option<String>,
    /// Options of the driver.
    #[serde(deserialize_with = "scalars::texts")]
    pub driver_opts: BTreeMap<String, String>,
    /// Made by somebody else: never made or removed here.
    pub external: bool,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// A secret or a config: something that becomes a file in containers.
#[derive(Debug, Clone, PartialEq)]
pub struct FileObject {
    /// Its name, the project's before it unless the file gives one.
    pub name: String,
    /// Where its contents are.
    pub origin: Origin,
    /// Labels.
    pub labels: BTreeMap<String, String>,
}

/// What is in a file and may be a secret: it is never printed.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Contents(pub String);

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contents(…)")
    }
}

/// Where the contents of a secret or config are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// In a file; absolute path.
    File(PathBuf),
    /// In a variable of the environment the project is loaded in.
    Environment {
        /// Its name.
        variable: String,
        /// `None`: it is not set.
        value: Option<Contents>,
    },
    /// In the compose file itself (configs only).
    Inline(Contents),
    /// With somebody else.
    External,
}

impl<'de> Deserialize<'de> for FileObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Form {
            name: String,
            file: Option<PathBuf>,
            environment: Option<String>,
            content: Option<String>,
            external: bool,
            labels: BTreeMap<String, String>,
        }
        let form = Form::deserialize(deserializer)?;
        let origin = match form {
            Form { external: true, .. } => Origin::External,
            Form { file: Some(file), .. } => Origin::File(file),
            Form { content: Some(content), .. } => Origin::Inline(Contents(content)),
            Form { environment: Some(variable), .. } => Origin::Environment { variable, value: None },
            _ => return Err(D::Error::custom("needs file, environment, content or external")),
        };
        Ok(Self { name: form.name, origin, labels: form.labels })
    }
}
