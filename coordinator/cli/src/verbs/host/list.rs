//! `landfast host ls`: lists the hosts and their state.

use std::collections::BTreeMap;

use crate::contract::ListedHost;
use crate::output::{self, table::table};
use landfast_engine::connect::{Agents, Ask, targets};

use landfast_engine::Hint as _;

use crate::{CliError, Context, Exit};

pub(super) async fn run(context: &Context) -> Result<Exit, CliError> {
    let json = context.json()?;
    let folder = context.folder()?;
    let credentials = folder.credentials()?;
    let agents = Agents::connect(&folder.fleet.name, &targets(&folder.fleet), &credentials, Ask::Described).await;
    let rows: Vec<Row> = folder.fleet.hosts.iter().map(|(name, host)| Row::of(name, host, &agents)).collect();
    let printed = if json {
        output::json(&rows.iter().map(Row::object).collect::<Vec<_>>())
    } else {
        output::print(&table(["HOST", "ADDRESS", "STATE", "AGENT", "ENGINE"], rows.iter().map(Row::cells)))
    };
    printed?;
    for error in agents.failed().values() {
        context.printer.warn(&error.with_hint());
    }
    Ok(Exit::Done)
}

/// One host of the list.
struct Row {
    name: String,
    address: String,
    labels: BTreeMap<String, String>,
    state: &'static str,
    agent_version: Option<String>,
    engine_version: Option<String>,
}

impl Row {
    fn of(name: &str, host: &landfast_core::fleet::Host, agents: &Agents) -> Self {
        let description = agents.get(name).map(|agent| agent.description());
        let engine = description.and_then(|description| description.engine.as_ref());
        let state = match (description, engine) {
            (None, _) => "unreachable",
            (Some(_), Some(engine)) if engine.error.is_empty() => "ready",
            _ => "engine lost",
        };
        Self {
            name: name.to_owned(),
            address: format!("{}:{}", host.address, host.port),
            labels: host.labels.clone(),
            state,
            agent_version: description.map(|description| description.agent_version.clone()),
            engine_version: engine.map(|engine| engine.version.clone()),
        }
    }

    fn object(&self) -> ListedHost<'_> {
        ListedHost {
            name: &self.name,
            address: &self.address,
            labels: &self.labels,
            state: self.state,
            agent_version: self.agent_version.as_deref(),
            engine_version: self.engine_version.as_deref(),
        }
    }

    fn cells(&self) -> [String; 5] {
        let or_nothing = |text: &Option<String>| text.clone().unwrap_or_default();
        [
            self.name.clone(),
            self.address.clone(),
            self.state.to_owned(),
            or_nothing(&self.agent_version),
            or_nothing(&self.engine_version),
        ]
    }
}
