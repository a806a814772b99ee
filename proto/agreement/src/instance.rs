//! Names of instances, and which instance shares with which.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Name of an instance, which is one container of a service: `data/postgres.1`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct InstanceName {
    /// Name of the stack.
    pub stack: String,
    /// Name of the service in the stack.
    pub service: String,
    /// Number of the instance in the service, from 1.
    pub index: u32,
}

/// Error of parsing a text that is not `stack/service.index`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an instance: expected stack/service.index, as in data/postgres.1")]
pub struct InvalidInstanceName(pub String);

/// Name of a service together with its stack: `data/postgres`.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct StackService {
    /// Name of the stack.
    pub stack: String,
    /// Name of the service in the stack.
    pub service: String,
}

impl InstanceName {
    /// Makes the name of an instance.
    pub fn new(stack: impl Into<String>, service: impl Into<String>, index: u32) -> Self {
        Self { stack: stack.into(), service: service.into(), index }
    }

    /// Returns the service of the instance.
    #[must_use]
    pub fn service_name(&self) -> StackService {
        StackService { stack: self.stack.clone(), service: self.service.clone() }
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}.{}", self.stack, self.service, self.index)
    }
}

impl From<InstanceName> for String {
    fn from(name: InstanceName) -> Self {
        name.to_string()
    }
}

impl FromStr for InstanceName {
    type Err = InvalidInstanceName;

    fn from_str(text: &str) -> Result<Self, InvalidInstanceName> {
        let invalid = || InvalidInstanceName(text.chars().take(200).collect());
        let (stack, rest) = text.split_once('/').ok_or_else(invalid)?;
        let (service, index) = rest.rsplit_once('.').ok_or_else(invalid)?;
        Ok(Self::new(stack, service, index.parse().map_err(|_| invalid())?))
    }
}

impl TryFrom<String> for InstanceName {
    type Error = InvalidInstanceName;

    fn try_from(text: String) -> Result<Self, InvalidInstanceName> {
        text.parse()
    }
}

impl StackService {
    /// Makes the name of a service of a stack.
    pub fn new(stack: impl Into<String>, service: impl Into<String>) -> Self {
        Self { stack: stack.into(), service: service.into() }
    }
}

impl fmt::Display for StackService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.stack, self.service)
    }
}

impl From<StackService> for String {
    fn from(name: StackService) -> Self {
        name.to_string()
    }
}

impl TryFrom<String> for StackService {
    type Error = InvalidInstanceName;

    fn try_from(text: String) -> Result<Self, InvalidInstanceName> {
        let (stack, service) = text.split_once('/').ok_or_else(|| InvalidInstanceName(text.clone()))?;
        Ok(Self::new(stack, service))
    }
}

/// Returns the instance of another service that an instance shares a namespace or volumes with: the one with the same
/// index, or else the first one. Both services are in the same stack.
pub fn partner<'a>(
    name: &InstanceName,
    service: &str,
    mut all: impl Iterator<Item = &'a InstanceName> + Clone,
) -> Option<&'a InstanceName> {
    let is_theirs = |other: &&InstanceName| other.stack == name.stack && other.service == service;
    let first = all.clone().filter(is_theirs).min();
    all.find(|other| is_theirs(other) && other.index == name.index).or(first)
}

#[cfg(test)]
mod tests {
    use super::{InstanceName, partner};

    #[test]
    fn a_name_is_read_as_it_is_printed() {
        for (text, name) in [
            ("data/postgres.1", InstanceName::new("data", "postgres", 1)),
            ("data/api.v2.10", InstanceName::new("data", "api.v2", 10)),
        ] {
            assert_eq!(text.parse(), Ok(name.clone()));
            assert_eq!(name.to_string(), text);
        }
        for text in ["", "data", "data/postgres", "postgres.1", "data/postgres.x", "data/postgres.-1"] {
            assert!(text.parse::<InstanceName>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_partner_has_the_same_index_or_is_the_first() {
        let all = [("data", "db", 2), ("data", "db", 1), ("data", "cache", 4), ("other", "db", 3)];
        let all = all.map(|(stack, service, index)| InstanceName::new(stack, service, index));
        let of = |index, service| partner(&InstanceName::new("data", "app", index), service, all.iter());
        assert_eq!(of(2, "db"), Some(&all[0]));
        assert_eq!(of(1, "db"), Some(&all[1]));
        assert_eq!(of(3, "db"), Some(&all[1]), "another stack's instance is never a partner");
        assert_eq!(of(1, "cache"), Some(&all[2]));
        assert_eq!(of(1, "queue"), None);
    }
}
