//! One simulated agent: it keeps units as a real agent does, and reports every assigned instance as running at once.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use landfast_agent_core::assignment::{self, Assigned, Stamp, Verdict};
use landfast_agent_core::claim::{self, Claim, Denied};
use landfast_proto::v1::{self, unit, unit_answer};
use landfast_proto::{Contents, UnitKey};
use tokio::sync::watch;

use super::counters::{Activity, Counters};
use super::{fleet, report};

/// Encoded fabrics by digest. Hosts that hold the same fabric share it, so that a process can simulate many hosts.
#[derive(Debug, Default)]
pub(crate) struct Fabrics(Mutex<HashMap<String, Weak<Vec<u8>>>>);

impl Fabrics {
    fn find(&self, digest: &str) -> Option<Arc<Vec<u8>>> {
        self.lock().get(digest).and_then(Weak::upgrade)
    }

    fn keep(&self, digest: &str, encoded: Vec<u8>) -> Arc<Vec<u8>> {
        let (kept, mut all) = (Arc::new(encoded), self.lock());
        all.retain(|_, fabric| fabric.strong_count() > 0);
        all.insert(digest.to_owned(), Arc::downgrade(&kept));
        kept
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Weak<Vec<u8>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Contents of a unit in their encoded form, which is smaller than the decoded one.
#[derive(Debug)]
pub(crate) enum Kept {
    /// A unit of this host.
    Own(unit::Contents),
    /// A fabric, which hosts may share.
    Fabric(Arc<Vec<u8>>),
}

/// A unit that the host holds.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) stamp: Stamp,
    pub(crate) contents: Kept,
}

impl Held {
    /// The unit as it is described: the fabric by its stamp.
    pub(crate) fn describe(&self) -> v1::Unit {
        match &self.contents {
            Kept::Own(_) => self.encode(),
            Kept::Fabric(_) => v1::Unit { stamp: Some(wire_stamp(&self.stamp)), if_digest: None, contents: None },
        }
    }

    /// The whole unit.
    pub(crate) fn encode(&self) -> v1::Unit {
        let contents = match &self.contents {
            Kept::Own(contents) => contents.clone(),
            Kept::Fabric(encoded) => unit::Contents::Fabric(encoded.to_vec()),
        };
        v1::Unit { stamp: Some(wire_stamp(&self.stamp)), if_digest: None, contents: Some(contents) }
    }
}

/// A stamp as it travels.
pub(crate) fn wire_stamp(stamp: &Stamp) -> v1::Stamp {
    let Stamp { assigned: Assigned { epoch, owner, generation }, digest } = stamp.clone();
    v1::Stamp { epoch, owner, generation, digest }
}

/// What a host knows.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// The last assignment.
    pub(crate) seen: Assigned,
    pub(crate) units: BTreeMap<UnitKey, Held>,
    pub(crate) claim: Option<Claim>,
    /// Digests of the blobs that were pushed. Their contents are not needed.
    pub(crate) blobs: BTreeSet<String>,
    /// The history by stack and number.
    pub(crate) releases: BTreeMap<(String, u64), v1::ReleaseRecord>,
}

/// A simulated host.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) number: usize,
    pub(crate) counters: Counters,
    pub(crate) activity: Arc<Activity>,
    /// Informs the watchers of a change.
    pub(crate) changes: watch::Sender<()>,
    fabrics: Arc<Fabrics>,
    started: Instant,
    state: Mutex<State>,
}

/// Reason to refuse a unit.
enum Refusal {
    /// The host does not hold the fabric that a change starts from.
    SendWhole,
    Because(String),
}

impl Host {
    /// Creates a host that holds nothing.
    pub(crate) fn new(number: usize, activity: Arc<Activity>, fabrics: Arc<Fabrics>) -> Self {
        let (counters, state, changes) = (Counters::default(), Mutex::default(), watch::Sender::new(()));
        Self { number, counters, activity, changes, fabrics, started: Instant::now(), state }
    }

    /// The state of the host.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Milliseconds since the start.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Grants or renews a claim.
    pub(crate) fn claim(&self, request: v1::ClaimRequest) -> v1::ClaimResponse {
        let v1::ClaimRequest { epoch, owner, purpose, time_to_live, ended_owner } = request;
        let now = self.now();
        let until = now + u64::from(time_to_live).min(claim::LONGEST);
        let asked = Claim { epoch, owner, purpose, since: 0, released: false, until };
        let mut state = self.state();
        let request = claim::ClaimRequest { claim: asked, ended_owner };
        match claim::grant(state.claim.as_ref(), state.seen.epoch, request, now) {
            Ok(granted) => {
                state.claim = Some(granted);
                v1::ClaimResponse { granted: true, held: None }
            }
            Err(Denied::Held(held)) => v1::ClaimResponse { granted: false, held: Some(described(&held, now)) },
            Err(Denied::OldEpoch(_)) => v1::ClaimResponse { granted: false, held: None },
        }
    }

    /// Ends the claim of a run.
    pub(crate) fn release(&self, request: &v1::ReleaseRequest) {
        let mut state = self.state();
        if let Some(claim) = state.claim.as_mut().filter(|claim| claim.is_of(request.epoch, &request.owner)) {
            claim.released = true;
        }
    }

    /// Takes the units of an assignment, and informs the watchers.
    ///
    /// # Errors
    /// The reason why none of the units is taken.
    pub(crate) fn assign(&self, request: &v1::AssignRequest) -> Result<v1::AssignResponse, String> {
        let stamp = request.stamp.clone().ok_or("the request has no stamp")?;
        let offered = Assigned { epoch: stamp.epoch, owner: stamp.owner, generation: stamp.generation };
        if request.host != fleet::host(self.number) || request.fleet != fleet::NAME {
            return Err(format!("this is not host {} of fleet {}", request.host, request.fleet));
        }
        let mut state = self.state();
        claim::may_assign(state.claim.as_ref(), offered.epoch, &offered.owner, self.now())
            .map_err(|unclaimed| unclaimed.to_string())?;
        assignment::judge_assignment(&state.seen, &offered).map_err(|refused| refused.to_string())?;
        let answers = request.units.iter().map(|unit| answer(self.take(&mut state, unit, &offered))).collect();
        state.seen = offered;
        drop(state);
        self.changes.send_replace(());
        Ok(v1::AssignResponse { answers })
    }

    fn take(&self, state: &mut State, unit: &v1::Unit, offered: &Assigned) -> Result<Verdict, Refusal> {
        let because = |problem: &dyn ToString| Refusal::Because(problem.to_string());
        let digest = unit.stamp.as_ref().map(|stamp| stamp.digest.clone()).unwrap_or_default();
        let stamp = Stamp { assigned: offered.clone(), digest };
        let contents = unit.contents.as_ref().ok_or_else(|| because(&"the unit has no contents"))?;
        let (key, kept) = match contents {
            unit::Contents::FabricDelta(delta) => (UnitKey::Fabric, self.changed_fabric(state, delta, &stamp.digest)?),
            unit::Contents::Fabric(encoded) => (UnitKey::Fabric, self.whole_fabric(encoded, &stamp.digest)?),
            own => {
                let decoded = Contents::decode(own).map_err(|error| because(&error))?;
                if decoded.digest() != stamp.digest {
                    return Err(because(&"the digest is that of other contents"));
                }
                if let Contents::Stack(stack) = &decoded
                    && !stack.manifest.is_empty()
                    && !state.blobs.contains(&stack.manifest)
                {
                    return Err(because(&format!("the bundle of {} is not here", stack.stack)));
                }
                (decoded.key(), Kept::Own(own.clone()))
            }
        };
        let held = state.units.get(&key).map(|held| &held.stamp);
        let verdict =
            assignment::judge(held, &stamp, unit.if_digest.as_deref()).map_err(|refused| because(&refused))?;
        if verdict == Verdict::Take {
            state.units.insert(key, Held { stamp, contents: kept });
        }
        Ok(verdict)
    }

    /// Checks a whole fabric.
    fn whole_fabric(&self, encoded: &[u8], digest: &str) -> Result<Kept, Refusal> {
        if let Some(known) = self.fabrics.find(digest) {
            return Ok(Kept::Fabric(known));
        }
        let contents = Contents::decode(&unit::Contents::Fabric(encoded.to_vec()));
        let contents = contents.map_err(|error| Refusal::Because(error.to_string()))?;
        if contents.digest() != digest {
            return Err(Refusal::Because("the digest is that of another fabric".to_owned()));
        }
        Ok(Kept::Fabric(self.fabrics.keep(digest, encoded.to_vec())))
    }

    /// Applies a change to the fabric that is held.
    fn changed_fabric(&self, state: &State, delta: &v1::FabricDelta, digest: &str) -> Result<Kept, Refusal> {
        let held = state.units.get(&UnitKey::Fabric);
        let held_digest = held.map_or("", |held| held.stamp.digest.as_str());
        if held_digest != delta.from && held_digest != digest {
            return Err(Refusal::SendWhole);
        }
        if let Some(known) = self.fabrics.find(digest) {
            return Ok(Kept::Fabric(known));
        }
        let before = match held.map(|held| &held.contents) {
            Some(Kept::Fabric(encoded)) => Contents::decode(&unit::Contents::Fabric(encoded.to_vec())),
            _ => Ok(Contents::Fabric(v1::Fabric::default())),
        };
        let Ok(Contents::Fabric(before)) = before else { return Err(Refusal::SendWhole) };
        let after = Contents::Fabric(before.changed(delta));
        let unit::Contents::Fabric(encoded) = after.encode() else { return Err(Refusal::SendWhole) };
        if after.digest() != digest {
            return Err(Refusal::SendWhole);
        }
        Ok(Kept::Fabric(self.fabrics.keep(digest, encoded)))
    }

    /// Describes the host, with its units if they are requested.
    pub(crate) fn describe(&self, with_held: bool) -> v1::DescribeResponse {
        let (now, state) = (self.now(), self.state());
        let claim = state.claim.as_ref();
        v1::DescribeResponse {
            epoch: state.seen.epoch,
            generation: state.seen.generation,
            held: state.units.values().filter(|_| with_held).map(Held::describe).collect(),
            releases: state.releases.values().cloned().collect(),
            highest_epoch: claim::highest(claim, state.seen.epoch),
            claim: claim.filter(|claim| claim.is_in_force(now)).map(|claim| described(claim, now)),
            ..report::description(self.number, &state)
        }
    }
}

fn answer(taken: Result<Verdict, Refusal>) -> v1::UnitAnswer {
    use unit_answer::Verdict as Answer;
    let (verdict, reason) = match taken {
        Ok(Verdict::Take) => (Answer::Taken, String::new()),
        Ok(Verdict::Same) => (Answer::Same, String::new()),
        Err(Refusal::SendWhole) => (Answer::SendWhole, "the host holds another fabric".to_owned()),
        Err(Refusal::Because(reason)) => (Answer::Refused, reason),
    };
    v1::UnitAnswer { verdict: verdict.into(), reason }
}

fn described(claim: &Claim, now: u64) -> v1::HostClaim {
    let remaining = Duration::from_millis(claim.until.saturating_sub(now));
    v1::HostClaim {
        epoch: claim.epoch,
        owner: claim.owner.clone(),
        purpose: claim.purpose.clone(),
        since: claim.since,
        remaining: u32::try_from(remaining.as_millis()).unwrap_or(u32::MAX),
    }
}
