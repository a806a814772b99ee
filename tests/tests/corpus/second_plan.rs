//! A plan that is made right after `up` is empty, for every project of the corpus that compiles. Nothing of the first plan is
//! kept but what the hosts hold and report.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Result, ensure};
use landfast_compose::model::{Condition, Healthcheck, Project};
use landfast_compose::{Diagnostic, Diagnostics};
use landfast_core::deployment::InstanceName;
use landfast_core::fleet::Fleet;
use landfast_core::plan::conflicts;
use landfast_core::report::Report;
use landfast_engine::stack::Source;
use landfast_engine::{EngineError, Hint as _, Options};

use crate::engine_of_host;
use crate::simulation::{Host, Simulation};
use crate::test_fleet::{FLEET, Proposal, StackFolder, TestFleet};
use crate::{Case, cases};

/// Name of every stack. The projects have other names.
const STACK: &str = "app";

/// The fleets that a project is deployed to.
const FLEETS: [FleetKind; 2] = [FleetKind::LocalNetworks, FleetKind::FleetNetworks];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FleetKind {
    /// The networks of the project do not span hosts, unless it names one of the fleet.
    LocalNetworks,
    /// Every network of the project is one of the fleet, so that its services are on several hosts.
    FleetNetworks,
}

impl FleetKind {
    /// So many projects compile at least.
    fn floor(self) -> usize {
        match self {
            Self::LocalNetworks => 1050,
            Self::FleetNetworks => 1030,
        }
    }

    fn condition(self) -> &'static str {
        match self {
            Self::LocalNetworks => "",
            Self::FleetNetworks => ", also if their networks span hosts",
        }
    }
}

/// Why a project does not count.
enum Failure {
    /// The project cannot be deployed to this fleet: the key that prevents it, and the message.
    Refused(String, String),
    /// The property does not hold, with what is wrong.
    Wrong(String),
}

#[test]
#[ignore = "needs the corpus beside the checkout"]
fn a_plan_after_up_is_empty() -> Result<()> {
    let mut cases = cases()?;
    cases.retain(|case| case.valid);
    for fleet in FLEETS {
        let (mut empty, mut wrong, mut refused) = (0, Vec::new(), BTreeMap::<_, (usize, String)>::new());
        for (case, outcome) in cases.iter().zip(outcomes(&cases, fleet)) {
            match outcome {
                Ok(()) => empty += 1,
                Err(Failure::Refused(key, message)) => refused.entry(key).or_insert((0, message)).0 += 1,
                Err(Failure::Wrong(what)) => wrong.push(format!("{}: {what}", case.name)),
            }
        }
        for (key, (count, message)) in &refused {
            println!("{count:4} {key}, as in: {message}");
        }
        let refused: usize = refused.values().map(|(count, _)| count).sum();
        let (all, condition) = (cases.len(), fleet.condition());
        println!("plan of {empty} of {all} projects is empty after up{condition} ({refused} do not compile)");
        ensure!(wrong.is_empty(), "{} projects have another plan after up:\n{}", wrong.len(), wrong.join("\n"));
        ensure!(empty >= fleet.floor(), "only {empty} projects compile");
    }
    Ok(())
}

/// Deploys every project to a fleet of its own, several at the same time.
fn outcomes(cases: &[Case], fleet: FleetKind) -> Vec<Result<(), Failure>> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(BTreeMap::new());
    let work = || loop {
        let at = next.fetch_add(1, Ordering::Relaxed);
        let Some(case) = cases.get(at) else { return };
        let outcome = catch_unwind(AssertUnwindSafe(|| deploy_and_plan_again(case, fleet)));
        let outcome = outcome.unwrap_or_else(|_| Err(Failure::Wrong("it panics".to_owned())));
        outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(at, outcome);
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(work);
        }
    });
    outcomes.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

fn deploy_and_plan_again(case: &Case, kind: FleetKind) -> Result<(), Failure> {
    let mut fleet = fleet_of(case, kind)?;
    let first = read(case, &fleet).map_err(refused)?;
    let found = |host: &String| engine_of_host::before(&first.project, &fleet.fleet, host == "alpha");
    fleet.found = fleet.fleet.hosts.keys().map(|host| (host.clone(), found(host))).collect();
    let proposal = propose(&fleet, &first).map_err(|mistakes| refused_because(&mistakes))?;
    if let Some(conflict) = conflict(&fleet, &proposal) {
        return Err(Failure::Refused("conflicts".to_owned(), conflict));
    }

    carry_out(&mut fleet, proposal)?;
    fleet.started = BTreeMap::from([(first.bundle.digest.clone(), first.bundle.manifest)]);
    fleet.salt = "the salt of another run".to_owned();

    let second = read(case, &fleet).map_err(|error| Failure::Wrong(error.to_string()))?;
    let proposal = propose(&fleet, &second).map_err(|mistakes| Failure::Wrong(mistakes.to_string()))?;
    let differs = |(host, target): (&String, _)| !fleet.held[host].same_contents(target);
    if let Some(conflict) = conflict(&fleet, &proposal) {
        Err(Failure::Wrong(conflict))
    } else if !proposal.plan.is_empty() {
        Err(Failure::Wrong(proposal.plan.to_string()))
    } else if proposal.target.iter().any(differs) {
        Err(Failure::Wrong("the plan is empty, but the hosts do not hold the target".to_owned()))
    } else {
        Ok(())
    }
}

/// The fleet with the stack of a case. Arguments that `landfast.toml` has no key for are left out.
fn fleet_of(case: &Case, kind: FleetKind) -> Result<TestFleet, Failure> {
    let mut stack = toml::Table::from_iter([("path".to_owned(), case.cwd.as_deref().unwrap_or(".").into())]);
    let mut arguments = case.args();
    while let (Some(flag), Some(value)) = (arguments.next(), arguments.next()) {
        let key = match flag.as_str() {
            "-f" => "files",
            "--profile" => "profiles",
            "--env-file" => "env_files",
            _ => continue,
        };
        let values = stack.entry(key).or_insert_with(|| toml::Value::Array(Vec::new()));
        values.as_array_mut().expect("just made").push(value.into());
    }
    let stack = format!("[stacks.{STACK}]\n{stack}");
    let fleet = TestFleet::new(&stack);
    if kind == FleetKind::LocalNetworks {
        return Ok(fleet);
    }
    let project = read(case, &fleet).map_err(refused)?.project;
    let networks = networks_of_fleet(&project);
    let parsed = Fleet::parse("landfast.toml", &format!("{FLEET}{networks}{stack}"));
    Ok(TestFleet { fleet: parsed.map_err(|mistakes| refused_because(&mistakes))?, ..fleet })
}

/// The networks of a project in `landfast.toml`. They have the subnets that the project declares.
fn networks_of_fleet(project: &Project) -> String {
    let networks =
        project.networks.iter().filter(|(key, network)| ![*key, &network.name].contains(&&"infra_net".to_owned()));
    let text = networks.enumerate().map(|(number, (key, network))| {
        let declared = network.ipam.config.iter().find_map(|pool| pool.subnet.clone());
        let subnet = declared.unwrap_or_else(|| format!("10.{}.0.0/16", 100 + number));
        format!("[networks.\"{key}\"]\nsubnet = \"{subnet}\"\n")
    });
    text.collect()
}

/// Reads the stack from its folder, as every command does.
fn read(case: &Case, fleet: &TestFleet) -> Result<Source, EngineError> {
    let options = Options { environment: case.environment(), ..Options::default() };
    let mut source = Source::read(&case.input, STACK, &fleet.fleet.stacks[STACK], &options, &[])?;
    behave_as_awaited(&mut source.project);
    Ok(source)
}

/// Makes the simulated containers reach the conditions that others wait for, as those of the real images do.
fn behave_as_awaited(project: &mut Project) {
    let dependencies = project.services.values().flat_map(|service| &service.depends_on);
    let awaited: Vec<_> = dependencies.map(|(name, dependency)| (name.clone(), dependency.condition)).collect();
    for (name, condition) in awaited {
        let Some(service) = project.services.get_mut(&name) else { continue };
        match condition {
            Condition::Completed => service.command = Some(vec!["job".to_owned()]),
            Condition::Healthy if service.healthcheck.is_none() => {
                let test = vec!["CMD".to_owned(), "ok".to_owned()];
                service.healthcheck = Some(Healthcheck { test, ..Healthcheck::default() });
            }
            Condition::Healthy | Condition::Started => {}
        }
    }
}

fn propose(fleet: &TestFleet, source: &Source) -> Result<Proposal, Diagnostics> {
    let folder = StackFolder {
        stack: STACK,
        root: &source.root,
        manifest: &source.bundle.manifest,
        manifest_digest: &source.bundle.digest,
        profiles: &source.profiles,
        beside: &[],
    };
    Ok(fleet.propose_compiled(fleet.compile_project(folder, &source.project)?))
}

fn conflict(fleet: &TestFleet, proposal: &Proposal) -> Option<String> {
    conflicts(&fleet.held, &proposal.target, &fleet.found).first().map(ToString::to_string)
}

/// Carries out a proposal on simulated hosts, and observes them afterwards.
fn carry_out(fleet: &mut TestFleet, proposal: Proposal) -> Result<(), Failure> {
    let hosts = fleet.fleet.hosts.keys().map(|host| (host.clone(), Host::default())).collect();
    let mut simulation = Simulation::new(hosts, proposal.plan.clone(), proposal.target.clone(), 1);
    if let Err(failure) = simulation.run() {
        return Err(Failure::Wrong(format!("the rollout fails: {:?}", failure.reasons)));
    }
    simulation.check_target_reached();
    fleet.done(proposal);
    for (name, host) in &simulation.hosts {
        let mut report = simulation.report(name);
        add_addresses_and_trees(&mut report, host);
        fleet.reports.insert(name.clone(), report);
        fleet.held.insert(name.clone(), host.held.clone());
        engine_of_host::add_held(&host.held, fleet.found.entry(name.clone()).or_default());
    }
    Ok(())
}

/// Adds to a report what simulated hosts leave out.
fn add_addresses_and_trees(report: &mut Report, host: &Host) {
    let tree_of = |name: &InstanceName| host.held.trees.iter().find(|tree| tree.stack == name.stack);
    for seen in &mut report.instances {
        let held = host.held.instance(&seen.name).expect("the target was reached");
        let ends = held.container.networks.iter();
        seen.addresses =
            ends.map(|end| (end.network.clone(), end.address.map(|it| it.to_string()).unwrap_or_default())).collect();
        seen.tree = tree_of(&seen.name).map(|tree| tree.manifest.clone()).unwrap_or_default();
    }
}

fn refused(error: EngineError) -> Failure {
    match error.mistakes() {
        Some(mistakes) => refused_because(mistakes),
        None => Failure::Refused("the folder".to_owned(), error.to_string()),
    }
}

/// The first of these mistakes. Its key has `*` instead of the name of a service or a network.
fn refused_because(mistakes: &Diagnostics) -> Failure {
    let Some(Diagnostic { path, message, .. }) = mistakes.0.first() else {
        return Failure::Refused("an unknown key".to_owned(), String::new());
    };
    let mut parts: Vec<&str> = path.split('.').collect();
    if let Some(name) = parts.get_mut(1) {
        *name = "*";
    }
    Failure::Refused(parts.join("."), message.clone())
}
