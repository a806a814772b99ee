//! Decides whether an offered unit of desired state may replace the one that is held. Epochs and generations only grow, and
//! an epoch belongs to one run, so two coordinators cannot interleave. A message that arrives late or twice does no harm.

use thiserror::Error;

/// Identity of an assignment: which run made it, and its number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assigned {
    /// Epoch of the run. Each run has a greater one than all runs before it.
    pub epoch: u64,
    /// Person, machine and process that run.
    pub owner: String,
    /// Number of the assignment to this host.
    pub generation: u64,
}

/// Identity of a unit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Assignment that brought the unit.
    pub assigned: Assigned,
    /// Digest of the encoded contents.
    pub digest: String,
}

/// Decision about an offered unit that is not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The offered unit replaces the one that is held.
    Take,
    /// The offered unit is the one that is held.
    Same,
}

/// Reason to refuse an assignment or one of its units.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Refused {
    /// The assignment is for another host or another fleet.
    #[error(
        "this is host {our_host} of fleet {our_fleet}, and the state is for host {their_host} of fleet {their_fleet}"
    )]
    OtherHost {
        /// Name of this agent's fleet.
        our_fleet: String,
        /// Name of this agent's host.
        our_host: String,
        /// Name of the fleet that the assignment is for.
        their_fleet: String,
        /// Name of the host that the assignment is for.
        their_host: String,
    },
    /// The assignment comes from a run that another one has replaced.
    #[error(
        "epoch {offered} is older than {seen}, which {owner} has assigned to this host: read the hosts again and make a new plan"
    )]
    OldEpoch {
        /// Epoch of the assignment.
        offered: u64,
        /// Greatest epoch that this host has seen.
        seen: u64,
        /// Owner of that epoch.
        owner: String,
    },
    /// The assignment has the epoch of another run.
    #[error("epoch {epoch} of this host belongs to {owner}: wait until that run has ended and make a new plan")]
    OtherOwner {
        /// Epoch of both runs.
        epoch: u64,
        /// Owner of the other run.
        owner: String,
    },
    /// The assignment is older than the last one.
    #[error(
        "generation {offered} is not newer than {seen}, which this host has seen: read the hosts again and make a new plan"
    )]
    OldGeneration {
        /// Generation of the assignment.
        offered: u64,
        /// Generation of the last assignment.
        seen: u64,
    },
    /// The unit has the numbers of the one that is held, and other contents.
    #[error(
        "this host holds generation {generation} of epoch {epoch} with other contents: read the hosts again and make a new plan"
    )]
    OtherContents {
        /// Epoch of both units.
        epoch: u64,
        /// Generation of both units.
        generation: u64,
    },
    /// The unit replaces another one than the host holds.
    #[error("{owner} has changed it with generation {generation}: read the hosts again and make a new plan")]
    Changed {
        /// Owner of the unit that is held.
        owner: String,
        /// Generation of the unit that is held.
        generation: u64,
    },
    /// The unit replaces one that the host does not hold.
    #[error("this host does not hold the unit that it replaces: read the hosts again and make a new plan")]
    Lost,
}

/// Decides whether an assignment is newer than everything that the host has seen. The units of an assignment that is sent
/// again are judged again.
///
/// # Errors
/// The reason why no unit of the assignment may be taken.
pub fn judge_assignment(seen: &Assigned, offered: &Assigned) -> Result<(), Refused> {
    if offered.epoch < seen.epoch {
        return Err(Refused::OldEpoch { offered: offered.epoch, seen: seen.epoch, owner: seen.owner.clone() });
    }
    let is_same_epoch = offered.epoch == seen.epoch;
    if is_same_epoch && seen.generation > 0 && offered.owner != seen.owner {
        return Err(Refused::OtherOwner { epoch: seen.epoch, owner: seen.owner.clone() });
    }
    let is_late =
        if is_same_epoch { offered.generation < seen.generation } else { offered.generation <= seen.generation };
    if is_late && seen.generation > 0 {
        return Err(Refused::OldGeneration { offered: offered.generation, seen: seen.generation });
    }
    Ok(())
}

/// Decides about one unit. `replaces` is the digest of the unit that the sender expects to replace; empty if it expects none,
/// and `None` if it replaces any.
///
/// # Errors
/// The reason why the host keeps what it holds.
pub fn judge(held: Option<&Stamp>, offered: &Stamp, replaces: Option<&str>) -> Result<Verdict, Refused> {
    let Some(held) = held else {
        return if replaces.is_none_or(str::is_empty) { Ok(Verdict::Take) } else { Err(Refused::Lost) };
    };
    if held.digest == offered.digest {
        return Ok(Verdict::Same);
    }
    let Assigned { epoch, generation, owner } = &held.assigned;
    if (*epoch, *generation) == (offered.assigned.epoch, offered.assigned.generation) {
        return Err(Refused::OtherContents { epoch: *epoch, generation: *generation });
    }
    if replaces.is_some_and(|replaces| held.digest != replaces) {
        return Err(Refused::Changed { owner: owner.clone(), generation: *generation });
    }
    Ok(Verdict::Take)
}

/// Whether the fabric of another host replaces the one that is held. Versions decide, as they do for a coordinator: of all
/// fabrics that hosts hold, the newest counts.
pub fn is_newer_fabric(held: Option<u64>, offered: u64) -> bool {
    held.is_none_or(|held| offered > held)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assigned(epoch: u64, owner: &str, generation: u64) -> Assigned {
        Assigned { epoch, owner: owner.to_owned(), generation }
    }

    fn stamp(generation: u64, digest: &str) -> Stamp {
        Stamp { assigned: assigned(3, "anna", generation), digest: digest.to_owned() }
    }

    fn judged(offered: &Assigned) -> Result<(), Refused> {
        judge_assignment(&assigned(3, "anna", 7), offered)
    }

    #[test]
    fn the_first_assignment_is_accepted_whatever_its_numbers() {
        assert_eq!(judge_assignment(&Assigned::default(), &assigned(0, "anna", 0)), Ok(()));
        assert_eq!(judge_assignment(&Assigned::default(), &assigned(5, "anna", 1)), Ok(()));
    }

    #[test]
    fn a_newer_generation_and_a_repetition_are_accepted_in_the_same_epoch() {
        assert_eq!(judged(&assigned(3, "anna", 8)), Ok(()));
        assert_eq!(judged(&assigned(3, "anna", 7)), Ok(()));
        assert_eq!(judged(&assigned(4, "bob", 8)), Ok(()));
    }

    #[test]
    fn an_older_epoch_is_refused_even_with_a_newer_generation() {
        let owner = "anna".to_owned();
        assert_eq!(judged(&assigned(2, "anna", 9)), Err(Refused::OldEpoch { offered: 2, seen: 3, owner }));
    }

    #[test]
    fn an_epoch_belongs_to_one_owner() {
        let owner = "anna".to_owned();
        assert_eq!(judged(&assigned(3, "bob", 8)), Err(Refused::OtherOwner { epoch: 3, owner }));
    }

    #[test]
    fn a_generation_never_goes_back_nor_stays_in_a_newer_epoch() {
        assert_eq!(judged(&assigned(3, "anna", 6)), Err(Refused::OldGeneration { offered: 6, seen: 7 }));
        assert_eq!(judged(&assigned(4, "anna", 7)), Err(Refused::OldGeneration { offered: 7, seen: 7 }));
    }

    #[test]
    fn a_unit_replaces_the_one_that_its_sender_knows() {
        assert_eq!(judge(None, &stamp(1, "a"), Some("")), Ok(Verdict::Take));
        assert_eq!(judge(Some(&stamp(7, "a")), &stamp(8, "b"), Some("a")), Ok(Verdict::Take));
        assert_eq!(judge(Some(&stamp(7, "a")), &stamp(8, "a"), Some("x")), Ok(Verdict::Same));
        assert_eq!(judge(Some(&stamp(7, "a")), &stamp(8, "b"), None), Ok(Verdict::Take));
        let owner = "anna".to_owned();
        assert_eq!(
            judge(Some(&stamp(7, "a")), &stamp(8, "b"), Some("x")),
            Err(Refused::Changed { owner: owner.clone(), generation: 7 })
        );
        assert_eq!(
            judge(Some(&stamp(7, "a")), &stamp(8, "b"), Some("")),
            Err(Refused::Changed { owner, generation: 7 })
        );
        assert_eq!(judge(None, &stamp(8, "b"), Some("a")), Err(Refused::Lost));
    }

    #[test]
    fn of_two_fabrics_the_newer_one_counts_and_what_is_held_stays_otherwise() {
        let newer = [(None, 0), (Some(7), 8)].map(|(held, offered)| is_newer_fabric(held, offered));
        let older = [(Some(7), 7), (Some(7), 6)].map(|(held, offered)| is_newer_fabric(held, offered));
        assert_eq!((newer, older), ([true; 2], [false; 2]));
    }

    #[test]
    fn the_same_numbers_with_other_contents_are_refused() {
        let refused = judge(Some(&stamp(7, "a")), &stamp(7, "b"), Some("a"));
        assert_eq!(refused, Err(Refused::OtherContents { epoch: 3, generation: 7 }));
    }
}
