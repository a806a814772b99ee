//! JSON of `check`.

use schemars::JsonSchema;
use serde::Serialize;

/// Findings of `check`, and their counts.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CheckReport<'a> {
    /// All findings, those with an exception included.
    pub(crate) findings: Vec<Finding<'a>>,
    /// Number of errors.
    pub(crate) errors: usize,
    /// Number of warnings.
    pub(crate) warnings: usize,
    /// Number of notes.
    pub(crate) notes: usize,
    /// Number of findings with an exception.
    pub(crate) excused: usize,
}

/// One finding.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Finding<'a> {
    /// Code of the rule.
    pub(crate) code: &'a str,
    /// `error`, `warning` or `note`.
    pub(crate) level: &'static str,
    /// Name of the stack, or of the project without a fleet.
    pub(crate) stack: &'a str,
    /// Name of the service, or null.
    pub(crate) service: Option<&'a str>,
    /// Where it was found.
    #[serde(flatten)]
    pub(crate) place: Place,
    /// Dotted path of the key.
    pub(crate) path: &'a str,
    /// What is wrong.
    pub(crate) message: &'a str,
    /// What to do.
    pub(crate) help: &'a str,
    /// The exception that excuses it, or null.
    pub(crate) exception: Option<Exception<'a>>,
}

/// A place in a file.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Place {
    /// Path of the file, or null.
    pub(crate) file: Option<String>,
    /// Line, or null.
    pub(crate) line: Option<usize>,
    /// Column, or null.
    pub(crate) column: Option<usize>,
}

/// An exception with its reason.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Exception<'a> {
    /// Reason that the user wrote.
    pub(crate) reason: &'a str,
    /// Where the exception is written.
    #[serde(flatten)]
    pub(crate) place: Place,
}

/// A rule in the list of `check --list`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ListedRule {
    /// Code of the rule.
    pub(crate) code: &'static str,
    /// Default level.
    pub(crate) level: &'static str,
    /// Title of the rule.
    pub(crate) title: &'static str,
}

/// A rule that `check --explain` explains.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ExplainedRule {
    /// Code, level and title.
    #[serde(flatten)]
    pub(crate) rule: ListedRule,
    /// Explanation in Markdown.
    pub(crate) page: &'static str,
}
