//! The claim of the host, and its file. A claim survives a restart of the agent with a whole time to live, because the agent
//! cannot know how long it did not run.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use landfast_agent_core::claim::{self, Claim, ClaimRequest, Denied, LONGEST, Unclaimed};
use prost::Message as _;

use crate::durable;
use crate::error_text::in_one_line;
use crate::wire::{HostClaim, WireClaimRequest};

/// Time to live of a claim that was read from the disk, in milliseconds.
const AFTER_RESTART: u64 = 30_000;

/// The claim that was made last.
pub(crate) struct Claims {
    path: PathBuf,
    started: Instant,
    held: Mutex<Option<Claim>>,
}

impl Claims {
    /// Reads the claim from the folder of the units. One that cannot be read counts as none: the epoch of its run is known
    /// from its assignments.
    pub(crate) fn open(folder: &Path) -> Self {
        let path = folder.join("claim");
        let held = fs_err::read(&path).ok().and_then(|bytes| {
            let read = HostClaim::decode(bytes.as_slice());
            read.inspect_err(|error| tracing::warn!(error = in_one_line(error), "claim not read")).ok()
        });
        let held = held.map(|claim| Claim {
            epoch: claim.epoch,
            owner: claim.owner,
            purpose: claim.purpose,
            since: claim.since,
            released: claim.remaining == 0,
            until: AFTER_RESTART,
        });
        Self { path, started: Instant::now(), held: Mutex::new(held) }
    }

    /// Grants or renews a claim. It is on the disk when this returns. `seen` is the greatest epoch of an assignment. Blocks.
    pub(crate) fn claim(&self, request: WireClaimRequest, seen: u64) -> std::io::Result<Result<(), Denied>> {
        let now = self.now();
        let WireClaimRequest { epoch, owner, purpose, time_to_live, ended_owner } = request;
        let until = now + u64::from(time_to_live).min(LONGEST);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs().cast_signed());
        let claim = Claim { epoch, owner, purpose, since, released: false, until };
        let mut held = self.lock();
        match claim::grant(held.as_ref(), seen, ClaimRequest { claim, ended_owner }, now) {
            Ok(granted) => {
                let is_new =
                    held.as_ref().is_none_or(|held| held.released || !held.is_of(granted.epoch, &granted.owner));
                if is_new {
                    tracing::info!(epoch = granted.epoch, owner = granted.owner, purpose = granted.purpose, "claimed");
                    self.write(&granted)?;
                }
                *held = Some(granted);
                Ok(Ok(()))
            }
            Err(denied) => Ok(Err(denied)),
        }
    }

    /// Ends the claim of a run. Blocks.
    pub(crate) fn release(&self, epoch: u64, owner: &str) -> std::io::Result<()> {
        let mut held = self.lock();
        if let Some(claim) = held.as_mut().filter(|claim| claim.is_of(epoch, owner) && !claim.released) {
            self.write(&Claim { released: true, ..claim.clone() })?;
            claim.released = true;
            tracing::info!(epoch, owner, "released");
        }
        Ok(())
    }

    /// Whether this run may assign units.
    pub(crate) fn may_assign(&self, epoch: u64, owner: &str) -> Result<(), Unclaimed> {
        claim::may_assign(self.lock().as_ref(), epoch, owner, self.now())
    }

    /// The claim in force, as it is described.
    pub(crate) fn in_force(&self) -> Option<HostClaim> {
        let now = self.now();
        self.lock().as_ref().filter(|claim| claim.is_in_force(now)).map(|claim| self.described(claim))
    }

    /// Greatest epoch of a claim or an assignment.
    pub(crate) fn highest(&self, seen: u64) -> u64 {
        claim::highest(self.lock().as_ref(), seen)
    }

    /// A claim as it is described.
    pub(crate) fn described(&self, claim: &Claim) -> HostClaim {
        let remaining = if claim.released { 0 } else { claim.until.saturating_sub(self.now()) };
        HostClaim {
            epoch: claim.epoch,
            owner: claim.owner.clone(),
            purpose: claim.purpose.clone(),
            since: claim.since,
            remaining: u32::try_from(remaining).unwrap_or(u32::MAX),
        }
    }

    fn write(&self, claim: &Claim) -> std::io::Result<()> {
        durable::replace(&self.path, &[&self.described(claim).encode_to_vec()])
    }

    fn lock(&self) -> MutexGuard<'_, Option<Claim>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(epoch: u64, owner: &str) -> WireClaimRequest {
        let (owner, purpose) = (owner.to_owned(), "up web".to_owned());
        WireClaimRequest { epoch, owner, purpose, time_to_live: 30_000, ended_owner: String::new() }
    }

    #[test]
    fn a_claim_survives_a_restart_until_it_is_released() {
        let folder = tempfile::tempdir().expect("a folder");
        let claims = Claims::open(folder.path());
        assert_eq!(claims.claim(request(3, "anna"), 2).expect("written"), Ok(()));
        let claims = Claims::open(folder.path());
        let held = claims.in_force().expect("in force");
        assert_eq!((held.epoch, held.owner.as_str(), held.purpose.as_str()), (3, "anna", "up web"));
        assert!(matches!(claims.claim(request(4, "bob"), 2), Ok(Err(Denied::Held(_)))));
        assert_eq!(claims.may_assign(3, "anna"), Ok(()));
        claims.release(3, "bob").expect("no effect");
        assert!(claims.in_force().is_some());
        claims.release(3, "anna").expect("written");
        let claims = Claims::open(folder.path());
        assert_eq!((claims.in_force(), claims.highest(2)), (None, 3));
        assert_eq!(claims.claim(request(4, "bob"), 2).expect("written"), Ok(()));
    }

    #[test]
    fn a_claim_that_cannot_be_read_counts_as_none() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("claim"), [7]).expect("written");
        assert_eq!(Claims::open(folder.path()).claim(request(3, "anna"), 2).expect("written"), Ok(()));
    }
}
