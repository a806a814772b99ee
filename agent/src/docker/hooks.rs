//! Commands that run inside a container after its start and before its stop.
//!
//! The commands before the stop are stored in a label of the container: when it is stopped, the host state that it was
//! created from may have been replaced long ago.

use std::collections::HashMap;

use bollard::exec::StartExecResults;
use bollard::models::ExecConfig;
use futures::StreamExt as _;
use serde::{Deserialize, Serialize};

use super::{Engine, EngineError, LONG, SHORT};
use crate::wire;

/// Label with the commands to run before a container is stopped.
const BEFORE_STOP: &str = "landfast.pre-stop";
/// Length of a command's output that is reported, in bytes.
const OUTPUT_MAX: usize = 2_000;

/// A command to run in a container.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Hook {
    command: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    user: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    working_dir: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    environment: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    privileged: bool,
}

impl From<&wire::Hook> for Hook {
    fn from(hook: &wire::Hook) -> Self {
        let wire::Hook { command, user, working_dir, environment, privileged } = hook.clone();
        Self { command, user, working_dir, environment, privileged }
    }
}

/// Adds the commands to run before the stop to a container's labels.
pub(super) fn label(hooks: &[wire::Hook], labels: &mut HashMap<String, String>) {
    let hooks: Vec<Hook> = hooks.iter().map(Hook::from).collect();
    if let (false, Ok(text)) = (hooks.is_empty(), serde_json::to_string(&hooks)) {
        labels.insert(BEFORE_STOP.to_owned(), text);
    }
}

fn labelled(labels: &HashMap<String, String>) -> Vec<Hook> {
    labels.get(BEFORE_STOP).and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

impl Engine {
    /// Runs commands in a running container, one after another, until one fails.
    pub(crate) async fn run_hooks(&self, container: &str, hooks: &[Hook]) -> Result<(), EngineError> {
        for hook in hooks {
            let ran = tokio::time::timeout(LONG, self.run_hook(container, hook)).await;
            ran.map_err(|_| EngineError::HookSlow { command: hook.command.join(" "), limit: LONG })??;
        }
        Ok(())
    }

    /// Runs the commands that a container's label lists for its stop.
    pub(crate) async fn run_hooks_before_stop(&self, container: &str) -> Result<(), EngineError> {
        let found = match self.within(SHORT, self.client()?.inspect_container(container, None)).await {
            Err(error) if error.is_not_found() => return Ok(()),
            found => found?,
        };
        let labels = found.config.and_then(|config| config.labels).unwrap_or_default();
        let runs = found.state.and_then(|state| state.running).unwrap_or(false);
        if runs { self.run_hooks(container, &labelled(&labels)).await } else { Ok(()) }
    }

    async fn run_hook(&self, container: &str, hook: &Hook) -> Result<(), EngineError> {
        let client = self.client()?;
        let made = self.within(SHORT, client.create_exec(container, request(hook))).await?;
        let mut printed = String::new();
        if let StartExecResults::Attached { mut output, .. } =
            self.within(SHORT, client.start_exec(&made.id, None)).await?
        {
            while let Some(part) = output.next().await {
                printed.push_str(&part.map_err(|error| self.error(error))?.to_string());
            }
        }
        let ended = self.within(SHORT, client.inspect_exec(&made.id)).await?;
        match ended.exit_code {
            Some(0) => Ok(()),
            code => Err(EngineError::Hook {
                command: hook.command.join(" "),
                status: code.unwrap_or(-1),
                output: last(printed.trim()),
            }),
        }
    }
}

fn request(hook: &Hook) -> ExecConfig {
    let non_empty = |text: &String| (!text.is_empty()).then(|| text.clone());
    ExecConfig {
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        cmd: Some(hook.command.clone()),
        env: (!hook.environment.is_empty()).then(|| hook.environment.clone()),
        privileged: Some(hook.privileged),
        user: non_empty(&hook.user),
        working_dir: non_empty(&hook.working_dir),
        ..ExecConfig::default()
    }
}

/// Returns the end of a text.
fn last(text: &str) -> String {
    let count = text.chars().count();
    text.chars().skip(count.saturating_sub(OUTPUT_MAX)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn hook() -> wire::Hook {
        wire::Hook {
            command: vec!["sh".to_owned(), "-c".to_owned(), "drain".to_owned()],
            user: "7".to_owned(),
            working_dir: "/w".to_owned(),
            environment: vec!["A=1".to_owned()],
            privileged: true,
        }
    }

    #[test]
    fn a_container_carries_what_to_run_before_its_stop() {
        let mut labels = HashMap::new();
        label(&[], &mut labels);
        assert!(labels.is_empty() && labelled(&labels).is_empty());
        label(&[hook()], &mut labels);
        assert_eq!(labelled(&labels), [Hook::from(&hook())]);
    }

    #[test]
    fn a_hook_is_asked_for_as_it_is_written() {
        assert_eq!(
            serde_json::to_value(request(&Hook::from(&hook()))).expect("plain"),
            json!({
                "AttachStdout": true, "AttachStderr": true, "Cmd": ["sh", "-c", "drain"], "Env": ["A=1"],
                "Privileged": true, "User": "7", "WorkingDir": "/w",
            })
        );
    }

    #[test]
    fn the_end_of_the_output_is_reported() {
        assert_eq!(last(&format!("{}ä", "x".repeat(OUTPUT_MAX))), format!("{}ä", "x".repeat(OUTPUT_MAX - 1)));
    }
}
