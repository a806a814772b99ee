//! The short form of a port: `[[address:]published:]target[/protocol]`, with ranges.
use std::net::IpAddr;

use crate::diagnostic::Location;
use crate::text::node::{Map, Node, Value};

/// One port of a short form.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ShortPort {
    address: Option<String>,
    published: Option<String>,
    target: u16,
    protocol: String,
}

/// Parses a short form. A range gives several ports. The error is a message.
pub(crate) fn parse(text: &str) -> Result<Vec<ShortPort>, String> {
    let (front, target) = text.rsplit_once(':').unwrap_or(("", text));
    let (address, published) = front.rsplit_once(':').unwrap_or(("", front));
    let (target, protocol) = match target.split_once('/') {
        Some((target, protocol)) if !protocol.is_empty() => (target, protocol.to_ascii_lowercase()),
        Some((target, _)) => (target, "tcp".to_owned()),
        None => (target, "tcp".to_owned()),
    };
    if target.is_empty() {
        return Err(format!("`{text}` has no container port"));
    }
    if !matches!(protocol.as_str(), "tcp" | "udp" | "sctp") {
        return Err(format!("`{protocol}` in `{text}` is not tcp, udp or sctp"));
    }
    let address = parse_address(address).ok_or_else(|| format!("`{address}` in `{text}` is not an IP address"))?;
    let (first, last) = range(target).ok_or_else(|| format!("`{target}` in `{text}` is not a port or a range"))?;
    if first == 0 {
        return Err(format!("`{text}` has the container port 0"));
    }
    let host = match published {
        "" => None,
        _ => Some(range(published).ok_or_else(|| format!("`{published}` in `{text}` is not a port or a range"))?),
    };
    if host.is_some_and(|(from, to)| first != last && to - from != last - first) {
        return Err(format!("the two ranges of `{text}` have different lengths"));
    }
    let mut ports: Vec<ShortPort> = (first..=last)
        .map(|target| ShortPort {
            address: address.clone(),
            published: host.map(|(from, to)| match first == last && from != to {
                true => format!("{from}-{to}"),
                false => (from + (target - first)).to_string(),
            }),
            target,
            protocol: protocol.clone(),
        })
        .collect();
    // The reference sorts the ports of a range as strings.
    ports.sort_by_key(|port| format!("{}/", port.target));
    Ok(ports)
}

/// Number of ports in a short form.
pub(crate) fn width(text: &str) -> usize {
    let target = text.rsplit_once(':').map_or(text, |(_, target)| target);
    let ports = range(target.split('/').next().unwrap_or_default());
    ports.map_or(1, |(first, last)| usize::from(last - first) + 1)
}

/// Parses an optional address. Returns `None` when it is invalid and `Some(None)` when it is empty.
fn parse_address(text: &str) -> Option<Option<String>> {
    let bare = text.strip_prefix('[').map_or(Some(text), |rest| rest.strip_suffix(']'))?;
    match bare {
        "" if text.is_empty() => Some(None),
        _ => bare.parse::<IpAddr>().ok().map(|_| Some(bare.to_owned())),
    }
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    let (first, last) = (number(first)?, number(last)?);
    (first <= last).then_some((first, last))
}

impl ShortPort {
    /// Converts the port to its long form.
    pub(crate) fn node(self, at: &Location) -> Node {
        let text = |text: String| Node::text(at, text);
        let mut map = Map::from([
            ("mode".to_owned(), text("ingress".to_owned())),
            ("protocol".to_owned(), text(self.protocol)),
            ("target".to_owned(), Node::new(at, Value::Int(self.target.into()))),
        ]);
        map.extend(self.address.map(|address| ("host_ip".to_owned(), text(address))));
        map.extend(self.published.map(|published| ("published".to_owned(), text(published))));
        Node::new(at, Value::Map(map))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn good(text: &str) -> Vec<(String, String, u16, String)> {
        let or_empty = |value: Option<String>| value.unwrap_or_default();
        let ports = parse(text).unwrap().into_iter();
        ports.map(|port| (or_empty(port.address), or_empty(port.published), port.target, port.protocol)).collect()
    }

    fn one(address: &str, published: &str, target: u16, protocol: &str) -> (String, String, u16, String) {
        (address.to_owned(), published.to_owned(), target, protocol.to_owned())
    }

    #[test]
    fn short_forms_are_parsed() {
        assert_eq!(good("80"), [one("", "", 80, "tcp")]);
        assert_eq!(good("8080:80/UDP"), [one("", "8080", 80, "udp")]);
        assert_eq!(good("127.0.0.1:8080:80"), [one("127.0.0.1", "8080", 80, "tcp")]);
        assert_eq!(good("127.0.0.1::80"), [one("127.0.0.1", "", 80, "tcp")]);
        assert_eq!(good("[::1]:8080:80"), [one("::1", "8080", 80, "tcp")]);
        assert_eq!(good("8000-8002:80"), [one("", "8000-8002", 80, "tcp")]);
        assert_eq!(good("8000-8001:80-81"), [one("", "8000", 80, "tcp"), one("", "8001", 81, "tcp")]);
    }

    #[test]
    fn invalid_ports_are_refused() {
        let bad = [
            "",
            ":",
            "80:",
            "http",
            "70000",
            "81-80",
            "8000-8002:80-81",
            "80/icmp",
            "1.2.3:80:80",
            "-1",
            "80:80:80:80",
        ];
        for text in bad {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
