//! What the engine says has happened, as it happens.

use std::collections::HashMap;

use bollard::models::{EventMessage, EventMessageTypeEnum};
use bollard::query_parameters::EventsOptions;
use futures::stream::{Stream, StreamExt as _};
use landfast_agent_core::desired::InstanceName;

use super::{Engine, EngineError, Labels};

/// What to look at again.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Event {
    pub(crate) changed: Changed,
    /// The engine's word for what happened.
    pub(crate) action: String,
}

/// Which thing has changed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Changed {
    Container { id: String, instance: Option<InstanceName> },
    Networks,
    Volumes,
    Images,
}

/// Health checks run as `exec_…`, many a minute, and say nothing by that: only what follows is asked for.
const ACTIONS: [&str; 20] = [
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
];

impl Engine {
    /// Events since then, and from now on. The stream ends, or gives an error, when the engine goes.
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
    let changed = match message.typ? {
        EventMessageTypeEnum::CONTAINER => {
            let instance = Labels::instance(&actor.attributes.unwrap_or_default(), fleet);
            Changed::Container { id: actor.id?, instance }
        }
        EventMessageTypeEnum::NETWORK => Changed::Networks,
        EventMessageTypeEnum::VOLUME => Changed::Volumes,
        EventMessageTypeEnum::IMAGE => Changed::Images,
        _ => return None,
    };
    Some(Event { changed, action: message.action.unwrap_or_default() })
}
