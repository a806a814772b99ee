//! Names of hosts, stacks, projects and services, checked once where they enter.

use std::fmt;
use std::str::FromStr;

use crate::limits::{LONG_NAME_MAX, NAME_MAX};

/// Error of parsing a text that is not a valid name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a name of a {kind}: {rule}")]
pub struct InvalidName {
    /// What was to be named, such as `host`.
    pub kind: &'static str,
    /// The rule that names of this kind follow.
    pub rule: &'static str,
    /// The first 80 characters of the text.
    pub text: String,
}

/// Defines a type for names of one kind.
macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $max:ident, $rule:literal, $is_valid:path) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// The rule, for messages.
            pub const RULE: &'static str = $rule;

            /// Returns the name as a text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Returns whether a text is a valid name.
            #[must_use]
            pub fn is_valid(text: &str) -> bool {
                text.len() <= $max && $is_valid(text)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                if Self::is_valid(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(InvalidName { kind: $kind, rule: $rule, text: text.chars().take(80).collect() })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0
            }
        }
    };
}

name!(
    /// Name of a host: one DNS label in lower case. Names of fleets and operators follow the same rule.
    HostName,
    "host",
    NAME_MAX,
    "lower-case letters, digits and -, beginning with a letter or a digit, 63 at most",
    is_label
);

name!(
    /// Name of a stack in `landfast.toml`. A folder on the host has this name.
    StackName,
    "stack",
    LONG_NAME_MAX,
    "lower-case letters, digits, - and _, beginning with a letter or a digit, 128 at most",
    is_project
);

name!(
    /// Name of a Compose project, which names of containers, networks and volumes begin with.
    ProjectName,
    "project",
    LONG_NAME_MAX,
    "lower-case letters, digits, - and _, beginning with a letter or a digit, 128 at most",
    is_project
);

name!(
    /// Name of a network of the fleet.
    NetworkName,
    "network",
    LONG_NAME_MAX,
    "lower-case letters, digits, - and _, beginning with a letter or a digit, 128 at most",
    is_project
);

name!(
    /// Name of a service in a Compose file.
    ServiceName,
    "service",
    LONG_NAME_MAX,
    "letters, digits, -, _ and ., 128 at most",
    is_service
);

fn is_lower(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn is_label(text: &str) -> bool {
    text.bytes().next().is_some_and(is_lower) && text.bytes().all(|byte| is_lower(byte) || byte == b'-')
}

fn is_project(text: &str) -> bool {
    text.bytes().next().is_some_and(is_lower) && text.bytes().all(|byte| is_lower(byte) || b"-_".contains(&byte))
}

fn is_service(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    // A part of a path is never `.` or `..`.
    text.bytes().all(is_allowed) && text.bytes().any(|byte| byte != b'.')
}

#[cfg(test)]
mod tests {
    use super::{HostName, ProjectName, ServiceName, StackName};

    /// A text, and whether it is a name of a host, of a stack or project, and of a service.
    const VECTORS: &[(&str, [bool; 3])] = &[
        ("alpha", [true, true, true]),
        ("rack-2", [true, true, true]),
        ("2nd", [true, true, true]),
        ("data_1", [false, true, true]),
        ("Alpha", [false, false, true]),
        ("api.v2", [false, false, true]),
        ("_init", [false, false, true]),
        ("-x", [false, false, true]),
        ("", [false, false, false]),
        (".", [false, false, false]),
        ("..", [false, false, false]),
        ("a/b", [false, false, false]),
        ("a b", [false, false, false]),
        ("caf\u{e9}", [false, false, false]),
        ("a\n", [false, false, false]),
        ("a;b", [false, false, false]),
    ];

    #[test]
    fn the_vectors_hold() {
        for (text, [host, stack, service]) in VECTORS {
            assert_eq!(HostName::is_valid(text), *host, "host {text:?}");
            assert_eq!(StackName::is_valid(text), *stack, "stack {text:?}");
            assert_eq!(ProjectName::is_valid(text), *stack, "project {text:?}");
            assert_eq!(ServiceName::is_valid(text), *service, "service {text:?}");
        }
    }

    #[test]
    fn the_longest_names_are_accepted_and_longer_ones_are_refused() {
        let (longest, longer) = ("a".repeat(63), "a".repeat(64));
        assert!(HostName::is_valid(&longest) && !HostName::is_valid(&longer));
        let (longest, longer) = ("a".repeat(128), "a".repeat(129));
        assert!(StackName::is_valid(&longest) && ProjectName::is_valid(&longest) && ServiceName::is_valid(&longest));
        assert!(!StackName::is_valid(&longer) && !ProjectName::is_valid(&longer) && !ServiceName::is_valid(&longer));
    }

    #[test]
    fn a_refusal_names_the_kind_and_the_rule() {
        let error = "Bad Name".parse::<HostName>().expect_err("refused").to_string();
        assert!(error.starts_with("\"Bad Name\" is not a name of a host: lower-case letters"), "{error}");
        let error = "x/".repeat(100).parse::<StackName>().expect_err("refused");
        assert_eq!(error.text.len(), 80);
    }
}
