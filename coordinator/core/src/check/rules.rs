//! All rules. A code that is gone stays gone: its number is not given to another rule.
use super::{Level, Rule, Site, exposure, health, image, mounts, neighbours, privilege, resources, secrets};

macro_rules! page {
    ($code:literal) => {
        include_str!(concat!("pages/", $code, ".md"))
    };
}

macro_rules! rule {
    ($code:literal, $level:ident, $title:literal, $judge:expr) => {
        Rule { code: $code, level: Level::$level, title: $title, page: page!($code), judge: $judge }
    };
}

/// All rules, by code.
pub static RULES: [Rule; 17] = [
    rule!("LF000", Warning, "an exception that matches nothing", |_: Site<'_>| Vec::new()),
    rule!("LF001", Warning, "an image without a tag, or with latest", image::tag),
    rule!("LF002", Warning, "runs as root without need", privilege::root),
    rule!("LF003", Warning, "no memory limit", resources::memory),
    rule!("LF004", Warning, "no log rotation", resources::logs),
    rule!("LF005", Warning, "no health check on what others depend on", health::check),
    rule!("LF006", Error, "a database port published beyond loopback", exposure::database_port),
    rule!("LF007", Error, "the engine's socket mounted", mounts::socket),
    rule!("LF008", Error, "privileged", privilege::privileged),
    rule!("LF009", Note, "not read-only where it could be", privilege::read_only),
    rule!("LF010", Error, "a secret written in environment", secrets::written),
    rule!("LF011", Warning, "a bind mount outside the data folder", mounts::outside),
    rule!("LF012", Warning, "depends_on without condition on a database", health::condition),
    rule!("LF013", Warning, "added capabilities", privilege::capabilities),
    rule!("LF014", Note, "a secret passed through environment", secrets::passed),
    rule!("LF015", Note, "may run as root", privilege::perhaps_root),
    rule!("LF016", Warning, "sees the containers of its own host only", neighbours::own_host_only),
];

/// The rule with this code.
pub fn rule(code: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.code == code)
}

/// All codes.
pub fn codes() -> Vec<&'static str> {
    RULES.iter().map(|rule| rule.code).collect()
}
