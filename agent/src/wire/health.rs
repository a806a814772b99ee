//! What an instance does, as agents tell it each other.

use landfast_agent_core::observed::{Health, State};
use landfast_agent_core::plan::Seen;
use landfast_proto::v1::instance_report::{Health as WireHealth, State as WireState};
use landfast_proto::v1::{InstanceHealth, InstanceReport};

/// Returns what a report says of an instance, without anything that could be secret.
pub(crate) fn health_of(report: &InstanceReport) -> InstanceHealth {
    InstanceHealth { state: report.state, health: report.health, exit_code: report.exit_code }
}

/// Returns what an instance does; `None` if the host does not manage it.
pub(crate) fn seen(message: &InstanceHealth) -> Option<Seen> {
    let state = match message.state() {
        WireState::Unspecified => return None,
        WireState::Created | WireState::Missing => State::Created,
        WireState::Running => State::Running,
        WireState::Paused => State::Paused,
        WireState::Restarting => State::Restarting,
        WireState::Exited => State::Exited,
        WireState::Dead => State::Dead,
    };
    let health = match message.health() {
        WireHealth::Unspecified => Health::None,
        WireHealth::Starting => Health::Starting,
        WireHealth::Healthy => Health::Healthy,
        WireHealth::Unhealthy => Health::Unhealthy,
    };
    Some(Seen { state, health, exit_code: message.exit_code })
}
