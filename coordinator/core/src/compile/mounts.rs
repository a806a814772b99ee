//! What a container mounts: paths of the stack's folder become paths of the live tree, other paths the host's own.
use std::collections::BTreeMap;
use std::path::{Component, Path};

use super::findings::Findings;
use super::site::Site;
use crate::bundle::{Content, Manifest};
use crate::container::{Mount, PlacedFile, Source, Tmpfs};
use landfast_compose::cases;
use landfast_compose::model::{self, MountKind};

/// Links that point to links are followed so far.
const MOST_LINKS: usize = 8;

/// What a container mounts.
#[derive(Default)]
pub(super) struct Mounted {
    pub(super) mounts: Vec<Mount>,
    pub(super) tmpfs: Vec<Tmpfs>,
    /// What is put into the container beside them.
    pub(super) put: Vec<PlacedFile>,
    /// The bundle's files among the mounts: path > what it is there.
    pub(super) files: BTreeMap<String, String>,
}

pub(super) fn mounts(site: Site<'_>, findings: &mut Findings<'_>) -> Mounted {
    let service = site.service();
    let mut mounted = Mounted::default();
    for (at, mount) in service.volumes.iter().enumerate() {
        let path = site.path(&format!("volumes[{at}]"));
        match mount.kind {
            MountKind::Bind => bind(site, mount, &path, &mut mounted, findings),
            MountKind::Volume => mounted.mounts.push(volume(site, mount)),
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

fn bind(site: Site<'_>, mount: &model::Mount, path: &str, mounted: &mut Mounted, findings: &mut Findings<'_>) {
    let written = mount.source.clone().unwrap_or_default();
    let source = match beneath(site.input.root, Path::new(&written)) {
        Some(inner) => {
            mounted.files.extend(files_at(site.input.manifest, &inner));
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

fn volume(site: Site<'_>, mount: &model::Mount) -> Mount {
    let key = mount.source.as_deref().unwrap_or_default();
    let name = site.input.project.volumes.get(key).map_or(key, |volume| &volume.name);
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

/// The path relative to the root, when it is beneath it. Paths are compared as text: no link is followed.
pub(crate) fn beneath(root: &Path, path: &Path) -> Option<String> {
    let plain = normalise(path);
    let rest = plain.strip_prefix(&normalise(root))?;
    match rest.strip_prefix('/') {
        Some(inner) => Some(inner.to_owned()),
        None => rest.is_empty().then(String::new),
    }
}

/// `/a/./b/../c` is `/a/c`; the root is empty.
pub(crate) fn normalise(path: &Path) -> String {
    let mut parts: Vec<String> = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::ParentDir => drop(parts.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    parts.iter().map(|part| format!("/{part}")).collect()
}

/// Whether a bundle has something at or beneath this path.
pub(crate) fn is_in_bundle(manifest: &Manifest, path: &str) -> bool {
    path.is_empty() || !files_at(manifest, path).is_empty()
}

/// The files of the bundle at and beneath a path: path > what it is there.
pub(crate) fn files_at(manifest: &Manifest, path: &str) -> BTreeMap<String, String> {
    let path = follow(manifest, path);
    let inside =
        |entry: &str| path.is_empty() || entry == path || entry.strip_prefix(&path).is_some_and(|r| r.starts_with('/'));
    let found = manifest.entries.iter().filter(|(entry, _)| inside(entry));
    let what = found.map(|(entry, what)| {
        let content = match &what.content {
            Content::File { digest, .. } => format!("{digest} {:o}", what.mode),
            Content::Link(target) => format!("link {target}"),
            Content::Folder => format!("folder {:o}", what.mode),
        };
        (entry.clone(), content)
    });
    what.collect()
}

/// Where a link in the bundle leads; the path itself when it is none.
fn follow(manifest: &Manifest, path: &str) -> String {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Some(Content::Link(target)) = manifest.entries.get(&path).map(|entry| &entry.content) else { break };
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        path = normalise(&Path::new("/").join(folder).join(target)).trim_start_matches('/').to_owned();
    }
    path
}
