//! Catalogue of all rules. The code of a removed rule is not used again.
use super::Level;

/// A rule of `landfast check`.
#[derive(Debug)]
pub struct Rule {
    /// Code that never changes, such as `LF001`.
    pub code: &'static str,
    /// Default level, which `landfast.toml` can override.
    pub level: Level,
    /// Title of a few words.
    pub title: &'static str,
    /// Markdown page: what the rule reports, why, how to fix it, a bad example and a good one.
    pub page: &'static str,
}

impl Rule {
    /// Returns the first paragraph of the page, on one line.
    pub fn summary(&self) -> String {
        let paragraph = self.page.split("\n\n").nth(1).unwrap_or(self.title);
        paragraph.trim().replace('\n', " ")
    }
}

macro_rules! page {
    ($code:literal) => {
        include_str!(concat!("pages/", $code, ".md"))
    };
}

macro_rules! rule {
    ($code:literal, $level:ident, $title:literal) => {
        Rule { code: $code, level: Level::$level, title: $title, page: page!($code) }
    };
}

/// All rules, in the order of their codes.
pub static RULES: [Rule; 17] = [
    rule!("LF000", Warning, "exception that matches nothing"),
    rule!("LF001", Warning, "image without a tag or with the tag latest"),
    rule!("LF002", Warning, "runs as root unnecessarily"),
    rule!("LF003", Warning, "no memory limit"),
    rule!("LF004", Warning, "no log rotation"),
    rule!("LF005", Warning, "no health check on a service that others depend on"),
    rule!("LF006", Error, "database port published beyond loopback"),
    rule!("LF007", Error, "engine socket mounted"),
    rule!("LF008", Error, "privileged container"),
    rule!("LF009", Note, "root file system could be read-only"),
    rule!("LF010", Error, "secret in plain text in the compose file"),
    rule!("LF011", Warning, "bind mount outside the data folder"),
    rule!("LF012", Warning, "depends_on a database without a condition"),
    rule!("LF013", Warning, "added capabilities"),
    rule!("LF014", Note, "secret passed in an environment variable"),
    rule!("LF015", Note, "may run as root"),
    rule!("LF016", Warning, "sees only the containers of its own host"),
];

/// Returns the rule with this code.
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code == code)
}

/// Returns all codes.
pub fn codes() -> Vec<&'static str> {
    RULES.iter().map(|rule| rule.code).collect()
}
