//! The units that are held, and their files. A unit counts as assigned when it is on the disk. A file that is damaged is left
//! where it is and counts as no unit: its stack is then unmanaged, and nothing of it is removed (F60).

mod learn;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use landfast_agent_core::assignment::{Assigned, Refused, Stamp, Verdict, judge, judge_assignment};
use landfast_agreement::limits::MESSAGE_MAX;
use prost::Message as _;
use tokio::sync::watch;

pub(crate) use learn::LearnError;

use crate::claims::Claims;
use crate::durable;
use crate::error_text::in_one_line;
use crate::old_state;
use crate::wire::{
    AssignRequest, Contents, Fabric, FabricDelta, Held, HeldUnit, HostState, Invalid, Unit, UnitAnswer, UnitKey,
    Unusable, WireStamp, assigned, instance_name, secrets, unit, unit_answer, wire_assigned,
};

/// First line of a file. The digest of the body and the body itself follow.
const HEADER: &[u8] = b"landfast unit 1\n";
/// First line of the file of earlier versions, which had one state for the whole host.
const OLD_HEADER: &[u8] = b"landfast host state 1\n";
/// Name of the file of earlier versions.
const OLD_FILE: &str = "host_state";
/// Owner of units that an earlier version received.
const OLD_OWNER: &str = "an earlier version of landfast";

/// Why the units cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("the units cannot be read")]
    Read(#[source] std::io::Error),
    #[error("the unit cannot be written; the one that was held before stays in force")]
    Write(#[source] std::io::Error),
    #[error(
        "{path} is the state of host {host} of fleet {fleet}, and this agent has another identity: check --state and --identity"
    )]
    OtherHost { path: PathBuf, fleet: String, host: String },
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
enum FileError {
    #[error("it cannot be read")]
    Read(#[from] std::io::Error),
    #[error("it is damaged")]
    Damaged,
    #[error("it is not valid: {0}")]
    Invalid(#[from] Invalid),
    #[error("it cannot be decoded")]
    Unreadable(#[from] prost::DecodeError),
}

/// Why a unit is not taken.
#[derive(Debug, thiserror::Error)]
enum UnitError {
    #[error("it is not valid: {0}")]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the bundle is incomplete on this host: push the missing blobs first")]
    Incomplete,
    #[error("the contents of {file} of {instance} are not on this host: push the missing secrets first")]
    NoSecret { instance: String, file: String },
    #[error("it changes another fabric than this host holds")]
    OtherFabric,
    #[error("the units of this host would be larger than {} MiB together, which no coordinator can read", UNITS_MAX >> 20)]
    TooLarge,
}

/// Size of the largest units of a host together, in bytes. They are described in one message.
const UNITS_MAX: usize = MESSAGE_MAX - (4 << 20);

/// The units that are held, on the disk and in memory.
pub(crate) struct Holder {
    fleet: String,
    host: String,
    folder: PathBuf,
    held: watch::Sender<Arc<Held>>,
    /// Held during an assignment, so that there is one at a time.
    writing: Mutex<()>,
    /// Which run may assign units.
    pub(crate) claims: Claims,
    /// Held while a claim is decided and during a claimed assignment, so that no claim comes between the two.
    gate: Mutex<()>,
}

impl Holder {
    /// Reads the units from the agent's state folder.
    pub(crate) fn open(state: &Path, fleet: &str, host: &str) -> Result<Self, StateError> {
        let folder = state.join("units");
        durable::folder(&folder).map_err(StateError::Write)?;
        let (seen, units) = read_all(&folder, fleet, host)?;
        let (seen, units) = match take_over(&state.join(OLD_FILE), &folder, &seen, fleet, host)? {
            true => read_all(&folder, fleet, host)?,
            false => (seen, units),
        };
        // Each unit was valid by itself, so all are valid together.
        let held = Held::new(seen.clone(), units).unwrap_or_else(|error| {
            tracing::error!(error = in_one_line(&error), "units not used");
            Held { seen, ..Held::default() }
        });
        Ok(Holder {
            fleet: fleet.to_owned(),
            host: host.to_owned(),
            claims: Claims::open(&folder),
            gate: Mutex::new(()),
            folder,
            held: watch::Sender::new(Arc::new(held)),
            writing: Mutex::new(()),
        })
    }

    /// Waits until no claim and no claimed assignment is under way, and keeps others out.
    pub(crate) fn gate(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn current(&self) -> Arc<Held> {
        self.held.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Arc<Held>> {
        self.held.subscribe()
    }

    /// Accepts the units that may replace those that are held. Each unit that is taken is on the disk when this returns.
    /// `is_here` tells whether something that a stack needs is on the host. Blocks.
    pub(crate) fn assign(
        &self,
        request: &AssignRequest,
        is_here: impl Fn(Needed<'_>) -> bool,
    ) -> Result<Vec<UnitAnswer>, Refused> {
        if request.fleet != self.fleet || request.host != self.host {
            return Err(Refused::OtherHost {
                our_fleet: self.fleet.clone(),
                our_host: self.host.clone(),
                their_fleet: request.fleet.clone(),
                their_host: request.host.clone(),
            });
        }
        let offered = request.stamp.as_ref().map(assigned).unwrap_or_default();
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.current();
        judge_assignment(&held.seen, &offered)?;
        let mut units = held.units.clone();
        let mut answers = Vec::new();
        for unit in &request.units {
            let taken = self.take(&mut units, unit, &offered, &is_here);
            answers.push(answer(taken));
        }
        // A unit that was taken records the assignment too.
        let is_recorded = answers.iter().any(|answer| answer.verdict() == unit_answer::Verdict::Taken);
        if !is_recorded && let Err(error) = self.write(SEEN, &wire_assigned(&offered)) {
            tracing::warn!(error = in_one_line(&error), "last assignment not recorded");
        }
        match Held::new(offered, units) {
            Ok(held) => drop(self.held.send_replace(Arc::new(held))),
            // Each unit is valid by itself, so all are valid together.
            Err(error) => tracing::error!(error = in_one_line(&error), "units not used"),
        }
        Ok(answers)
    }

    /// Takes one unit if it may replace the one that is held.
    fn take(
        &self,
        units: &mut BTreeMap<UnitKey, HeldUnit>,
        unit: &Unit,
        offered: &Assigned,
        is_here: &impl Fn(Needed<'_>) -> bool,
    ) -> Result<Verdict, UnitError> {
        let digest = unit.stamp.as_ref().map(|stamp| stamp.digest.clone()).ok_or(Invalid::NoStamp)?;
        let stamp = Stamp { assigned: offered.clone(), digest };
        let contents = match unit.contents.as_ref().ok_or(Unusable::Empty).map_err(Invalid::from)? {
            unit::Contents::FabricDelta(delta) => match changed_fabric(units.get(&UnitKey::Fabric), delta, &stamp)? {
                Some(contents) => contents,
                None => return Ok(Verdict::Same),
            },
            contents => Contents::decode(contents).map_err(Invalid::from)?,
        };
        let new = HeldUnit::new(stamp, contents)?;
        let key = new.contents.key();
        let verdict = judge(units.get(&key).map(|held| &held.stamp), &new.stamp, unit.if_digest.as_deref())?;
        if verdict == Verdict::Take {
            check_needs(units.get(&key).map(|held| &held.contents), &new.contents, is_here)?;
            let size = |unit: &HeldUnit| unit.encode().encoded_len();
            let (before, after) = (units.get(&key).map_or(0, size), size(&new));
            // The fabric travels in a message of its own.
            let is_fabric = |key: &UnitKey| *key == UnitKey::Fabric;
            let others = units.iter().filter(|(other, _)| **other != key && !is_fabric(other) && !is_fabric(&key));
            let others: usize = others.map(|(_, unit)| size(unit)).sum();
            if after > before && others + after > UNITS_MAX {
                return Err(UnitError::TooLarge);
            }
            self.write(&file_name(&key), &new.encode())?;
            units.insert(key, new);
        } else if let Some(held) = units.get_mut(&key) {
            // A stack that is assigned again is tried again.
            held.stamp.assigned = new.stamp.assigned;
        }
        Ok(verdict)
    }

    fn write(&self, name: &str, message: &impl prost::Message) -> Result<(), StateError> {
        write(&self.folder, name, &message.encode_to_vec())
    }
}

/// Name of the file with the last assignment.
const SEEN: &str = "seen";
const STACK: &str = "stack-";

fn file_name(key: &UnitKey) -> String {
    match key {
        UnitKey::Base => "base".to_owned(),
        UnitKey::Fabric => "fabric".to_owned(),
        UnitKey::Stack(stack) => format!("{STACK}{stack}"),
    }
}

/// Something that a stack needs on the host before its unit is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needed<'a> {
    /// The bundle with this manifest.
    Bundle(&'a str),
    /// The secret blob with this digest.
    Secret(&'a str),
}

/// Checks that what a unit needs is on the host. What the unit before it needed is not checked again: the stack must be
/// removable without it.
fn check_needs(
    before: Option<&Contents>,
    new: &Contents,
    is_here: impl Fn(Needed<'_>) -> bool,
) -> Result<(), UnitError> {
    let bundle = manifest(new);
    if !bundle.is_empty() && bundle != before.map_or("", manifest) && !is_here(Needed::Bundle(bundle)) {
        return Err(UnitError::Incomplete);
    }
    let known: BTreeSet<&str> = before.into_iter().flat_map(secrets).map(|(_, file)| file.digest.as_str()).collect();
    match secrets(new).find(|(_, file)| !known.contains(file.digest.as_str()) && !is_here(Needed::Secret(&file.digest)))
    {
        Some((instance, file)) => {
            Err(UnitError::NoSecret { instance: instance_name(instance).to_string(), file: file.target.clone() })
        }
        None => Ok(()),
    }
}

/// Digest of the manifest of a stack's live tree; empty for none.
fn manifest(contents: &Contents) -> &str {
    match contents {
        Contents::Stack(state) => &state.manifest,
        Contents::Removal(_) | Contents::Base(_) | Contents::Fabric(_) => "",
    }
}

/// Applies a change to the fabric that is held. Returns `None` if the host holds the result already.
fn changed_fabric(held: Option<&HeldUnit>, delta: &FabricDelta, stamp: &Stamp) -> Result<Option<Contents>, UnitError> {
    let held_digest = held.map_or("", |held| held.stamp.digest.as_str());
    if held_digest == stamp.digest {
        return Ok(None);
    }
    let nothing = Fabric::default();
    let before = match held.map(|held| &held.contents) {
        Some(Contents::Fabric(fabric)) => fabric,
        _ => &nothing,
    };
    let after = Contents::Fabric(before.changed(delta));
    if held_digest != delta.from || after.digest() != stamp.digest {
        return Err(UnitError::OtherFabric);
    }
    Ok(Some(after))
}

fn answer(taken: Result<Verdict, UnitError>) -> UnitAnswer {
    let (verdict, reason) = match taken {
        Ok(Verdict::Take) => (unit_answer::Verdict::Taken, String::new()),
        Ok(Verdict::Same) => (unit_answer::Verdict::Same, String::new()),
        Err(UnitError::OtherFabric) => (unit_answer::Verdict::SendWhole, UnitError::OtherFabric.to_string()),
        Err(error) => (unit_answer::Verdict::Refused, in_one_line(&error)),
    };
    UnitAnswer { verdict: verdict.into(), reason }
}

/// Reads the files of all units. Those that cannot be used are left out.
fn read_all(folder: &Path, fleet: &str, host: &str) -> Result<(Assigned, BTreeMap<UnitKey, HeldUnit>), StateError> {
    let mut seen = Assigned::default();
    let mut units = BTreeMap::new();
    check_owner(folder, fleet, host)?;
    for entry in fs_err::read_dir(folder).map_err(StateError::Read)? {
        let path = entry.map_err(StateError::Read)?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        if name.ends_with(".new") {
            // A write that was cut off leaves this file.
            fs_err::remove_file(&path).map_err(StateError::Write)?;
            continue;
        }
        let is_unit = name == "base" || name == "fabric" || name.starts_with(STACK);
        let found = match name {
            SEEN => body(&path, HEADER).and_then(|body| {
                let stamp = WireStamp::decode(body.as_slice())?;
                later(&mut seen, assigned(&stamp));
                Ok(())
            }),
            _ if is_unit => read(&path).and_then(|unit| {
                if file_name(&unit.contents.key()) != name {
                    return Err(FileError::Damaged);
                }
                // A fabric that was learned from another host is not an assignment to this one.
                if unit.stamp.assigned.generation > 0 {
                    later(&mut seen, unit.stamp.assigned.clone());
                }
                units.insert(unit.contents.key(), unit);
                Ok(())
            }),
            _ => Ok(()),
        };
        if let Err(error) = found {
            let (path, error) = (path.display(), in_one_line(&error));
            tracing::error!(%path, error, "unit not used; deploy its stack again: nothing of it is removed until then");
        }
    }
    Ok((seen, units))
}

/// Checks that the units are those of this host, and records the host in a new folder.
fn check_owner(folder: &Path, fleet: &str, host: &str) -> Result<(), StateError> {
    let path = folder.join("host");
    let ours = format!("{host}\n{fleet}\n");
    match fs_err::read_to_string(&path) {
        Ok(text) if text == ours => Ok(()),
        Ok(text) => {
            let mut lines = text.lines().map(str::to_owned);
            let (host, fleet) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
            Err(StateError::OtherHost { path, fleet, host })
        }
        Err(error) if error.kind() == ErrorKind::NotFound => {
            durable::replace(&path, &[ours.as_bytes()]).map_err(StateError::Write)
        }
        Err(error) => Err(StateError::Read(error)),
    }
}

fn later(seen: &mut Assigned, other: Assigned) {
    if (other.epoch, other.generation) > (seen.epoch, seen.generation) {
        *seen = other;
    }
}

fn read(path: &Path) -> Result<HeldUnit, FileError> {
    let unit = Unit::decode(body(path, HEADER)?.as_slice())?;
    Ok(HeldUnit::decode(&unit)?)
}

/// Reads what follows the header and the digest, if the digest matches.
fn body(path: &Path, header: &[u8]) -> Result<Vec<u8>, FileError> {
    let bytes = fs_err::read(path)?;
    durable::body(&bytes, header).map(<[u8]>::to_vec).ok_or(FileError::Damaged)
}

fn write(folder: &Path, name: &str, body: &[u8]) -> Result<(), StateError> {
    let digest = blake3::hash(body).to_hex();
    durable::replace(&folder.join(name), &[HEADER, digest.as_bytes(), b"\n", body]).map_err(StateError::Write)
}

/// Replaces the host state of an earlier version by its units, if it is newer than these. Returns whether it did. A file that
/// cannot be used is left where it is.
fn take_over(old: &Path, folder: &Path, seen: &Assigned, fleet: &str, host: &str) -> Result<bool, StateError> {
    if !old.exists() {
        return Ok(false);
    }
    let state = body(old, OLD_HEADER).and_then(|body| Ok(HostState::decode(body.as_slice())?));
    let state = match state {
        Ok(state) => state,
        Err(error) => {
            let (path, error) = (old.display(), in_one_line(&error));
            tracing::error!(%path, error, "host state not used; deploy the stacks again: nothing is removed until then");
            return Ok(false);
        }
    };
    if state.fleet != fleet || state.host != host {
        return Err(StateError::OtherHost { path: old.to_owned(), fleet: state.fleet, host: state.host });
    }
    if (state.epoch, state.generation) <= (seen.epoch, seen.generation) {
        fs_err::remove_file(old).map_err(StateError::Write)?;
        return Ok(false);
    }
    let assigned = Assigned { epoch: state.epoch, owner: OLD_OWNER.to_owned(), generation: state.generation };
    for contents in old_state::units(state) {
        let name = file_name(&contents.key());
        let unit = HeldUnit { stamp: Stamp { assigned: assigned.clone(), digest: contents.digest() }, contents };
        write(folder, &name, &unit.encode().encode_to_vec())?;
    }
    // The last file that is written says that the others are complete.
    write(folder, SEEN, &wire_assigned(&assigned).encode_to_vec())?;
    fs_err::remove_file(old).map_err(StateError::Write)?;
    Ok(true)
}

#[cfg(test)]
mod tests;
