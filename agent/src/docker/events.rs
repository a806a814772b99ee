//! Receives the engine's events.

use std::collections::HashMap;

use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptions;
use futures::stream::{Stream, StreamExt as _};
use landfast_agent_core::reconcile::Changed;

use super::{Engine, EngineError, Labels};

/// An event of the engine.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) changed: Changed,
    /// The engine's word for what happened.
    pub(crate) action: String,
}

/// Events that are subscribed to. Health checks run as `exec_…` events many times a minute and mean no change, so those are
/// left out.
const ACTIONS: [&str; 22] = [
    "create",
    "start",
    "restart",
    "stop",
    "die",
    "kill",
    "oom",
    "pause",
    "unpause",
    "rename",
    "update",
    "destroy",
    "health_status",
    "remove",
    "load",
    "import",
    "pull",
    "tag",
    "untag",
    "delete",
    "connect",
    "disconnect",
];

impl Engine {
    /// Subscribes to events since a time. The stream ends, or returns an error, when the engine is gone.
    pub(crate) fn events(
        &self,
        fleet: &str,
        since: jiff::Timestamp,
    ) -> Result<impl Stream<Item = Result<Event, EngineError>> + use<>, EngineError> {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        let filters: HashMap<String, Vec<String>> = [
            ("type".to_owned(), list(&["container", "network", "volume", "image"])),
            ("event".to_owned(), list(&ACTIONS)),
        ]
        .into();
        let since = format!("{}.{:09}", since.as_second(), since.subsec_nanosecond());
        let options = EventsOptions { since: Some(since), until: None, filters: Some(filters) };
        let (engine, fleet) = (self.clone(), fleet.to_owned());
        Ok(self.client()?.events(Some(options)).filter_map(move |message| {
            let event = match message {
                Ok(message) => event(message, &fleet).map(Ok),
                Err(error) => Some(Err(engine.error(error))),
            };
            std::future::ready(event)
        }))
    }
}

fn event(message: EventMessage, fleet: &str) -> Option<Event> {
    let actor = message.actor.unwrap_or_default();
    let attributes = actor.attributes.unwrap_or_default();
    let changed = match message.typ? {
        EventMessageTypeEnum::CONTAINER => {
            Changed::Container { id: actor.id?, instance: Labels::instance(&attributes, fleet) }
        }
        // The container changes when it is connected or disconnected; the network does not.
        EventMessageTypeEnum::NETWORK => match attributes.get("container") {
            Some(id) => Changed::Container { id: id.clone(), instance: None },
            None => Changed::Networks,
        },
        EventMessageTypeEnum::VOLUME => Changed::Volumes,
        EventMessageTypeEnum::IMAGE => Changed::Images,
        _ => return None,
    };
    Some(Event { changed, action: message.action.unwrap_or_default() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_container_that_is_connected_or_disconnected_is_looked_at_again() {
        let changed = |attributes: serde_json::Value| {
            let message =
                json!({"Type": "network", "Action": "disconnect", "Actor": {"ID": "n1", "Attributes": attributes}});
            event(serde_json::from_value(message).expect("as the engine says it"), "home").map(|event| event.changed)
        };
        let container = Changed::Container { id: "c1".to_owned(), instance: None };
        assert_eq!(changed(json!({"container": "c1", "name": "own"})), Some(container));
        assert_eq!(changed(json!({"name": "own"})), Some(Changed::Networks));
    }
}
