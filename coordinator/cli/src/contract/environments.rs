//! JSON of `env ls`.

use schemars::JsonSchema;
use serde::Serialize;

/// Environments of one stack.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StackEnvironments {
    /// Name of the stack.
    pub(crate) stack: String,
    /// The environment that is chosen, or null.
    pub(crate) active: Option<ActiveEnvironment>,
    /// The environments that have files.
    pub(crate) environments: Vec<ListedEnvironment>,
}

/// The environment that is chosen.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ActiveEnvironment {
    /// Name of the environment.
    pub(crate) env: String,
    /// Where it is chosen: `--env` or `landfast.toml`.
    pub(crate) from: &'static str,
    /// Line in `landfast.toml`, or null.
    pub(crate) line: Option<usize>,
}

/// An environment that has a file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ListedEnvironment {
    /// Name of the environment.
    pub(crate) env: String,
    /// Path of its file.
    pub(crate) file: String,
    /// Whether it is the one that is chosen.
    pub(crate) active: bool,
    /// Names that the example has and this file lacks; null without an example.
    pub(crate) missing: Option<Vec<MissingName>>,
    /// Names that this file has and the example lacks; null without an example.
    pub(crate) surplus: Option<Vec<MissingName>>,
}

/// A variable's name, and where it is written.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MissingName {
    /// Name of the variable.
    pub(crate) name: String,
    /// Path of the file that has it.
    pub(crate) file: String,
    /// Line in that file.
    pub(crate) line: usize,
}
