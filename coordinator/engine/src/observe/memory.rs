//! What the store remembers of the hosts: the state that each one held when it was last seen. It is a cache, which is used
//! for hosts that are away.
//!
//! The state and the digest of the fabric are stored apart, so that a change of an address does not write the states of all
//! hosts. The fabric itself is not stored, because all hosts have it.

use landfast_core::desired::HostState;

use crate::EngineError;
use crate::store::{Change, Store};
use crate::wire::Fabrics;

fn state_key(host: &str) -> String {
    format!("hosts/{host}/state")
}

fn fabric_key(host: &str) -> String {
    format!("hosts/{host}/fabric")
}

/// Whether a key belongs to what is remembered of a host.
pub(crate) fn is_of(host: &str, key: &str) -> bool {
    key == state_key(host) || key == fabric_key(host)
}

/// Returns the changes that remember the state of a host; none if that state is remembered already.
pub(crate) async fn remembering(
    store: &dyn Store,
    fabrics: &Fabrics,
    host: &str,
    state: &HostState,
) -> Result<Vec<Change>, EngineError> {
    let key = state_key(host);
    let value = serde_json::to_vec(state).map_err(|source| EngineError::Record { key: key.clone(), source })?;
    let digest = fabrics.encoded(&state.fabric).digest.clone();
    let mut changes = Vec::new();
    for (key, value) in [(key, value), (fabric_key(host), digest.into_bytes())] {
        let found = store.get(&key).await?;
        if found.as_ref().is_none_or(|found| found.value != value) {
            changes.push(Change { key, expected: found.map(|found| found.version), value: Some(value) });
        }
    }
    Ok(changes)
}

/// Returns the state that a host held when it was last seen. A record of another version counts as none. A fabric that no other
/// host holds any more counts as empty: the host has missed a change.
pub(crate) async fn recall(store: &dyn Store, fabrics: &Fabrics, host: &str) -> Result<Option<HostState>, EngineError> {
    let state = store.get(&state_key(host)).await?;
    let state = state.and_then(|found| serde_json::from_slice::<HostState>(&found.value).ok());
    let digest = store.get(&fabric_key(host)).await?.and_then(|found| String::from_utf8(found.value).ok());
    let fabric = digest.and_then(|digest| fabrics.with_digest(&digest)).map(|known| known.fabric.clone());
    Ok(state.map(|state| HostState { fabric: fabric.unwrap_or_default(), ..state }))
}
