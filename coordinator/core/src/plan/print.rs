//! Text of a plan: each step with its host, its reasons and what it waits for.
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
    write!(f, "{number:>width$}. {:<14} {}", step.action.label(), step.action.subject())?;
    match &step.action {
        Action::Move { from, .. } => write!(f, " from {from} to {}", step.host)?,
        _ => write!(f, " on {}", step.host)?,
    }
    let addresses = step.action.change().map(|change| change.addresses.join(", ")).unwrap_or_default();
    if !addresses.is_empty() {
        write!(f, " at {addresses}")?;
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

/// Services that a step waits for, with their conditions: one entry for each service, however many instances it has.
fn waits(step: &Step) -> Vec<String> {
    let waits: BTreeSet<_> =
        step.action.waits_for().iter().map(|wait| (&wait.instance.service, wait.condition)).collect();
    let text = |(service, condition): (&String, Condition)| match condition {
        Condition::Started => service.clone(),
        Condition::Healthy => format!("{service} (healthy)"),
        Condition::Completed => format!("{service} (completed)"),
    };
    waits.into_iter().map(text).collect()
}

impl Action {
    /// Verb of the action in a sentence, as in `recreate data/postgres.1`.
    pub fn label(&self) -> &'static str {
        match self {
            Self::CreateNetwork { .. } => "create network",
            Self::CreateVolume { .. } => "create volume",
            Self::Sync { .. } => "sync",
            Self::Create { .. } => "create",
            Self::Start { .. } => "start",
            Self::Recreate { .. } => "recreate",
            Self::Move { .. } => "move",
            Self::Remove { .. } => "remove",
            Self::RemoveTree { .. } => "remove bundle",
            Self::RemoveNetwork { .. } => "remove network",
            Self::RemoveVolume { .. } => "remove volume",
            Self::Configure => "configure",
        }
    }

    fn counted(&self) -> Counted {
        let (place, one, many, verb) = match self {
            Self::CreateNetwork { .. } => (0, "network", "networks", "to create"),
            Self::CreateVolume { .. } => (1, "volume", "volumes", "to create"),
            Self::Sync { .. } => (2, "bundle", "bundles", "to sync"),
            Self::Create { .. } => (3, "instance", "instances", "to create"),
            Self::Start { .. } => (4, "instance", "instances", "to start"),
            Self::Recreate { .. } => (5, "instance", "instances", "to recreate"),
            Self::Move { .. } => (6, "instance", "instances", "to move"),
            Self::Remove { .. } => (7, "instance", "instances", "to remove"),
            Self::RemoveTree { .. } => (8, "bundle", "bundles", "to remove"),
            Self::RemoveNetwork { .. } => (9, "network", "networks", "to remove"),
            Self::RemoveVolume { .. } => (10, "volume", "volumes", "to remove with all data"),
            Self::Configure => (11, "host", "hosts", "to configure"),
        };
        Counted { place, one, many, verb }
    }
}

/// Words for the actions of one kind in the summary of a plan.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Counted {
    /// Position of the kind in the summary.
    place: u8,
    one: &'static str,
    many: &'static str,
    verb: &'static str,
}

impl Plan {
    /// Numbers of steps by kind, as in `2 networks to create, 1 instance to recreate`.
    pub fn summary(&self) -> String {
        let mut counts: BTreeMap<Counted, usize> = BTreeMap::new();
        for step in &self.steps {
            *counts.entry(step.action.counted()).or_default() += 1;
        }
        let part = |(kind, count): (Counted, usize)| {
            format!("{count} {} {}", if count == 1 { kind.one } else { kind.many }, kind.verb)
        };
        counts.into_iter().map(part).collect::<Vec<_>>().join(", ")
    }

    /// Services that do not answer while the plan is carried out.
    pub fn interrupted(&self) -> Vec<String> {
        let interrupts = |step: &&Step| step.action.update().is_some_and(|update| update.interrupts);
        let interrupted = self.steps.iter().filter(interrupts).filter_map(|step| step.action.instance());
        let services: BTreeSet<_> = interrupted.map(|name| name.service_name().to_string()).collect();
        services.into_iter().collect()
    }
}
