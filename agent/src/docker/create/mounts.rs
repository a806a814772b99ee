//! Builds the mounts of a request. Each is written in the notation that Compose uses for it, so that the description of the
//! container is the same.

use bollard::models::{Mount, MountBindOptions, MountTmpfsOptions, MountType, MountVolumeOptions};

use super::{Place, map, non_empty};
use crate::wire;

/// API version since which recursive read-only mounts can be requested.
const READ_ONLY_BENEATH: u32 = 44;
const VOLUME_SUBPATHS: u32 = 45;

/// Returns the mounts in the old notation, one line each, and those in the new one.
pub(super) fn mounts(
    container: &wire::Container,
    place: &Place,
    minor: u32,
) -> Result<(Vec<String>, Vec<Mount>), String> {
    let (mut lines, mut mounts) = (Vec::new(), Vec::new());
    for (position, wanted) in container.mounts.iter().enumerate() {
        let source =
            place.sources.get(position).and_then(Option::as_ref).map(|path| path.to_string_lossy().into_owned());
        match (&wanted.source, source) {
            (Some(wire::mount::Source::Volume(volume)), _) if volume.is_empty() && taken(wanted, place).is_some() => {
                // The volume holds the data of the previous container, and needs none of the options of a new one.
                let access = if wanted.read_only { "ro" } else { "rw" };
                lines.extend(taken(wanted, place).map(|name| format!("{name}:{}:{access}", wanted.target)));
            }
            (Some(wire::mount::Source::Volume(volume)), _) => match line(wanted, volume) {
                Some(line) => lines.push(line),
                None => mounts.push(volume_mount(wanted, volume, minor)?),
            },
            (Some(wire::mount::Source::Memory(memory)), _) => mounts.push(memory_mount(wanted, memory)),
            (_, Some(source)) => match line(wanted, &source) {
                Some(line) => lines.push(line),
                None => mounts.push(bind_mount(wanted, source, minor)?),
            },
            (_, None) => return Err(format!("the mount at {} has no source", wanted.target)),
        }
    }
    // These are volumes that the image declares and the instance does not mention.
    let at = |path: &str| container.mounts.iter().any(|mount| mount.target.trim_end_matches('/') == path);
    let declared = place.inherited.iter().filter(|(path, _)| !at(path));
    lines.extend(declared.map(|(path, name)| format!("{name}:{path}:rw")));
    Ok((lines, mounts))
}

/// Returns the anonymous volume that the previous container had at this path.
fn taken<'a>(wanted: &wire::Mount, place: &'a Place) -> Option<&'a String> {
    place.inherited.get(wanted.target.trim_end_matches('/'))
}

/// Writes a mount as `source:target:rw,z`, if that can express it: access and SELinux relabelling, which the new notation
/// lacks. This notation creates missing folders, so a mount whose source must exist is written in the new one.
fn line(wanted: &wire::Mount, source: &str) -> Option<String> {
    let is_bind = !matches!(wanted.source, Some(wire::mount::Source::Volume(_)));
    let is_plain = wanted.propagation.is_empty()
        && wanted.recursive.is_empty()
        && wanted.subpath.is_empty()
        && wanted.labels.is_empty()
        && !wanted.no_copy;
    let may_be_made = !is_bind || wanted.create;
    if wanted.relabel.is_empty() && !(is_plain && may_be_made) || source.is_empty() || source.contains(':') {
        return None;
    }
    let access = if wanted.read_only { "ro" } else { "rw" };
    let options = [access, &wanted.relabel, &wanted.propagation];
    let options: Vec<_> = options.into_iter().filter(|option| !option.is_empty()).collect();
    Some(format!("{source}:{}:{}", wanted.target, options.join(",")))
}

fn bind_mount(wanted: &wire::Mount, source: String, minor: u32) -> Result<Mount, String> {
    let recursive = wanted.recursive.as_str();
    if matches!(recursive, "writable" | "readonly") && minor < READ_ONLY_BENEATH {
        let needed = "needs Docker Engine 25 or newer";
        return Err(format!("the mount at {} has `recursive: {recursive}`, which {needed}", wanted.target));
    }
    let options = MountBindOptions {
        create_mountpoint: wanted.create.then_some(true),
        propagation: non_empty(&wanted.propagation).map(|propagation| propagation.parse()).transpose()?,
        non_recursive: (recursive == "disabled").then_some(true),
        read_only_non_recursive: (recursive == "writable").then_some(true),
        read_only_force_recursive: (recursive == "readonly").then_some(true),
    };
    let options = (options != MountBindOptions::default()).then_some(options);
    Ok(Mount { source: Some(source), typ: Some(MountType::BIND), bind_options: options, ..mount(wanted) })
}

fn volume_mount(wanted: &wire::Mount, volume: &str, minor: u32) -> Result<Mount, String> {
    if !wanted.subpath.is_empty() && minor < VOLUME_SUBPATHS {
        return Err(format!(
            "the mount at {} is a part of a volume, which needs Docker Engine 26 or newer",
            wanted.target
        ));
    }
    let special = wanted.no_copy || !wanted.subpath.is_empty() || !wanted.labels.is_empty();
    let options = special.then(|| MountVolumeOptions {
        no_copy: Some(wanted.no_copy),
        subpath: non_empty(&wanted.subpath),
        labels: map(&wanted.labels),
        ..MountVolumeOptions::default()
    });
    Ok(Mount { source: non_empty(volume), typ: Some(MountType::VOLUME), volume_options: options, ..mount(wanted) })
}

fn memory_mount(wanted: &wire::Mount, memory: &wire::Memory) -> Mount {
    let options = (memory.size != 0 || memory.mode != 0).then(|| MountTmpfsOptions {
        size_bytes: Some(memory.size),
        mode: Some(i64::from(memory.mode)),
        ..MountTmpfsOptions::default()
    });
    Mount { typ: Some(MountType::TMPFS), tmpfs_options: options, ..mount(wanted) }
}

fn mount(wanted: &wire::Mount) -> Mount {
    Mount { target: non_empty(&wanted.target), read_only: Some(wanted.read_only), ..Mount::default() }
}
