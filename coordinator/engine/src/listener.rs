//! What a run reports while it goes on.

/// Listens to a run. The engine tells it what happens; whether and how that is shown is its business.
pub trait Listener: Send + Sync {
    /// One thing that happened, as a sentence.
    fn say(&self, line: &str);
    /// Something to know about that stops nothing.
    fn warn(&self, line: &str);
    /// Bytes begin to travel: `total` of them, 0 when nobody knows.
    fn transfer(&self, what: &str, total: u64) -> Box<dyn Transfer>;
}

/// Bytes on their way; dropped when they have arrived or will not.
pub trait Transfer: Send + Sync {
    /// So many more have gone.
    fn advance(&self, bytes: u64);
}
