//! What the store remembers of the hosts: the state that each one held when it was last seen. It is a cache, which is used
//! for hosts that are away.

use landfast_core::desired::HostState;

use crate::EngineError;
use crate::store::{Change, Store};

fn key(host: &str) -> String {
    format!("hosts/{host}")
}

/// Returns the change that remembers the state of a host; none if that state is remembered already.
pub(crate) async fn remembering(
    store: &dyn Store,
    host: &str,
    state: &HostState,
) -> Result<Option<Change>, EngineError> {
    let key = key(host);
    let value = serde_json::to_vec(state).map_err(|source| EngineError::Record { key: key.clone(), source })?;
    let found = store.get(&key).await?;
    if found.as_ref().is_some_and(|found| found.value == value) {
        return Ok(None);
    }
    Ok(Some(Change { key, expected: found.map(|found| found.version), value: Some(value) }))
}

/// Returns the state that a host held when it was last seen. A record of another version counts as none.
pub(crate) async fn recall(store: &dyn Store, host: &str) -> Result<Option<HostState>, EngineError> {
    let found = store.get(&key(host)).await?;
    Ok(found.and_then(|found| serde_json::from_slice(&found.value).ok()))
}
