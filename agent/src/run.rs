//! Assembles the agent and runs it: identity, state, engine, loop and services.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use landfast_certs::{Credentials, Identity};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::Run;
use crate::api::{self, Context};
use crate::apply::Executor;
use crate::blobs::BlobStore;
use crate::dns::{self, Zone};
use crate::docker::{Engine, ImageCache};
use crate::engine_session;
use crate::observe::{Observer, Sources};
use crate::overlay::{self, Overlay};
use crate::peers::Peers;
use crate::reconcile::Reconciler;
use crate::releases::History;
use crate::secrets::Secrets;
use crate::started::Started;
use crate::starts::Starts;
use crate::state::Holder;
use crate::tree::Trees;
use crate::wire::Held;

pub(crate) fn run(run: Run) -> anyhow::Result<()> {
    log();
    let credentials = Credentials::load(&run.identity).with_context(|| {
        format!(
            "no identity in {}: join this host with `landfast host add`, or carry its folder here",
            run.identity.display()
        )
    })?;
    let Identity::Agent { fleet, host } = credentials.identity().clone() else {
        bail!("{} is not an agent's identity: {}", run.identity.display(), credentials.identity());
    };
    let _lock = lock(&run.state)?;
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the async runtime")?;
    let ended = runtime.block_on(serve(run, credentials, fleet, host));
    // Blocking work is not waited for, because it can be interrupted safely.
    runtime.shutdown_background();
    ended
}

fn log() {
    let filter = EnvFilter::try_from_env("LANDFAST_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .with_target(false)
        .init();
}

/// Locks the state folder, so that one agent uses it. The lock ends with the process.
fn lock(state: &Path) -> anyhow::Result<std::fs::File> {
    use std::os::unix::fs::DirBuilderExt as _;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(state);
    made.with_context(|| format!("cannot create the state folder {}", state.display()))?;
    let file = std::fs::File::create(state.join("lock"))
        .with_context(|| format!("cannot write in the state folder {}", state.display()))?;
    if rustix::fs::flock(&file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!("another landfast-agent is running with {}", state.display());
    }
    Ok(file)
}

async fn serve(run: Run, credentials: Credentials, fleet: String, host: String) -> anyhow::Result<()> {
    let listener = api::bind(run.listen).await?;
    let holder = Arc::new(Holder::open(&run.state, &fleet, &host)?);
    let blobs = BlobStore::open(&run.state)?;
    let history = Arc::new(History::open(&run.state).context("cannot read the history of the stacks")?);
    blobs.keep_releases(&history.digests());
    let secrets = Secrets::open(&run.state)?;
    secrets.keep_only(&(&holder.current().secrets() | &history.secrets()));
    let trees = Arc::new(Trees::open(&run.state, blobs.clone())?);
    let overlay = Arc::new(Overlay::open().context("cannot open a netlink socket")?);
    let links = overlay::events().context("cannot open a netlink socket")?;
    let engine = Engine::new(&run.docker);
    let images = Arc::new(ImageCache::default());
    let stop = CancellationToken::new();

    let (reports, reported) = watch::channel(None);
    let (about, met) = watch::channel(Err("the engine was not asked yet".to_owned()));
    let (wakes, engine_wakes) = mpsc::channel(1_024);
    let starts = Arc::new(Starts::open(&run.state));
    let sources = Sources {
        images: images.clone(),
        trees: trees.clone(),
        overlay: overlay.clone(),
        starts: starts.clone(),
        started: Started::open(&run.state),
    };
    let observer = Observer::new(fleet.clone(), engine.clone(), sources);
    let executor = Arc::new(Executor {
        fleet: fleet.clone(),
        engine: engine.clone(),
        trees: trees.clone(),
        secrets: secrets.clone(),
        overlay,
        starts,
    });
    let peers = Arc::new(Peers::new(&credentials, listener.local_addr()?.port(), holder.clone())?);
    let reconciler = Reconciler::new(executor, observer, holder.subscribe(), engine_wakes, links, reports, peers);
    tokio::spawn(engine_session::run(engine.clone(), fleet.clone(), images.clone(), about, wakes));
    let looping = tokio::spawn(reconciler.run(stop.clone()));

    let context = Context {
        fleet,
        host,
        state_dir: run.state,
        engine,
        images,
        holder,
        history,
        blobs,
        secrets,
        trees,
        about: met,
        reports: reported,
        stop: stop.clone(),
    };
    tokio::spawn(serve_names(context.holder.subscribe()));
    tokio::spawn(cancel_on_signal(stop));
    tracing::info!(identity = %credentials.identity(), listen = %run.listen, "serving");
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::debug!(error = %error, "service manager not notified");
    }
    api::serve(listener, &credentials, context).await?;
    looping.await.context("the loop failed")?;
    tracing::info!("agent ended; containers continue to run");
    Ok(())
}

/// Serves DNS with the zone of the units that are held.
async fn serve_names(mut held: watch::Receiver<Arc<Held>>) {
    let (zones, zone) = watch::channel(Zone::default());
    let serving = tokio::spawn(dns::serve(zone, dns::Settings::default()));
    loop {
        let next = held.borrow_and_update().zone.clone();
        zones.send_if_modified(|zone| std::mem::replace(zone, next.clone()) != next);
        if held.changed().await.is_err() {
            break;
        }
    }
    serving.abort();
}

async fn cancel_on_signal(stop: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::warn!("signal handlers not installed");
        return;
    };
    // Cancel safe: a signal that was not taken stays pending, and the first one is enough.
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
}
