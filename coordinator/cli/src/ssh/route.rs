//! Decides the route to a host from the requested destination and the configuration: the hops, each with its user, its
//! keys and its source of trust. This module is pure: it reads no files, resolves no names and sends nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::config::tokens::TokenValues;
use super::config::{Config, ConfigError, Family, HostQuery, Located, Location, Problem, Proxy, Settings};
use super::destination::{Destination, RequestedDestination, is_host};
use super::host_key::{Names, Trust};

/// Maximum depth of nested jump hosts. A longer chain is treated as a loop.
const MAX_JUMPS: usize = 16;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Key files that `ssh` uses by default.
const DEFAULT_KEYS: [&str; 5] = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"];
const USER_KNOWN_HOSTS: [&str; 2] = ["known_hosts", "known_hosts2"];
const GLOBAL_KNOWN_HOSTS: [&str; 2] = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

/// The local user, with the environment that paths and tokens refer to.
#[derive(Debug, Clone)]
pub struct LocalUser {
    pub user: String,
    pub uid: u32,
    pub home: PathBuf,
    pub current_dir: PathBuf,
    pub environment: BTreeMap<String, String>,
}

/// Settings from the command line that override the configuration.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// The only key file to use for the destination.
    pub identity: Option<PathBuf>,
    /// The only `known_hosts` file to use.
    pub known_hosts: Option<PathBuf>,
    /// The accepted fingerprint of the destination's host key.
    pub fingerprint: Option<String>,
}

/// The keys to offer to a host.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Key files, in order.
    pub files: Vec<PathBuf>,
    /// Whether the user named the files. Named files are offered before ssh-agent's other keys.
    pub named: bool,
    /// Whether ssh-agent's other keys are offered too.
    pub others: bool,
    /// Whether the one file was given on the command line, so that it must exist.
    pub required: bool,
    /// Path of ssh-agent's socket.
    pub agent: Option<PathBuf>,
}

/// One host of the route, and how to log in to it.
#[derive(Debug, Clone)]
pub struct Hop {
    pub destination: Destination,
    pub names: Names,
    pub trust: Trust,
    pub keys: Keys,
    pub family: Family,
    /// Time limit for the host to respond.
    pub limit: Duration,
}

/// The hops in order, the destination last, with notes about the configuration for the user.
#[derive(Debug, Clone)]
pub struct Route {
    pub hops: Vec<Hop>,
    pub notes: Vec<String>,
}

/// Decides the route to the requested destination. `own` is the host to use if the request names none.
pub fn route(
    requested: &RequestedDestination,
    own: &str,
    overrides: &Overrides,
    config: &Config,
    local: &LocalUser,
) -> Result<Route, ConfigError> {
    let mut planner = Planner { config, local, overrides, notes: Vec::new() };
    let requested =
        RequestedDestination { host: Some(requested.host.as_deref().unwrap_or(own).to_owned()), ..requested.clone() };
    let hops = planner.hops(&requested, 0)?;
    Ok(Route { hops, notes: planner.notes })
}

struct Planner<'a> {
    config: &'a Config,
    local: &'a LocalUser,
    overrides: &'a Overrides,
    notes: Vec<String>,
}

impl Planner<'_> {
    /// The hops to the requested destination, including it.
    fn hops(&mut self, requested: &RequestedDestination, depth: usize) -> Result<Vec<Hop>, ConfigError> {
        let settings = self.settings(requested)?;
        let hop = self.hop(requested, &settings, depth == 0)?;
        let mut hops = match &settings.proxy {
            Some(Located { value: Proxy::Command, location }) => {
                return Err(failed(location, Problem::Keyword("ProxyCommand")));
            }
            Some(Located { value: Proxy::Jump(list), location }) => self.jumps(list, location, &hop, depth)?,
            Some(Located { value: Proxy::Direct, .. }) | None => Vec::new(),
        };
        hops.push(hop);
        Ok(hops)
    }

    /// The hops of a ProxyJump directive. The first may have jump hosts of its own. Each further one is reached through
    /// the previous one, whatever its own settings say.
    fn jumps(&mut self, list: &[String], location: &Location, to: &Hop, depth: usize) -> Result<Vec<Hop>, ConfigError> {
        if depth == MAX_JUMPS {
            return Err(failed(location, Problem::JumpLoop(to.destination.host.clone())));
        }
        let mut hops = Vec::new();
        for (index, written) in list.iter().enumerate() {
            let written = Located { value: written.clone(), location: location.clone() };
            let text = self.tokens(&to.destination, &to.names, &to.destination.host).text(&written)?;
            let requested = RequestedDestination::parse(&text).ok().filter(|requested| requested.host.is_some());
            let requested = requested.ok_or_else(|| failed(location, Problem::Jump(text)))?;
            if index == 0 {
                hops = self.hops(&requested, depth + 1)?;
            } else {
                let settings = self.settings(&requested)?;
                hops.push(self.hop(&requested, &settings, false)?);
            }
        }
        Ok(hops)
    }

    fn settings(&mut self, requested: &RequestedDestination) -> Result<Settings, ConfigError> {
        let host = requested.host.as_deref().unwrap_or_default();
        let query = HostQuery { host, user: requested.user.as_deref(), local_user: &self.local.user };
        let settings = self.config.settings(query)?;
        for note in settings.ignored.iter().map(ToString::to_string) {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        Ok(settings)
    }

    /// Decides one hop. The key and the fingerprint from the command line apply only to the destination.
    fn hop(&self, requested: &RequestedDestination, settings: &Settings, last: bool) -> Result<Hop, ConfigError> {
        let original = requested.host.as_deref().unwrap_or_default();
        if let Some(revoked) = settings.revoked_host_keys.as_ref().filter(|revoked| revoked.value != "none") {
            return Err(failed(&revoked.location, Problem::Keyword("RevokedHostKeys")));
        }
        let destination = self.destination(requested, settings, original)?;
        let names = names(&destination, settings);
        let tokens = self.tokens(&destination, &names, original);
        let fingerprint = self.overrides.fingerprint.clone().filter(|_| last);
        let trust = match fingerprint {
            Some(fingerprint) => Trust::Fingerprint(fingerprint),
            None => Trust::KnownHosts(self.known_hosts(settings, &tokens)?),
        };
        let keys = self.keys(settings, &tokens, last)?;
        let family = settings.family.as_ref().map(|family| family.value).unwrap_or_default();
        let limit = settings.connect_timeout.as_ref().and_then(|limit| limit.value).unwrap_or(CONNECT_TIMEOUT);
        Ok(Hop { destination, names, trust, keys, family, limit })
    }

    fn destination(
        &self,
        requested: &RequestedDestination,
        settings: &Settings,
        original: &str,
    ) -> Result<Destination, ConfigError> {
        let set_user = settings.user.as_ref().map(|user| user.value.clone());
        let user = requested.user.clone().or(set_user).unwrap_or_else(|| self.local.user.clone());
        let port = requested.port.or(settings.port.as_ref().map(|port| port.value)).unwrap_or(22);
        let typed = Destination { user, host: original.to_owned(), port };
        let Some(name) = &settings.host_name else { return Ok(typed) };
        let host = self.tokens(&typed, &Names::default(), original).text(name)?;
        if !is_host(&host) {
            let expected = "it is neither a name nor an address";
            let problem = Problem::Value { keyword: "HostName".to_owned(), value: host, expected };
            return Err(failed(&name.location, problem));
        }
        Ok(Destination { host, ..typed })
    }

    fn tokens<'a>(&'a self, destination: &'a Destination, names: &'a Names, original: &'a str) -> TokenValues<'a> {
        TokenValues {
            original,
            host: &destination.host,
            key_name: &names.name,
            port: destination.port,
            user: &destination.user,
            local_user: &self.local.user,
            uid: self.local.uid,
            home: &self.local.home,
            current_dir: &self.local.current_dir,
            environment: &self.local.environment,
        }
    }

    /// The `known_hosts` files. The user's file comes first, because new keys belong in it.
    fn known_hosts(&self, settings: &Settings, tokens: &TokenValues<'_>) -> Result<Vec<PathBuf>, ConfigError> {
        if let Some(file) = &self.overrides.known_hosts {
            return Ok(vec![self.local.current_dir.join(file)]);
        }
        let folder = self.local.home.join(".ssh");
        let user = USER_KNOWN_HOSTS.map(|name| folder.join(name));
        let mut files = listed(settings.user_known_hosts.as_ref(), &user, tokens)?;
        files.extend(listed(settings.global_known_hosts.as_ref(), &GLOBAL_KNOWN_HOSTS.map(PathBuf::from), tokens)?);
        Ok(files)
    }

    fn keys(&self, settings: &Settings, tokens: &TokenValues<'_>, last: bool) -> Result<Keys, ConfigError> {
        let agent = self.agent(settings, tokens)?;
        if let Some(key) = self.overrides.identity.as_ref().filter(|_| last) {
            let files = vec![self.local.current_dir.join(key)];
            return Ok(Keys { files, named: true, others: false, required: true, agent });
        }
        let only = settings.identities_only.as_ref().is_some_and(|only| only.value);
        let folder = self.local.home.join(".ssh");
        let defaults = || DEFAULT_KEYS.iter().map(|name| folder.join(name)).collect();
        let written = settings.identity_files.iter().filter(|file| !file.value.eq_ignore_ascii_case("none"));
        let written = written.map(|file| tokens.path(&file.value, &file.location)).collect::<Result<Vec<_>, _>>()?;
        let files = if settings.identity_files.is_empty() { defaults() } else { written };
        Ok(Keys { files, named: !settings.identity_files.is_empty(), others: !only, required: false, agent })
    }

    /// Path of ssh-agent's socket. The setting is a path, the name of a variable, or `none`.
    fn agent(&self, settings: &Settings, tokens: &TokenValues<'_>) -> Result<Option<PathBuf>, ConfigError> {
        let variable = |name: &str| self.local.environment.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        let Some(Located { value, location }) = &settings.identity_agent else { return Ok(variable("SSH_AUTH_SOCK")) };
        match value.as_str() {
            none if none.eq_ignore_ascii_case("none") => Ok(None),
            "SSH_AUTH_SOCK" => Ok(variable("SSH_AUTH_SOCK")),
            path => match path.strip_prefix('$').filter(|rest| !rest.starts_with('{')) {
                Some(name) => Ok(variable(name)),
                None => tokens.path(path, location).map(Some),
            },
        }
    }
}

fn failed(location: &Location, problem: Problem) -> ConfigError {
    ConfigError { location: location.clone(), problem }
}

/// The paths of a setting, or the defaults if it is not set. `none` stands for no file.
fn listed(
    written: Option<&Located<Vec<String>>>,
    otherwise: &[PathBuf],
    tokens: &TokenValues<'_>,
) -> Result<Vec<PathBuf>, ConfigError> {
    let Some(Located { value, location }) = written else { return Ok(otherwise.to_vec()) };
    let files = value.iter().filter(|file| !file.eq_ignore_ascii_case("none"));
    files.map(|file| tokens.path(file, location)).collect()
}

/// Names of the host in `known_hosts`. An alias replaces all other names.
fn names(destination: &Destination, settings: &Settings) -> Names {
    match &settings.host_key_alias {
        Some(alias) => Names { name: alias.value.to_lowercase(), without_port: None },
        None => Names {
            name: destination.known_hosts_name().to_lowercase(),
            without_port: (destination.port != 22).then(|| destination.host.to_lowercase()),
        },
    }
}

#[cfg(test)]
mod tests;
