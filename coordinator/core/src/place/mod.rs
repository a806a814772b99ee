//! Which host runs an instance, and why.
//!
//! What is written decides; then an instance stays where it runs, or goes back to its volume, or to those with which it
//! shares data, or to where the data is; what is left goes beside those it shares a host-local network with, and else where
//! the fewest instances are.
use std::collections::BTreeMap;
use std::path::Path;

use crate::bundle::Manifest;
use crate::deployment::{Deployment, InstanceName};
use crate::findings::Findings;
use crate::fleet::{Fleet, StackConfig};
use crate::host_state::HostState;
use crate::plan::Found;
use crate::ties::ties;
use landfast_compose::Diagnostic;
use landfast_compose::Project;

mod apart;
mod board;
mod choice;
mod data;
mod devices;
mod group;

use board::{Board, Pass};
use choice::Choice;
pub use devices::Abilities;
pub(crate) use devices::is_cdi;
use group::Groups;

/// Where an instance goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) host: String,
    pub(crate) reason: String,
}

/// What is placed, and into what.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) fleet: &'a Fleet,
    pub(crate) stack: &'a str,
    pub(crate) config: Option<&'a StackConfig>,
    pub(crate) project: &'a Project,
    pub(crate) root: &'a Path,
    pub(crate) manifest: &'a Manifest,
    pub(crate) abilities: &'a BTreeMap<String, Abilities>,
    pub(crate) held: &'a BTreeMap<String, HostState>,
    pub(crate) found: &'a BTreeMap<String, Found>,
    pub(crate) beside: &'a [Deployment],
}

/// A host for every instance, or a word about those that have none.
pub(crate) fn place(question: Question<'_>, findings: &mut Findings<'_>) -> BTreeMap<InstanceName, Placed> {
    warn_of_strangers(question, findings);
    let groups = Groups::new(question);
    let mut board = Board::new(question, &groups);
    let mut waiting: Vec<(InstanceName, Choice<'_>)> = Vec::new();
    for (name, service) in &question.project.services {
        let choice = Choice::new(question, name, service, findings);
        if choice.hosts.is_empty() && service.replicas() > 0 {
            choice.refuse(findings);
            continue;
        }
        board.allow(&choice);
        for instance in board.instances_of(&choice) {
            waiting.push((instance, choice.clone()));
        }
    }
    let (tied, mut waiting): (Vec<_>, Vec<_>) =
        waiting.into_iter().partition(|(_, choice)| !ties(choice.service).is_empty());
    let passes: [Pass<'_>; 4] = [Board::written, Board::running, Board::returning, Board::with_others];
    for pass in passes {
        board.pass(pass, &mut waiting);
    }
    board.doubt(&waiting, findings);
    let passes: [Pass<'_>; 2] = [Board::at_data, Board::spread];
    for pass in passes {
        board.pass(pass, &mut waiting);
    }
    board.follow(tied, findings);
    for (instance, choice) in waiting {
        let most = choice.service.deploy.placement.max_replicas_per_node;
        findings.refuse(
            format!("services.{}.deploy.placement.max_replicas_per_node", instance.service),
            format!("no host is left for {instance}: {most} on each of {}", choice.hosts.join(", ")),
        );
    }
    apart::warn(question, &groups, &board.placed, findings);
    board.placed
}

/// A place for a service that is not there: a slip of the pen, or a profile that is not enabled.
fn warn_of_strangers(question: Question<'_>, findings: &mut Findings<'_>) {
    let places = question.config.into_iter().flat_map(|config| &config.place);
    for (service, placement) in places.filter(|(service, _)| *service != "*") {
        if !question.project.services.contains_key(service) {
            let message = format!("{service} has a place, but the enabled profiles have no such service");
            let path = format!("stacks.{}.place.{service}", question.stack);
            findings.warnings.push(Diagnostic::at(&placement.location, message).key(path));
        }
    }
}
