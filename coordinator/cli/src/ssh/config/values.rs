//! The values of a directive, by the kind that its keyword takes.

use std::time::Duration;

use super::{Place, Problem};

/// A value, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed<T> {
    pub value: T,
    pub place: Place,
}

/// How to reach the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// `none`: directly, whatever a later line says.
    Direct,
    /// Over these hosts, in order.
    Jump(Vec<String>),
    /// By a program, which is not supported.
    Command,
}

/// Which addresses of a name to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Family {
    #[default]
    Any,
    V4,
    V6,
}

/// A directive that sets a value.
pub(super) struct Line<'a> {
    pub(super) keyword: &'a str,
    pub(super) words: &'a [String],
    pub(super) place: &'a Place,
}

impl Line<'_> {
    pub(super) fn first<T>(&self, setting: &mut Option<Placed<T>>, value: T) {
        setting.get_or_insert(Placed { value, place: self.place.clone() });
    }

    pub(super) fn add(&self, settings: &mut Vec<Placed<String>>) -> Result<(), Problem> {
        let value = self.one()?.to_owned();
        if !settings.iter().any(|setting| setting.value == value) {
            settings.push(Placed { value, place: self.place.clone() });
        }
        Ok(())
    }

    pub(super) fn one(&self) -> Result<&str, Problem> {
        match self.words {
            [one] if !one.is_empty() => Ok(one),
            [_, surplus, ..] => Err(Problem::Surplus { keyword: self.keyword.to_owned(), surplus: surplus.to_owned() }),
            _ => Err(Problem::NoValue(self.keyword.to_owned())),
        }
    }

    fn wrong<T>(&self, value: &str, expected: &'static str) -> Result<T, Problem> {
        Err(Problem::Value { keyword: self.keyword.to_owned(), value: value.to_owned(), expected })
    }

    pub(super) fn port(&self) -> Result<u16, Problem> {
        let text = self.one()?;
        match text.parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => self.wrong(text, "a port is a number from 1 to 65535"),
        }
    }

    pub(super) fn yes(&self) -> Result<bool, Problem> {
        match self.one()?.to_ascii_lowercase().as_str() {
            "yes" | "true" => Ok(true),
            "no" | "false" => Ok(false),
            other => self.wrong(other, "write yes or no"),
        }
    }

    pub(super) fn family(&self) -> Result<Family, Problem> {
        match self.one()?.to_ascii_lowercase().as_str() {
            "any" => Ok(Family::Any),
            "inet" => Ok(Family::V4),
            "inet6" => Ok(Family::V6),
            other => self.wrong(other, "write any, inet or inet6"),
        }
    }

    /// As `sshd_config` writes times: `90`, `90s`, `1m30s`. `None` for `none`.
    pub(super) fn seconds(&self) -> Result<Option<Duration>, Problem> {
        let text = self.one()?;
        if text.eq_ignore_ascii_case("none") {
            return Ok(None);
        }
        match seconds(text) {
            Some(seconds) if seconds > 0 => Ok(Some(Duration::from_secs(seconds))),
            _ => self.wrong(text, "write a number of seconds, or a time as in 1m30s"),
        }
    }
}

fn seconds(text: &str) -> Option<u64> {
    let text = if text.ends_with(|last: char| last.is_ascii_digit()) { format!("{text}s") } else { text.to_owned() };
    let (mut total, mut number) = (0_u64, String::new());
    for character in text.chars() {
        if character.is_ascii_digit() {
            number.push(character);
            continue;
        }
        let unit: u64 = match character.to_ascii_lowercase() {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86_400,
            'w' => 604_800,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(unit)?)?;
        number.clear();
    }
    Some(total)
}

pub(super) fn is_off(words: &[String]) -> bool {
    matches!(words, [one] if ["no", "none"].contains(&one.to_ascii_lowercase().as_str()))
}

pub(super) fn jump(text: &str) -> Proxy {
    if text.eq_ignore_ascii_case("none") {
        return Proxy::Direct;
    }
    Proxy::Jump(text.split(',').map(|hop| hop.trim().to_owned()).collect())
}

pub(super) fn command(words: &[String]) -> Proxy {
    match words {
        [one] if one.eq_ignore_ascii_case("none") => Proxy::Direct,
        _ => Proxy::Command,
    }
}
