//! Decides how to log in: what was asked for and what the configuration says, made into the hosts to go over, each with
//! its user, its keys and what vouches for it. Nothing is read, looked up or sent here.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::config::tokens::Meaning;
use super::config::{Asked, Config, ConfigError, Family, Place, Placed, Problem, Proxy, Settings};
use super::destination::{Destination, Wanted, is_host};
use super::host_key::{Names, Trust};

/// As many jumps behind one another as anybody has; more go in a circle.
const JUMPS: usize = 16;
const CONNECT_LIMIT: Duration = Duration::from_secs(10);

/// The keys that `ssh` looks for by itself.
const DEFAULT_KEYS: [&str; 5] = ["id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk"];
const USER_KNOWN_HOSTS: [&str; 2] = ["known_hosts", "known_hosts2"];
const GLOBAL_KNOWN_HOSTS: [&str; 2] = ["/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2"];

/// Who logs in, and from where.
#[derive(Debug, Clone)]
pub struct Me {
    pub user: String,
    pub uid: u32,
    pub home: PathBuf,
    pub current_dir: PathBuf,
    pub environment: BTreeMap<String, String>,
}

/// What the command line says in place of the configuration.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The only key to use for the host itself.
    pub identity: Option<PathBuf>,
    /// The only file of host keys.
    pub known_hosts: Option<PathBuf>,
    /// The fingerprint of the host itself.
    pub fingerprint: Option<String>,
}

/// Which keys to show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Key files, in order.
    pub files: Vec<PathBuf>,
    /// Whether somebody named the files, and they go before what ssh-agent holds besides.
    pub named: bool,
    /// Whether ssh-agent's other keys are shown too.
    pub others: bool,
    /// Whether the one file was named on the command line: then it must be there.
    pub required: bool,
    /// ssh-agent's socket.
    pub agent: Option<PathBuf>,
}

/// One host on the way, and how to log in there.
#[derive(Debug, Clone)]
pub struct Hop {
    pub destination: Destination,
    pub names: Names,
    pub trust: Trust,
    pub keys: Keys,
    pub family: Family,
    /// A host answers within this time.
    pub limit: Duration,
}

/// The hosts to go over, the one to reach last; and what the user should know of the configuration.
#[derive(Debug, Clone)]
pub struct Route {
    pub hops: Vec<Hop>,
    pub notes: Vec<String>,
}

/// Decides the route to what is wanted; without a host that is `own`.
pub fn route(wanted: &Wanted, own: &str, given: &Given, config: &Config, me: &Me) -> Result<Route, ConfigError> {
    let mut planner = Planner { config, me, given, notes: Vec::new() };
    let wanted = Wanted { host: Some(wanted.host.as_deref().unwrap_or(own).to_owned()), ..wanted.clone() };
    let hops = planner.hops(&wanted, 0)?;
    Ok(Route { hops, notes: planner.notes })
}

struct Planner<'a> {
    config: &'a Config,
    me: &'a Me,
    given: &'a Given,
    notes: Vec<String>,
}

impl Planner<'_> {
    /// The hosts on the way to the one that is wanted, and that one.
    fn hops(&mut self, wanted: &Wanted, depth: usize) -> Result<Vec<Hop>, ConfigError> {
        let settings = self.settings(wanted)?;
        let hop = self.hop(wanted, &settings, depth == 0)?;
        let mut hops = match &settings.proxy {
            Some(Placed { value: Proxy::Command, place }) => {
                return Err(failed(place, Problem::Keyword("ProxyCommand")));
            }
            Some(Placed { value: Proxy::Jump(list), place }) => self.jumps(list, place, &hop, depth)?,
            Some(Placed { value: Proxy::Direct, .. }) | None => Vec::new(),
        };
        hops.push(hop);
        Ok(hops)
    }

    /// The hosts of a ProxyJump. The first may itself be reached over others; each later one is reached over the one
    /// before it, whatever its own lines say.
    fn jumps(&mut self, list: &[String], place: &Place, to: &Hop, depth: usize) -> Result<Vec<Hop>, ConfigError> {
        if depth == JUMPS {
            return Err(failed(place, Problem::Circle(to.destination.host.clone())));
        }
        let mut hops = Vec::new();
        for (index, written) in list.iter().enumerate() {
            let written = Placed { value: written.clone(), place: place.clone() };
            let text = self.meaning(&to.destination, &to.names, &to.destination.host).text(&written)?;
            let wanted = Wanted::parse(&text).ok().filter(|wanted| wanted.host.is_some());
            let wanted = wanted.ok_or_else(|| failed(place, Problem::Jump(text)))?;
            if index == 0 {
                hops = self.hops(&wanted, depth + 1)?;
            } else {
                let settings = self.settings(&wanted)?;
                hops.push(self.hop(&wanted, &settings, false)?);
            }
        }
        Ok(hops)
    }

    fn settings(&mut self, wanted: &Wanted) -> Result<Settings, ConfigError> {
        let host = wanted.host.as_deref().unwrap_or_default();
        let asked = Asked { host, user: wanted.user.as_deref(), local_user: &self.me.user };
        let settings = self.config.settings(asked)?;
        for note in settings.passed_over.iter().map(ToString::to_string) {
            if !self.notes.contains(&note) {
                self.notes.push(note);
            }
        }
        Ok(settings)
    }

    /// One host. What the command line gives in place of keys and fingerprints is for the last one only.
    fn hop(&self, wanted: &Wanted, settings: &Settings, last: bool) -> Result<Hop, ConfigError> {
        let asked = wanted.host.as_deref().unwrap_or_default();
        if let Some(revoked) = settings.revoked_host_keys.as_ref().filter(|revoked| revoked.value != "none") {
            return Err(failed(&revoked.place, Problem::Keyword("RevokedHostKeys")));
        }
        let destination = self.destination(wanted, settings, asked)?;
        let names = names(&destination, settings);
        let meaning = self.meaning(&destination, &names, asked);
        let fingerprint = self.given.fingerprint.clone().filter(|_| last);
        let trust = match fingerprint {
            Some(fingerprint) => Trust::Fingerprint(fingerprint),
            None => Trust::KnownHosts(self.known_hosts(settings, &meaning)?),
        };
        let keys = self.keys(settings, &meaning, last)?;
        let family = settings.family.as_ref().map(|family| family.value).unwrap_or_default();
        let limit = settings.connect_timeout.as_ref().and_then(|limit| limit.value).unwrap_or(CONNECT_LIMIT);
        Ok(Hop { destination, names, trust, keys, family, limit })
    }

    fn destination(&self, wanted: &Wanted, settings: &Settings, asked: &str) -> Result<Destination, ConfigError> {
        let set_user = settings.user.as_ref().map(|user| user.value.clone());
        let user = wanted.user.clone().or(set_user).unwrap_or_else(|| self.me.user.clone());
        let port = wanted.port.or(settings.port.as_ref().map(|port| port.value)).unwrap_or(22);
        let typed = Destination { user, host: asked.to_owned(), port };
        let Some(name) = &settings.host_name else { return Ok(typed) };
        let host = self.meaning(&typed, &Names::default(), asked).text(name)?;
        if !is_host(&host) {
            let expected = "it is neither a name nor an address";
            let problem = Problem::Value { keyword: "HostName".to_owned(), value: host, expected };
            return Err(failed(&name.place, problem));
        }
        Ok(Destination { host, ..typed })
    }

    fn meaning<'a>(&'a self, destination: &'a Destination, names: &'a Names, asked: &'a str) -> Meaning<'a> {
        Meaning {
            asked,
            host: &destination.host,
            key_name: &names.name,
            port: destination.port,
            user: &destination.user,
            local_user: &self.me.user,
            uid: self.me.uid,
            home: &self.me.home,
            current_dir: &self.me.current_dir,
            environment: &self.me.environment,
        }
    }

    /// The files of host keys: the user's first, as the place to write a new one to.
    fn known_hosts(&self, settings: &Settings, meaning: &Meaning<'_>) -> Result<Vec<PathBuf>, ConfigError> {
        if let Some(file) = &self.given.known_hosts {
            return Ok(vec![self.me.current_dir.join(file)]);
        }
        let folder = self.me.home.join(".ssh");
        let user = USER_KNOWN_HOSTS.map(|name| folder.join(name));
        let mut files = listed(settings.user_known_hosts.as_ref(), &user, meaning)?;
        files.extend(listed(settings.global_known_hosts.as_ref(), &GLOBAL_KNOWN_HOSTS.map(PathBuf::from), meaning)?);
        Ok(files)
    }

    fn keys(&self, settings: &Settings, meaning: &Meaning<'_>, last: bool) -> Result<Keys, ConfigError> {
        let agent = self.agent(settings, meaning)?;
        if let Some(key) = self.given.identity.as_ref().filter(|_| last) {
            let files = vec![self.me.current_dir.join(key)];
            return Ok(Keys { files, named: true, others: false, required: true, agent });
        }
        let only = settings.identities_only.as_ref().is_some_and(|only| only.value);
        let folder = self.me.home.join(".ssh");
        let defaults = || DEFAULT_KEYS.iter().map(|name| folder.join(name)).collect();
        let written = settings.identity_files.iter().filter(|file| !file.value.eq_ignore_ascii_case("none"));
        let written = written.map(|file| meaning.path(&file.value, &file.place)).collect::<Result<Vec<_>, _>>()?;
        let files = if settings.identity_files.is_empty() { defaults() } else { written };
        Ok(Keys { files, named: !settings.identity_files.is_empty(), others: !only, required: false, agent })
    }

    /// ssh-agent's socket: a path, the name of a variable, or none.
    fn agent(&self, settings: &Settings, meaning: &Meaning<'_>) -> Result<Option<PathBuf>, ConfigError> {
        let variable = |name: &str| self.me.environment.get(name).filter(|path| !path.is_empty()).map(PathBuf::from);
        let Some(Placed { value, place }) = &settings.identity_agent else { return Ok(variable("SSH_AUTH_SOCK")) };
        match value.as_str() {
            none if none.eq_ignore_ascii_case("none") => Ok(None),
            "SSH_AUTH_SOCK" => Ok(variable("SSH_AUTH_SOCK")),
            path => match path.strip_prefix('$').filter(|rest| !rest.starts_with('{')) {
                Some(name) => Ok(variable(name)),
                None => meaning.path(path, place).map(Some),
            },
        }
    }
}

fn failed(place: &Place, problem: Problem) -> ConfigError {
    ConfigError { place: place.clone(), problem }
}

/// The files that are written, or else these. `none` is no file.
fn listed(
    written: Option<&Placed<Vec<String>>>,
    otherwise: &[PathBuf],
    meaning: &Meaning<'_>,
) -> Result<Vec<PathBuf>, ConfigError> {
    let Some(Placed { value, place }) = written else { return Ok(otherwise.to_vec()) };
    let files = value.iter().filter(|file| !file.eq_ignore_ascii_case("none"));
    files.map(|file| meaning.path(file, place)).collect()
}

/// What `known_hosts` calls the host. An alias stands alone; a port that is not 22 is part of the name.
fn names(destination: &Destination, settings: &Settings) -> Names {
    match &settings.host_key_alias {
        Some(alias) => Names { name: alias.value.to_lowercase(), without_port: None },
        None => Names {
            name: destination.place().to_lowercase(),
            without_port: (destination.port != 22).then(|| destination.host.to_lowercase()),
        },
    }
}

#[cfg(test)]
mod tests;
