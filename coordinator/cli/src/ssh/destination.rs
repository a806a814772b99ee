//! Parses the SSH destination from the command line, in `ssh`'s notation: `box`, `user@box`, `user@name:port`, or
//! `user@` for the host's own address.

use std::fmt;

/// A destination as the user typed it. The configuration supplies the parts that are missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RequestedDestination {
    pub user: Option<String>,
    pub host: Option<String>,
    pub port: Option<u16>,
}

/// A failure to parse a destination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    #[error("`{0}` is not a valid user name")]
    User(String),
    #[error("`{0}` is not a valid host: write a name, an address, or a Host of ~/.ssh/config")]
    Host(String),
    #[error("`{0}` is not a valid port: write a number from 1 to 65535")]
    Port(String),
}

impl RequestedDestination {
    /// Parses `[user@][host][:port]`, optionally with a leading `ssh://`. An IPv6 address before a port needs brackets.
    pub fn parse(text: &str) -> Result<Self, DestinationError> {
        let text = text.strip_prefix("ssh://").map_or(text, |rest| rest.strip_suffix('/').unwrap_or(rest));
        let (user, place) = text.rsplit_once('@').map_or((None, text), |(user, place)| (Some(user), place));
        if let Some(user) = user
            && !is_user(user)
        {
            return Err(DestinationError::User(user.to_owned()));
        }
        let (host, port) = split_port(place)?;
        if !is_host(host) && !(host.is_empty() && (user.is_some() || port.is_some())) {
            return Err(DestinationError::Host(host.to_owned()));
        }
        let host = Some(host.to_owned()).filter(|host| !host.is_empty());
        Ok(Self { user: user.map(str::to_owned), host, port })
    }
}

/// A user at a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub user: String,
    /// Host name or address.
    pub host: String,
    pub port: u16,
}

impl Destination {
    /// The host in the notation of `known_hosts`: `host`, or `[host]:port` when the port is not 22.
    pub fn known_hosts_name(&self) -> String {
        if self.port == 22 { self.host.clone() } else { format!("[{}]:{}", self.host, self.port) }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.known_hosts_name())
    }
}

/// Splits `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(place: &str) -> Result<(&str, Option<u16>), DestinationError> {
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').unwrap_or(rest))),
        None if place.matches(':').count() > 1 => (place, None),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let Some(port) = port else { return Ok((host, None)) };
    match port.parse() {
        Ok(number) if number > 0 => Ok((host, Some(number))),
        _ => Err(DestinationError::Port(port.to_owned())),
    }
}

/// Checks for a portable POSIX user name that does not start like an option.
fn is_user(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=32).contains(&name.len()) && !name.starts_with('-') && name.bytes().all(allowed)
}

/// Checks for a DNS name, an alias of the configuration or an address, without any character that a shell or a pattern
/// would interpret.
pub(super) fn is_host(name: &str) -> bool {
    let allowed = |character: char| character.is_alphanumeric() || "._-:%+".contains(character);
    (1..=255).contains(&name.len()) && !name.starts_with('-') && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_parsed() {
        for (text, user, host, port) in [
            ("box", None, Some("box"), None),
            ("anna@box", Some("anna"), Some("box"), None),
            ("anna@box.example:2222", Some("anna"), Some("box.example"), Some(2222)),
            ("box:2222", None, Some("box"), Some(2222)),
            ("root@", Some("root"), None, None),
            ("anna@10.0.0.1", Some("anna"), Some("10.0.0.1"), None),
            ("anna@10.0.0.1:2222", Some("anna"), Some("10.0.0.1"), Some(2222)),
            ("anna@:2222", Some("anna"), None, Some(2222)),
            (":2222", None, None, Some(2222)),
            ("anna@[fe80::1]:2222", Some("anna"), Some("fe80::1"), Some(2222)),
            ("anna@fe80::1", Some("anna"), Some("fe80::1"), None),
            ("ssh://anna@box:2222/", Some("anna"), Some("box"), Some(2222)),
        ] {
            let expected = RequestedDestination { user: user.map(str::to_owned), host: host.map(str::to_owned), port };
            assert_eq!(RequestedDestination::parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn t10_an_ambiguous_destination_is_refused() {
        for text in [
            "",
            "@10.0.0.1",
            "-oProxyCommand=x@10.0.0.1",
            "-oProxyCommand=x",
            "root@-box",
            "a b@10.0.0.1",
            "root@a b",
            "root@$(id)",
            "root@*",
            "root@a;b",
            "root@10.0.0.1:0",
            "$x@",
            "root@1:x",
        ] {
            assert!(RequestedDestination::parse(text).is_err(), "{text} was taken for a destination");
        }
    }
}
