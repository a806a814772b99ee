//! JSON of hosts and certificates.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

/// A host in the list of `host ls`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ListedHost<'a> {
    /// Name of the host.
    pub(crate) name: &'a str,
    /// Address and port of the agent.
    pub(crate) address: &'a str,
    /// Labels of the host in `landfast.toml`.
    pub(crate) labels: &'a BTreeMap<String, String>,
    /// `ready`, `engine lost` or `unreachable`.
    pub(crate) state: &'a str,
    /// Version of the agent, or null.
    pub(crate) agent_version: Option<&'a str>,
    /// Version of the engine, or null.
    pub(crate) engine_version: Option<&'a str>,
}

/// A host that `host add` added.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AddedHost<'a> {
    /// Name of the host.
    pub(crate) name: &'a str,
    /// Address and port of the agent.
    pub(crate) address: String,
    /// Version of the agent.
    pub(crate) agent_version: &'a str,
    /// Version of the engine.
    pub(crate) engine_version: &'a str,
    /// Version of the engine's API that the agent uses.
    pub(crate) api_version: &'a str,
    /// Image store of the engine: `classic` or `containerd`.
    pub(crate) image_store: &'a str,
    /// Operating system of the engine.
    pub(crate) os: &'a str,
    /// Processor architecture of the engine.
    pub(crate) architecture: &'a str,
    /// Free space for images, in bytes.
    pub(crate) disk_free: u64,
}

/// A certificate that `cert show` describes.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Certificate<'a> {
    /// URI of the identity.
    pub(crate) identity: &'a str,
    /// Role of an operator, or null.
    pub(crate) role: Option<&'a str>,
    /// Beginning of the validity: RFC 3339, UTC.
    pub(crate) from: &'a str,
    /// End of the validity: RFC 3339, UTC.
    pub(crate) until: &'a str,
}
