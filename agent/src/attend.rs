//! Attends to the engine: meets it, passes its events on, and meets it again when it has gone.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::StreamExt as _;
use tokio::sync::{mpsc, watch};

use crate::docker::{About, Changed, Engine, EngineError, ImageCache, chain};
use crate::reconcile::Notice;

/// Between attempts to meet an engine that is away.
const AGAIN: Duration = Duration::from_millis(500);
/// Between questions whether the engine is well: one that hangs says nothing, and a quiet one neither.
const PROBE: Duration = Duration::from_secs(5);

/// Goes on until nobody listens to the notices.
pub(crate) async fn attend(
    engine: Engine,
    fleet: String,
    images: Arc<ImageCache>,
    about: watch::Sender<Result<About, String>>,
    notices: mpsc::Sender<Notice>,
) {
    loop {
        let gone = match visit(&engine, &fleet, &images, &about, &notices).await {
            Ok(()) => "its events ended".to_owned(),
            Err(error) => chain(&error),
        };
        images.forget_list();
        drop(about.send_replace(Err(gone.clone())));
        if notices.send(Notice::Down(gone)).await.is_err() {
            return;
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// From the meeting to the parting.
async fn visit(
    engine: &Engine,
    fleet: &str,
    images: &ImageCache,
    about: &watch::Sender<Result<About, String>>,
    notices: &mpsc::Sender<Notice>,
) -> Result<(), EngineError> {
    // Events are asked for from before the meeting on: the first look, which follows it, misses nothing.
    let since = jiff::Timestamp::now();
    let met = engine.meet().await?;
    let mut events = std::pin::pin!(engine.events(fleet, since)?);
    // Listed while nobody told of changes.
    images.forget_list();
    drop(about.send_replace(Ok(met.clone())));
    let mut open = notices.send(Notice::Up(met)).await.is_ok();
    let mut probe = tokio::time::interval(PROBE);
    while open {
        // Cancel safe: an event not yet given stays in the stream, a tick that was not taken is due at once.
        let event = tokio::select! {
            event = events.next() => event,
            _ = probe.tick() => {
                engine.ping().await?;
                continue;
            }
        };
        let Some(event) = event.transpose()? else { break };
        if event.changed == Changed::Images {
            images.forget_list();
        }
        open = notices.send(Notice::Event(event)).await.is_ok();
    }
    Ok(())
}
