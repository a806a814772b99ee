//! Takes the fabric of another host if it is newer than the one that is held.

use std::sync::{Arc, PoisonError};

use landfast_agent_core::assignment::{Assigned, is_newer_fabric};

use super::{Holder, SEEN, StateError, file_name};
use crate::wire::{Contents, Fabric, Held, HeldUnit, Invalid, Unit, UnitKey, wire_assigned};

/// Why a fabric of another host is not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LearnError {
    #[error("it is not valid: {0}")]
    Invalid(#[from] Invalid),
    #[error("it is not a fabric")]
    NotAFabric,
    #[error(transparent)]
    State(#[from] StateError),
}

impl Holder {
    /// Version and digest of the fabric that is held.
    pub(crate) fn fabric(&self) -> Option<(u64, String)> {
        let held = self.current();
        let unit = held.units.get(&UnitKey::Fabric)?;
        Some((version(unit)?, unit.stamp.digest.clone()))
    }

    /// Takes a fabric of another host as if a coordinator had assigned it, unless this host holds the same version or a newer
    /// one. It is on the disk when this returns. Returns whether it was taken. Blocks.
    ///
    /// The stamp keeps the run that made the fabric. Its generation is 0, because it is not an assignment to this host: a
    /// coordinator may still assign with every number that it could assign with before.
    pub(crate) fn learn(&self, unit: &Unit) -> Result<bool, LearnError> {
        let mut unit = HeldUnit::decode(unit)?;
        let Contents::Fabric(Fabric { version: offered, .. }) = &unit.contents else {
            return Err(LearnError::NotAFabric);
        };
        let offered = *offered;
        unit.stamp.assigned = Assigned { generation: 0, ..unit.stamp.assigned };
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.current();
        if !is_newer_fabric(held.units.get(&UnitKey::Fabric).and_then(version), offered) {
            return Ok(false);
        }
        let mut units = held.units.clone();
        let encoded = unit.encode();
        units.insert(UnitKey::Fabric, unit);
        let next = Held::new(held.seen.clone(), units)?;
        // The fabric that is replaced may be the only record of the last assignment.
        self.write(SEEN, &wire_assigned(&held.seen))?;
        self.write(&file_name(&UnitKey::Fabric), &encoded)?;
        self.held.send_replace(Arc::new(next));
        Ok(true)
    }
}

fn version(unit: &HeldUnit) -> Option<u64> {
    match &unit.contents {
        Contents::Fabric(fabric) => Some(fabric.version),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{AssignRequest, Endpoint, UnitAnswer, WireStamp, endpoint, unit_answer};

    fn open(folder: &tempfile::TempDir) -> Holder {
        Holder::open(folder.path(), "home", "alpha").expect("whole")
    }

    fn run(epoch: u64, owner: &str, generation: u64) -> Assigned {
        Assigned { epoch, owner: owner.to_owned(), generation }
    }

    /// A fabric that has one address at the host with this number.
    fn fabric(version: u64, host: u8) -> Contents {
        let endpoint = Endpoint {
            network: "infra_net".to_owned(),
            address: "172.19.0.50".to_owned(),
            host: format!("10.0.0.{host}"),
            epoch: version,
            holder: Some(endpoint::Holder::Instance("demo/db.1".to_owned())),
        };
        Contents::Fabric(Fabric::new(version, [endpoint], []))
    }

    fn unit(contents: &Contents, assigned: &Assigned) -> Unit {
        let stamp = WireStamp { digest: contents.digest(), ..wire_assigned(assigned) };
        Unit { stamp: Some(stamp), if_digest: None, contents: Some(contents.encode()) }
    }

    fn assign(holder: &Holder, contents: &Contents, assigned: &Assigned) -> unit_answer::Verdict {
        let (fleet, host) = ("home".to_owned(), "alpha".to_owned());
        let (stamp, units) = (Some(wire_assigned(assigned)), vec![unit(contents, assigned)]);
        let answers = holder.assign(&AssignRequest { fleet, host, stamp, units }, |_| true).expect("accepted");
        answers.first().map(UnitAnswer::verdict).expect("one")
    }

    #[test]
    fn f21_a_newer_fabric_is_held_after_a_restart_and_the_last_assignment_stays_what_it_was() {
        let folder = tempfile::tempdir().expect("a folder");
        let holder = open(&folder);
        let first = run(4, "anna", 11);
        assign(&holder, &fabric(7, 1), &first);
        let mut changes = holder.subscribe();
        changes.mark_unchanged();
        assert!(holder.learn(&unit(&fabric(8, 2), &run(5, "bob", 30))).expect("valid"));
        assert!(changes.has_changed().expect("open"));
        for holder in [holder, open(&folder)] {
            let held = holder.current();
            assert_eq!(held.seen, first);
            assert_eq!(holder.fabric(), Some((8, fabric(8, 2).digest())));
            assert_eq!(held.units[&UnitKey::Fabric].stamp.assigned, run(5, "bob", 0));
        }
    }

    #[test]
    fn the_same_version_and_an_older_one_are_not_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let holder = open(&folder);
        assign(&holder, &fabric(7, 1), &run(4, "anna", 11));
        for version in [6, 7] {
            assert!(!holder.learn(&unit(&fabric(version, 2), &run(5, "bob", 30))).expect("valid"));
        }
        assert_eq!(holder.fabric(), Some((7, fabric(7, 1).digest())));
    }

    #[test]
    fn a_coordinator_can_assign_a_fabric_after_one_was_learned_with_the_numbers_of_the_same_run_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let holder = open(&folder);
        assign(&holder, &fabric(7, 1), &run(4, "anna", 11));
        assert!(holder.learn(&unit(&fabric(8, 2), &run(5, "bob", 12))).expect("valid"));
        assert_eq!(assign(&holder, &fabric(9, 3), &run(5, "bob", 12)), unit_answer::Verdict::Taken);
    }

    #[test]
    fn t51_what_is_not_a_fabric_or_does_not_match_its_digest_is_not_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let holder = open(&folder);
        let by = run(5, "bob", 1);
        let mut forged = unit(&fabric(8, 2), &by);
        forged.stamp.as_mut().expect("there").digest = fabric(8, 3).digest();
        assert!(matches!(holder.learn(&forged), Err(LearnError::Invalid(Invalid::Digest))));
        let base = Contents::Base(crate::wire::HostBase::default());
        assert!(matches!(holder.learn(&unit(&base, &by)), Err(LearnError::NotAFabric)));
        assert!(holder.learn(&Unit::default()).is_err());
        assert_eq!(holder.fabric(), None);
    }
}
