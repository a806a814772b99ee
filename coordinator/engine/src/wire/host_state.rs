//! Conversion of host states and containers.

use std::str::FromStr;
use std::sync::Arc;

use landfast_core::container::{
    Attachment, Container, Contents, Device, DeviceLimit, DeviceRequest, Healthcheck, Hook, Logging, Mount, PlacedFile,
    Port, Resources, Restart, Source, Tmpfs, Ulimit,
};
use landfast_core::deployment::{Condition, InstanceName};
use landfast_core::desired::{
    Dependency, HostState, Instance, Network, NetworkSpec, Overlay, Pool, Tree, Volume, Wanted,
};
use landfast_proto::v1;

use super::{Wire, mirror};

mirror!(Volume = v1::Volume { name, stack, key, driver, options, labels, remove, project, users });
mirror!(Tree = v1::Tree { stack, manifest });
mirror!(Dependency = v1::Dependency { service, condition });
mirror!(Ulimit = v1::Ulimit { name, soft, hard });
mirror!(Device = v1::Device { host, container, permissions });
mirror!(DeviceRequest = v1::DeviceRequest { driver, count, device_ids, capabilities, options });
mirror!(Tmpfs = v1::Tmpfs { target, options });
mirror!(Hook = v1::Hook { command, user, working_dir, environment, privileged });
mirror!(Port = v1::Port { address, published, target, protocol, published_end });
mirror!(DeviceLimit = v1::DeviceLimit { path, value });
mirror!(Restart = v1::Restart { policy, max_attempts });
mirror!(Healthcheck = v1::Healthcheck { test, interval, timeout, start_period, start_interval, retries });
mirror!(Logging = v1::Logging { driver, options });
mirror!(
    Resources = v1::Resources {
        nano_cpus,
        memory,
        memory_reservation,
        memory_swap,
        pids,
        cpu_shares,
        cpu_quota,
        cpu_period,
        cpuset,
        memory_swappiness,
        cpu_rt_period,
        cpu_rt_runtime,
        blkio_weight,
        blkio_weight_devices,
        blkio_read_bps,
        blkio_read_iops,
        blkio_write_bps,
        blkio_write_iops
    }
);

/// Converts everything but the fabric, which is a unit of the fleet.
impl Wire for HostState {
    type Message = v1::HostState;

    fn to_wire(self) -> v1::HostState {
        let Self { fleet, host, epoch, generation, networks, volumes, trees, instances, fabric: _ } = self;
        let (networks, volumes) = (networks.to_wire(), volumes.to_wire());
        let (trees, instances, names) = (trees.to_wire(), instances.to_wire(), Vec::new());
        v1::HostState { fleet, host, epoch, generation, networks, volumes, trees, instances, names }
    }

    fn of_wire(message: v1::HostState) -> Self {
        let v1::HostState { fleet, host, epoch, generation, networks, volumes, trees, instances, names: _ } = message;
        let (networks, volumes) = (Wire::of_wire(networks), Wire::of_wire(volumes));
        let (trees, instances, fabric) = (Wire::of_wire(trees), Wire::of_wire(instances), Arc::default());
        Self { fleet, host, epoch, generation, networks, volumes, trees, instances, fabric }
    }
}

impl Wire for Network {
    type Message = v1::Network;

    fn to_wire(self) -> v1::Network {
        let Self { name, stack, key, spec, overlay, project } = self;
        let NetworkSpec { driver, subnet, gateway, internal, attachable, ipv6, options, labels, .. } = spec;
        v1::Network {
            name,
            stack,
            key,
            driver,
            subnet: text(subnet),
            gateway: text(gateway),
            internal,
            attachable,
            ipv6,
            options,
            labels,
            overlay: overlay.map(overlay_to_wire),
            pools: spec.pools.to_wire(),
            ipam_driver: spec.ipam_driver,
            ipam_options: spec.ipam_options,
            ipv4: spec.ipv4,
            project,
        }
    }

    fn of_wire(message: v1::Network) -> Self {
        let v1::Network { name, stack, key, driver, subnet, gateway, internal, attachable, ipv6, options, .. } =
            message;
        let spec = NetworkSpec {
            driver,
            subnet: value(&subnet),
            gateway: value(&gateway),
            internal,
            attachable,
            ipv6,
            options,
            labels: message.labels,
            pools: Wire::of_wire(message.pools),
            ipam_driver: message.ipam_driver,
            ipam_options: message.ipam_options,
            ipv4: message.ipv4,
        };
        let overlay = message.overlay.and_then(overlay_of_wire);
        Self { name, stack, key, spec, overlay, project: message.project }
    }
}

impl Wire for Attachment {
    type Message = v1::Attachment;

    fn to_wire(self) -> v1::Attachment {
        let Self { network, address, mac, epoch, aliases, link_local_ips, address6, .. } = self;
        v1::Attachment {
            network,
            address: text(address),
            mac,
            aliases,
            link_local_ips,
            address6,
            driver_options: self.driver_options,
            gateway_priority: self.gateway_priority,
            links: self.links,
            epoch,
        }
    }

    fn of_wire(message: v1::Attachment) -> Self {
        let v1::Attachment { network, address, mac, aliases, link_local_ips, address6, epoch, .. } = message;
        Self {
            network,
            address: value(&address),
            mac,
            epoch,
            aliases,
            link_local_ips,
            address6,
            driver_options: message.driver_options,
            gateway_priority: message.gateway_priority,
            links: message.links,
        }
    }
}

impl Wire for Pool {
    type Message = v1::Pool;

    fn to_wire(self) -> v1::Pool {
        let Self { subnet, gateway, ip_range, aux_addresses } = self;
        v1::Pool { subnet: text(subnet), gateway: text(gateway), ip_range: text(ip_range), aux_addresses }
    }

    fn of_wire(message: v1::Pool) -> Self {
        let v1::Pool { subnet, gateway, ip_range, aux_addresses } = message;
        Self { subnet: value(&subnet), gateway: value(&gateway), ip_range: value(&ip_range), aux_addresses }
    }
}

/// Writes an optional value as a text, which is empty if it is absent.
fn text(value: Option<impl ToString>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// Reads a text that is empty if the value is absent. A text that only a newer version understands counts as absent.
fn value<T: FromStr>(text: &str) -> Option<T> {
    text.parse().ok()
}

/// The remote addresses of a network are part of the fabric.
fn overlay_to_wire(overlay: Overlay) -> v1::Overlay {
    let Overlay { vni, local, mtu } = overlay;
    v1::Overlay { vni, local: local.to_string(), mtu, neighbours: Vec::new() }
}

fn overlay_of_wire(message: v1::Overlay) -> Option<Overlay> {
    let v1::Overlay { vni, local, mtu, neighbours: _ } = message;
    Some(Overlay { vni, local: value(&local)?, mtu })
}

impl Wire for InstanceName {
    type Message = v1::VolumeUser;

    fn to_wire(self) -> v1::VolumeUser {
        let Self { stack, service, index } = self;
        v1::VolumeUser { stack, service, index }
    }

    fn of_wire(message: v1::VolumeUser) -> Self {
        let v1::VolumeUser { stack, service, index } = message;
        Self { stack, service, index }
    }
}

impl Wire for Instance {
    type Message = v1::Instance;

    fn to_wire(self) -> v1::Instance {
        let Self {
            name: InstanceName { stack, service, index }, release, digest, container, depends_on, stopped, ..
        } = self;
        let Self { incarnation, wanted, last_incarnation, .. } = self;
        let (container, depends_on, wanted) =
            (Some(Arc::unwrap_or_clone(container).to_wire()), depends_on.to_wire(), wanted.to_wire());
        v1::Instance {
            stack,
            service,
            index,
            release,
            digest,
            container,
            depends_on,
            stopped,
            incarnation,
            wanted,
            last_incarnation,
        }
    }

    fn of_wire(message: v1::Instance) -> Self {
        let v1::Instance { stack, service, index, release, digest, container, depends_on, stopped, .. } = message;
        let v1::Instance { incarnation, wanted, last_incarnation, .. } = message;
        let container = Arc::new(container.map(Container::of_wire).unwrap_or_default());
        let name = InstanceName { stack, service, index };
        let (depends_on, wanted) = (Wire::of_wire(depends_on), Wanted::of_wire(wanted));
        Self { name, release, digest, container, depends_on, stopped, incarnation, wanted, last_incarnation }
    }
}

/// What is wanted of most instances is not written, so that the units of earlier versions keep their digests.
impl Wire for Wanted {
    type Message = i32;

    fn to_wire(self) -> i32 {
        use v1::instance::Wanted as Message;
        let message = match self {
            Self::Run => Message::Unspecified,
            Self::Drain => Message::Drain,
            Self::Gone => Message::Gone,
        };
        message.into()
    }

    fn of_wire(number: i32) -> Self {
        use v1::instance::Wanted as Message;
        match Message::try_from(number) {
            Ok(Message::Drain) => Self::Drain,
            Ok(Message::Gone) => Self::Gone,
            Ok(Message::Unspecified | Message::Run) | Err(_) => Self::Run,
        }
    }
}

/// The contents do not travel: hosts have them as secret blobs. Agents of earlier versions were sent the contents alone.
impl Wire for PlacedFile {
    type Message = v1::PlacedFile;

    fn to_wire(self) -> v1::PlacedFile {
        let Self { target, contents: _, digest, mode, uid, gid, salt } = self;
        v1::PlacedFile { target, contents: Vec::new(), digest, mode, uid, gid, salt }
    }

    fn of_wire(message: v1::PlacedFile) -> Self {
        let v1::PlacedFile { target, contents, digest, mode, uid, gid, salt } = message;
        let file = if digest.is_empty() {
            Self::new(target, Contents(String::from_utf8_lossy(&contents).into_owned()), salt)
        } else {
            Self { target, digest, salt, ..Self::default() }
        };
        Self { mode, uid, gid, ..file }
    }
}

impl Wire for Condition {
    type Message = i32;

    fn to_wire(self) -> i32 {
        let condition = match self {
            Self::Started => v1::dependency::Condition::Started,
            Self::Healthy => v1::dependency::Condition::Healthy,
            Self::Completed => v1::dependency::Condition::Completed,
        };
        condition.into()
    }

    fn of_wire(number: i32) -> Self {
        match v1::dependency::Condition::try_from(number) {
            Ok(v1::dependency::Condition::Healthy) => Self::Healthy,
            Ok(v1::dependency::Condition::Completed) => Self::Completed,
            Ok(v1::dependency::Condition::Started | v1::dependency::Condition::Unspecified) | Err(_) => Self::Started,
        }
    }
}

impl Wire for Mount {
    type Message = v1::Mount;

    fn to_wire(self) -> v1::Mount {
        let Self { source, target, read_only, propagation, create, no_copy, subpath, relabel, recursive, labels } =
            self;
        let source = Some(match source {
            Source::Tree(path) => v1::mount::Source::Tree(path),
            Source::Host(path) => v1::mount::Source::Host(path),
            Source::Volume(name) => v1::mount::Source::Volume(name),
            Source::Memory { size, mode } => v1::mount::Source::Memory(v1::Memory { size, mode }),
        });
        v1::Mount { source, target, read_only, propagation, create, no_copy, subpath, relabel, recursive, labels }
    }

    fn of_wire(message: v1::Mount) -> Self {
        let v1::Mount { source, target, read_only, propagation, create, no_copy, subpath, relabel, recursive, labels } =
            message;
        let source = match source {
            Some(v1::mount::Source::Tree(path)) => Source::Tree(path),
            Some(v1::mount::Source::Host(path)) => Source::Host(path),
            Some(v1::mount::Source::Volume(name)) => Source::Volume(name),
            Some(v1::mount::Source::Memory(v1::Memory { size, mode })) => Source::Memory { size, mode },
            None => Source::Volume(String::new()),
        };
        Self { source, target, read_only, propagation, create, no_copy, subpath, relabel, recursive, labels }
    }
}

/// Converts an optional list. Not an implementation of [`Wire`], because `Vec<String>` already has one.
fn list(values: Option<Vec<String>>) -> Option<v1::StringList> {
    values.map(|values| v1::StringList { values })
}

fn of_list(message: Option<v1::StringList>) -> Option<Vec<String>> {
    message.map(|list| list.values)
}

/// Implements [`Wire`] for `Container`. The fields are all except the two optional lists.
macro_rules! container {
    ($($field:ident),* $(,)?) => {
        impl Wire for Container {
            type Message = v1::Container;

            fn to_wire(self) -> v1::Container {
                let Self { entrypoint, command, $($field),* } = self;
                v1::Container {
                    entrypoint: list(entrypoint),
                    command: list(command),
                    $($field: $field.to_wire()),*
                }
            }

            fn of_wire(message: v1::Container) -> Self {
                let v1::Container { entrypoint, command, $($field),* } = message;
                Self {
                    entrypoint: of_list(entrypoint),
                    command: of_list(command),
                    $($field: Wire::of_wire($field)),*
                }
            }
        }
    };
}
container!(
    name,
    image,
    image_fingerprint,
    hostname,
    domainname,
    environment,
    labels,
    annotations,
    user,
    working_dir,
    tty,
    stdin_open,
    read_only,
    init,
    privileged,
    cap_add,
    cap_drop,
    security_opt,
    unconfined_paths,
    sysctls,
    ulimits,
    shm_size,
    devices,
    group_add,
    pid_mode,
    ipc_mode,
    uts_mode,
    userns_mode,
    cgroup_mode,
    cgroup_parent,
    network_mode,
    tmpfs,
    mounts,
    ports,
    expose,
    networks,
    extra_hosts,
    dns,
    dns_search,
    dns_options,
    restart,
    healthcheck,
    logging,
    stop_signal,
    stop_grace_seconds,
    resources,
    runtime,
    platform,
    device_cgroup_rules,
    storage_options,
    oom_score_adj,
    oom_kill_disable,
    gpus,
    files,
    volumes_from,
    post_start,
    pre_stop,
);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use landfast_core::container::{Container, Contents, Mount, PlacedFile, Source};
    use landfast_core::deployment::InstanceName;
    use landfast_core::desired::{HostState, Instance, Volume, Wanted};
    use landfast_proto::v1;

    use crate::wire::Wire as _;

    #[test]
    fn a_host_state_survives_conversion() {
        let mount = Mount { read_only: true, ..Mount::new(Source::Tree("etc/app.conf".to_owned()), "/etc/app.conf") };
        let container = Container {
            entrypoint: Some(Vec::new()),
            command: None,
            mounts: vec![mount],
            oom_score_adj: Some(-5),
            files: vec![PlacedFile::new("/key".to_owned(), Contents("k\n".to_owned()), "s".to_owned())],
            ..Container::default()
        };
        let name = InstanceName::new("data", "postgres", 1);
        let (digest, container) = ("d".to_owned(), Arc::new(container));
        let instance = Instance { name, release: 3, digest, container, ..Instance::default() };
        let instance = Instance { incarnation: 4, last_incarnation: 6, wanted: Wanted::Drain, ..instance };
        let gone = Instance { incarnation: 5, wanted: Wanted::Gone, ..instance.clone() };
        let state = HostState { host: "alpha".to_owned(), epoch: 2, generation: 9, ..HostState::default() };
        let volume = Volume { project: "shop".to_owned(), users: vec![instance.name.clone()], ..Volume::default() };
        let state = HostState { instances: vec![instance, gone], volumes: vec![volume], ..state };
        assert_eq!(HostState::of_wire(state.clone().to_wire()), state);
    }

    #[test]
    fn an_instance_of_an_earlier_version_is_encoded_as_it_was() {
        let old =
            v1::Instance { stack: "data".to_owned(), container: Some(v1::Container::default()), ..Default::default() };
        let read = Instance::of_wire(old.clone());
        assert_eq!((read.incarnation, read.wanted), (0, Wanted::Run));
        assert_eq!(read.to_wire(), old);
        let run = v1::Instance { wanted: v1::instance::Wanted::Run.into(), ..old };
        assert_eq!(Instance::of_wire(run).wanted, Wanted::Run);
    }

    #[test]
    fn contents_of_secrets_do_not_travel_and_those_of_an_earlier_version_are_read() {
        let file = PlacedFile::new("/key".to_owned(), Contents("hunter2".to_owned()), "s".to_owned());
        let message = file.clone().to_wire();
        assert!(message.contents.is_empty());
        assert_eq!(PlacedFile::of_wire(message.clone()), file);
        let old = v1::PlacedFile { contents: b"hunter2".to_vec(), digest: String::new(), ..message };
        let old = PlacedFile::of_wire(old);
        assert_eq!(old, file);
        assert_eq!(old.contents, file.contents);
    }
}
