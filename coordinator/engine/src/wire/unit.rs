//! The units of a host: what the host holds, and what an assignment changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use landfast_core::desired::HostState;
use landfast_proto::v1::{self, Removal, unit_answer::Verdict};
use landfast_proto::{Contents, UnitKey, Unusable, join, split};

use super::Wire as _;
use super::fabric::{Encoded, Fabrics};

/// The units that a host holds, as far as this run knows.
#[derive(Debug, Clone, Default)]
pub struct HeldUnits {
    digests: BTreeMap<UnitKey, String>,
    /// The fabric, from which the next change starts. `None` if the whole fabric must be sent.
    fabric: Option<Arc<Encoded>>,
    /// Fabrics of all hosts.
    fabrics: Arc<Fabrics>,
}

/// An assignment with the units that it changes.
pub(crate) struct Assignment {
    pub(crate) request: v1::AssignRequest,
    /// Keys and digests of the units.
    changes: Vec<(UnitKey, String)>,
    fabric: Arc<Encoded>,
}

/// How a host answered an assignment.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Settled {
    /// The host holds every unit.
    Done,
    /// The host needs the whole fabric: the assignment must be sent again.
    Again,
    /// The host refused units.
    Refused {
        /// Stacks whose units it refused; empty if it refused another unit.
        stacks: BTreeSet<String>,
        /// Names of the units and the reasons.
        message: String,
    },
}

impl HeldUnits {
    /// Decodes the units that a host holds, and joins them to its host state. A host that holds none has no host state. The
    /// fabric is taken from those that are known.
    ///
    /// # Errors
    /// A newer version has assigned a unit.
    pub fn of_wire(
        frame: v1::HostState,
        units: Vec<v1::Unit>,
        fabrics: &Arc<Fabrics>,
    ) -> Result<(Self, Option<HostState>), Unusable> {
        let mut held = Self { fabrics: fabrics.clone(), ..Self::default() };
        let mut all = Vec::new();
        let is_empty = units.is_empty();
        for unit in units {
            match unit.contents {
                Some(contents) => {
                    let contents = Contents::decode(&contents)?;
                    held.digests.insert(contents.key(), contents.digest());
                    all.push(contents);
                }
                None => {
                    let digest = unit.stamp.unwrap_or_default().digest;
                    held.fabric = fabrics.with_digest(&digest);
                    held.digests.insert(UnitKey::Fabric, digest);
                }
            }
        }
        let fabric = held.fabric.as_ref().map(|known| known.fabric.clone()).unwrap_or_default();
        let state = (!is_empty).then(|| HostState { fabric, ..HostState::of_wire(join(frame, all)) });
        Ok((held, state))
    }

    /// Returns the assignment that makes the host hold this state. It contains only the units that change, and those of the
    /// stacks that the host must try again.
    pub(crate) fn assignment(&self, state: HostState, owner: &str, again: &BTreeSet<String>) -> Assignment {
        let fabric = self.fabrics.encoded(&state.fabric);
        let state = state.to_wire();
        let stamp = v1::Stamp {
            epoch: state.epoch,
            owner: owner.to_owned(),
            generation: state.generation,
            digest: String::new(),
        };
        let (fleet, host) = (state.fleet.clone(), state.host.clone());
        let mut wanted: BTreeMap<UnitKey, Contents> =
            split(state).into_iter().map(|contents| (contents.key(), contents)).collect();
        for key in self.digests.keys() {
            if let UnitKey::Stack(stack) = key {
                let removal = || Contents::Removal(Removal { stack: stack.clone(), volumes: Vec::new() });
                wanted.entry(key.clone()).or_insert_with(removal);
            }
        }
        let mut units = Vec::new();
        let mut changes = Vec::new();
        let mut add = |key: UnitKey, digest: String, unit: v1::Unit| {
            let is_again = matches!(&key, UnitKey::Stack(stack) if again.contains(stack));
            if is_again || self.digests.get(&key) != Some(&digest) {
                units.push(v1::Unit { stamp: Some(v1::Stamp { digest: digest.clone(), ..stamp.clone() }), ..unit });
                changes.push((key, digest));
            }
        };
        for (key, contents) in wanted {
            let if_digest = Some(self.digests.get(&key).cloned().unwrap_or_default());
            let unit = v1::Unit { stamp: None, if_digest, contents: Some(contents.encode()) };
            add(key, contents.digest(), unit);
        }
        let unit = match &self.fabric {
            Some(held) => {
                let change = v1::FabricDelta::clone(&self.fabrics.change(held, &fabric));
                let contents = Some(v1::unit::Contents::FabricDelta(change));
                v1::Unit { stamp: None, if_digest: Some(held.digest.clone()), contents }
            }
            // The whole fabric replaces any other one.
            None => {
                let contents = Some(Contents::Fabric(fabric.message.clone()).encode());
                v1::Unit { stamp: None, if_digest: None, contents }
            }
        };
        add(UnitKey::Fabric, fabric.digest.clone(), unit);
        Assignment { request: v1::AssignRequest { fleet, host, stamp: Some(stamp), units }, changes, fabric }
    }

    /// Records the answers of the host.
    pub(crate) fn settle(&mut self, assignment: &Assignment, answers: &[v1::UnitAnswer]) -> Settled {
        let mut again = false;
        let mut refused = Vec::new();
        for (position, (key, digest)) in assignment.changes.iter().enumerate() {
            let answer = answers.get(position);
            match answer.map(v1::UnitAnswer::verdict) {
                Some(Verdict::Taken | Verdict::Same) => {
                    self.digests.insert(key.clone(), digest.clone());
                    if *key == UnitKey::Fabric {
                        self.fabric = Some(assignment.fabric.clone());
                    }
                }
                Some(Verdict::SendWhole) => {
                    again = true;
                    self.fabric = None;
                }
                Some(Verdict::Refused | Verdict::Unspecified) | None => {
                    let reason = answer.map_or("the host did not answer", |answer| answer.reason.as_str());
                    refused.push((key, format!("{}: {reason}", title(key))));
                }
            }
        }
        // What was refused is refused again with the whole fabric.
        if again {
            return Settled::Again;
        }
        if refused.is_empty() {
            return Settled::Done;
        }
        let stack = |key: &UnitKey| match key {
            UnitKey::Stack(stack) => Some(stack.clone()),
            UnitKey::Base | UnitKey::Fabric => None,
        };
        let stacks: Option<BTreeSet<String>> = refused.iter().map(|(key, _)| stack(key)).collect();
        let message = refused.into_iter().map(|(_, reason)| reason).collect::<Vec<_>>().join("; ");
        Settled::Refused { stacks: stacks.unwrap_or_default(), message }
    }
}

/// Names a unit in a message.
fn title(key: &UnitKey) -> String {
    match key {
        UnitKey::Stack(stack) => format!("stack {stack}"),
        UnitKey::Base => "the networks of the fleet".to_owned(),
        UnitKey::Fabric => "the addresses of the fleet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use landfast_core::desired::{Instance, Tree};

    use super::*;

    fn answers(verdicts: &[Verdict]) -> Vec<v1::UnitAnswer> {
        let answer = |verdict: &Verdict| v1::UnitAnswer { verdict: (*verdict).into(), reason: "no room".to_owned() };
        verdicts.iter().map(answer).collect()
    }

    fn state(generation: u64, stacks: &[(&str, &str)]) -> HostState {
        let tree =
            |(stack, manifest): &(&str, &str)| Tree { stack: (*stack).to_owned(), manifest: (*manifest).to_owned() };
        HostState { generation, trees: stacks.iter().map(tree).collect(), ..HostState::default() }
    }

    /// Names of the units that an assignment changes.
    fn keys(assignment: &Assignment) -> Vec<String> {
        assignment.changes.iter().map(|(key, _)| title(key)).collect()
    }

    #[test]
    fn an_assignment_contains_only_what_changes_and_a_stack_that_is_gone_is_removed() {
        let mut held = HeldUnits::default();
        let first = held.assignment(state(1, &[("data", "m"), ("web", "m")]), "anna", &BTreeSet::new());
        assert_eq!(
            keys(&first),
            ["the networks of the fleet", "stack data", "stack web", "the addresses of the fleet"]
        );
        assert_eq!(held.settle(&first, &answers(&[Verdict::Taken; 4])), Settled::Done);
        let next = held.assignment(state(2, &[("data", "other")]), "anna", &BTreeSet::new());
        assert_eq!(keys(&next), ["stack data", "stack web"]);
        assert!(matches!(next.request.units[1].contents, Some(v1::unit::Contents::Removal(_))));
        assert_eq!(next.request.units[0].if_digest.as_deref(), Some(first.changes[1].1.as_str()));
        assert_eq!(held.settle(&next, &answers(&[Verdict::Taken; 2])), Settled::Done);
        assert!(keys(&held.assignment(state(3, &[("data", "other")]), "anna", &BTreeSet::new())).is_empty());
    }

    #[test]
    fn a_stack_that_is_tried_again_is_sent_although_nothing_has_changed() {
        let mut held = HeldUnits::default();
        let both = [("data", "m"), ("web", "m")];
        let first = held.assignment(state(1, &both), "anna", &BTreeSet::new());
        held.settle(&first, &answers(&[Verdict::Taken; 4]));
        let again = held.assignment(state(2, &both), "anna", &["web".to_owned()].into());
        assert_eq!(keys(&again), ["stack web"]);
        assert_eq!(held.settle(&again, &answers(&[Verdict::Same])), Settled::Done);
    }

    #[test]
    fn a_refused_unit_is_named_and_sent_again_with_the_next_assignment() {
        let mut held = HeldUnits::default();
        let first = held.assignment(state(1, &[("data", "m"), ("web", "m")]), "anna", &BTreeSet::new());
        let verdicts = [Verdict::Taken, Verdict::Refused, Verdict::Taken, Verdict::Taken];
        assert_eq!(
            held.settle(&first, &answers(&verdicts)),
            Settled::Refused { stacks: ["data".to_owned()].into(), message: "stack data: no room".to_owned() }
        );
        assert_eq!(
            keys(&held.assignment(state(2, &[("data", "m"), ("web", "m")]), "anna", &BTreeSet::new())),
            ["stack data"]
        );
    }

    #[test]
    fn a_change_of_the_fabric_is_sent_as_a_change_and_whole_on_request() {
        let named = |name: &str| {
            let names = [(name.to_owned(), BTreeSet::new())].into();
            let fabric = Arc::new(landfast_core::fabric::Fabric { names, ..Default::default() });
            HostState { fabric, ..HostState::default() }
        };
        let mut held = HeldUnits::default();
        let first = held.assignment(named("a"), "anna", &BTreeSet::new());
        held.settle(&first, &answers(&[Verdict::Taken; 2]));
        let change = held.assignment(named("b"), "anna", &BTreeSet::new());
        assert!(matches!(change.request.units[0].contents, Some(v1::unit::Contents::FabricDelta(_))));
        assert_eq!(held.settle(&change, &answers(&[Verdict::SendWhole])), Settled::Again);
        let whole = held.assignment(named("b"), "anna", &BTreeSet::new());
        assert!(matches!(whole.request.units[0].contents, Some(v1::unit::Contents::Fabric(_))));
        assert_eq!(whole.request.units[0].if_digest, None);
    }

    #[test]
    fn the_units_of_a_description_are_joined_to_the_state_that_was_assigned() {
        let container = landfast_core::container::Container { name: "web-app-1".to_owned(), ..Default::default() };
        let name = landfast_core::deployment::InstanceName::new("web", "app", 1);
        let (digest, container) = ("d".to_owned(), Arc::new(container));
        let instance = Instance { name, digest, container, ..Instance::default() };
        let assigned = HostState {
            fleet: "home".to_owned(),
            host: "alpha".to_owned(),
            epoch: 2,
            instances: vec![instance],
            ..state(7, &[("web", "m")])
        };
        let fabrics = Arc::<Fabrics>::default();
        let assignment = HeldUnits { fabrics: fabrics.clone(), ..HeldUnits::default() }.assignment(
            assigned.clone(),
            "anna",
            &BTreeSet::new(),
        );
        // An agent describes the fabric by its stamp.
        let mut units = assignment.request.units;
        units.iter_mut().filter(|it| matches!(it.contents, Some(v1::unit::Contents::Fabric(_)))).for_each(|unit| {
            unit.contents = None;
        });
        let frame = v1::HostState {
            fleet: "home".to_owned(),
            host: "alpha".to_owned(),
            epoch: 2,
            generation: 7,
            ..v1::HostState::default()
        };
        let (held, state) = HeldUnits::of_wire(frame, units, &fabrics).unwrap();
        assert_eq!(state, Some(assigned.clone()));
        assert!(keys(&held.assignment(assigned, "anna", &BTreeSet::new())).is_empty());
        let nothing = HeldUnits::of_wire(v1::HostState::default(), Vec::new(), &fabrics).unwrap();
        assert_eq!(nothing.1, None);
    }
}
