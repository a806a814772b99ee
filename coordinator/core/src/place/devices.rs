//! Abilities that a service needs from a host's engine: a runtime, and drivers for the devices that it requests.
//!
//! A host is excluded only if its engine is certain to refuse the container. Abilities that the agent does not report, and names that
//! an engine may resolve itself, are not checked.
use std::collections::BTreeSet;

use crate::findings::Findings;
use landfast_compose::model::{Device, DeviceRequest, Service};

/// Runtimes and device drivers of a host's engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Abilities {
    /// Names of its runtimes, such as `runc` and `nvidia`. Every engine has at least one, so an empty set means that they are unknown.
    pub runtimes: BTreeSet<String>,
    /// Drivers that device requests may name: `nvidia`, `amd`, `cdi`.
    pub device_drivers: BTreeSet<String>,
}

/// An ability that a host does not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MissingAbility {
    /// Key of the service that needs it, such as `deploy.resources.reservations.devices[0]`.
    pub(crate) key: String,
    /// Description that follows "no host has".
    pub(crate) what: String,
    /// What to do about it.
    pub(crate) hint: String,
}

impl MissingAbility {
    /// Describes why a host is excluded.
    pub(crate) fn on(&self, host: &str) -> String {
        format!("{host}, which does not have {}", self.what)
    }
}

/// Adds the error that no host is left for a service. `excluded` has the reason of each host.
pub(crate) fn refuse(name: &str, missing: &MissingAbility, excluded: &[String], findings: &mut Findings<'_>) {
    let all_lack_it = excluded.iter().all(|why| why.ends_with(&missing.what));
    let message = match all_lack_it {
        true => format!("no host has {}, which {name} needs", missing.what),
        false => format!("no host that may run {name} has {}; excluded hosts: {}", missing.what, excluded.join("; ")),
    };
    findings.refuse(format!("services.{name}.{}", missing.key), message).hint = Some(missing.hint.clone());
}

/// Returns the first ability that a service needs and the host certainly does not have.
pub(crate) fn missing_ability(service: &Service, abilities: &Abilities) -> Option<MissingAbility> {
    if abilities.runtimes.is_empty() {
        return None;
    }
    let reserved = &service.deploy.resources.reservations.devices;
    let asks = |request: &DeviceRequest| request.capabilities.iter().any(|capability| capability == GPU);
    let reserved = reserved.iter().enumerate().map(|it| ("deploy.resources.reservations.devices", it, asks(it.1)));
    // `gpus` always requests the capability.
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
/// Known drivers.
const KNOWN: [&str; 3] = ["nvidia", "amd", CDI];
/// Drivers that serve the capability `gpu` if a request names no driver.
const OF_GPUS: [&str; 2] = ["nvidia", "amd"];

/// Returns the driver that a request needs if the host does not have it. Unknown drivers and capabilities are left to the
/// engine.
fn missing_driver(request: &DeviceRequest, asks_for_gpu: bool, abilities: &Abilities) -> Option<&'static str> {
    let has = |driver: &&str| abilities.device_drivers.contains(*driver);
    if request.driver.is_empty() {
        return (asks_for_gpu && !OF_GPUS.iter().any(has)).then_some(GPU);
    }
    KNOWN.into_iter().find(|driver| *driver == request.driver).filter(|driver| !has(driver))
}

fn missing_driver_ability(key: String, driver: &str) -> MissingAbility {
    let gpu = |vendor: &str| format!("{vendor} GPU that its engine can give to containers");
    let toolkit = |of: &str| format!("install {of} on a host with such a GPU, or remove the service");
    let (what, hint) = match driver {
        "nvidia" => (gpu("an NVIDIA"), toolkit("the NVIDIA Container Toolkit")),
        "amd" => (gpu("an AMD"), toolkit("the AMD Container Toolkit")),
        GPU => (gpu("a"), toolkit("its vendor's container toolkit")),
        _ => (
            "an engine with support for the Container Device Interface (CDI)".to_owned(),
            "update the engine of a host to Docker 28.2 or newer, or enable \"cdi\" under \"features\" in its daemon.json"
                .to_owned(),
        ),
    };
    MissingAbility { key, what, hint }
}

/// Returns a missing runtime. Names with a dot or a slash are shims or paths, which newer engines find when a container starts.
fn missing_runtime(service: &Service, abilities: &Abilities) -> Option<MissingAbility> {
    let name = service.runtime.as_deref().filter(|name| !name.is_empty() && !name.contains(['.', '/']))?;
    if abilities.runtimes.contains(name) {
        return None;
    }
    let hint = format!("add {name} to \"runtimes\" in /etc/docker/daemon.json on a host, or remove the service");
    Some(MissingAbility { key: "runtime".to_owned(), what: format!("an engine with the runtime {name}"), hint })
}

/// Whether a device is a name in the Container Device Interface, such as `vendor.com/class=name`, and not a path.
pub(crate) fn is_cdi(device: &Device) -> bool {
    !device.source.starts_with('/') && device.source.contains('/') && device.source.contains('=')
}
