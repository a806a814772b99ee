//! What a service needs of a host's engine: a runtime by its name, and a driver for the devices that it asks for.
//!
//! A host is left out only where its engine is certain to refuse: what the agent does not report, and names that an engine
//! may resolve by itself, are not judged.
use std::collections::BTreeSet;

use crate::findings::Findings;
use landfast_compose::model::{Device, DeviceRequest, Service};

/// What a host's engine can run containers with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Names of its runtimes: `runc`, `nvidia`. Every engine has one; none means that they are not known.
    pub runtimes: BTreeSet<String>,
    /// Drivers that requests for devices may name: `nvidia`, `amd`, `cdi`.
    pub device_drivers: BTreeSet<String>,
}

/// Something a host does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingAbility {
    /// The key of the service that asks for it: `deploy.resources.reservations.devices[0]`.
    pub(crate) key: String,
    /// Follows "no host has".
    pub(crate) what: String,
    /// What to do.
    pub(crate) hint: String,
}

impl MissingAbility {
    /// A host that is left out for it, with the reason.
    pub(crate) fn on(&self, host: &str) -> String {
        format!("{host}, which lacks {}", self.what)
    }
}

/// No host is left for a service; `excluded` says of each host why.
pub(crate) fn refuse(name: &str, missing: &MissingAbility, excluded: &[String], findings: &mut Findings<'_>) {
    let all_lack_it = excluded.iter().all(|why| why.ends_with(&missing.what));
    let message = match all_lack_it {
        true => format!("no host has {}, which {name} needs", missing.what),
        false => format!("no host that may run {name} has {}; excluded hosts: {}", missing.what, excluded.join("; ")),
    };
    findings.refuse(format!("services.{name}.{}", missing.key), message).hint = Some(missing.hint.clone());
}

/// The first thing that a service needs and a host is certain to lack.
pub(crate) fn missing_ability(service: &Service, abilities: &Abilities) -> Option<MissingAbility> {
    if abilities.runtimes.is_empty() {
        return None;
    }
    let reserved = &service.deploy.resources.reservations.devices;
    let asks = |request: &DeviceRequest| request.capabilities.iter().any(|capability| capability == GPU);
    let reserved = reserved.iter().enumerate().map(|it| ("deploy.resources.reservations.devices", it, asks(it.1)));
    // `gpus` asks for the capability whether it is written or not.
    let gpus = service.gpus.iter().enumerate().map(|it| ("gpus", it, true));
    let missing = reserved.chain(gpus).filter_map(|(key, (at, request), asks_for_gpu)| {
        Some(missing_driver_ability(format!("{key}[{at}]"), missing_driver(request, asks_for_gpu, abilities)?))
    });
    let named = service.devices.iter().enumerate().filter(|(_, device)| is_cdi(device));
    let unnamed = named.filter(|_| !abilities.device_drivers.contains(CDI));
    let unread = unnamed.map(|(at, _)| missing_driver_ability(format!("devices[{at}]"), CDI));
    missing_runtime(service, abilities).into_iter().chain(missing).chain(unread).next()
}

const GPU: &str = "gpu";
const CDI: &str = "cdi";
/// Drivers that engines are known to have.
const KNOWN: [&str; 3] = ["nvidia", "amd", CDI];
/// Drivers that answer to the capability `gpu` when a request names none.
const OF_GPUS: [&str; 2] = ["nvidia", "amd"];

/// The driver that a request needs, when it is not there. Drivers and capabilities that are not known here are left to
/// the engine.
fn missing_driver(request: &DeviceRequest, asks_for_gpu: bool, abilities: &Abilities) -> Option<&'static str> {
    let has = |driver: &&str| abilities.device_drivers.contains(*driver);
    if request.driver.is_empty() {
        return (asks_for_gpu && !OF_GPUS.iter().any(has)).then_some(GPU);
    }
    KNOWN.into_iter().find(|driver| *driver == request.driver).filter(|driver| !has(driver))
}

fn missing_driver_ability(key: String, driver: &str) -> MissingAbility {
    let gpu = |vendor: &str| format!("{vendor} GPU that its engine can give to containers");
    let toolkit = |of: &str| format!("install {of} on a host with such a GPU, or leave the service out");
    let (what, hint) = match driver {
        "nvidia" => (gpu("an NVIDIA"), toolkit("the NVIDIA Container Toolkit")),
        "amd" => (gpu("an AMD"), toolkit("the AMD Container Toolkit")),
        GPU => (gpu("a"), toolkit("its vendor's container toolkit")),
        _ => (
            "an engine that reads the Container Device Interface (CDI)".to_owned(),
            "update a host's engine to Docker 28.2 or newer, or enable \"cdi\" under \"features\" in its daemon.json"
                .to_owned(),
        ),
    };
    MissingAbility { key, what, hint }
}

/// Names with a dot or a slash are a shim's or a path: newer engines look for them when a container starts.
fn missing_runtime(service: &Service, abilities: &Abilities) -> Option<MissingAbility> {
    let name = service.runtime.as_deref().filter(|name| !name.is_empty() && !name.contains(['.', '/']))?;
    if abilities.runtimes.contains(name) {
        return None;
    }
    let hint = format!("add {name} to \"runtimes\" in /etc/docker/daemon.json of a host, or leave the service out");
    Some(MissingAbility { key: "runtime".to_owned(), what: format!("an engine with the runtime {name}"), hint })
}

/// `vendor.com/class=name`, a device by its name in the Container Device Interface, and no path.
pub(crate) fn is_cdi(device: &Device) -> bool {
    !device.source.starts_with('/') && device.source.contains('/') && device.source.contains('=')
}
