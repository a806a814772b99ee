//! TCP ports that Landfast listens on unless it is configured otherwise.

/// Port of an agent.
pub const AGENT: u16 = 7219;

/// Port of a coordinator that runs as a daemon.
pub const COORDINATOR: u16 = 7220;

/// Port of the metrics.
pub const METRICS: u16 = 7221;
