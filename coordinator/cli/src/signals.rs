//! Signals that ask the process to end: SIGINT, SIGTERM and SIGHUP.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Handles to the signals for the command that runs.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    stop: CancellationToken,
    is_graceful: Arc<AtomicBool>,
}

impl Signals {
    /// Returns the token that the first signal cancels. From now on, only the second signal ends the process at once.
    pub fn graceful(&self) -> CancellationToken {
        self.is_graceful.store(true, Ordering::Relaxed);
        self.stop.clone()
    }

    /// Whether a signal has asked the command to stop.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }
}

/// The signals that the process receives.
pub(crate) struct Receiver {
    signals: [(Signal, u8); 3],
    handles: Signals,
}

impl Receiver {
    /// Takes the signals from their default handlers, which would end the process.
    pub(crate) fn new() -> io::Result<(Self, Signals)> {
        let handles = Signals::default();
        let take = |kind: SignalKind, number: u8| Ok::<_, io::Error>((signal(kind)?, number));
        let signals =
            [take(SignalKind::interrupt(), 2)?, take(SignalKind::terminate(), 15)?, take(SignalKind::hangup(), 1)?];
        Ok((Self { signals, handles: handles.clone() }, handles))
    }

    /// Waits until the process has to end at once, and returns the number of the signal. A signal that a command takes
    /// for a request to stop only cancels its token.
    pub(crate) async fn end(mut self) -> u8 {
        loop {
            let [(interrupt, _), (terminate, _), (hangup, _)] = &mut self.signals;
            // Cancel safe: a signal that is not returned stays pending.
            let number = tokio::select! {
                _ = interrupt.recv() => self.signals[0].1,
                _ = terminate.recv() => self.signals[1].1,
                _ = hangup.recv() => self.signals[2].1,
            };
            if !self.handles.is_graceful.load(Ordering::Relaxed) || self.handles.stop.is_cancelled() {
                return number;
            }
            self.handles.stop.cancel();
        }
    }
}
