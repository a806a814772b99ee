//! Where to log in: `user@host[:port]`, as people write it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

/// A user at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub user: String,
    /// An address, not a name: nothing is looked up.
    pub address: IpAddr,
    pub port: u16,
}

/// Not a place to log in to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DestinationError {
    #[error("`{0}` names no user: write user@, or user@address")]
    NoUser(String),
    #[error("`{0}` is no user name")]
    User(String),
    #[error("`{0}` is not an address: write it in numbers, as in root@192.168.2.201")]
    Address(String),
    #[error("`{0}` is not a port")]
    Port(String),
}

impl Destination {
    /// Reads `user@`, `user@address` and `user@address:port`; without an address it is the host's own.
    pub fn parse(text: &str, own: Ipv4Addr) -> Result<Self, DestinationError> {
        let (user, place) = text.split_once('@').ok_or_else(|| DestinationError::NoUser(text.to_owned()))?;
        if !is_user(user) {
            return Err(DestinationError::User(user.to_owned()));
        }
        let (address, port) = split_port(place)?;
        let address = match address {
            "" => own.into(),
            text => text.parse().map_err(|_| DestinationError::Address(text.to_owned()))?,
        };
        Ok(Self { user: user.to_owned(), address, port })
    }

    /// As `known_hosts` writes it: the port only when it is not 22.
    pub fn known_as(&self) -> String {
        if self.port == 22 { self.address.to_string() } else { format!("[{}]:{}", self.address, self.port) }
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.user, self.known_as())
    }
}

/// `address`, `address:port`, `[v6]` or `[v6]:port`.
fn split_port(place: &str) -> Result<(&str, u16), DestinationError> {
    let (address, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, "")) => (address, None),
        Some((address, rest)) => (address, Some(rest.strip_prefix(':').unwrap_or(rest))),
        None if place.matches(':').count() > 1 => (place, None),
        None => place.split_once(':').map_or((place, None), |(address, port)| (address, Some(port))),
    };
    let Some(port) = port else { return Ok((address, 22)) };
    match port.parse() {
        Ok(number) if number > 0 => Ok((address, number)),
        _ => Err(DestinationError::Port(port.to_owned())),
    }
}

/// POSIX's portable user names, without those that begin like an option.
fn is_user(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    (1..=32).contains(&name.len()) && !name.starts_with('-') && name.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::{Destination, DestinationError};

    fn parse(text: &str) -> Result<String, DestinationError> {
        Destination::parse(text, [192, 168, 2, 201].into()).map(|destination| destination.to_string())
    }

    #[test]
    fn a_destination_is_read_as_people_write_it() {
        for (text, read) in [
            ("root@", "root@192.168.2.201"),
            ("anna@10.0.0.1", "anna@10.0.0.1"),
            ("anna@10.0.0.1:2222", "anna@[10.0.0.1]:2222"),
            ("anna@:2222", "anna@[192.168.2.201]:2222"),
            ("anna@[fe80::1]:2222", "anna@[fe80::1]:2222"),
            ("anna@fe80::1", "anna@fe80::1"),
        ] {
            assert_eq!(parse(text).as_deref(), Ok(read));
        }
    }

    #[test]
    fn t10_what_could_mean_something_else_is_refused() {
        for text in [
            "root",
            "@10.0.0.1",
            "-oProxyCommand=x@10.0.0.1",
            "a b@10.0.0.1",
            "root@alpha",
            "root@10.0.0.1:0",
            "$x@",
            "root@1:x",
        ] {
            assert!(parse(text).is_err(), "{text} was taken for a destination");
        }
    }
}
