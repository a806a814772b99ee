//! A lab of several real hosts on one machine, each with its own network, root file system, engine, sshd and agent.
//!
//! ```no_run
//! # fn main() -> anyhow::Result<()> {
//! use landfast_tests::lab::Lab;
//!
//! let lab = Lab::of(3)?;
//! let fleet = lab.fleet("infra")?;
//! fleet.join_all()?;
//! fleet.landfast(&["up", "--yes"])?.succeeds()?;
//! lab.host("beta")?.disconnect()?;
//! # Ok(())
//! # }
//! ```
//!
//! A test process has one lab at a time. Hosts stay up between its tests and are cleaned for the next one. They end
//! with the process, even if it is killed, because each host waits for a pipe that the process holds open.

mod api;
mod binaries;
mod fleet;
mod host;
mod lan;
mod namespaces;
mod output;
mod place;
mod running;
mod wait;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};

pub use api::Api;
pub use binaries::{agent_binary, coordinator_binary};
pub use fleet::Fleet;
pub use host::{EngineKind, Host};
pub use lan::Lan;
pub use output::Output;
pub use place::{Images, cache, compose, workspace};
pub use running::Running;
pub use wait::{catch, wait_for, wait_until};

use place::Machine;

/// Hosts in the order in which a lab uses them, with the last byte of their address and their kind of engine.
const NAMES: [(&str, u8, EngineKind); 3] =
    [("alpha", 11, EngineKind::Debian), ("beta", 12, EngineKind::Debian), ("gamma", 13, EngineKind::Newer)];

static SHARED: Mutex<Option<Shared>> = Mutex::new(None);

/// Hosts and LAN that stay up between the tests of one process. Fields drop in this order: hosts before their LAN.
struct Shared {
    hosts: BTreeMap<String, Host>,
    lan: Lan,
    machine: Machine,
}

/// A lab that one test uses exclusively.
pub struct Lab {
    shared: MutexGuard<'static, Option<Shared>>,
    /// Number of running hosts that belong to this lab.
    count: usize,
    folder: PathBuf,
}

impl Lab {
    /// Starts or cleans the first `count` hosts. Their engines have the lab's images and nothing else.
    ///
    /// # Errors
    /// Fails if this machine cannot run a lab, and says what is missing. A missing lab is a failure, never a skip.
    pub fn of(count: usize) -> Result<Self> {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = artifacts()?;
        start_hosts(&mut shared, count).with_context(|| format!("cannot start a lab of {count} hosts"))?;
        Ok(Self { shared, count, folder })
    }

    fn inner(&self) -> &Shared {
        self.shared.as_ref().expect("a lab exists only while its hosts run")
    }

    /// Returns a host by name: alpha, beta or gamma.
    pub fn host(&self, name: &str) -> Result<&Host> {
        self.hosts().find(|host| host.name() == name).with_context(|| format!("this lab has no host {name}"))
    }

    /// Returns all hosts in order of their names.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.inner().hosts.values().take(self.count)
    }

    /// LAN between the hosts, where the coordinator runs.
    pub fn lan(&self) -> &Lan {
        &self.inner().lan
    }

    /// Copies `tests/fleets/<name>` and returns a fleet with its own coordinator.
    pub fn fleet(&self, name: &str) -> Result<Fleet<'_>> {
        Fleet::copy(self, name)
    }

    /// Returns a fleet with an empty folder.
    pub fn empty_fleet(&self, name: &str) -> Result<Fleet<'_>> {
        Fleet::empty(self, name)
    }

    /// Folder with this test's files and logs. It is kept after the test.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let folder = self.folder.clone();
        for host in self.hosts() {
            host.keep_logs(&folder);
        }
    }
}

/// Creates `target/lab/<test>` as an empty folder.
fn artifacts() -> Result<PathBuf> {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("main").replace("::", "-");
    let folder = place::target().join("lab").join(test);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn start_hosts(slot: &mut Option<Shared>, count: usize) -> Result<()> {
    if slot.is_none() {
        let machine = Machine::claim()?;
        let lan = Lan::start(&machine)?;
        *slot = Some(Shared { hosts: BTreeMap::new(), lan, machine });
    }
    let Some(Shared { hosts, lan, machine }) = slot else { unreachable!("the slot was filled above") };
    // Replace a host that cannot be cleaned, for example because a test broke it.
    hosts.retain(|_, host| host.clean().is_ok());
    let wanted = NAMES.get(..count).with_context(|| format!("a lab has at most {} hosts", NAMES.len()))?;
    let missing: Vec<_> = wanted.iter().filter(|(name, ..)| !hosts.contains_key(*name)).collect();
    let (lan, machine) = (&*lan, &*machine);
    let fresh: Result<Vec<Host>> = std::thread::scope(|scope| {
        let starting: Vec<_> = missing
            .iter()
            .map(|(name, number, kind)| scope.spawn(move || Host::start(machine, lan, name, *number, *kind)))
            .collect();
        starting.into_iter().map(|thread| thread.join().expect("starting a host does not panic")).collect()
    });
    hosts.extend(fresh?.into_iter().map(|host| (host.name().to_owned(), host)));
    Ok(())
}
