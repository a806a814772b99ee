//! The units of a host: what the host holds, and what an assignment changes.

use std::collections::{BTreeMap, BTreeSet};

use landfast_core::desired::HostState;
use landfast_proto::v1::{self, Fabric, Removal, unit_answer::Verdict};
use landfast_proto::{Contents, UnitKey, Unusable, join, split};

use super::Wire as _;

/// The units that a host holds, as far as this run knows.
#[derive(Debug, Clone, Default)]
pub struct HeldUnits {
    digests: BTreeMap<UnitKey, String>,
    /// The fabric, from which the next change starts. `None` if the whole fabric must be sent.
    fabric: Option<Fabric>,
}

/// An assignment with the contents that it changes.
pub(crate) struct Assignment {
    pub(crate) request: v1::AssignRequest,
    changes: Vec<Contents>,
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
    /// Decodes the units that a host holds, and joins them to its host state. A host that holds none has no host state.
    ///
    /// # Errors
    /// A newer version has assigned a unit.
    pub fn of_wire(description: &v1::DescribeResponse) -> Result<(Self, Option<HostState>), Unusable> {
        let mut held = Self::default();
        let mut all = Vec::new();
        for unit in &description.held {
            let contents = Contents::decode(unit.contents.as_ref().ok_or(Unusable::Empty)?)?;
            held.take(&contents);
            all.push(contents);
        }
        let frame = v1::HostState {
            fleet: description.fleet.clone(),
            host: description.host.clone(),
            epoch: description.epoch,
            generation: description.generation,
            ..v1::HostState::default()
        };
        let state = (!all.is_empty()).then(|| HostState::of_wire(join(frame, all)));
        Ok((held, state))
    }

    /// Records that the host holds these contents.
    fn take(&mut self, contents: &Contents) {
        if let Contents::Fabric(fabric) = contents {
            self.fabric = Some(fabric.clone());
        }
        self.digests.insert(contents.key(), contents.digest());
    }

    /// Returns the assignment that makes the host hold this state. It contains only the units that change.
    pub(crate) fn assignment(&self, state: HostState, owner: &str) -> Assignment {
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
        let changes: Vec<Contents> = wanted
            .into_iter()
            .filter(|(key, it)| self.digests.get(key) != Some(&it.digest()))
            .map(|(_, it)| it)
            .collect();
        let units = changes.iter().map(|contents| self.unit(contents, &stamp)).collect();
        Assignment { request: v1::AssignRequest { fleet, host, stamp: Some(stamp), units }, changes }
    }

    fn unit(&self, contents: &Contents, stamp: &v1::Stamp) -> v1::Unit {
        let stamp = v1::Stamp { digest: contents.digest(), ..stamp.clone() };
        let held = self.digests.get(&contents.key());
        let (if_digest, contents) = match (contents, &self.fabric, held) {
            (Contents::Fabric(next), Some(fabric), Some(held)) => {
                (Some(held.clone()), v1::unit::Contents::FabricDelta(fabric.delta(held.clone(), next)))
            }
            // The whole fabric replaces any other one.
            (Contents::Fabric(_), ..) => (None, contents.encode()),
            (_, _, held) => (Some(held.cloned().unwrap_or_default()), contents.encode()),
        };
        v1::Unit { stamp: Some(stamp), if_digest, contents: Some(contents) }
    }

    /// Records the answers of the host.
    pub(crate) fn settle(&mut self, assignment: &Assignment, answers: &[v1::UnitAnswer]) -> Settled {
        let mut again = false;
        let mut refused = Vec::new();
        for (position, contents) in assignment.changes.iter().enumerate() {
            let answer = answers.get(position);
            match answer.map(v1::UnitAnswer::verdict) {
                Some(Verdict::Taken | Verdict::Same) => self.take(contents),
                Some(Verdict::SendWhole) => {
                    again = true;
                    self.fabric = None;
                }
                Some(Verdict::Refused | Verdict::Unspecified) | None => {
                    let reason = answer.map_or("the host did not answer", |answer| answer.reason.as_str());
                    refused.push((contents, format!("{}: {reason}", title(contents))));
                }
            }
        }
        if refused.is_empty() {
            return if again { Settled::Again } else { Settled::Done };
        }
        let stack = |contents: &&Contents| match contents.key() {
            UnitKey::Stack(stack) => Some(stack),
            UnitKey::Base | UnitKey::Fabric => None,
        };
        let stacks: Option<BTreeSet<String>> = refused.iter().map(|(contents, _)| stack(contents)).collect();
        let message = refused.into_iter().map(|(_, reason)| reason).collect::<Vec<_>>().join("; ");
        Settled::Refused { stacks: stacks.unwrap_or_default(), message }
    }
}

/// Names a unit in a message.
fn title(contents: &Contents) -> String {
    match contents {
        Contents::Stack(state) => format!("stack {}", state.stack),
        Contents::Removal(removal) => format!("the removal of stack {}", removal.stack),
        Contents::Base(_) => "the networks of the fleet".to_owned(),
        Contents::Fabric(_) => "the addresses of the fleet".to_owned(),
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

    /// Keys of the units that an assignment changes.
    fn keys(assignment: &Assignment) -> Vec<String> {
        assignment.changes.iter().map(title).collect()
    }

    #[test]
    fn an_assignment_contains_only_what_changes_and_a_stack_that_is_gone_is_removed() {
        let mut held = HeldUnits::default();
        let first = held.assignment(state(1, &[("data", "m"), ("web", "m")]), "anna");
        assert_eq!(
            keys(&first),
            ["the networks of the fleet", "the addresses of the fleet", "stack data", "stack web"]
        );
        assert_eq!(held.settle(&first, &answers(&[Verdict::Taken; 4])), Settled::Done);
        let next = held.assignment(state(2, &[("data", "other")]), "anna");
        assert_eq!(keys(&next), ["stack data", "the removal of stack web"]);
        assert_eq!(next.request.units[0].if_digest.as_deref(), Some(first.changes[2].digest().as_str()));
        assert_eq!(held.settle(&next, &answers(&[Verdict::Taken; 2])), Settled::Done);
        assert!(keys(&held.assignment(state(3, &[("data", "other")]), "anna")).is_empty());
    }

    #[test]
    fn a_refused_unit_is_named_and_sent_again_with_the_next_assignment() {
        let mut held = HeldUnits::default();
        let first = held.assignment(state(1, &[("data", "m"), ("web", "m")]), "anna");
        let verdicts = [Verdict::Taken, Verdict::Taken, Verdict::Refused, Verdict::Taken];
        assert_eq!(
            held.settle(&first, &answers(&verdicts)),
            Settled::Refused { stacks: ["data".to_owned()].into(), message: "stack data: no room".to_owned() }
        );
        assert_eq!(keys(&held.assignment(state(2, &[("data", "m"), ("web", "m")]), "anna")), ["stack data"]);
    }

    #[test]
    fn a_change_of_the_fabric_is_sent_as_a_change_and_whole_on_request() {
        let named = |name: &str| HostState {
            names: vec![landfast_core::desired::Name { name: name.to_owned(), addresses: Vec::new() }],
            ..HostState::default()
        };
        let mut held = HeldUnits::default();
        let first = held.assignment(named("a"), "anna");
        held.settle(&first, &answers(&[Verdict::Taken; 2]));
        let change = held.assignment(named("b"), "anna");
        assert!(matches!(change.request.units[0].contents, Some(v1::unit::Contents::FabricDelta(_))));
        assert_eq!(held.settle(&change, &answers(&[Verdict::SendWhole])), Settled::Again);
        let whole = held.assignment(named("b"), "anna");
        assert!(matches!(whole.request.units[0].contents, Some(v1::unit::Contents::Fabric(_))));
        assert_eq!(whole.request.units[0].if_digest, None);
    }

    #[test]
    fn the_units_of_a_description_are_joined_to_the_state_that_was_assigned() {
        let container = landfast_core::container::Container { name: "web-app-1".to_owned(), ..Default::default() };
        let name = landfast_core::deployment::InstanceName::new("web", "app", 1);
        let instance = Instance { name, digest: "d".to_owned(), container, ..Instance::default() };
        let assigned = HostState {
            fleet: "home".to_owned(),
            host: "alpha".to_owned(),
            epoch: 2,
            instances: vec![instance],
            ..state(7, &[("web", "m")])
        };
        let assignment = HeldUnits::default().assignment(assigned.clone(), "anna");
        let unit = |contents: &Contents| v1::Unit { stamp: None, if_digest: None, contents: Some(contents.encode()) };
        let description = v1::DescribeResponse {
            fleet: "home".to_owned(),
            host: "alpha".to_owned(),
            epoch: 2,
            generation: 7,
            held: assignment.changes.iter().map(unit).collect(),
            ..v1::DescribeResponse::default()
        };
        let (held, state) = HeldUnits::of_wire(&description).unwrap();
        assert_eq!(state, Some(assigned.clone()));
        assert!(keys(&held.assignment(assigned, "anna")).is_empty());
        let nothing = HeldUnits::of_wire(&v1::DescribeResponse::default()).unwrap();
        assert_eq!(nothing.1, None);
    }
}
