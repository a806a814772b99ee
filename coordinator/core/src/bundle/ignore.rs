//! Paths of a stack's folder that are not sent: those that `.dockerignore` and `.landfastignore` ignore, env files of other
//! environments, and files that are never sent.
//!
//! The rules are those of Docker (`patternmatcher` and `ignorefile` of the moby project): patterns start at the root, the last match
//! decides, `!` includes a path again, and a folder that matches includes everything below it.

use super::env_files::EnvFiles;
use super::pattern::{Pattern, PatternError};
use landfast_compose::clean;

/// Names that are never in a bundle: the git history, and Landfast's state with its keys.
const NEVER: &[&str] = &[".git", ".landfast"];
/// Names that are never in the context of a build, which may use the git history, as in Docker.
const NEVER_BUILT: &[&str] = &[".landfast"];

/// Rules that decide which paths are not sent.
#[derive(Debug, Clone)]
pub struct IgnoreRules {
    never: &'static [&'static str],
    rules: Vec<Rule>,
    env_files: EnvFiles,
}

#[derive(Debug, Clone)]
struct Rule {
    is_exception: bool,
    pattern: Pattern,
}

/// An invalid pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}`: {problem}")]
pub struct InvalidPattern {
    /// The pattern in its cleaned form.
    pub pattern: String,
    /// What is wrong with the pattern.
    pub problem: PatternError,
}

impl IgnoreRules {
    /// Creates rules from the texts of `.dockerignore` and `.landfastignore`, in this order, and the env files. An invalid pattern
    /// ignores nothing; [`invalid_patterns`] reports it.
    pub fn new(texts: &[&str], env_files: impl Into<EnvFiles>) -> Self {
        let rules = texts.iter().flat_map(|text| lines(text)).filter_map(|(_, line)| Rule::parse(&line).ok());
        Self { never: NEVER, rules: rules.collect(), env_files: env_files.into() }
    }

    /// Creates rules for the context of a build, from the text of its `.dockerignore` and the env files.
    pub fn of_context(text: &str, env_files: impl Into<EnvFiles>) -> Self {
        Self { never: NEVER_BUILT, ..Self::new(&[text], env_files) }
    }

    /// Creates rules for the context of a build, from the patterns that a builder found in its `.dockerignore`.
    ///
    /// # Errors
    /// Returns an error if a pattern is invalid.
    pub fn of_patterns(patterns: &[String], env_files: impl Into<EnvFiles>) -> Result<Self, InvalidPattern> {
        let rules = patterns.iter().filter(|pattern| !pattern.trim().is_empty()).map(|pattern| Rule::parse(pattern));
        Ok(Self { never: NEVER_BUILT, rules: rules.collect::<Result<_, _>>()?, env_files: env_files.into() })
    }

    /// Whether a path is not sent. The path is relative, uses `/`, and may be a file or a folder.
    pub fn matches(&self, path: &str) -> bool {
        self.is_never_sent(path) || self.env_files.withhold(path) || self.is_ignored(path)
    }

    /// Whether nothing below a folder can be sent, so that it need not be read.
    pub fn prunes(&self, folder: &str) -> bool {
        let beneath = |rule: &Rule| rule.is_exception && rule.pattern.may_match_beneath(folder);
        let is_foreign = self.env_files.withhold(folder) && !self.env_files.reads_beneath(folder);
        self.is_never_sent(folder) || is_foreign || (self.is_ignored(folder) && !self.rules.iter().any(beneath))
    }

    /// Whether a file is not sent only because it belongs to another environment.
    pub fn withholds(&self, path: &str) -> bool {
        !self.is_ignored(path) && self.env_files.withhold(path)
    }

    fn is_ignored(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        // Rules that a parent folder matched. As in Docker, a rule that would change nothing is not matched against a folder, and
        // then does not apply to its contents: so `*`, `!a/b`, `a` includes `a/b`.
        let mut matched = vec![false; self.rules.len()];
        let mut is_ignored = false;
        for path in folders.chain([path]) {
            is_ignored = false;
            for (rule, matched) in self.rules.iter().zip(&mut matched) {
                *matched = *matched || (rule.is_exception == is_ignored && rule.pattern.matches(path));
                if *matched {
                    is_ignored = !rule.is_exception;
                }
            }
        }
        is_ignored
    }

    fn is_never_sent(&self, path: &str) -> bool {
        path.split('/').any(|part| self.never.contains(&part))
    }
}

impl Rule {
    /// Parses a pattern in the form that the client of a builder receives.
    fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let text = clean(text.trim());
        let (is_exception, pattern) = match text.strip_prefix('!') {
            Some("") => (true, Err(PatternError::Nothing)),
            Some(rest) => (true, Pattern::parse(rest)),
            None => (false, Pattern::parse(&text)),
        };
        let pattern = pattern.map_err(|problem| InvalidPattern { pattern: text.clone(), problem })?;
        Ok(Self { is_exception, pattern })
    }
}

/// Returns the invalid patterns of a `.dockerignore`, with their line numbers from 1. Builds fail on them.
pub fn invalid_patterns(text: &str) -> impl Iterator<Item = (usize, InvalidPattern)> {
    lines(text).filter_map(|(number, line)| Some((number, Rule::parse(&line).err()?)))
}

/// Returns the patterns of a text with their line numbers. A comment starts in the first column.
fn lines(text: &str) -> impl Iterator<Item = (usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|(at, line)| (at + 1, read(line.trim())))
}

/// Cleans a pattern: `! /a//` becomes `!a`.
fn read(line: &str) -> String {
    let (mark, pattern) = line.split_at(usize::from(line.starts_with('!')));
    let pattern = match pattern.trim() {
        "" => String::new(),
        pattern => clean(pattern),
    };
    let is_root = pattern == "/";
    format!("{mark}{}", pattern.strip_prefix('/').filter(|_| !is_root).unwrap_or(&pattern))
}
