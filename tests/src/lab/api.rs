//! A host's engine by its own API, without a client's opinions: what is really there.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

use super::output::Output;

/// An engine's socket.
pub struct Api {
    pub(crate) socket: PathBuf,
}

impl Api {
    /// `GET path`, as JSON.
    pub fn get(&self, path: &str) -> Result<Value> {
        self.call("GET", path, None)
    }

    /// `POST path` with an optional JSON body; null when the answer is empty.
    pub fn post(&self, path: &str, body: Option<&Value>) -> Result<Value> {
        self.call("POST", path, body)
    }

    /// `DELETE path`.
    pub fn delete(&self, path: &str) -> Result<Value> {
        self.call("DELETE", path, None)
    }

    /// Loads an image archive.
    pub(crate) fn load(&self, archive: &Path) -> Result<()> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body", "--request", "POST"]);
        curl.arg("--unix-socket").arg(&self.socket).arg("--upload-file").arg(archive);
        curl.args(["--header", "Content-Type: application/x-tar", "http://engine/images/load?quiet=1"]);
        Output::of(&mut curl)?.succeeds()?.never_says("errorDetail")?;
        Ok(())
    }

    fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value> {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--fail-with-body", "--max-time", "120", "--request", method]);
        curl.arg("--unix-socket").arg(&self.socket);
        curl.args(["--header", "Content-Type: application/json"]);
        if body.is_some() {
            curl.args(["--data-binary", "@-"]);
        }
        curl.arg(format!("http://engine{path}"));
        let input = body.map(ToString::to_string).unwrap_or_default();
        let output = Output::with_input(&mut curl, input.as_bytes())?.succeeds()?;
        if output.text().is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(output.text()).with_context(|| format!("not JSON: {output}"))
    }
}
