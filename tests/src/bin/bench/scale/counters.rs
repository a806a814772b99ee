//! Bytes and calls of the simulated agents.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use tokio::sync::Notify;

/// Traffic of all agents since the last mark.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Traffic {
    /// Bytes that passed the sockets in both directions, with TLS and HTTP/2.
    pub(crate) wire: u64,
    /// The part of `wire` that delivered the fabric: all bytes of hosts that got the fabric and nothing else, and the
    /// messages with the fabric of the others.
    pub(crate) fabric: u64,
    /// Number of hosts with traffic.
    pub(crate) hosts: usize,
    /// Calls by method.
    pub(crate) calls: BTreeMap<String, Calls>,
}

/// Calls of one method.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Calls {
    /// Number of calls.
    pub(crate) count: u64,
    /// Size of the messages in both directions.
    pub(crate) bytes: u64,
}

/// Counters of one agent.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    wire: AtomicU64,
    calls: Mutex<BTreeMap<&'static str, Calls>>,
}

/// Name under which calls are counted that assign nothing but the fabric.
pub(crate) const FABRIC: &str = "assign the fabric";

impl Counters {
    /// Counts bytes on the wire.
    pub(crate) fn passed(&self, bytes: usize) {
        self.wire.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Counts a call, with the size of its messages.
    pub(crate) fn called(&self, method: &'static str, bytes: usize) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        let calls = calls.entry(method).or_default();
        calls.count += 1;
        calls.bytes += bytes as u64;
    }

    /// Adds these counters to the traffic, and sets them to zero.
    pub(crate) fn take(&self, traffic: &mut Traffic) {
        let wire = self.wire.swap(0, Ordering::Relaxed);
        let calls = std::mem::take(&mut *self.calls.lock().unwrap_or_else(PoisonError::into_inner));
        traffic.wire += wire;
        traffic.hosts += usize::from(wire > 0);
        let fabric = calls.get(FABRIC).copied().unwrap_or_default();
        let is_all = fabric.count > 0 && calls.len() == 1;
        traffic.fabric += if is_all { wire } else { fabric.bytes };
        for (method, of_host) in calls {
            let all = traffic.calls.entry(method.to_owned()).or_default();
            all.count += of_host.count;
            all.bytes += of_host.bytes;
        }
    }
}

/// Connections of all agents, and whether anything moves on them.
#[derive(Debug, Default)]
pub(crate) struct Activity {
    open: AtomicUsize,
    moved: Notify,
}

impl Activity {
    /// Records that a connection was opened.
    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::Relaxed);
    }

    /// Records that a connection was closed.
    pub(crate) fn closed(&self) {
        self.open.fetch_sub(1, Ordering::Relaxed);
        self.moved.notify_one();
    }

    /// Records that bytes passed.
    pub(crate) fn moved(&self) {
        self.moved.notify_one();
    }

    /// Number of open connections.
    pub(crate) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    /// Waits until nothing has moved for this long.
    pub(crate) async fn quiet(&self, pause: std::time::Duration) {
        while tokio::time::timeout(pause, self.moved.notified()).await.is_ok() {}
    }
}
