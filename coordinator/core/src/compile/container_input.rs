//! Input for compiling the container of one instance.
use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::Input;
use crate::address::AssignedAddresses;
use crate::deployment::InstanceName;
use crate::place::Placed;
use landfast_compose::model::Service;

/// An instance, and the decisions that were made about it.
#[derive(Clone, Copy)]
pub(super) struct ContainerInput<'a> {
    pub(super) compile: Input<'a>,
    pub(super) name: &'a InstanceName,
    pub(super) place: &'a Placed,
    pub(super) addresses: &'a AssignedAddresses,
    pub(super) gateways: &'a BTreeMap<(String, String), Ipv4Addr>,
}

impl<'a> ContainerInput<'a> {
    pub(super) fn service(&self) -> &'a Service {
        &self.compile.project.services[&self.name.service]
    }

    /// Dotted path of a key of the service.
    pub(super) fn path(&self, key: &str) -> String {
        format!("services.{}.{key}", self.name.service)
    }
}

/// Returns the container name from the file, or a generated one: `data-postgres-1` for `postgres` of the project `data`.
pub(super) fn container_name_of(project: &str, of: &Service, name: &InstanceName) -> String {
    let InstanceName { service, index, .. } = name;
    of.container_name.clone().unwrap_or_else(|| format!("{project}-{service}-{index}"))
}
