//! Allocates addresses for a generated deployment. A rollback compiles a deployment again for the fleet, and the addresses
//! are what it decides.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use landfast_core::compile::{RollbackInput, rollback};
use landfast_core::container::{Attachment, Container};
use landfast_core::deployment::{Deployment, Instance, InstanceName, Service};
use landfast_core::fleet::Fleet;

const NETWORK: &str = "net0";
const HOST: &str = "alpha";

/// Allocates this many addresses on one network, and checks that all differ. Returns the time that it took.
pub(crate) fn allocate(count: u32) -> Result<Duration> {
    let toml = format!(
        "[fleet]\nname = \"scale\"\n\n[networks.{NETWORK}]\nsubnet = \"10.16.0.0/16\"\nauto = \"10.16.0.0/16\"\n\
         gateways = \"10.16.255.0/24\"\n\n[hosts.{HOST}]\naddress = \"127.64.0.1\"\n"
    );
    let fleet = Fleet::parse("landfast.toml", &toml).map_err(|mistakes| anyhow::anyhow!("{mistakes}"))?;
    let held = BTreeMap::new();
    let input = RollbackInput { fleet: &fleet, held: &held, beside: &[], release: 2 };
    let deployment = deployment(count);
    let began = Instant::now();
    let done = rollback(input, deployment).map_err(|mistakes| anyhow::anyhow!("{mistakes}"))?;
    let took = began.elapsed();
    let ends = done.instances.values().flat_map(|instance| &instance.container.networks);
    let addresses: BTreeSet<Ipv4Addr> = ends.filter_map(|end| end.address).collect();
    ensure!(addresses.len() == count as usize, "{count} instances have {} addresses", addresses.len());
    Ok(took)
}

/// A deployment whose instances all ask for an automatic address.
fn deployment(count: u32) -> Deployment {
    let instance = |index: u32| {
        let name = InstanceName::new("many", "app", index);
        // Any address of the automatic range is replaced by a free one.
        let end = Attachment {
            network: NETWORK.to_owned(),
            address: Some(Ipv4Addr::new(10, 16, 0, 1)),
            ..Attachment::default()
        };
        let container = Container { name: format!("many-app-{index}"), networks: vec![end], ..Container::default() };
        (name, Instance { host: HOST.to_owned(), container: container.into(), ..Instance::default() })
    };
    Deployment {
        stack: "many".to_owned(),
        release: 1,
        instances: (1..=count).map(instance).collect(),
        services: BTreeMap::from([("app".to_owned(), Service::default())]),
        ..Deployment::default()
    }
}
