//! How a plan reads: what, where, why and in what order.
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::{Action, Plan, Step};
use crate::deployment::Condition;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.steps.is_empty() {
            writeln!(f, "Nothing to do: everything is as it should be.")?;
        }
        let width = self.steps.len().to_string().len();
        for (at, step) in self.steps.iter().enumerate() {
            print_step(f, at + 1, width, step)?;
        }
        if !self.steps.is_empty() {
            writeln!(f, "\nPlan: {}.", self.summary())?;
        }
        let interrupted = self.interrupted();
        if !interrupted.is_empty() {
            writeln!(f, "Interrupted for a moment: {}.", interrupted.join(", "))?;
        }
        for line in self.published() {
            writeln!(f, "{line}")?;
        }
        for warning in &self.warnings {
            writeln!(f, "Warning: {warning}")?;
        }
        Ok(())
    }
}

fn print_step(f: &mut fmt::Formatter<'_>, number: usize, width: usize, step: &Step) -> fmt::Result {
    write!(f, "{number:>width$}. {:<14} {}", step.action.label(), step.subject())?;
    match &step.from {
        Some(from) => write!(f, " from {from} to {}", step.host)?,
        None => write!(f, " on {}", step.host)?,
    }
    if !step.addresses.is_empty() {
        write!(f, " at {}", step.addresses.join(", "))?;
    }
    if !step.reasons.is_empty() {
        write!(f, ": {}", step.reasons.join("; "))?;
    }
    writeln!(f)?;
    let waits = waits(step);
    if !waits.is_empty() {
        writeln!(f, "{:width$}  {:<14} waits for {}", "", "", waits.join(", "))?;
    }
    Ok(())
}

/// Services that must be something first: one entry a service, however many instances it has.
fn waits(step: &Step) -> Vec<String> {
    let waits: BTreeSet<_> = step.waits_for.iter().map(|wait| (&wait.instance.service, wait.condition)).collect();
    let text = |(service, condition): (&String, Condition)| match condition {
        Condition::Started => service.clone(),
        Condition::Healthy => format!("{service} (healthy)"),
        Condition::Completed => format!("{service} (completed)"),
    };
    waits.into_iter().map(text).collect()
}

impl Action {
    /// In words.
    pub fn label(self) -> &'static str {
        match self {
            Self::CreateNetwork => "create network",
            Self::CreateVolume => "create volume",
            Self::Sync => "sync",
            Self::Create => "create",
            Self::Start => "start",
            Self::Recreate => "recreate",
            Self::Move => "move",
            Self::Remove => "remove",
            Self::RemoveTree => "remove bundle",
            Self::RemoveNetwork => "remove network",
            Self::RemoveVolume => "remove volume",
            Self::Configure => "configure",
        }
    }

    /// In the summary.
    fn counted(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Create => ("instance", "instances", "to create"),
            Self::Start => ("instance", "instances", "to start"),
            Self::Recreate => ("instance", "instances", "to recreate"),
            Self::Move => ("instance", "instances", "to move"),
            Self::Remove => ("instance", "instances", "to remove"),
            Self::Sync => ("bundle", "bundles", "to sync"),
            Self::CreateNetwork => ("network", "networks", "to create"),
            Self::CreateVolume => ("volume", "volumes", "to create"),
            Self::RemoveNetwork => ("network", "networks", "to remove"),
            Self::RemoveVolume => ("volume", "volumes", "to remove with all data"),
            Self::RemoveTree => ("bundle", "bundles", "to remove"),
            Self::Configure => ("host", "hosts", "to configure"),
        }
    }
}

impl Step {
    /// What it is about, as a reader calls it.
    pub fn subject(&self) -> &str {
        if self.instance.is_empty() { &self.stack } else { &self.instance }
    }
}

impl Plan {
    /// `2 networks to create, 1 instance to recreate`.
    pub fn summary(&self) -> String {
        let mut counts: BTreeMap<Action, usize> = BTreeMap::new();
        for step in &self.steps {
            *counts.entry(step.action).or_default() += 1;
        }
        let part = |(action, count): (Action, usize)| {
            let (one, many, verb) = action.counted();
            format!("{count} {} {verb}", if count == 1 { one } else { many })
        };
        counts.into_iter().map(part).collect::<Vec<_>>().join(", ")
    }

    /// The services that do not answer for a moment.
    pub fn interrupted(&self) -> Vec<String> {
        let interrupting = self.steps.iter().filter(|step| step.interrupts);
        let services: BTreeSet<_> = interrupting.map(|step| format!("{}/{}", step.stack, step.service)).collect();
        services.into_iter().collect()
    }
}
