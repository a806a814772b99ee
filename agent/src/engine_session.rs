//! The session with the engine: connects, passes events on, and connects again when the engine is gone.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::StreamExt as _;
use landfast_agent_core::reconcile::{Changed, Wake};
use tokio::sync::{mpsc, watch};

use crate::docker::{About, Engine, EngineError, ImageCache};
use crate::error_text::in_one_line;

/// Delay between attempts to connect. It does not grow: an engine that starts must be noticed soon, and an attempt at a
/// local socket costs nothing.
const RECONNECT: Duration = Duration::from_millis(500);
/// Interval of pings. An engine that hangs sends no events, and neither does one where nothing happens.
const PROBE: Duration = Duration::from_secs(5);

/// Keeps one session after another with the engine, until the receiver of `wakes` is gone. `about` always holds what the engine
/// is, or why it does not answer.
pub(crate) async fn run(
    engine: Engine,
    fleet: String,
    images: Arc<ImageCache>,
    about: watch::Sender<Result<About, String>>,
    wakes: mpsc::Sender<Wake>,
) {
    let mut is_lost = false;
    loop {
        let lost = match session(&engine, &fleet, &images, &about, &wakes).await {
            Ok(()) => "the stream of its events ended".to_owned(),
            Err(error) => in_one_line(&error),
        };
        if !is_lost || about.borrow().is_ok() {
            tracing::warn!(error = lost, "engine lost");
            is_lost = true;
        }
        images.forget_list();
        drop(about.send_replace(Err(lost)));
        if wakes.send(Wake::EngineDown).await.is_err() {
            return;
        }
        tokio::time::sleep(RECONNECT).await;
    }
}

/// Connects, and passes events on until the engine is gone.
async fn session(
    engine: &Engine,
    fleet: &str,
    images: &ImageCache,
    about: &watch::Sender<Result<About, String>>,
    wakes: &mpsc::Sender<Wake>,
) -> Result<(), EngineError> {
    // The events begin before the connection, so the observation that follows misses nothing.
    let since = jiff::Timestamp::now();
    let connected = engine.connect().await?;
    let mut events = std::pin::pin!(engine.events(fleet, since)?);
    // The list may be from a time when no event reported changes.
    images.forget_list();
    let About { version, api_version, image_store, .. } = &connected;
    tracing::info!(version, api = api_version, store = image_store, "engine answers");
    drop(about.send_replace(Ok(connected)));
    let mut is_received = wakes.send(Wake::EngineUp).await.is_ok();
    let mut probe = tokio::time::interval(PROBE);
    while is_received {
        // Cancel safe: an event that was not taken stays in the stream, and a tick that was not taken is due at once.
        let event = tokio::select! {
            event = events.next() => event,
            _ = probe.tick() => {
                engine.ping().await?;
                continue;
            }
        };
        let Some(event) = event.transpose()? else { break };
        tracing::debug!(action = event.action, changed = ?event.changed, "engine event");
        if event.changed == Changed::Images {
            images.forget_list();
        }
        is_received = wakes.send(Wake::EngineEvent(event.changed)).await.is_ok();
    }
    Ok(())
}
