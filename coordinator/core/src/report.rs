//! What a host says it is, as values: field for field `landfast.v1.Report`, where each field is explained.
#![allow(missing_docs)] // The fields are the wire's: report.proto says what each one means.
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::container::Container;
use crate::deployment::InstanceName;

/// What a host is, as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub epoch: u64,
    pub generation: u64,
    pub converged: bool,
    pub instances: Vec<InstanceReport>,
    pub problems: Vec<Problem>,
    pub trees: Vec<TreeReport>,
    pub engine_lost: bool,
}

impl Report {
    /// Why an instance could not be made what it must be, when that is not tried again: in one line.
    pub fn final_problem(&self, name: &InstanceName) -> Option<&str> {
        let resource = name.to_string();
        let found = self.problems.iter().find(|problem| problem.is_final && problem.resource == resource);
        found.and_then(|problem| problem.message.lines().next())
    }

    /// What it says about one instance.
    pub fn instance(&self, name: &InstanceName) -> Option<&InstanceReport> {
        self.instances.iter().find(|instance| instance.name == *name)
    }
}

/// What became of a container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerState {
    #[default]
    Unknown,
    Created,
    Running,
    Paused,
    Restarting,
    Exited,
    Dead,
    /// Assigned, and no container is there yet.
    Missing,
}

/// What its health check says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It has no health check.
    #[default]
    None,
    Starting,
    Healthy,
    Unhealthy,
}

/// One container, as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReport {
    pub name: InstanceName,
    pub container_id: String,
    pub state: ContainerState,
    pub health: Health,
    pub exit_code: i32,
    pub image: String,
    /// Of the container that is there, not of the one assigned.
    pub digest: String,
    pub release: u64,
    /// By network.
    pub addresses: BTreeMap<String, String>,
    pub ports: Vec<ReportedPort>,
    /// Unix time in nanoseconds.
    pub started_at: i64,
    pub restarts: u32,
    pub health_output: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unfinished: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub output: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tree: String,
}

/// So many restarts are a crash loop.
pub(crate) const CRASH_LOOP: u32 = 3;
/// One that has run for so long does not keep ending: in nanoseconds.
const STABLE: i64 = 30_000_000_000;

impl InstanceReport {
    /// What is wrong with a container that is up: it is unhealthy, or it keeps exiting. What it wrote is left out, as that may
    /// be a secret and plans are passed on. `now` is Unix time in nanoseconds.
    pub fn fault(&self, now: i64) -> Option<String> {
        let restless = self.restarts >= CRASH_LOOP && now.saturating_sub(self.started_at) < STABLE;
        match self.state {
            ContainerState::Running if self.health == Health::Unhealthy => Some("it is unhealthy".to_owned()),
            ContainerState::Restarting => Some(self.exit_summary()),
            ContainerState::Running if restless && self.health != Health::Healthy => Some(self.exit_summary()),
            _ => None,
        }
    }

    /// `it is unhealthy`, with the output of the check.
    pub(crate) fn unhealthy(&self) -> String {
        match self.health_output.trim() {
            "" => "it is unhealthy".to_owned(),
            output => format!("it is unhealthy: {output}"),
        }
    }

    /// `it keeps exiting`, with what it wrote last.
    pub(crate) fn crash_loop(&self) -> String {
        self.with_output(self.exit_summary())
    }

    fn exit_summary(&self) -> String {
        let Self { restarts, exit_code, .. } = self;
        let status =
            if self.state == ContainerState::Running { String::new() } else { format!(", status {exit_code} at last") };
        let times = if *restarts == 1 { "1 restart".to_owned() } else { format!("{restarts} restarts") };
        format!("it keeps exiting: {times}{status}")
    }

    /// `it ended with status 3`, with what it wrote last.
    pub(crate) fn ended(&self) -> String {
        self.with_output(format!("it ended with status {}", self.exit_code))
    }

    /// A sentence about the container's end, and below it the last lines that it wrote.
    pub(crate) fn with_output(&self, sentence: String) -> String {
        let lines = self.output.lines().map(|line| format!("\n    | {line}")).collect::<String>();
        if lines.is_empty() { sentence } else { format!("{sentence}; the last lines it wrote:{lines}") }
    }

    /// Why nothing becomes of this container any more: it ended with a failure, and its policy does not start it again;
    /// or what has to be run after its start was not.
    pub fn permanent_failure(&self, container: &Container) -> Option<String> {
        let policy = container.restart.as_ref().map_or("no", |restart| restart.policy.as_str());
        let ended =
            self.state == ContainerState::Exited && self.exit_code != 0 && matches!(policy, "" | "no" | "on-failure");
        match self.unfinished.as_str() {
            _ if ended => Some(format!("it ended with status {}", self.exit_code)),
            "" => None,
            unfinished => Some(unfinished.lines().next().unwrap_or_default().to_owned()),
        }
    }
}

/// A port that is open.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportedPort {
    pub address: String,
    pub published: u32,
    pub target: u32,
    pub protocol: String,
}

/// A step that did not go through.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub step: String,
    /// `data/postgres.1`, a network or a stack.
    pub resource: String,
    pub message: String,
    /// The same step will not be tried again for this generation.
    #[serde(rename = "final")]
    pub is_final: bool,
}

/// A live tree, as observed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TreeReport {
    pub stack: String,
    pub manifest: String,
    pub drift: Vec<String>,
}
