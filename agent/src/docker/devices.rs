//! Finds the traces which show that an engine can give devices to containers. [`landfast_agent_core::devices`] decides what
//! they mean.
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use bollard::models::SystemInfo;
use landfast_agent_core::devices::{self, Traces};

/// Folders where programs usually are. The engine's own `PATH` is not known.
const FOLDERS: [&str; 8] =
    ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin", "/opt/bin", "/snap/bin"];

/// Returns the traces on this host and in the engine's description of itself.
pub(super) fn traces(info: &SystemInfo) -> Traces {
    let own = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = FOLDERS.iter().map(PathBuf::from).chain(std::env::split_paths(&own)).collect();
    let is_program = |name: &&str| folders.iter().any(|folder| folder.join(name).exists());
    let found = info.discovered_devices.iter().flatten();
    Traces {
        runtimes: info.runtimes.iter().flatten().map(|(name, _)| name.clone()).collect(),
        reads_cdi: info.cdi_spec_dirs.as_ref().is_some_and(|folders| !folders.is_empty()),
        cdi_devices: found.filter_map(|device| device.id.clone()).collect(),
        programs: owned(devices::programs().filter(is_program)),
        nodes: owned(devices::nodes().filter(|node| Path::new(node).exists())),
    }
}

fn owned<'a>(names: impl Iterator<Item = &'a str>) -> BTreeSet<String> {
    names.map(str::to_owned).collect()
}
