//! A fleet for tests: a folder with `landfast.toml`, a stack and credentials, and an agent for every host.

pub(crate) mod agent;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use agent::Host;
use landfast::output::words;
use landfast_certs::{Authority, Identity, Role, Validity};
use landfast_engine::event::{Event, Listener};
use landfast_engine::folder::FleetFolder;
use landfast_engine::operation::{MissingImages, Operation, Outcome, Proposal, Up};
use landfast_engine::{Engine, EngineError, Options};
use tokio_util::sync::CancellationToken;

/// A fleet named `home`, with running test agents.
pub(crate) struct Fleet {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) hosts: BTreeMap<String, Host>,
    pub(crate) events: RecordedEvents,
}

/// All output of the operations.
#[derive(Clone, Default)]
pub(crate) struct RecordedEvents(Arc<Mutex<Vec<String>>>);

impl RecordedEvents {
    pub(crate) fn all(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    fn add(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }
}

impl Listener for RecordedEvents {
    fn report(&self, event: Event) {
        match &event {
            Event::TransferStarted { content, .. } => self.add(&format!("transfer {}", words::content(content))),
            Event::TransferAdvanced { .. } | Event::TransferEnded { .. } => {}
            Event::Warning(warning) => self.add(&format!("warning: {}", words::warning(warning))),
            event => self.add(&words::event(event)),
        }
    }
}

impl Fleet {
    /// Starts the agents and writes a `landfast.toml` with the hosts, followed by this text.
    pub(crate) async fn start(hosts: &[&str], stacks: &str) -> Self {
        landfast_certs::install_provider();
        let folder = tempfile::tempdir().expect("a folder");
        let authority = Authority::create("home", SystemTime::now()).expect("an authority");
        let validity = || Validity::standard(SystemTime::now());
        let operator = Identity::operator("home", "anna", Role::Deployer).expect("a name");
        let state = folder.path().join(".landfast");
        std::fs::create_dir(&state).expect("a folder");
        let credentials = authority.issue(&operator, validity()).expect("credentials");
        credentials.save(&state.join("operator")).expect("credentials");

        let mut text = "[fleet]\nname = \"home\"\n\n[networks.infra_net]\nsubnet = \"172.19.0.0/16\"\n\
                        auto = \"172.19.128.0/17\"\ngateways = \"172.19.255.0/24\"\n"
            .to_owned();
        let mut running = BTreeMap::new();
        for (number, host) in (1..).zip(hosts) {
            let address = Ipv4Addr::new(127, 0, 0, number);
            let agent = authority.issue(&Identity::agent("home", host).expect("a name"), validity());
            let agent = Host::start("home", host, address, &agent.expect("credentials")).await;
            text.push_str(&format!("\n[hosts.{host}]\naddress = \"{address}\"\nport = {}\n", agent.port));
            running.insert((*host).to_owned(), agent);
        }
        let fleet = Self { folder, hosts: running, events: RecordedEvents::default() };
        fleet.write("landfast.toml", &format!("{text}\n{stacks}"));
        fleet
    }

    /// Writes a file below the fleet's folder.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("beneath the folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// Adds an image to every host.
    pub(crate) fn image(&self, reference: &str, fingerprint: &str) {
        for host in self.hosts.values() {
            host.has_image(reference, fingerprint);
        }
    }

    /// An engine like the one of `landfast`, on a machine without Docker.
    pub(crate) fn engine(&self) -> Engine {
        let folder = FleetFolder::find(None, self.folder.path()).expect("a fleet");
        let no_docker = ("DOCKER_HOST".to_owned(), "unix:///nonexistent".to_owned());
        let options = Options { environment: BTreeMap::from([no_docker]), ..Options::default() };
        Engine::new(folder, options, Arc::new(self.events.clone()))
    }

    /// Runs the equivalent of `landfast up --yes`.
    pub(crate) async fn up(&self) -> Result<Outcome, EngineError> {
        self.up_as(Up::default()).await
    }

    /// Runs the equivalent of `landfast up --yes` with options.
    pub(crate) async fn up_as(&self, up: Up) -> Result<Outcome, EngineError> {
        self.carry_out(Operation::Up(up)).await
    }

    /// Runs the equivalent of `landfast down --yes`.
    pub(crate) async fn down(&self, remove_volumes: bool) -> Result<Outcome, EngineError> {
        self.carry_out(Operation::Down { stacks: Vec::new(), remove_volumes }).await
    }

    /// Proposes an operation and carries it out.
    pub(crate) async fn carry_out(&self, operation: Operation) -> Result<Outcome, EngineError> {
        let engine = self.engine();
        let store = engine.folder.store()?;
        let proposal = engine.propose(&*store, operation).await?;
        engine.carry_out(&*store, proposal, CancellationToken::new()).await
    }

    /// Runs the equivalent of `landfast plan`.
    pub(crate) async fn propose(&self, up: Up) -> Result<Proposal, EngineError> {
        let engine = self.engine();
        let store = engine.folder.store()?;
        let up = Up { missing_images: MissingImages::Warn, ..up };
        engine.propose(&*store, Operation::Up(up)).await
    }

    /// The output of `landfast plan`.
    pub(crate) async fn plan(&self) -> Result<String, EngineError> {
        Ok(self.propose(Up::default()).await?.plan.to_string())
    }

    /// Waits until a run that was killed has closed the store. A write that has begun still has it open.
    pub(crate) async fn until_store_is_closed(&self) {
        eventually("the store is closed", || self.engine().folder.store().is_ok()).await;
    }

    /// The test agent of a host.
    pub(crate) fn host(&self, name: &str) -> &Host {
        &self.hosts[name]
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Waits for a condition, and fails if it takes too long.
pub(crate) async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(tokio::time::Instant::now() < deadline, "{what}: not within 20 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
