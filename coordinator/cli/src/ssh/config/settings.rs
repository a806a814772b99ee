//! What the directives say about one host. As with OpenSSH the first value counts, but that identity files add up.

use std::time::Duration;

use super::super::patterns;
use super::keywords;
use super::values::{Family, Line, Placed, Proxy, command, is_off, jump};
use super::{Config, ConfigError, Directive, Place, Problem};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// As it was typed.
    pub host: &'a str,
    pub user: Option<&'a str>,
    pub local_user: &'a str,
}

/// A line that nothing is made of, though the user may count on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: `{keyword}` is {}", if *known { "not supported and is ignored" } else { "not a keyword of ssh's configuration and is ignored" })]
pub struct PassedOver {
    pub place: Place,
    pub keyword: String,
    /// Whether `ssh` knows it; else it would stop there.
    pub known: bool,
}

/// What the files say about a host. Paths and names are as written, tokens and all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub host_name: Option<Placed<String>>,
    pub user: Option<Placed<String>>,
    pub port: Option<Placed<u16>>,
    pub identity_files: Vec<Placed<String>>,
    pub identities_only: Option<Placed<bool>>,
    pub identity_agent: Option<Placed<String>>,
    pub proxy: Option<Placed<Proxy>>,
    pub user_known_hosts: Option<Placed<Vec<String>>>,
    pub global_known_hosts: Option<Placed<Vec<String>>>,
    pub host_key_alias: Option<Placed<String>>,
    pub family: Option<Placed<Family>>,
    pub connect_timeout: Option<Placed<Option<Duration>>>,
    pub revoked_host_keys: Option<Placed<String>>,
    ignore_unknown: Option<Placed<String>>,
    /// Lines that nothing is made of.
    pub passed_over: Vec<PassedOver>,
}

impl Config {
    /// What the files say about this host.
    pub fn settings(&self, asked: Asked<'_>) -> Result<Settings, ConfigError> {
        let original = asked.host;
        let mut first = Pass { asked, original, settings: Settings::default(), last: false, wants_last: false };
        first.run(&self.directives, true)?;
        if !first.wants_last {
            return Ok(first.settings);
        }
        // `Match final` is for a second reading, with the name that the first one found.
        let name = first.host_name();
        let asked = Asked { host: &name, ..asked };
        let mut last = Pass { asked, original, settings: first.settings, last: true, wants_last: true };
        last.run(&self.directives, true)?;
        Ok(last.settings)
    }
}

struct Pass<'a> {
    asked: Asked<'a>,
    /// The name as it was typed.
    original: &'a str,
    settings: Settings,
    last: bool,
    wants_last: bool,
}

impl Pass<'_> {
    /// Follows the lines in order; `reached` is false in a file that a block for another host includes.
    fn run(&mut self, directives: &[Directive], reached: bool) -> Result<(), ConfigError> {
        let mut active = reached;
        for directive in directives {
            let failed = |problem| ConfigError { place: directive.place.clone(), problem };
            match directive.keyword.to_ascii_lowercase().as_str() {
                "host" => {
                    let named = patterns::any_matches(self.asked.host, directive.words.iter().map(String::as_str));
                    active = reached && named;
                }
                "match" => active = reached && self.matches(&directive.words).map_err(failed)?,
                "include" => directive.included.iter().try_for_each(|file| self.run(file, active))?,
                keyword if active => self.set(keyword, directive).map_err(failed)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// The name to connect to, as far as it is known.
    fn host_name(&self) -> String {
        let host = self.asked.host;
        if self.last {
            return host.to_owned();
        }
        let written = self.settings.host_name.as_ref().map(|name| name.value.replace("%h", host));
        written.unwrap_or_else(|| host.to_owned())
    }

    fn matches(&mut self, words: &[String]) -> Result<bool, Problem> {
        let mut words = words.iter();
        let mut all = true;
        while let Some(word) = words.next() {
            let (negated, criterion) = word.strip_prefix('!').map_or((false, word.as_str()), |rest| (true, rest));
            let value = match criterion.to_ascii_lowercase().as_str() {
                "all" | "final" | "canonical" => "",
                _ => words.next().ok_or_else(|| Problem::NoValue(word.clone()))?,
            };
            // What does not match already need not be understood.
            if all {
                all = self.meets(criterion, value)? != negated;
            }
        }
        Ok(all)
    }

    fn meets(&mut self, criterion: &str, list: &str) -> Result<bool, Problem> {
        let set_user = self.asked.user.or(self.settings.user.as_ref().map(|user| user.value.as_str()));
        let listed = |text: &str| patterns::any_matches(text, list.split(','));
        Ok(match criterion.to_ascii_lowercase().as_str() {
            "all" => true,
            "canonical" => self.last,
            "final" => {
                self.wants_last = true;
                self.last
            }
            "host" => patterns::list_matches(&self.host_name(), list),
            "originalhost" => patterns::list_matches(self.original, list),
            "user" => listed(set_user.unwrap_or(self.asked.local_user)),
            "localuser" => listed(self.asked.local_user),
            _ => return Err(Problem::Match(criterion.to_owned())),
        })
    }

    fn set(&mut self, keyword: &str, directive: &Directive) -> Result<(), Problem> {
        let (settings, words) = (&mut self.settings, &directive.words);
        let line = Line { keyword: &directive.keyword, words, place: &directive.place };
        match keyword {
            "hostname" => line.first(&mut settings.host_name, line.one()?.to_owned()),
            "user" => line.first(&mut settings.user, line.one()?.to_owned()),
            "port" => line.first(&mut settings.port, line.port()?),
            "identityfile" => line.add(&mut settings.identity_files)?,
            "identitiesonly" => line.first(&mut settings.identities_only, line.yes()?),
            "identityagent" => line.first(&mut settings.identity_agent, line.one()?.to_owned()),
            "proxyjump" => line.first(&mut settings.proxy, jump(line.one()?)),
            "proxycommand" => line.first(&mut settings.proxy, command(words)),
            "userknownhostsfile" => line.first(&mut settings.user_known_hosts, words.clone()),
            "globalknownhostsfile" => line.first(&mut settings.global_known_hosts, words.clone()),
            "hostkeyalias" => line.first(&mut settings.host_key_alias, line.one()?.to_owned()),
            "addressfamily" => line.first(&mut settings.family, line.family()?),
            "connecttimeout" => line.first(&mut settings.connect_timeout, line.seconds()?),
            "revokedhostkeys" => line.first(&mut settings.revoked_host_keys, line.one()?.to_owned()),
            "ignoreunknown" => line.first(&mut settings.ignore_unknown, words.join(",").to_lowercase()),
            _ if keywords::WITHOUT_EFFECT.contains(&keyword) || settings.ignores(keyword) => {}
            _ if keywords::NOT_FOLLOWED.contains(&keyword) && is_off(words) => {}
            _ => {
                let known = keywords::NOT_FOLLOWED.contains(&keyword);
                let (place, keyword) = (directive.place.clone(), directive.keyword.clone());
                settings.passed_over.push(PassedOver { place, keyword, known });
            }
        }
        Ok(())
    }
}

impl Settings {
    fn ignores(&self, keyword: &str) -> bool {
        self.ignore_unknown.as_ref().is_some_and(|list| patterns::list_matches(keyword, &list.value))
    }
}

#[cfg(test)]
mod tests;
