//! Parses the values of directives.

use std::time::Duration;

use super::{Location, Problem};

/// A value and its location in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub location: Location,
}

/// The way to reach a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proxy {
    /// `none`: connect directly, whatever a later line says.
    Direct,
    /// Connect through these jump hosts, in order.
    Jump(Vec<String>),
    /// Connect through a program, which is not supported.
    Command,
}

/// Address family to use for a host name.
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
    pub(super) location: &'a Location,
}

impl Line<'_> {
    pub(super) fn set_first<T>(&self, setting: &mut Option<Located<T>>, value: T) {
        setting.get_or_insert(Located { value, location: self.location.clone() });
    }

    pub(super) fn append(&self, settings: &mut Vec<Located<String>>) -> Result<(), Problem> {
        let value = self.single()?.to_owned();
        if !settings.iter().any(|setting| setting.value == value) {
            settings.push(Located { value, location: self.location.clone() });
        }
        Ok(())
    }

    pub(super) fn single(&self) -> Result<&str, Problem> {
        match self.words {
            [one] if !one.is_empty() => Ok(one),
            [_, extra, ..] => Err(Problem::ExtraValue { keyword: self.keyword.to_owned(), extra: extra.to_owned() }),
            _ => Err(Problem::NoValue(self.keyword.to_owned())),
        }
    }

    fn invalid<T>(&self, value: &str, expected: &'static str) -> Result<T, Problem> {
        Err(Problem::Value { keyword: self.keyword.to_owned(), value: value.to_owned(), expected })
    }

    pub(super) fn port(&self) -> Result<u16, Problem> {
        let text = self.single()?;
        match text.parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => self.invalid(text, "a port is a number from 1 to 65535"),
        }
    }

    pub(super) fn boolean(&self) -> Result<bool, Problem> {
        match self.single()?.to_ascii_lowercase().as_str() {
            "yes" | "true" => Ok(true),
            "no" | "false" => Ok(false),
            other => self.invalid(other, "write yes or no"),
        }
    }

    pub(super) fn address_family(&self) -> Result<Family, Problem> {
        match self.single()?.to_ascii_lowercase().as_str() {
            "any" => Ok(Family::Any),
            "inet" => Ok(Family::V4),
            "inet6" => Ok(Family::V6),
            other => self.invalid(other, "write any, inet or inet6"),
        }
    }

    /// Parses a duration in OpenSSH's format: `90`, `90s`, `1m30s`. Returns `None` for `none`.
    pub(super) fn duration(&self) -> Result<Option<Duration>, Problem> {
        let text = self.single()?;
        if text.eq_ignore_ascii_case("none") {
            return Ok(None);
        }
        match parse_seconds(text) {
            Some(seconds) if seconds > 0 => Ok(Some(Duration::from_secs(seconds))),
            _ => self.invalid(text, "write a number of seconds, or a time as in 1m30s"),
        }
    }
}

fn parse_seconds(text: &str) -> Option<u64> {
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

pub(super) fn parse_jump(text: &str) -> Proxy {
    if text.eq_ignore_ascii_case("none") {
        return Proxy::Direct;
    }
    Proxy::Jump(text.split(',').map(|hop| hop.trim().to_owned()).collect())
}

pub(super) fn parse_proxy_command(words: &[String]) -> Proxy {
    match words {
        [one] if one.eq_ignore_ascii_case("none") => Proxy::Direct,
        _ => Proxy::Command,
    }
}
