//! Names, roles and identities, and how a certificate names the identity of its holder.
//!
//! An identity is one URI in the certificate's subject alternative names. No other field of a certificate is trusted.

use std::fmt;
use std::str::FromStr;

use landfast_agreement::HostName;
use x509_parser::extensions::GeneralName;

use crate::Error;

const SCHEME: &str = "landfast://";

/// Permissions of an identity, from least to most. Mirrors `landfast.v1.Role`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// May see state and logs.
    Viewer,
    /// May change what hosts run.
    Deployer,
    /// May change the members of the fleet.
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

/// Identity of a party. It is displayed and parsed as the URI in the party's certificate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Identity {
    /// Agent of a host: `landfast://home/agent/alpha`. It has no role of an operator, and may only call what agents ask each
    /// other.
    Agent {
        /// Name of the fleet.
        fleet: String,
        /// Name of the host.
        host: String,
    },
    /// Long-running coordinator: `landfast://home/coordinator/main`. It has the role of a deployer.
    Coordinator {
        /// Name of the fleet.
        fleet: String,
        /// Name of the coordinator.
        name: String,
    },
    /// Person or script: `landfast://home/operator/anna?role=admin`.
    Operator {
        /// Name of the fleet.
        fleet: String,
        /// Name of the operator.
        name: String,
        /// Role of the operator.
        role: Role,
    },
}

impl Identity {
    /// Creates the identity of a host's agent. Errors: [`Error::Name`].
    pub fn agent(fleet: &str, host: &str) -> Result<Self, Error> {
        Ok(Self::Agent { fleet: checked_name(fleet)?, host: checked_name(host)? })
    }

    /// Creates the identity of a coordinator. Errors: [`Error::Name`].
    pub fn coordinator(fleet: &str, name: &str) -> Result<Self, Error> {
        Ok(Self::Coordinator { fleet: checked_name(fleet)?, name: checked_name(name)? })
    }

    /// Creates the identity of an operator. Errors: [`Error::Name`].
    pub fn operator(fleet: &str, name: &str, role: Role) -> Result<Self, Error> {
        Ok(Self::Operator { fleet: checked_name(fleet)?, name: checked_name(name)?, role })
    }

    /// Reads the identity from a certificate (DER). The caller must have verified the certificate.
    ///
    /// Errors: [`Error::Anonymous`] unless the certificate names exactly one identity; [`Error::Uri`], [`Error::Role`]
    /// or [`Error::Name`] if that identity is malformed.
    pub fn of_certificate(der: &[u8]) -> Result<Self, Error> {
        match uris(der)?.as_slice() {
            [uri] => uri.parse(),
            found => Err(Error::Anonymous { found: found.len() }),
        }
    }

    /// Name of the fleet that the identity belongs to.
    pub fn fleet(&self) -> &str {
        match self {
            Self::Agent { fleet, .. } | Self::Coordinator { fleet, .. } | Self::Operator { fleet, .. } => fleet,
        }
    }

    /// Name of the host, coordinator or operator.
    pub fn name(&self) -> &str {
        match self {
            Self::Agent { host: name, .. } | Self::Coordinator { name, .. } | Self::Operator { name, .. } => name,
        }
    }

    /// Role of the identity among operators; `None` for an agent.
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

pub(crate) fn checked_name(name: &str) -> Result<String, Error> {
    if HostName::is_valid(name) { Ok(name.to_owned()) } else { Err(Error::Name { name: name.to_owned() }) }
}

/// Reads the fleet's name from an authority's certificate (DER), which carries `landfast://home/authority`.
pub(crate) fn fleet_of_authority(der: &[u8]) -> Result<String, Error> {
    match uris(der)?.as_slice() {
        [uri] => {
            let fleet = uri.strip_prefix(SCHEME).and_then(|rest| rest.strip_suffix("/authority"));
            checked_name(fleet.ok_or_else(|| Error::Unusable {
                what: "the authority's certificate",
                problem: format!("it is for `{uri}`, which is not a fleet's authority"),
            })?)
        }
        found => Err(Error::Anonymous { found: found.len() }),
    }
}

pub(crate) fn authority_uri(fleet: &str) -> String {
    format!("{SCHEME}{fleet}/authority")
}

/// Returns the `landfast://` URIs among a certificate's subject alternative names.
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
    fn an_identity_parses_from_its_own_text() {
        for uri in [
            "landfast://home/agent/alpha",
            "landfast://home/coordinator/main",
            "landfast://home/operator/anna?role=admin",
        ] {
            assert_eq!(uri.parse::<Identity>().unwrap().to_string(), uri);
        }
    }

    #[test]
    fn malformed_identities_are_refused() {
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
            assert!(uri.parse::<Identity>().is_err(), "{uri:?} was accepted");
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
        assert!(HostName::is_valid("a") && HostName::is_valid("0-a") && HostName::is_valid(&"a".repeat(63)));
        assert!(
            !HostName::is_valid("")
                && !HostName::is_valid(&"a".repeat(64))
                && !HostName::is_valid("a.b")
                && !HostName::is_valid("é")
                && !HostName::is_valid("a b")
        );
    }
}
