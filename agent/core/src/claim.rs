//! Decides which run may change the host. One run at a time has a claim, which precedes its first assignment. Times are
//! milliseconds of any clock that only goes forward.

use thiserror::Error;

/// Longest time to live of a claim, in milliseconds.
pub const LONGEST: u64 = 60_000;

/// A claim of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claim {
    /// Epoch of the run.
    pub epoch: u64,
    /// Person, machine and process that run.
    pub owner: String,
    /// What the run does.
    pub purpose: String,
    /// Unix time in seconds at which the run claimed the host.
    pub since: i64,
    /// Whether the run has ended the claim.
    pub released: bool,
    /// Time at which the claim ends unless it is renewed.
    pub until: u64,
}

impl Claim {
    /// Whether the claim keeps other runs away.
    pub fn is_in_force(&self, now: u64) -> bool {
        !self.released && now < self.until
    }

    /// Whether this run made the claim.
    pub fn is_of(&self, epoch: u64, owner: &str) -> bool {
        (self.epoch, self.owner.as_str()) == (epoch, owner)
    }
}

/// A request for a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimRequest {
    /// The claim, with the end of its time to live.
    pub claim: Claim,
    /// Owner of an earlier run that has ended; empty for none.
    pub ended_owner: String,
}

/// Reason to refuse a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Denied {
    /// Another run has the claim.
    Held(Claim),
    /// A run with this epoch or a greater one has been here.
    OldEpoch(u64),
}

/// Reason to refuse an assignment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unclaimed {
    /// Another run has claimed the host.
    #[error("{owner} has claimed this host: wait until that run has ended and make a new plan")]
    Other {
        /// Owner of the claim.
        owner: String,
    },
    /// The run has not claimed the host.
    #[error("epoch {epoch} has no claim on this host: claim it first")]
    None {
        /// Epoch of the assignment.
        epoch: u64,
    },
}

/// Decides about a claim. `seen` is the greatest epoch of an assignment, and `now` the time.
///
/// # Errors
/// The reason why the claim is not granted.
pub fn grant(held: Option<&Claim>, seen: u64, request: ClaimRequest, now: u64) -> Result<Claim, Denied> {
    let ClaimRequest { claim, ended_owner } = request;
    if let Some(held) = held {
        if held.is_of(claim.epoch, &claim.owner) && !held.released {
            let since = held.since;
            return if seen > claim.epoch { Err(Denied::OldEpoch(seen)) } else { Ok(Claim { since, ..claim }) };
        }
        let has_ended = !ended_owner.is_empty() && held.owner == ended_owner;
        if held.is_in_force(now) && !has_ended {
            return Err(Denied::Held(held.clone()));
        }
    }
    let highest = highest(held, seen);
    if claim.epoch > highest { Ok(claim) } else { Err(Denied::OldEpoch(highest)) }
}

/// Greatest epoch of a claim or an assignment.
pub fn highest(held: Option<&Claim>, seen: u64) -> u64 {
    held.map_or(0, |held| held.epoch).max(seen)
}

/// Decides whether a run may assign units. Its claim may have run out, as long as no other run has claimed the host since.
///
/// # Errors
/// The reason why it may not.
pub fn may_assign(held: Option<&Claim>, epoch: u64, owner: &str, now: u64) -> Result<(), Unclaimed> {
    match held {
        Some(held) if held.is_of(epoch, owner) && !held.released => Ok(()),
        Some(held) if held.is_in_force(now) => Err(Unclaimed::Other { owner: held.owner.clone() }),
        _ => Err(Unclaimed::None { epoch }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(epoch: u64, owner: &str, until: u64) -> Claim {
        Claim { epoch, owner: owner.to_owned(), since: 100, until, ..Claim::default() }
    }

    fn asks(claim: Claim) -> ClaimRequest {
        ClaimRequest { claim, ended_owner: String::new() }
    }

    #[test]
    fn a_free_host_is_claimed_with_an_epoch_that_it_has_not_seen() {
        assert_eq!(grant(None, 4, asks(claim(5, "anna", 30)), 0), Ok(claim(5, "anna", 30)));
        assert_eq!(grant(None, 5, asks(claim(5, "anna", 30)), 0), Err(Denied::OldEpoch(5)));
        let over = claim(6, "anna", 30);
        assert_eq!(grant(Some(&over), 5, asks(claim(6, "bob", 60)), 30), Err(Denied::OldEpoch(6)));
        assert_eq!(grant(Some(&over), 5, asks(claim(7, "bob", 60)), 30), Ok(claim(7, "bob", 60)));
    }

    #[test]
    fn a_claim_in_force_keeps_other_runs_away_even_with_a_greater_epoch() {
        let held = claim(5, "anna", 30);
        assert_eq!(grant(Some(&held), 4, asks(claim(9, "bob", 60)), 29), Err(Denied::Held(held.clone())));
        let released = Claim { released: true, ..held };
        assert_eq!(grant(Some(&released), 4, asks(claim(9, "bob", 60)), 1), Ok(claim(9, "bob", 60)));
        let late = grant(Some(&released), 4, asks(claim(5, "anna", 60)), 1);
        assert_eq!(late, Err(Denied::OldEpoch(5)), "a renewal that arrives after the release");
    }

    #[test]
    fn a_claim_is_renewed_by_its_run_and_keeps_its_beginning() {
        let held = claim(5, "anna", 30);
        let again = Claim { since: 200, ..claim(5, "anna", 50) };
        assert_eq!(grant(Some(&held), 5, asks(again.clone()), 20), Ok(claim(5, "anna", 50)));
        assert_eq!(grant(Some(&held), 6, asks(again), 20), Err(Denied::OldEpoch(6)));
    }

    #[test]
    fn the_claim_of_a_run_that_has_ended_is_replaced() {
        let held = claim(5, "anna, process 1", 30);
        let next = ClaimRequest { claim: claim(6, "anna, process 2", 60), ended_owner: "anna, process 1".to_owned() };
        assert_eq!(grant(Some(&held), 5, next.clone(), 1), Ok(next.claim.clone()));
        let other = ClaimRequest { ended_owner: "anna, process 0".to_owned(), ..next };
        assert_eq!(grant(Some(&held), 5, other, 1), Err(Denied::Held(held)));
    }

    #[test]
    fn only_the_run_with_the_claim_may_assign() {
        let held = claim(5, "anna", 30);
        assert_eq!(may_assign(Some(&held), 5, "anna", 10), Ok(()));
        assert_eq!(may_assign(Some(&held), 5, "anna", 99), Ok(()), "no other run has claimed the host since");
        assert_eq!(may_assign(Some(&held), 6, "bob", 10), Err(Unclaimed::Other { owner: "anna".to_owned() }));
        assert_eq!(may_assign(Some(&held), 6, "bob", 99), Err(Unclaimed::None { epoch: 6 }));
        let released = Claim { released: true, ..held.clone() };
        assert_eq!(may_assign(Some(&released), 5, "anna", 10), Err(Unclaimed::None { epoch: 5 }));
        assert_eq!(may_assign(None, 5, "anna", 0), Err(Unclaimed::None { epoch: 5 }));
    }
}
