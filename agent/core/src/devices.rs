//! Decides which devices a host's engine can give to containers, from the traces that vendors leave.
//!
//! An engine does not list its device drivers. It registers NVIDIA's driver when it finds that vendor's hook in its own
//! `PATH`, and reports this in no API. So every trace of a vendor counts: a driver is left out only if there is no trace at
//! all, because a host without a driver is not used for instances that need it.
use std::collections::BTreeSet;

/// Programs and device nodes of a vendor.
struct Vendor {
    driver: &'static str,
    /// Prefix of the vendor's names in the Container Device Interface, as in `nvidia.com/gpu=0`.
    domain: &'static str,
    runtimes: &'static [&'static str],
    programs: &'static [&'static str],
    nodes: &'static [&'static str],
}

const VENDORS: [Vendor; 2] = [
    Vendor {
        driver: "nvidia",
        domain: "nvidia.com/",
        runtimes: &["nvidia", "nvidia-cdi", "nvidia-legacy"],
        programs: &[
            "nvidia-container-runtime-hook",
            "nvidia-container-toolkit",
            "nvidia-container-runtime",
            "nvidia-container-cli",
            "nvidia-cdi-hook",
            "nvidia-ctk",
        ],
        // Nodes of a graphics card, of one behind WSL, and of the boards of the Jetson family.
        nodes: &["/dev/nvidiactl", "/dev/nvidia0", "/dev/dxg", "/dev/nvhost-ctrl", "/dev/nvmap"],
    },
    Vendor {
        driver: "amd",
        domain: "amd.com/",
        runtimes: &["amd"],
        programs: &["amd-container-runtime", "amd-ctk"],
        nodes: &["/dev/kfd"],
    },
];

/// Traces of device vendors on an engine and its host.
#[derive(Debug, Clone, Default)]
pub struct Traces {
    /// Names of the engine's runtimes.
    pub runtimes: BTreeSet<String>,
    /// Whether the engine reads the Container Device Interface (CDI).
    pub reads_cdi: bool,
    /// Names of the CDI devices that the engine found, such as `nvidia.com/gpu=0`.
    pub cdi_devices: BTreeSet<String>,
    /// Names of the [`programs`] that were found in a folder for programs.
    pub programs: BTreeSet<String>,
    /// Paths of the [`nodes`] that exist.
    pub nodes: BTreeSet<String>,
}

/// Programs whose presence is a trace.
pub fn programs() -> impl Iterator<Item = &'static str> {
    VENDORS.iter().flat_map(|vendor| vendor.programs).copied()
}

/// Absolute paths of device nodes whose presence is a trace.
pub fn nodes() -> impl Iterator<Item = &'static str> {
    VENDORS.iter().flat_map(|vendor| vendor.nodes).copied()
}

/// Names of the drivers that requests for devices may use on this host: `nvidia`, `amd` or `cdi`.
pub fn drivers(traces: &Traces) -> BTreeSet<String> {
    let vendors = VENDORS.iter().filter(|vendor| is_there(vendor, traces)).map(|vendor| vendor.driver);
    vendors.chain(traces.reads_cdi.then_some("cdi")).map(str::to_owned).collect()
}

fn is_there(vendor: &Vendor, traces: &Traces) -> bool {
    let any = |known: &[&str], seen: &BTreeSet<String>| known.iter().any(|name| seen.contains(*name));
    any(vendor.runtimes, &traces.runtimes)
        || any(vendor.programs, &traces.programs)
        || any(vendor.nodes, &traces.nodes)
        || traces.cdi_devices.iter().any(|device| device.starts_with(vendor.domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_host_without_a_trace_has_no_driver() {
        let plain = Traces { runtimes: set(&["io.containerd.runc.v2", "runc", "kata"]), ..Traces::default() };
        assert_eq!(drivers(&plain), set(&[]));
        let other = Traces { cdi_devices: set(&["example.com/nvidia.com=0"]), programs: set(&["nvidia-smi"]), ..plain };
        assert_eq!(drivers(&other), set(&[]));
    }

    #[test]
    fn each_trace_alone_is_enough() {
        let cases = [
            (Traces { runtimes: set(&["runc", "nvidia"]), ..Traces::default() }, "nvidia"),
            (Traces { programs: set(&["nvidia-container-runtime-hook"]), ..Traces::default() }, "nvidia"),
            (Traces { nodes: set(&["/dev/nvidiactl"]), ..Traces::default() }, "nvidia"),
            (Traces { nodes: set(&["/dev/dxg"]), ..Traces::default() }, "nvidia"),
            (Traces { cdi_devices: set(&["nvidia.com/gpu=all"]), ..Traces::default() }, "nvidia"),
            (Traces { nodes: set(&["/dev/kfd"]), ..Traces::default() }, "amd"),
            (Traces { runtimes: set(&["amd"]), ..Traces::default() }, "amd"),
            (Traces { reads_cdi: true, ..Traces::default() }, "cdi"),
        ];
        for (traces, driver) in cases {
            assert_eq!(drivers(&traces), set(&[driver]), "{traces:?}");
        }
    }

    #[test]
    fn what_is_looked_for_is_what_counts() {
        for program in programs() {
            assert_eq!(drivers(&Traces { programs: set(&[program]), ..Traces::default() }).len(), 1, "{program}");
        }
        for node in nodes() {
            assert_eq!(drivers(&Traces { nodes: set(&[node]), ..Traces::default() }).len(), 1, "{node}");
        }
    }
}
