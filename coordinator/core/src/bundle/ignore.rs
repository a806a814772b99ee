//! Which paths of a stack's folder stay behind: `.dockerignore` and `.landfastignore` with Docker's rules, env files of
//! other environments, and what is nobody's to send.
//!
//! Docker's rules (the moby project's `patternmatcher` and `ignorefile`, as its builders' clients use them): patterns start at the root,
//! the last one that matches decides, `!` brings back, a folder that matches takes all beneath it along.

use super::env_files::EnvFiles;
use super::pattern::{Pattern, PatternError};
use landfast_compose::clean;

/// Never in a bundle, wherever they stand: history, and this program's own state with its keys.
const NEVER: &[&str] = &[".git", ".landfast"];
/// Never in the context of a build. It may want the history, as with the reference.
const NEVER_BUILT: &[&str] = &[".landfast"];

/// Decides which paths stay behind.
#[derive(Debug, Clone)]
pub struct IgnoreRules {
    never: &'static [&'static str],
    rules: Vec<Rule>,
    env_files: EnvFiles,
}

#[derive(Debug, Clone)]
struct Rule {
    brings_back: bool,
    pattern: Pattern,
}

/// A pattern that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{pattern}`: {problem}")]
pub struct InvalidPattern {
    /// Without what cannot matter in it.
    pub pattern: String,
    /// What is wrong with it.
    pub problem: PatternError,
}

impl IgnoreRules {
    /// From the texts of `.dockerignore` and `.landfastignore`, in this order, and whose the env files are. A pattern that
    /// cannot be read ignores nothing; [`mistakes`] tells it.
    pub fn new(texts: &[&str], env_files: impl Into<EnvFiles>) -> Self {
        let rules = texts.iter().flat_map(|text| lines(text)).filter_map(|(_, line)| Rule::parse(&line).ok());
        Self { never: NEVER, rules: rules.collect(), env_files: env_files.into() }
    }

    /// For the context of a build: from the text of its `.dockerignore`, and whose the env files are.
    pub fn of_context(text: &str, env_files: impl Into<EnvFiles>) -> Self {
        Self { never: NEVER_BUILT, ..Self::new(&[text], env_files) }
    }

    /// For the context of a build: from the patterns that a builder has found in its `.dockerignore`.
    ///
    /// # Errors
    /// One that cannot be read.
    pub fn of_patterns(patterns: &[String], env_files: impl Into<EnvFiles>) -> Result<Self, InvalidPattern> {
        let rules = patterns.iter().filter(|pattern| !pattern.trim().is_empty()).map(|pattern| Rule::parse(pattern));
        Ok(Self { never: NEVER_BUILT, rules: rules.collect::<Result<_, _>>()?, env_files: env_files.into() })
    }

    /// Whether this path (relative, with `/`) stays behind. Folders are asked like files.
    pub fn matches(&self, path: &str) -> bool {
        self.is_never_sent(path) || self.env_files.withhold(path) || self.is_ignored(path)
    }

    /// Whether nothing beneath this folder can be in the bundle, so that it need not be walked.
    pub fn prunes(&self, folder: &str) -> bool {
        let beneath = |rule: &Rule| rule.brings_back && rule.pattern.may_match_beneath(folder);
        let is_foreign = self.env_files.withhold(folder) && !self.env_files.reads_beneath(folder);
        self.is_never_sent(folder) || is_foreign || (self.is_ignored(folder) && !self.rules.iter().any(beneath))
    }

    /// Whether a file stays behind for the sake of its environment alone: no pattern names it.
    pub fn withholds(&self, path: &str) -> bool {
        !self.is_ignored(path) && self.env_files.withhold(path)
    }

    fn is_ignored(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        // Which rules the folders so far have matched. A rule that could change nothing is not asked about a folder, and then not
        // known to hold for what is in it: so `*`, `!a/b`, `a` leaves `a/b`.
        let mut matched = vec![false; self.rules.len()];
        let mut is_ignored = false;
        for path in folders.chain([path]) {
            is_ignored = false;
            for (rule, matched) in self.rules.iter().zip(&mut matched) {
                *matched = *matched || (rule.brings_back == is_ignored && rule.pattern.matches(path));
                if *matched {
                    is_ignored = !rule.brings_back;
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
    /// A pattern as the client of a builder gets it.
    fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let text = clean(text.trim());
        let (brings_back, pattern) = match text.strip_prefix('!') {
            Some("") => (true, Err(PatternError::Nothing)),
            Some(rest) => (true, Pattern::parse(rest)),
            None => (false, Pattern::parse(&text)),
        };
        let pattern = pattern.map_err(|problem| InvalidPattern { pattern: text.clone(), problem })?;
        Ok(Self { brings_back, pattern })
    }
}

/// What is wrong in the text of a `.dockerignore`: from 1, the lines that builds fail on.
pub fn invalid_patterns(text: &str) -> impl Iterator<Item = (usize, InvalidPattern)> {
    lines(text).filter_map(|(number, line)| Some((number, Rule::parse(&line).err()?)))
}

/// The lines that are patterns, as the client of a builder gets them, with their numbers. A comment begins where its line does.
fn lines(text: &str) -> impl Iterator<Item = (usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let lines = text.lines().enumerate().filter(|(_, line)| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|(at, line)| (at + 1, read(line.trim())))
}

/// `! /a//` is `!a`.
fn read(line: &str) -> String {
    let (mark, pattern) = line.split_at(usize::from(line.starts_with('!')));
    let pattern = match pattern.trim() {
        "" => String::new(),
        pattern => clean(pattern),
    };
    let is_root = pattern == "/";
    format!("{mark}{}", pattern.strip_prefix('/').filter(|_| !is_root).unwrap_or(&pattern))
}
