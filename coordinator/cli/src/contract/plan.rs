//! JSON of `plan`.

use landfast_core::deployment::{BoundBy, Condition};
use landfast_core::plan::{Action, Published, Step, Wait};
use landfast_engine::operation::{PlannedBuild, PlannedPull, Proposal};
use schemars::JsonSchema;
use serde::Serialize;

/// A plan with the images that are built and pulled for it.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Plan<'a> {
    /// Steps in their order.
    steps: Vec<PlanStep<'a>>,
    /// What to know before the plan is carried out.
    warnings: &'a [String],
    /// Images that are built.
    builds: Vec<Build<'a>>,
    /// Images that are pulled even if a host has them.
    pulls: Vec<Pull<'a>>,
}

/// An image that is built.
#[derive(Debug, Serialize, JsonSchema)]
struct Build<'a> {
    /// Reference of the image.
    image: &'a str,
    /// Name of the stack.
    stack: &'a str,
    /// Name of the service.
    service: &'a str,
    /// Build context, relative to the stack's folder if it is in it.
    context: &'a str,
    /// Number of files in the context.
    files: usize,
    /// Size of the context in bytes.
    bytes: u64,
    /// Host that builds, or null for this machine.
    host: Option<&'a str>,
}

/// An image that a registry is asked for.
#[derive(Debug, Serialize, JsonSchema)]
struct Pull<'a> {
    /// Reference of the image.
    image: &'a str,
    /// Name of the stack.
    stack: &'a str,
    /// Name of the service.
    service: &'a str,
    /// Pull policy of the service.
    policy: &'a str,
}

impl<'a> From<&'a Proposal> for Plan<'a> {
    fn from(proposal: &'a Proposal) -> Self {
        Self {
            steps: proposal.plan.steps.iter().map(PlanStep::from).collect(),
            warnings: &proposal.plan.warnings,
            builds: proposal.builds.iter().map(Build::from).collect(),
            pulls: proposal.pulls.iter().map(Pull::from).collect(),
        }
    }
}

impl<'a> From<&'a PlannedBuild> for Build<'a> {
    fn from(build: &'a PlannedBuild) -> Self {
        let PlannedBuild { image, stack, service, context, files, bytes, host } = build;
        Self { image, stack, service, context, files: *files, bytes: *bytes, host: host.as_deref() }
    }
}

impl<'a> From<&'a PlannedPull> for Pull<'a> {
    fn from(pull: &'a PlannedPull) -> Self {
        let PlannedPull { image, stack, service, policy, .. } = pull;
        Self { image, stack, service, policy }
    }
}

/// One step of a plan. Strings are empty where the action has no such value; other keys are left out.
#[derive(Debug, Serialize, JsonSchema)]
struct PlanStep<'a> {
    action: &'static str,
    stack: &'a str,
    service: &'a str,
    instance: String,
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<&'a str>,
    reasons: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    addresses: &'a [String],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<Port<'a>>,
    interrupts: bool,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    after: &'a [usize],
    #[serde(skip_serializing_if = "Vec::is_empty")]
    waits_for: Vec<WaitsFor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallelism: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    monitor_ms: Option<u64>,
}

impl<'a> From<&'a Step> for PlanStep<'a> {
    fn from(step: &'a Step) -> Self {
        let Step { host, action, reasons, after } = step;
        let (change, update) = (action.change(), action.update());
        let monitor_ms = match action {
            Action::Start { monitor_ms, .. } => Some(*monitor_ms),
            _ => update.map(|update| update.monitor_ms),
        };
        Self {
            action: name(action),
            stack: action.stack().unwrap_or_default(),
            service: action.instance().map_or("", |instance| &instance.service),
            instance: match action {
                Action::Sync { .. } | Action::RemoveTree { .. } => String::new(),
                _ => action.subject(),
            },
            host,
            from: match action {
                Action::Move { from, .. } => Some(from),
                _ => None,
            },
            reasons,
            addresses: change.map_or(&[], |change| &change.addresses),
            ports: action.ports().iter().map(Port::from).collect(),
            interrupts: update.is_some_and(|update| update.interrupts),
            after,
            waits_for: action.waits_for().iter().map(WaitsFor::from).collect(),
            parallelism: update.and_then(|update| update.parallelism).map(Into::into),
            monitor_ms: monitor_ms.filter(|milliseconds| *milliseconds > 0),
        }
    }
}

fn name(action: &Action) -> &'static str {
    match action {
        Action::CreateNetwork { .. } => "create_network",
        Action::CreateVolume { .. } => "create_volume",
        Action::Sync { .. } => "sync",
        Action::Create { .. } => "create",
        Action::Start { .. } => "start",
        Action::Recreate { .. } => "recreate",
        Action::Move { .. } => "move",
        Action::Remove { .. } => "remove",
        Action::RemoveTree { .. } => "remove_tree",
        Action::RemoveNetwork { .. } => "remove_network",
        Action::RemoveVolume { .. } => "remove_volume",
        Action::Configure => "configure",
    }
}

/// A published port of a container that is created.
#[derive(Debug, Serialize, JsonSchema)]
struct Port<'a> {
    address: &'a str,
    published: &'a str,
    target: u32,
    protocol: &'a str,
    by: &'static str,
}

impl<'a> From<&'a Published> for Port<'a> {
    fn from(port: &'a Published) -> Self {
        let Published { address, published, target, protocol, by } = port;
        let by = match by {
            BoundBy::Default => "default",
            BoundBy::Publish => "publish",
            BoundBy::ComposeFile => "compose_file",
        };
        Self { address, published, target: *target, protocol, by }
    }
}

/// A condition that must hold before a step begins.
#[derive(Debug, Serialize, JsonSchema)]
struct WaitsFor {
    instance: String,
    condition: &'static str,
}

impl From<&Wait> for WaitsFor {
    fn from(wait: &Wait) -> Self {
        let condition = match wait.condition {
            Condition::Started => "service_started",
            Condition::Healthy => "service_healthy",
            Condition::Completed => "service_completed_successfully",
        };
        Self { instance: wait.instance.to_string(), condition }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use landfast_core::deployment::{BoundBy, Condition, InstanceName};
    use landfast_core::plan::{Action, Change, Published, Step, Update, Wait};

    use super::PlanStep;

    fn step(action: Action, reasons: &[&str]) -> Step {
        let reasons = reasons.iter().map(ToString::to_string).collect();
        Step { host: "alpha".to_owned(), action, reasons, after: Vec::new() }
    }

    fn change(service: &str, index: u32, addresses: &[&str], waits_for: Vec<Wait>) -> Change {
        let addresses = addresses.iter().map(ToString::to_string).collect();
        Change { instance: InstanceName::new("web", service, index), addresses, waits_for }
    }

    fn update(interrupts: bool, parallelism: u32, monitor_ms: u64) -> Update {
        Update { interrupts, parallelism: NonZeroU32::new(parallelism), monitor_ms }
    }

    fn port(published: &str, protocol: &str, by: BoundBy) -> Published {
        let (address, published, protocol) = ("127.0.0.1".to_owned(), published.to_owned(), protocol.to_owned());
        Published { address, published, target: 80, protocol, by }
    }

    /// Every action, with each of its values and without those that may be missing.
    fn every_action() -> Vec<Step> {
        let (web, text) = (|| Some("web".to_owned()), |text: &str| text.to_owned());
        let wait = |service: &str, condition| Wait { instance: InstanceName::new("web", service, 1), condition };
        let waits =
            vec![wait("db", Condition::Healthy), wait("job", Condition::Completed), wait("queue", Condition::Started)];
        let ports = vec![
            port("8080", "tcp", BoundBy::Default),
            port("0", "udp", BoundBy::Publish),
            port("1-2", "tcp", BoundBy::ComposeFile),
        ];
        let app = change("app", 1, &["infra_net 172.19.0.7", "other 10.0.0.7"], waits);
        let plain = |service: &str, index| change(service, index, &[], Vec::new());
        let gateway = "it spans the fleet; gateway 172.19.255.1";
        vec![
            step(Action::CreateNetwork { network: text("infra_net"), stack: None }, &[gateway]),
            step(Action::CreateNetwork { network: text("web_default"), stack: web() }, &[]),
            step(Action::CreateVolume { volume: text("web_files"), stack: text("web") }, &["web/app.1 mounts it"]),
            step(Action::Sync { stack: text("web") }, &["the stack is new here"]),
            Step { after: vec![0, 3], ..step(Action::Create { change: app, ports }, &["it is the only host"]) },
            step(Action::Create { change: plain("app", 2), ports: Vec::new() }, &[]),
            step(Action::Start { change: plain("db", 1), monitor_ms: 5000 }, &["it is unhealthy"]),
            step(Action::Start { change: plain("db", 2), monitor_ms: 0 }, &[]),
            Step {
                after: vec![4],
                ..step(
                    Action::Recreate {
                        change: plain("cache", 1),
                        ports: vec![port("80", "tcp", BoundBy::Publish)],
                        update: update(true, 2, 5000),
                    },
                    &["one", "two"],
                )
            },
            step(Action::Recreate { change: plain("cache", 2), ports: Vec::new(), update: update(false, 0, 0) }, &[]),
            step(
                Action::Move {
                    from: text("beta"),
                    change: change("queue", 1, &["infra_net 172.19.0.9"], Vec::new()),
                    ports: Vec::new(),
                    update: update(true, 1, 1000),
                },
                &["it is placed there"],
            ),
            step(Action::Remove { instance: InstanceName::new("web", "old", 1) }, &["the stack goes"]),
            step(Action::RemoveTree { stack: text("web") }, &["none"]),
            step(Action::RemoveNetwork { network: text("infra_net"), stack: None }, &["none"]),
            step(Action::RemoveNetwork { network: text("web_default"), stack: web() }, &["none"]),
            step(Action::RemoveVolume { volume: text("web_files"), stack: text("web") }, &["none"]),
            step(Action::Configure, &["names of the fleet changed"]),
        ]
    }

    #[test]
    fn json_of_every_action_is_a_contract() {
        let steps = every_action();
        let printed: Vec<_> = steps.iter().map(PlanStep::from).collect();
        insta::assert_snapshot!(serde_json::to_string_pretty(&printed).expect("JSON"));
    }
}
