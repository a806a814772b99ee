//! A fleet for tests: a folder with `landfast.toml`, a stack and credentials, and an agent for every host.

pub(crate) mod agent;

use std::collections::BTreeMap;
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

/// A fleet named `home`.
pub(crate) struct Fleet {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) hosts: BTreeMap<String, Host>,
    pub(crate) heard: Heard,
}

/// Everything that was said.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    pub(crate) fn all(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    fn add(&self, line: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(line.to_owned());
    }
}

impl Listener for Heard {
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
    /// Raises the hosts, and writes `landfast.toml` with them and this text after it.
    pub(crate) async fn raise(hosts: &[&str], stacks: &str) -> Self {
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
        let mut raised = BTreeMap::new();
        for host in hosts {
            let agent = authority.issue(&Identity::agent("home", host).expect("a name"), validity());
            let agent = Host::start("home", host, &agent.expect("credentials")).await;
            text.push_str(&format!("\n[hosts.{host}]\naddress = \"127.0.0.1\"\nport = {}\n", agent.port));
            raised.insert((*host).to_owned(), agent);
        }
        let fleet = Self { folder, hosts: raised, heard: Heard::default() };
        fleet.write("landfast.toml", &format!("{text}\n{stacks}"));
        fleet
    }

    /// Writes a file beneath the fleet's folder.
    pub(crate) fn write(&self, path: &str, text: &str) {
        let path = self.folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("beneath the folder")).expect("a folder");
        std::fs::write(path, text).expect("a file");
    }

    /// Every host has this image.
    pub(crate) fn image(&self, reference: &str, fingerprint: &str) {
        for host in self.hosts.values() {
            host.has_image(reference, fingerprint);
        }
    }

    /// An engine as `landfast` makes one, on a machine without a Docker of its own.
    pub(crate) fn engine(&self) -> Engine {
        let folder = FleetFolder::find(None, self.folder.path()).expect("a fleet");
        let no_docker = ("DOCKER_HOST".to_owned(), "unix:///nonexistent".to_owned());
        let options = Options { environment: BTreeMap::from([no_docker]), ..Options::default() };
        Engine::new(folder, options, Arc::new(self.heard.clone()))
    }

    /// `landfast up --yes`.
    pub(crate) async fn up(&self) -> Result<Outcome, EngineError> {
        self.up_as(Up::default()).await
    }

    /// The same, with options.
    pub(crate) async fn up_as(&self, up: Up) -> Result<Outcome, EngineError> {
        self.carry_out(Operation::Up(up)).await
    }

    /// `landfast down --yes`.
    pub(crate) async fn down(&self, remove_volumes: bool) -> Result<Outcome, EngineError> {
        self.carry_out(Operation::Down { stacks: Vec::new(), remove_volumes }).await
    }

    /// An operation from the proposal to its end.
    pub(crate) async fn carry_out(&self, operation: Operation) -> Result<Outcome, EngineError> {
        let engine = self.engine();
        let store = engine.folder.store()?;
        let proposal = engine.propose(&*store, operation).await?;
        engine.carry_out(&*store, proposal, CancellationToken::new()).await
    }

    /// `landfast plan`.
    pub(crate) async fn propose(&self, up: Up) -> Result<Proposal, EngineError> {
        let engine = self.engine();
        let store = engine.folder.store()?;
        let up = Up { missing_images: MissingImages::Warn, ..up };
        engine.propose(&*store, Operation::Up(up)).await
    }

    /// `landfast plan`, as printed.
    pub(crate) async fn plan(&self) -> Result<String, EngineError> {
        Ok(self.propose(Up::default()).await?.plan.to_string())
    }

    /// A host.
    pub(crate) fn host(&self, name: &str) -> &Host {
        &self.hosts[name]
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}

/// Waits for something that others bring about, and fails when it takes too long.
pub(crate) async fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !is() {
        assert!(tokio::time::Instant::now() < deadline, "{what}: not within 20 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
