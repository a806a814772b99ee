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
    /// Name in the engine.
    pub name: String,
    /// Name of the driver; absent for the default of the engine.
    pub driver: Option<String>,
    /// Options of the driver.
    #[serde(deserialize_with = "scalars::texts")]
    pub driver_opts: BTreeMap<String, String>,
    /// IP address management of the network.
    pub ipam: Ipam,
    /// Whether the network is managed outside of the project. Such a network is never created or removed.
    pub external: bool,
    /// Whether the network has no access to other networks.
    pub internal: bool,
    /// Whether containers outside of the project can attach to the network.
    pub attachable: bool,
    /// Whether IPv6 is enabled.
    pub enable_ipv6: Option<bool>,
    /// Whether IPv4 is enabled.
    pub enable_ipv4: Option<bool>,
    /// Labels of the network.
    pub labels: BTreeMap<String, String>,
}

/// The IP address management of a network.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Ipam {
    /// Name of the driver; absent for the default of the engine.
    pub driver: Option<String>,
    /// Address pools, one for each subnet.
    pub config: Vec<IpamPool>,
    /// Options of the driver.
    pub options: BTreeMap<String, String>,
}

/// An address pool, as written.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct IpamPool {
    /// Subnet such as `172.19.0.0/16`.
    pub subnet: Option<String>,
    /// Address of the gateway.
    pub gateway: Option<String>,
    /// Range from which addresses are assigned.
    pub ip_range: Option<String>,
    /// Reserved addresses by name.
    pub aux_addresses: BTreeMap<String, String>,
}

/// A volume of the project.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Volume {
    /// Name in the engine.
    pub name: String,
    /// Name of the driver; absent for the default of the engine.
    pub driver: Option<String>,
    /// Options of the driver.
    #[serde(deserialize_with = "scalars::texts")]
    pub driver_opts: BTreeMap<String, String>,
    /// Whether the volume is managed outside of the project. Such a volume is never created or removed.
    pub external: bool,
    /// Labels of the resource.
    pub labels: BTreeMap<String, String>,
}

/// A secret or config, which becomes a file in containers.
#[derive(Debug, Clone, PartialEq)]
pub struct FileObject {
    /// Name, prefixed with the name of the project unless the file sets it.
    pub name: String,
    /// Where the contents come from.
    pub origin: Origin,
    /// Labels of the resource.
    pub labels: BTreeMap<String, String>,
}

/// The contents of a secret or config. `Debug` does not print them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Contents(pub String);

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Contents(…)")
    }
}

/// Where the contents of a secret or config come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file with this absolute path.
    File(PathBuf),
    /// A variable of the environment that the project is loaded with.
    Environment {
        /// Name of the variable.
        variable: String,
        /// Value of the variable; `None` if it is not set.
        value: Option<Contents>,
    },
    /// The Compose file, for configs only.
    Inline(Contents),
    /// A store outside of the project.
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
            _ => return Err(D::Error::custom("one of file, environment, content and external is required")),
        };
        Ok(Self { name: form.name, origin, labels: form.labels })
    }
}
