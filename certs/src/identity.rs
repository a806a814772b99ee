//! Decides what a party may be called, and what its certificate says it is.
//!
//! An identity is one URI in the certificate's subject alternative names; nothing else in a certificate is believed.

use std::fmt;
use std::str::FromStr;

use x509_parser::extensions::GeneralName;

use crate::Error;

const SCHEME: &str = "landfast://";

/// What an identity may do, from least to most. Mirrors `landfast.v1.Role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// See state and logs.
    Viewer,
    /// Change what hosts run.
    Deployer,
    /// Change who belongs to the fleet.
    Admin,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Viewer => "viewer",
            Self::Deployer => "deployer",
            Self::Admin => "admin",
        })
    }
}

impl FromStr for Role {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "viewer" => Ok(Self::Viewer),
            "deployer" => Ok(Self::Deployer),
            "admin" => Ok(Self::Admin),
            _ => Err(Error::Role { role: text.to_owned() }),
        }
    }
}

/// Who a party is. Displayed, and parsed, as the URI in its certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// A host's agent: `landfast://home/agent/alpha`. It may call nothing.
    Agent {
        /// The fleet's name.
        fleet: String,
        /// The host's name.
        host: String,
    },
    /// A long-running coordinator: `landfast://home/coordinator/main`. It deploys.
    Coordinator {
        /// The fleet's name.
        fleet: String,
        /// The coordinator's name.
        name: String,
    },
    /// A person or a script: `landfast://home/operator/anna?role=admin`.
    Operator {
        /// The fleet's name.
        fleet: String,
        /// The operator's name.
        name: String,
        /// What the operator may do.
        role: Role,
    },
}

impl Identity {
    /// The agent of one host. Errors: [`Error::Name`].
    pub fn agent(fleet: &str, host: &str) -> Result<Self, Error> {
        Ok(Self::Agent { fleet: checked_name(fleet)?, host: checked_name(host)? })
    }

    /// A coordinator. Errors: [`Error::Name`].
    pub fn coordinator(fleet: &str, name: &str) -> Result<Self, Error> {
        Ok(Self::Coordinator { fleet: checked_name(fleet)?, name: checked_name(name)? })
    }

    /// An operator. Errors: [`Error::Name`].
    pub fn operator(fleet: &str, name: &str, role: Role) -> Result<Self, Error> {
        Ok(Self::Operator { fleet: checked_name(fleet)?, name: checked_name(name)?, role })
    }

    /// The identity a certificate (DER) names. The certificate itself must have been verified already.
    ///
    /// Errors: [`Error::Anonymous`] unless it names exactly one, [`Error::Uri`], [`Error::Role`] or [`Error::Name`] if
    /// that one is malformed.
    pub fn of_certificate(der: &[u8]) -> Result<Self, Error> {
        match uris(der)?.as_slice() {
            [uri] => uri.parse(),
            found => Err(Error::Anonymous { found: found.len() }),
        }
    }

    /// The fleet it belongs to.
    pub fn fleet(&self) -> &str {
        match self {
            Self::Agent { fleet, .. } | Self::Coordinator { fleet, .. } | Self::Operator { fleet, .. } => fleet,
        }
    }

    /// The host's, coordinator's or operator's own name.
    pub fn name(&self) -> &str {
        match self {
            Self::Agent { host: name, .. } | Self::Coordinator { name, .. } | Self::Operator { name, .. } => name,
        }
    }

    /// The role it holds; none for an agent.
    pub fn role(&self) -> Option<Role> {
        match self {
            Self::Agent { .. } => None,
            Self::Coordinator { .. } => Some(Role::Deployer),
            Self::Operator { role, .. } => Some(*role),
        }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Agent { fleet, host } => write!(f, "{SCHEME}{fleet}/agent/{host}"),
            Self::Coordinator { fleet, name } => write!(f, "{SCHEME}{fleet}/coordinator/{name}"),
            Self::Operator { fleet, name, role } => write!(f, "{SCHEME}{fleet}/operator/{name}?role={role}"),
        }
    }
}

impl FromStr for Identity {
    type Err = Error;

    fn from_str(uri: &str) -> Result<Self, Error> {
        let malformed = || Error::Uri { uri: uri.to_owned() };
        let rest = uri.strip_prefix(SCHEME).ok_or_else(malformed)?;
        let (path, query) = rest.split_once('?').map_or((rest, None), |(path, query)| (path, Some(query)));
        let parts: Vec<&str> = path.split('/').collect();
        match (parts.as_slice(), query) {
            ([fleet, "agent", host], None) => Self::agent(fleet, host),
            ([fleet, "coordinator", name], None) => Self::coordinator(fleet, name),
            ([fleet, "operator", name], Some(query)) => {
                let role = query.strip_prefix("role=").ok_or_else(malformed)?;
                Self::operator(fleet, name, role.parse()?)
            }
            _ => Err(malformed()),
        }
    }
}

/// Whether `name` may be a fleet, host, coordinator or operator name: one DNS label in lower case.
pub fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut bytes = name.bytes();
    name.len() <= 63 && bytes.next().is_some_and(allowed) && bytes.all(|byte| allowed(byte) || byte == b'-')
}

pub(crate) fn checked_name(name: &str) -> Result<String, Error> {
    if is_name(name) { Ok(name.to_owned()) } else { Err(Error::Name { name: name.to_owned() }) }
}

/// The fleet an authority's certificate (DER) is for: `landfast://home/authority`.
pub(crate) fn fleet_of_authority(der: &[u8]) -> Result<String, Error> {
    match uris(der)?.as_slice() {
        [uri] => {
            let fleet = uri.strip_prefix(SCHEME).and_then(|rest| rest.strip_suffix("/authority"));
            checked_name(fleet.ok_or_else(|| Error::Unusable {
                what: "the authority's certificate",
                problem: format!("it is for `{uri}`, which is no fleet's authority"),
            })?)
        }
        found => Err(Error::Anonymous { found: found.len() }),
    }
}

pub(crate) fn authority_uri(fleet: &str) -> String {
    format!("{SCHEME}{fleet}/authority")
}

/// The URIs of our scheme among a certificate's subject alternative names.
fn uris(der: &[u8]) -> Result<Vec<String>, Error> {
    let unusable = |problem: String| Error::Unusable { what: "the certificate", problem };
    let (_, certificate) = x509_parser::parse_x509_certificate(der).map_err(|error| unusable(error.to_string()))?;
    let names = certificate.subject_alternative_name().map_err(|error| unusable(error.to_string()))?;
    let names = names.map(|names| names.value.general_names.as_slice()).unwrap_or_default();
    Ok(names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) if uri.starts_with(SCHEME) => Some((*uri).to_owned()),
            _ => None,
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_reads_back_as_it_was_written() {
        for uri in [
            "landfast://home/agent/alpha",
            "landfast://home/coordinator/main",
            "landfast://home/operator/anna?role=admin",
        ] {
            assert_eq!(uri.parse::<Identity>().unwrap().to_string(), uri);
        }
    }

    #[test]
    fn what_is_almost_an_identity_is_refused() {
        for uri in [
            "",
            "landfast://",
            "https://home/agent/alpha",
            "landfast://home/agent/",
            "landfast://home/agent/alpha/beta",
            "landfast://home/agent/alpha?role=admin",
            "landfast://home/operator/anna",
            "landfast://home/operator/anna?role=root",
            "landfast://home/operator/anna?role=admin&role=viewer",
            "landfast://home/operator/anna?x=1",
            "landfast://home/agent/..",
            "landfast://home/agent/Alpha",
            "landfast://home/agent/alpha\n",
            "landfast://home/agent/-alpha",
            "landfast://home/authority",
        ] {
            assert!(uri.parse::<Identity>().is_err(), "{uri:?} was taken for an identity");
        }
    }

    #[test]
    fn roles_are_ordered_and_an_agent_has_none() {
        assert!(Role::Viewer < Role::Deployer && Role::Deployer < Role::Admin);
        assert_eq!(Identity::agent("home", "alpha").unwrap().role(), None);
        assert_eq!(Identity::coordinator("home", "main").unwrap().role(), Some(Role::Deployer));
    }

    #[test]
    fn a_name_is_one_dns_label() {
        assert!(is_name("a") && is_name("0-a") && is_name(&"a".repeat(63)));
        assert!(!is_name("") && !is_name(&"a".repeat(64)) && !is_name("a.b") && !is_name("é") && !is_name("a b"));
    }
}
