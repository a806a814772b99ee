//! Resource limits of a container. `deploy.resources` takes precedence over the older keys, as in Docker Compose.
use crate::container::{DeviceLimit, Resources};
use landfast_compose::model::{DeviceRate, DeviceWeight, Service};

/// Returns the limits, or `None` if the file sets none.
pub(super) fn resources(service: &Service) -> Option<Resources> {
    let limits = &service.deploy.resources.limits;
    let reserved = &service.deploy.resources.reservations;
    let bytes = |size: Option<landfast_compose::quantity::Bytes>| size.map_or(0, |size| size.0);
    let blkio = &service.blkio_config;
    let resources = Resources {
        nano_cpus: limits.cpus.or(service.cpus).map_or(0, |cpus| (cpus * 1e9).round() as i64),
        memory: bytes(limits.memory.or(service.mem_limit)),
        memory_reservation: bytes(reserved.memory.or(service.mem_reservation)),
        memory_swap: bytes(service.memswap_limit),
        pids: limits.pids.or(service.pids_limit).unwrap_or(0),
        cpu_shares: service.cpu_shares.unwrap_or(0),
        cpu_quota: service.cpu_quota.unwrap_or(0),
        cpu_period: service.cpu_period.unwrap_or(0),
        cpuset: service.cpuset.clone().unwrap_or_default(),
        memory_swappiness: service.mem_swappiness,
        cpu_rt_period: service.cpu_rt_period.unwrap_or(0),
        cpu_rt_runtime: service.cpu_rt_runtime.unwrap_or(0),
        blkio_weight: blkio.weight.unwrap_or(0),
        blkio_weight_devices: blkio.weight_device.iter().map(weight).collect(),
        blkio_read_bps: rates(&blkio.device_read_bps),
        blkio_read_iops: rates(&blkio.device_read_iops),
        blkio_write_bps: rates(&blkio.device_write_bps),
        blkio_write_iops: rates(&blkio.device_write_iops),
    };
    (resources != Resources::default()).then_some(resources)
}

fn weight(device: &DeviceWeight) -> DeviceLimit {
    DeviceLimit { path: device.path.clone(), value: device.weight }
}

fn rates(devices: &[DeviceRate]) -> Vec<DeviceLimit> {
    let rate = |device: &DeviceRate| u64::try_from(device.rate.map_or(0, |rate| rate.0)).unwrap_or(0);
    devices.iter().map(|device| DeviceLimit { path: device.path.clone(), value: rate(device) }).collect()
}
