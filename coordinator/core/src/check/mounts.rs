//! Rules about mounts of the host's files.
use std::path::{Path, PathBuf};

use super::known;
use super::{Remark, ServiceInput};
use landfast_compose::model::{Mount, MountKind, Service};

/// Sockets that give control over the engine.
const SOCKETS: &[&str] = &[
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/podman/podman.sock",
    "/var/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
    "/var/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/var/run/crio/crio.sock",
];

/// System information, which is similar on every host. Reading it does not depend on data.
const FACTS: &[&str] = &[
    "/dev",
    "/etc/hostname",
    "/etc/localtime",
    "/etc/machine-id",
    "/etc/os-release",
    "/etc/ssl/certs",
    "/etc/timezone",
    "/lib/modules",
    "/proc",
    "/sys",
    "/usr/share/ca-certificates",
    "/usr/share/zoneinfo",
];

/// Bind mounts of a service, with their index in `volumes`.
fn binds(service: &Service) -> impl Iterator<Item = (usize, &Mount, &Path)> {
    let binds = service.volumes.iter().enumerate().filter(|(_, mount)| mount.kind == MountKind::Bind);
    binds.filter_map(|(at, mount)| Some((at, mount, Path::new(mount.source.as_deref()?))))
}

/// Bind mounts of the engine socket, or of a folder that contains it.
pub(super) fn sockets(service: &Service) -> impl Iterator<Item = (usize, &Path)> {
    let holds = |source: &Path| {
        let exposed = |socket: &&str| Path::new(socket).starts_with(source) && source != Path::new("/");
        SOCKETS.iter().any(exposed) || source.file_name().is_some_and(|name| name == "docker.sock")
    };
    binds(service).filter(move |(_, _, source)| holds(source)).map(|(at, _, source)| (at, source))
}

/// LF007: reports mounts of the engine socket. `:ro` protects the file, but requests still pass through it.
pub(super) fn socket(input: ServiceInput<'_>) -> Vec<Remark> {
    if known::is_socket_proxy(input.service) {
        return Vec::new();
    }
    let remark = |(at, source): (usize, &Path)| {
        let message = format!(
            "{} mounts the engine socket ({}), which gives it root access to the host",
            input.name,
            source.display()
        );
        let help = "use a socket proxy that allows only the requests it needs";
        input.remark(&format!("volumes[{at}]"), message, help)
    };
    sockets(input.service).map(remark).collect()
}

/// LF011: reports bind mounts outside the stack's folder and the data folders.
pub(super) fn outside(input: ServiceInput<'_>) -> Vec<Remark> {
    let root = input.subject.root;
    let folders: Vec<PathBuf> = input.policy.data_folders.iter().map(|folder| root.join(folder)).collect();
    let mut remarks = Vec::new();
    for (at, mount, source) in binds(input.service) {
        let ours = source.starts_with(root) && (folders.is_empty() || mount.read_only);
        let data = folders.iter().any(|folder| source.starts_with(folder));
        let fact = mount.read_only && FACTS.iter().any(|fact| source.starts_with(fact));
        if ours || data || fact || sockets(input.service).any(|(socket, _)| socket == at) {
            continue;
        }
        let (source, rights) = (source.display(), if mount.read_only { "reads" } else { "writes to" });
        let of = if folders.is_empty() { "the stack's folder" } else { "the data folders" };
        let message = format!("{} {rights} {source}, which is outside {of}", input.name);
        let help =
            "use a named volume or a folder in the stack's folder, or list its folder in data_folders under [check]";
        remarks.push(input.remark(&format!("volumes[{at}]"), message, help));
    }
    remarks
}
