//! All rules. A code that is gone stays gone: its number is not given to another rule.
use super::Level;

/// One thing to look for.
#[derive(Debug)]
pub struct Rule {
    /// `LF001`: for good.
    pub code: &'static str,
    /// Unless `landfast.toml` says otherwise.
    pub level: Level,
    /// What it is about, in a few words.
    pub title: &'static str,
    /// What, why, how to mend, a bad and a good example; Markdown.
    pub page: &'static str,
}

impl Rule {
    /// The first paragraph of its page, on one line.
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

/// All rules, by code.
pub static RULES: [Rule; 17] = [
    rule!("LF000", Warning, "an exception that matches nothing"),
    rule!("LF001", Warning, "an image without a tag, or with latest"),
    rule!("LF002", Warning, "runs as root without need"),
    rule!("LF003", Warning, "no memory limit"),
    rule!("LF004", Warning, "no log rotation"),
    rule!("LF005", Warning, "no health check on what others depend on"),
    rule!("LF006", Error, "a database port published beyond loopback"),
    rule!("LF007", Error, "the engine's socket mounted"),
    rule!("LF008", Error, "privileged"),
    rule!("LF009", Note, "not read-only where it could be"),
    rule!("LF010", Error, "a secret written in environment"),
    rule!("LF011", Warning, "a bind mount outside the data folder"),
    rule!("LF012", Warning, "depends_on without condition on a database"),
    rule!("LF013", Warning, "added capabilities"),
    rule!("LF014", Note, "a secret passed through environment"),
    rule!("LF015", Note, "may run as root"),
    rule!("LF016", Warning, "sees the containers of its own host only"),
];

/// The rule with this code.
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code == code)
}

/// All codes.
pub fn codes() -> Vec<&'static str> {
    RULES.iter().map(|rule| rule.code).collect()
}
