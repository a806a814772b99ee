//! Mounts of a container: paths in the stack's folder become paths of the live tree; other paths are paths of the host.
use std::collections::BTreeMap;
use std::path::Path;

use super::container_input::ContainerInput;
use crate::bundle::{beneath, files_at};
use crate::container::{Mount, PlacedFile, Source, Tmpfs};
use crate::findings::Findings;
use landfast_compose::cases;
use landfast_compose::model::{self, MountKind};

/// Mounts of a container, and files that are copied into it.
#[derive(Default)]
pub(super) struct Mounted {
    pub(super) mounts: Vec<Mount>,
    pub(super) tmpfs: Vec<Tmpfs>,
    /// Files that are copied into the container.
    pub(super) put: Vec<PlacedFile>,
    /// Files of the bundle that are mounted: path to digest and mode.
    pub(super) files: BTreeMap<String, String>,
}

pub(super) fn mounts(input: ContainerInput<'_>, findings: &mut Findings<'_>) -> Mounted {
    let service = input.service();
    let mut mounted = Mounted::default();
    for (at, mount) in service.volumes.iter().enumerate() {
        let path = input.path(&format!("volumes[{at}]"));
        match mount.kind {
            MountKind::Bind => bind(input, mount, &path, &mut mounted, findings),
            MountKind::Volume => mounted.mounts.push(volume(input, mount)),
            MountKind::Tmpfs => mounted.mounts.push(memory(mount)),
            MountKind::Image | MountKind::Npipe | MountKind::Cluster => {
                findings.case(path, "", &cases::MOUNT_TYPES);
            }
        }
    }
    let short = service.tmpfs.iter();
    mounted.tmpfs.extend(short.map(|it| Tmpfs { target: it.target.clone(), options: it.options.clone() }));
    mounted
}

fn bind(
    input: ContainerInput<'_>,
    mount: &model::Mount,
    path: &str,
    mounted: &mut Mounted,
    findings: &mut Findings<'_>,
) {
    let written = mount.source.clone().unwrap_or_default();
    let source = match beneath(input.compile.root, Path::new(&written)) {
        Some(inner) => {
            mounted.files.extend(files_at(input.compile.manifest, &inner));
            Source::Tree(inner)
        }
        None => Source::Host(written),
    };
    mounted.mounts.push(Mount {
        read_only: mount.read_only,
        propagation: mount.bind.propagation.clone().unwrap_or_default(),
        create: mount.bind.create_host_path,
        relabel: mount.bind.selinux.clone().unwrap_or_default(),
        recursive: mount.bind.recursive.clone().filter(|recursive| recursive != "enabled").unwrap_or_default(),
        ..Mount::new(source, &mount.target)
    });
    if mount.bind.recursive.is_some() && mount.bind.selinux.is_some() {
        findings.case(format!("{path}.bind.recursive"), "", &cases::RECURSIVE);
    }
}

fn volume(input: ContainerInput<'_>, mount: &model::Mount) -> Mount {
    let key = mount.source.as_deref().unwrap_or_default();
    let name = input.compile.project.volumes.get(key).map_or(key, |volume| &volume.name);
    Mount {
        read_only: mount.read_only,
        no_copy: mount.volume.nocopy,
        subpath: mount.volume.subpath.clone().unwrap_or_default(),
        labels: mount.volume.labels.clone(),
        ..Mount::new(Source::Volume(name.to_owned()), &mount.target)
    }
}

fn memory(mount: &model::Mount) -> Mount {
    let size = mount.tmpfs.size.map_or(0, |size| size.0);
    let mode = mount.tmpfs.mode.unwrap_or_default();
    Mount { read_only: mount.read_only, ..Mount::new(Source::Memory { size, mode }, &mount.target) }
}
