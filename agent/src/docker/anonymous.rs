//! Moves anonymous volumes from a container to the one that replaces it, as Compose does: an update must not lose the data
//! of an image that declares a volume without a name.

use std::collections::{BTreeMap, HashMap};

use bollard::models::{ContainerInspectResponse, MountPoint};

use super::{Engine, EngineError, SHORT};
use crate::wire;

/// Label that lists the anonymous volumes which a container inherited. The engine no longer knows them as anonymous, and
/// would keep them when the container is removed.
const INHERITED: &str = "landfast.inherited-volumes";

/// Names of the inherited volumes, by their paths in the container.
pub(crate) type Inheritance = BTreeMap<String, String>;

pub(super) fn label(inherited: &Inheritance, labels: &mut HashMap<String, String>) {
    if !inherited.is_empty() {
        let names: Vec<&str> = inherited.values().map(String::as_str).collect();
        labels.insert(INHERITED.to_owned(), names.join(","));
    }
}

impl Engine {
    /// Returns the volumes that a container of `image` inherits from `previous`; none if that is gone.
    pub(crate) async fn inheritance(
        &self,
        previous: &str,
        image: &str,
        wanted: &wire::Container,
    ) -> Result<Inheritance, EngineError> {
        let client = self.client()?;
        let found = match self.within(SHORT, client.inspect_container(previous, None)).await {
            Err(error) if error.is_not_found() => return Ok(Inheritance::new()),
            found => found?,
        };
        let mounts = found.mounts.unwrap_or_default();
        if !mounts.iter().any(is_anonymous) {
            return Ok(Inheritance::new());
        }
        let image = self.within(SHORT, client.inspect_image(image)).await?;
        let declared = image.config.and_then(|config| config.volumes).unwrap_or_default();
        Ok(inherited(&mounts, &declared, wanted))
    }

    /// Removes the anonymous volumes that a container inherited, unless another container uses them.
    pub(super) async fn remove_inherited(&self, labels: &HashMap<String, String>) {
        let names = labels.get(INHERITED).map_or("", String::as_str);
        for name in names.split(',').filter(|name| is_generated(name)) {
            if let Err(error) = self.remove_volume(name).await {
                tracing::debug!(volume = name, error = %error, "inherited volume not removed");
            }
        }
    }

    /// Returns the labels of a container; none if it is gone.
    pub(super) async fn labels_of(&self, container: &str) -> Result<HashMap<String, String>, EngineError> {
        let labels =
            |found: ContainerInspectResponse| found.config.and_then(|config| config.labels).unwrap_or_default();
        match self.within(SHORT, self.client()?.inspect_container(container, None)).await {
            Err(error) if error.is_not_found() => Ok(HashMap::new()),
            found => found.map(labels),
        }
    }
}

/// Selects the volumes to inherit: at paths where the new container has no named volume, and asks for an anonymous one or
/// has an image that declares one.
fn inherited(mounts: &[MountPoint], declared: &[String], wanted: &wire::Container) -> Inheritance {
    let mut inherited = Inheritance::new();
    for mount in mounts.iter().filter(|mount| is_anonymous(mount)) {
        let (Some(name), Some(target)) = (&mount.name, &mount.destination) else { continue };
        let at = |path: &str| path.trim_end_matches('/') == target;
        let other = wanted.mounts.iter().find(|mount| at(&mount.target)).map(|mount| &mount.source);
        let anonymous = matches!(other, Some(Some(wire::mount::Source::Volume(volume))) if volume.is_empty());
        let in_memory = wanted.tmpfs.iter().any(|tmpfs| at(&tmpfs.target));
        if anonymous || (other.is_none() && !in_memory && declared.iter().any(|path| at(path))) {
            inherited.insert(target.clone(), name.clone());
        }
    }
    inherited
}

fn is_anonymous(mount: &MountPoint) -> bool {
    mount.typ.as_deref() == Some("volume") && mount.name.as_deref().is_some_and(is_generated)
}

/// Whether the engine made the name up. It names anonymous volumes with 64 hexadecimal digits.
fn is_generated(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn mounts() -> Vec<MountPoint> {
        let mount = |kind: &str, name: &str, at: &str| json!({"Type": kind, "Name": name, "Destination": at});
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let all =
            json!([mount("volume", &a, "/data"), mount("volume", &b, "/cache"), mount("volume", "named", "/named")]);
        serde_json::from_value(all).expect("as the engine says it")
    }

    fn wanting(mounts: &[(&str, wire::mount::Source)]) -> wire::Container {
        let mount = |(target, source): &(&str, wire::mount::Source)| wire::Mount {
            source: Some(source.clone()),
            target: (*target).to_owned(),
            ..wire::Mount::default()
        };
        wire::Container { mounts: mounts.iter().map(mount).collect(), ..wire::Container::default() }
    }

    #[test]
    fn an_anonymous_volume_goes_on_where_the_file_or_the_image_wants_one() {
        let volume = |name: &str| wire::mount::Source::Volume(name.to_owned());
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let of = |declared: &[&str], wanted: &wire::Container| {
            let declared: Vec<String> = declared.iter().map(|path| (*path).to_owned()).collect();
            inherited(&mounts(), &declared, wanted)
        };
        assert_eq!(of(&["/data"], &wanting(&[])), [("/data".to_owned(), a.clone())].into());
        assert_eq!(of(&[], &wanting(&[("/cache", volume(""))])), [("/cache".to_owned(), b)].into());
        // A named volume has taken the place, or no volume is wanted there any more.
        assert!(of(&["/data"], &wanting(&[("/data", volume("named"))])).is_empty());
        assert!(of(&["/named"], &wanting(&[])).is_empty());
        let mut labels = HashMap::new();
        label(&[("/data".to_owned(), a.clone())].into(), &mut labels);
        assert_eq!(labels.values().collect::<Vec<_>>(), [&a]);
    }
}
