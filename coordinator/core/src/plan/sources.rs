//! Paths on the hosts that mounts, volumes and devices use. Paths that cannot work are reported all at once, before anything
//! is changed. The hosts say what exists at each path.
use std::collections::{BTreeMap, BTreeSet};

use super::{Conflict, Plan};
use crate::bundle::Manifest;
use crate::bundle::is_in_bundle;
use crate::container::{Mount, Source};
use crate::deployment::InstanceName;
use crate::desired::{HostState, Instance};

/// A path on a host that a mount, a volume or a device of a container uses.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// An absolute path on the host.
    Host(String),
    /// A path in the live tree of a stack that is not in the stack's bundle.
    Tree {
        /// Name of the stack.
        stack: String,
        /// Path relative to the tree.
        path: String,
    },
}

/// What exists at a path after links are followed: `landfast.v1.ExaminedSource`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// Something that can be mounted exists.
    There,
    /// Nothing exists, and a folder can be created.
    Missing,
    /// Nothing exists, and no folder can be created, for this reason.
    Impossible(String),
}

/// Answers of the hosts: what exists at each path, by host.
pub type Answers = BTreeMap<String, BTreeMap<Place, Seen>>;

/// Problems with the paths that a plan uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lacking {
    /// Problems that prevent the deployment.
    pub conflicts: Vec<Conflict>,
    /// Warnings about missing paths that another container may create before they are needed.
    pub warnings: Vec<String>,
}

/// One use of a path by an instance.
struct Use<'a> {
    host: &'a str,
    instance: &'a InstanceName,
    place: Place,
    /// Whether a folder is created if nothing exists at the path.
    may_create: bool,
    how: String,
}

/// Paths to ask each host about: those of the containers that the plan creates or starts.
pub fn places(
    plan: &Plan,
    target: &BTreeMap<String, HostState>,
    bundles: &BTreeMap<&str, &Manifest>,
) -> BTreeMap<String, BTreeSet<Place>> {
    let mut places: BTreeMap<String, BTreeSet<Place>> = BTreeMap::new();
    for one in uses(plan, target, bundles) {
        places.entry(one.host.to_owned()).or_default().insert(one.place);
    }
    places
}

/// Finds the paths that cannot work. A path without an answer counts as existing.
pub fn missing(
    plan: &Plan,
    target: &BTreeMap<String, HostState>,
    bundles: &BTreeMap<&str, &Manifest>,
    answers: &Answers,
) -> Lacking {
    let mut problems: BTreeMap<(&str, Place, String), Vec<String>> = BTreeMap::new();
    let mut warnings = BTreeSet::new();
    for one in uses(plan, target, bundles) {
        let seen = answers.get(one.host).and_then(|host| host.get(&one.place));
        let Some(problem) = seen.and_then(|seen| problem(&one, seen)) else { continue };
        match creator(&one, &target[one.host]) {
            Some(creator) if *seen.unwrap_or(&Seen::There) == Seen::Missing => {
                let Use { host, instance, how, .. } = &one;
                warnings.insert(format!(
                    "{host}: {problem}: {instance} {how}, which fails unless {creator} creates it first"
                ));
            }
            _ => {
                let user = format!("{} {}", one.instance, one.how);
                problems.entry((one.host, one.place, problem)).or_default().push(user);
            }
        }
    }
    let conflict = |((host, _, problem), users): ((&str, Place, String), Vec<String>)| Conflict {
        host: host.to_owned(),
        message: format!("{problem}: {}", users.join(", ")),
    };
    Lacking { conflicts: problems.into_iter().map(conflict).collect(), warnings: warnings.into_iter().collect() }
}

fn uses<'a>(
    plan: &'a Plan,
    target: &'a BTreeMap<String, HostState>,
    bundles: &'a BTreeMap<&str, &Manifest>,
) -> impl Iterator<Item = Use<'a>> {
    let instances = plan.steps.iter().filter_map(|step| {
        let change = step.action.change()?;
        let state = target.get(&step.host)?;
        Some((state, state.instance(&change.instance)?))
    });
    instances.flat_map(move |(state, instance)| {
        let mounts =
            instance.container.mounts.iter().filter_map(move |mount| mount_use(state, instance, mount, bundles));
        mounts.chain(device_uses(state, instance))
    })
}

fn mount_use<'a>(
    state: &'a HostState,
    instance: &'a Instance,
    mount: &Mount,
    bundles: &BTreeMap<&str, &Manifest>,
) -> Option<Use<'a>> {
    let stack = &instance.name.stack;
    let (place, how) = match &mount.source {
        Source::Host(path) => (Place::Host(path.clone()), format!("mounts it at {}", mount.target)),
        Source::Tree(path) if !bundles.get(stack.as_str()).is_some_and(|bundle| is_in_bundle(bundle, path)) => {
            (Place::Tree { stack: stack.clone(), path: path.clone() }, format!("mounts it at {}", mount.target))
        }
        Source::Volume(name) => {
            let device = bind_device(state, name)?;
            (Place::Host(device.to_owned()), format!("mounts the volume {name}, which is bound to it"))
        }
        Source::Tree(_) | Source::Memory { .. } => return None,
    };
    let may_create = mount.create && !matches!(mount.source, Source::Volume(_));
    Some(Use { host: &state.host, instance: &instance.name, place, may_create, how })
}

/// The folder that a volume of the engine's own driver is bound to (`o: bind`).
fn bind_device<'a>(state: &'a HostState, volume: &str) -> Option<&'a str> {
    let volume = state.volumes.iter().find(|it| it.name == volume && matches!(it.driver.as_str(), "" | "local"))?;
    let is_bind = volume.options.get("o")?.split(',').any(|option| matches!(option.trim(), "bind" | "rbind"));
    volume.options.get("device").map(String::as_str).filter(|device| is_bind && device.starts_with('/'))
}

fn device_uses<'a>(state: &'a HostState, instance: &'a Instance) -> impl Iterator<Item = Use<'a>> {
    let devices = instance.container.devices.iter().filter(|device| device.host.starts_with('/'));
    devices.map(move |device| Use {
        host: &state.host,
        instance: &instance.name,
        place: Place::Host(device.host.clone()),
        may_create: false,
        how: "uses it as a device".to_owned(),
    })
}

fn problem(one: &Use<'_>, seen: &Seen) -> Option<String> {
    let path = match &one.place {
        Place::Host(path) => path.clone(),
        Place::Tree { path, .. } => format!("./{path}"),
    };
    match (seen, &one.place) {
        (Seen::There, _) => None,
        (Seen::Missing, _) if one.may_create => None,
        (Seen::Missing, Place::Host(_)) => Some(format!("{path} does not exist, and nothing creates it")),
        (Seen::Missing, Place::Tree { stack, .. }) => {
            Some(format!("{path} is not on the host, and is missing or ignored in the folder of the stack {stack}"))
        }
        (Seen::Impossible(why), _) => Some(why.clone()),
    }
}

/// Another instance on the host that can write to the folder in which something is missing.
fn creator<'a>(one: &Use<'_>, state: &'a HostState) -> Option<&'a InstanceName> {
    let Place::Host(missing) = &one.place else { return None };
    let holds = |mount: &Mount| match &mount.source {
        Source::Host(path) if !mount.read_only => {
            missing.strip_prefix(path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        }
        _ => false,
    };
    let others = state.instances.iter().filter(|other| other.name != *one.instance);
    others.filter(|other| other.container.mounts.iter().any(|it| it.create && holds(it))).map(|it| &it.name).next()
}
