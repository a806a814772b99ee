//! The process of the coordinator. It runs the engine on a store that counts what is written, and measures itself.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::future::BoxFuture;
use landfast_engine::connect::Agent;
use landfast_engine::event::{Event, Listener};
use landfast_engine::folder::FleetFolder;
use landfast_engine::observe::ObservedFleet;
use landfast_engine::operation::{Operation, Outcome, Proposal, Up};
use landfast_engine::store::{Change, Page, Store, StoreError, Versioned};
use landfast_engine::{Engine, Hint as _, Options};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use super::{allocate, child};

/// Argument that makes this program a coordinator.
pub(crate) const VERB: &str = "scale-coordinator";

/// Memory limit of the process.
const MEMORY: u64 = 8 << 30;

/// A request to the process of the coordinator.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    /// Survey the fleet, and close the connections.
    Survey,
    /// Make a proposal for `up` of these stacks.
    Propose(Vec<String>),
    /// Carry out the proposal. The connections stay open.
    CarryOut,
    /// Close the connections.
    Close,
    /// Allocate this many addresses.
    Allocate(u32),
}

/// Cost of one request.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Elapsed seconds.
    pub(crate) time: f64,
    /// Seconds of processor time of this process.
    pub(crate) cpu: f64,
    /// Bytes of keys and values that were written to the store.
    pub(crate) journal: u64,
    /// Peak resident memory of the process until now, in KiB.
    pub(crate) resident: f64,
    /// Number of steps of the plan.
    pub(crate) steps: usize,
}

/// Runs a coordinator for the fleet in a folder, and answers requests on the standard input until it is closed.
pub(crate) fn coordinator(words: &[String]) -> Result<()> {
    let [folder] = words else { anyhow::bail!("usage: {VERB} FOLDER") };
    child::raise_file_limit()?;
    child::limit_memory(MEMORY)?;
    landfast_certs::install_provider();
    let runtime = tokio::runtime::Runtime::new()?;
    let mut session = Session { folder: PathBuf::from(folder), ..Session::default() };
    child::answer(|request: Request| {
        let (began, cpu, journal) = (Instant::now(), cpu_time()?, session.written());
        let done = runtime.block_on(session.handle(request))?;
        Ok(Cost {
            time: done.time.unwrap_or_else(|| began.elapsed()).as_secs_f64(),
            cpu: (cpu_time()? - cpu).as_secs_f64(),
            journal: session.written() - journal,
            resident: getrusage(UsageWho::RUSAGE_SELF)?.max_rss() as f64,
            steps: done.steps,
        })
    })
}

/// Result of a request.
#[derive(Default)]
struct Done {
    /// Number of steps of the plan.
    steps: usize,
    /// Time of the part that is measured, if it is not the whole request.
    time: Option<Duration>,
}

impl Done {
    fn steps(steps: usize) -> Self {
        Self { steps, time: None }
    }
}

fn cpu_time() -> Result<Duration> {
    let usage = getrusage(UsageWho::RUSAGE_SELF)?;
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Ok(Duration::from_micros(u64::try_from(micros)?))
}

/// What the coordinator keeps between two requests.
#[derive(Default)]
struct Session {
    folder: PathBuf,
    store: Option<Counting>,
    proposal: Option<(Engine, Proposal)>,
    /// Connections that stay open until [`Request::Close`].
    open: BTreeMap<String, Agent>,
}

impl Session {
    /// Handles a request.
    async fn handle(&mut self, request: Request) -> Result<Done> {
        match request {
            Request::Allocate(count) => {
                return Ok(Done { time: Some(allocate::allocate(count)?), ..Done::default() });
            }
            Request::Close => {
                (self.proposal, self.open) = (None, BTreeMap::new());
                return Ok(Done::default());
            }
            Request::Survey | Request::Propose(_) | Request::CarryOut => {}
        }
        let store = match self.store.take() {
            Some(store) => store,
            None => Counting::open(&self.folder)?,
        };
        let done = self.with_store(&store, request).await;
        self.store = Some(store);
        done
    }

    async fn with_store(&mut self, store: &dyn Store, request: Request) -> Result<Done> {
        match request {
            Request::Survey => {
                ObservedFleet::survey(&engine(&self.folder)?, store).await.map_err(described)?;
                Ok(Done::default())
            }
            Request::Propose(stacks) => {
                let engine = engine(&self.folder)?;
                let up = Operation::Up(Up { stacks, ..Up::default() });
                let proposal = engine.propose(store, up).await.map_err(described)?;
                let steps = proposal.plan.steps.len();
                self.proposal = Some((engine, proposal));
                Ok(Done::steps(steps))
            }
            _ => {
                let (engine, proposal) = self.proposal.take().context("there is no proposal")?;
                self.open.clone_from(&proposal.observed.agents);
                let done = engine.carry_out(store, proposal, CancellationToken::new()).await.map_err(described)?;
                Ok(if let Outcome::Done { steps, .. } = done { Done::steps(steps) } else { Done::default() })
            }
        }
    }

    /// Bytes that were written to the store.
    fn written(&self) -> u64 {
        self.store.as_ref().map_or(0, |store| store.written.load(Ordering::Relaxed))
    }
}

/// An engine on a machine without Docker, made anew for each operation as the command line does.
fn engine(folder: &Path) -> Result<Engine> {
    let folder = FleetFolder::find(Some(folder), folder).map_err(|error| anyhow::anyhow!("{error}"))?;
    let no_docker = ("DOCKER_HOST".to_owned(), "unix:///nonexistent".to_owned());
    let options = Options { environment: BTreeMap::from([no_docker]), ..Options::default() };
    Ok(Engine::new(folder, options, Arc::new(Warnings)))
}

fn described(error: landfast_engine::EngineError) -> anyhow::Error {
    anyhow::anyhow!(error.with_hint())
}

/// Prints warnings, which the bench does not expect.
struct Warnings;

impl Listener for Warnings {
    fn report(&self, event: Event) {
        if let Event::Warning(warning) = event {
            eprintln!("warning: {warning:?}");
        }
    }
}

/// The store of the fleet's folder, with a count of the bytes that are written.
struct Counting {
    store: Box<dyn Store>,
    written: AtomicU64,
}

impl Counting {
    fn open(folder: &Path) -> Result<Self> {
        let store = landfast_engine::store::open(&folder.join(".landfast").join("state.redb"), None)?;
        Ok(Self { store, written: AtomicU64::new(0) })
    }
}

impl Store for Counting {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Versioned>, StoreError>> {
        self.store.get(key)
    }

    fn txn(&self, changes: Vec<Change>) -> BoxFuture<'_, Result<u64, StoreError>> {
        let bytes: usize =
            changes.iter().map(|change| change.key.len() + change.value.as_ref().map_or(0, Vec::len)).sum();
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
        self.store.txn(changes)
    }

    fn page<'a>(
        &'a self,
        prefix: &'a str,
        after: Option<&'a str>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, StoreError>> {
        self.store.page(prefix, after, limit)
    }
}
