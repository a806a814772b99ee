//! The host state that is held, and its file. A state counts as assigned when it is on the disk, and a file that is damaged
//! is refused.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use landfast_agent_core::assignment::{Refused, Verdict, judge};
use prost::Message as _;
use tokio::sync::watch;

use crate::durable;
use crate::wire::{Held, HostState, Invalid};

/// First line of the file. The digest of the encoded state and the state itself follow.
const HEADER: &[u8] = b"landfast host state 1\n";

/// Why the host state cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("the host state cannot be read")]
    Read(#[source] std::io::Error),
    #[error("the host state cannot be written; the one that was held before stays in force")]
    Write(#[source] std::io::Error),
    #[error(
        "{path} is damaged: move it away and run `landfast up`, which assigns the host state again; containers continue to run"
    )]
    Damaged { path: PathBuf },
    #[error("{path} does not contain a valid host state")]
    NotValid {
        path: PathBuf,
        #[source]
        source: Invalid,
    },
    #[error(
        "{path} is the state of host {host} of fleet {fleet}, and this agent has another identity: check --state and --identity"
    )]
    OtherHost { path: PathBuf, fleet: String, host: String },
}

/// Why a host state is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssignError {
    #[error("the host state is not valid: {0}")]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Refused(#[from] Refused),
    #[error(transparent)]
    State(#[from] StateError),
}

/// The host state that is held, on the disk and in memory.
pub(crate) struct Holder {
    fleet: String,
    host: String,
    folder: PathBuf,
    held: watch::Sender<Option<Arc<Held>>>,
    /// Held during an assignment, so that there is one at a time.
    writing: Mutex<()>,
}

impl Holder {
    /// Reads the host state from the agent's state folder.
    pub(crate) fn open(folder: &Path, fleet: &str, host: &str) -> Result<Self, StateError> {
        let path = file(folder);
        let held = read(&path)?;
        if let Some(stamp) =
            held.as_ref().map(|held| &held.stamp).filter(|stamp| stamp.fleet != fleet || stamp.host != host)
        {
            return Err(StateError::OtherHost { path, fleet: stamp.fleet.clone(), host: stamp.host.clone() });
        }
        let held = watch::Sender::new(held.map(Arc::new));
        Ok(Holder {
            fleet: fleet.to_owned(),
            host: host.to_owned(),
            folder: folder.to_owned(),
            held,
            writing: Mutex::new(()),
        })
    }

    pub(crate) fn current(&self) -> Option<Arc<Held>> {
        self.held.borrow().clone()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Arc<Held>>> {
        self.held.subscribe()
    }

    /// Accepts a host state if it may replace the one that is held. It is on the disk when this returns. Blocks.
    pub(crate) fn assign(&self, state: HostState) -> Result<Verdict, AssignError> {
        let offered = Held::new(state)?;
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let held = self.current();
        let verdict = judge(&self.fleet, &self.host, held.as_ref().map(|held| &held.stamp), &offered.stamp)?;
        if verdict == Verdict::Take {
            write(&self.folder, &offered.state.encode_to_vec())?;
            self.held.send_replace(Some(Arc::new(offered)));
        }
        Ok(verdict)
    }
}

fn file(folder: &Path) -> PathBuf {
    folder.join("host_state")
}

fn read(path: &Path) -> Result<Option<Held>, StateError> {
    let bytes = match fs_err::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(StateError::Read(error)),
    };
    let body = whole(&bytes).ok_or_else(|| StateError::Damaged { path: path.to_owned() })?;
    Held::decode(body).map(Some).map_err(|source| StateError::NotValid { path: path.to_owned(), source })
}

/// Returns what follows the digest, if the digest matches.
fn whole(bytes: &[u8]) -> Option<&[u8]> {
    let rest = bytes.strip_prefix(HEADER)?;
    let (digest, rest) = rest.split_at_checked(blake3::OUT_LEN * 2)?;
    let body = rest.strip_prefix(b"\n")?;
    (blake3::hash(body).to_hex().as_bytes() == digest).then_some(body)
}

fn write(folder: &Path, body: &[u8]) -> Result<(), StateError> {
    let digest = blake3::hash(body).to_hex();
    durable::replace(&file(folder), &[HEADER, digest.as_bytes(), b"\n", body]).map_err(StateError::Write)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(generation: u64) -> HostState {
        let (fleet, host) = ("home".to_owned(), "alpha".to_owned());
        HostState { fleet, host, epoch: 1, generation, ..HostState::default() }
    }

    fn open(folder: &tempfile::TempDir) -> Result<Holder, StateError> {
        Holder::open(folder.path(), "home", "alpha")
    }

    #[test]
    fn what_was_assigned_is_held_after_a_restart() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(open(&folder).expect("empty").assign(state(3)).expect("the first"), Verdict::Take);
        let holder = open(&folder).expect("whole");
        assert_eq!(holder.current().expect("held").stamp.generation, 3);
        assert_eq!(holder.assign(state(3)).expect("nothing new"), Verdict::Same);
        let refused = holder.assign(state(2)).expect_err("older").to_string();
        assert!(refused.contains("generation 2") && refused.contains('3'), "{refused}");
    }

    #[test]
    fn f12_a_damaged_file_is_refused_by_name() {
        let folder = tempfile::tempdir().expect("a folder");
        open(&folder).expect("empty").assign(state(3)).expect("the first");
        let path = folder.path().join("host_state");
        let good = std::fs::read(&path).expect("written");
        let mut flipped = good.clone();
        *flipped.last_mut().expect("not empty") ^= 1;
        for bad in [Vec::new(), flipped, good[..good.len() - 1].to_vec(), good[..30].to_vec()] {
            std::fs::write(&path, bad).expect("written");
            let error = open(&folder).err().expect("damaged").to_string();
            assert!(error.contains("host_state is damaged"), "{error}");
        }
    }

    #[test]
    fn another_hosts_state_is_not_taken_over() {
        let folder = tempfile::tempdir().expect("a folder");
        open(&folder).expect("empty").assign(state(3)).expect("the first");
        assert!(matches!(Holder::open(folder.path(), "home", "beta"), Err(StateError::OtherHost { .. })));
    }
}
