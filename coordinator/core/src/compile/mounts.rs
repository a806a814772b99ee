//! What a container mounts: paths of the stack's folder become paths of the live tree, secrets and configs read-only
//! files of it, other paths the host's own.
use std::collections::BTreeMap;
use std::path::{Component, Path};

use super::container::Site;
use super::findings::Findings;
use crate::bundle::{Content, Manifest};
use crate::compose::model::{self, FileObject, FileReference, MountKind, Origin};
use crate::compose::schema::keys::cases;
use crate::container::{Mount, Source, Tmpfs};

/// Links that point to links are followed so far.
const MOST_LINKS: usize = 8;

/// What a container mounts.
#[derive(Default)]
pub(super) struct Mounted {
    pub(super) mounts: Vec<Mount>,
    pub(super) tmpfs: Vec<Tmpfs>,
    /// The bundle's files among them: path > what it is there.
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
            MountKind::Tmpfs => mounted.tmpfs.push(tmpfs(mount)),
            MountKind::Image | MountKind::Npipe | MountKind::Cluster => {
                findings.case(path, "", &cases::MOUNT_TYPES);
            }
        }
    }
    let short = service.tmpfs.iter();
    mounted.tmpfs.extend(short.map(|it| Tmpfs { target: it.target.clone(), options: it.options.clone() }));
    let project = site.input.project;
    for (kind, folder, references, objects) in [
        ("secrets", "/run/secrets/", &service.secrets, &project.secrets),
        ("configs", "/", &service.configs, &project.configs),
    ] {
        for (at, reference) in references.iter().enumerate() {
            let path = site.path(&format!("{kind}[{at}]"));
            match objects.get(&reference.source) {
                Some(object) => file_object(site, reference, object, (folder, &path), &mut mounted, findings),
                None => {
                    findings.refuse(path, format!("{} is not under {kind}", reference.source));
                }
            }
        }
    }
    mounted
}

fn bind(site: Site<'_>, mount: &model::Mount, path: &str, mounted: &mut Mounted, findings: &mut Findings<'_>) {
    let written = mount.source.clone().unwrap_or_default();
    let source = match beneath(site.input.root, Path::new(&written)) {
        Some(inner) => {
            let files = files_at(site.input.manifest, &inner);
            if files.is_empty() && !mount.bind.create_host_path {
                findings.refuse(path, format!("{inner} is not in the stack's folder, or is ignored"));
            }
            mounted.files.extend(files);
            Source::Tree(inner)
        }
        None => Source::Host(written),
    };
    mounted.mounts.push(Mount {
        source,
        target: mount.target.clone(),
        read_only: mount.read_only,
        propagation: mount.bind.propagation.clone().unwrap_or_default(),
        create: mount.bind.create_host_path,
        no_copy: false,
        subpath: String::new(),
        relabel: mount.bind.selinux.clone().unwrap_or_default(),
    });
}

fn volume(site: Site<'_>, mount: &model::Mount) -> Mount {
    let key = mount.source.as_deref().unwrap_or_default();
    let name = site.input.project.volumes.get(key).map_or(key, |volume| &volume.name);
    Mount {
        source: Source::Volume(name.to_owned()),
        target: mount.target.clone(),
        read_only: mount.read_only,
        propagation: String::new(),
        create: false,
        no_copy: mount.volume.nocopy,
        subpath: mount.volume.subpath.clone().unwrap_or_default(),
        relabel: String::new(),
    }
}

fn tmpfs(mount: &model::Mount) -> Tmpfs {
    let size = mount.tmpfs.size.map(|size| format!("size={size}"));
    let mode = mount.tmpfs.mode.map(|mode| format!("mode={mode:o}"));
    let read_only = mount.read_only.then(|| "ro".to_owned());
    let options: Vec<_> = [read_only, size, mode].into_iter().flatten().collect();
    Tmpfs { target: mount.target.clone(), options: options.join(",") }
}

/// A secret or config: a file of the bundle, mounted read-only.
fn file_object(
    site: Site<'_>,
    reference: &FileReference,
    object: &FileObject,
    (folder, path): (&str, &str),
    mounted: &mut Mounted,
    findings: &mut Findings<'_>,
) {
    let name = &reference.source;
    let file = match &object.origin {
        Origin::File(file) => file,
        Origin::Environment(variable) => {
            findings.case(path, &format!("{name} comes from the variable {variable}"), &cases::FILES_ALONE);
            return;
        }
        Origin::Inline(_) => {
            findings.case(path, &format!("{name} is written inline"), &cases::FILES_ALONE);
            return;
        }
        Origin::External => {
            findings.case(path, name, &cases::NO_STORE);
            return;
        }
    };
    let Some(inner) = beneath(site.input.root, file) else {
        let message = format!("{name}: {} is outside the stack's folder and would not be on the hosts", file.display());
        findings.refuse(path, message).hint = Some("put the file into the stack's folder".to_owned());
        return;
    };
    let files = files_at(site.input.manifest, &inner);
    if files.is_empty() {
        let message = format!("{name}: the file {inner} is not in the stack's folder, or is ignored");
        findings.refuse(path, message);
        return;
    }
    if reference.uid.is_some() || reference.gid.is_some() || reference.mode.is_some() {
        findings.case(path, name, &cases::MOUNTED_FILE);
    }
    mounted.files.extend(files);
    let target = reference.target.as_ref().unwrap_or(name);
    let target = if target.starts_with('/') { target.clone() } else { format!("{folder}{target}") };
    mounted.mounts.push(Mount {
        source: Source::Tree(inner),
        target,
        read_only: true,
        propagation: String::new(),
        create: false,
        no_copy: false,
        subpath: String::new(),
        relabel: String::new(),
    });
}

/// The path relative to the root, when it is beneath it. Paths are compared as text: no link is followed.
fn beneath(root: &Path, path: &Path) -> Option<String> {
    let plain = normalise(path);
    let rest = plain.strip_prefix(&normalise(root))?;
    match rest.strip_prefix('/') {
        Some(inner) => Some(inner.to_owned()),
        None => rest.is_empty().then(String::new),
    }
}

/// `/a/./b/../c` is `/a/c`; the root is empty.
fn normalise(path: &Path) -> String {
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

/// The files of the bundle at and beneath a path: path > what it is there.
fn files_at(manifest: &Manifest, path: &str) -> BTreeMap<String, String> {
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
