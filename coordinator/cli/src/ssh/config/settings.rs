//! Collects the settings for one host. As in OpenSSH, the first value of a keyword wins, except that identity files
//! accumulate.

use std::time::Duration;

use super::super::patterns;
use super::keywords;
use super::values::{Family, Line, Located, Proxy, is_off, parse_jump, parse_proxy_command};
use super::{Config, ConfigError, Directive, Location, Problem};

/// The host and users that settings are collected for.
#[derive(Debug, Clone, Copy)]
pub struct HostQuery<'a> {
    /// Host name as the user typed it.
    pub host: &'a str,
    pub user: Option<&'a str>,
    pub local_user: &'a str,
}

/// A line that landfast ignores although the user may rely on it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{location}: `{keyword}` is {}", if *known { "not supported and is ignored" } else { "not a keyword of ssh's configuration and is ignored" })]
pub struct IgnoredLine {
    pub location: Location,
    pub keyword: String,
    /// Whether `ssh` supports the keyword. If not, `ssh` would refuse the file.
    pub known: bool,
}

/// Settings for one host. Paths and names are as written in the files, with their tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    pub host_name: Option<Located<String>>,
    pub user: Option<Located<String>>,
    pub port: Option<Located<u16>>,
    pub identity_files: Vec<Located<String>>,
    pub identities_only: Option<Located<bool>>,
    pub identity_agent: Option<Located<String>>,
    pub proxy: Option<Located<Proxy>>,
    pub user_known_hosts: Option<Located<Vec<String>>>,
    pub global_known_hosts: Option<Located<Vec<String>>>,
    pub host_key_alias: Option<Located<String>>,
    pub family: Option<Located<Family>>,
    pub connect_timeout: Option<Located<Option<Duration>>>,
    pub revoked_host_keys: Option<Located<String>>,
    ignore_unknown: Option<Located<String>>,
    /// Lines that are ignored.
    pub ignored: Vec<IgnoredLine>,
}

impl Config {
    /// Collects the settings for a host.
    pub fn settings(&self, query: HostQuery<'_>) -> Result<Settings, ConfigError> {
        let original = query.host;
        let mut first_pass =
            Pass { query, original, settings: Settings::default(), is_final: false, needs_final: false };
        first_pass.run(&self.directives, true)?;
        if !first_pass.needs_final {
            return Ok(first_pass.settings);
        }
        // `Match final` requires a second pass, with the host name that the first pass found.
        let name = first_pass.host_name();
        let query = HostQuery { host: &name, ..query };
        let mut final_pass = Pass { query, original, settings: first_pass.settings, is_final: true, needs_final: true };
        final_pass.run(&self.directives, true)?;
        Ok(final_pass.settings)
    }
}

struct Pass<'a> {
    query: HostQuery<'a>,
    /// Host name as the user typed it.
    original: &'a str,
    settings: Settings,
    is_final: bool,
    needs_final: bool,
}

impl Pass<'_> {
    /// Applies the directives in order. `reached` is false in a file that is included from a block for another host.
    fn run(&mut self, directives: &[Directive], reached: bool) -> Result<(), ConfigError> {
        let mut active = reached;
        for directive in directives {
            let failed = |problem| ConfigError { location: directive.location.clone(), problem };
            match directive.keyword.to_ascii_lowercase().as_str() {
                "host" => {
                    let named = patterns::any_matches(self.query.host, directive.words.iter().map(String::as_str));
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

    /// The name to connect to, as far as the settings seen so far determine it.
    fn host_name(&self) -> String {
        let host = self.query.host;
        if self.is_final {
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
            // A criterion after one that does not match need not be supported.
            if all {
                all = self.meets(criterion, value)? != negated;
            }
        }
        Ok(all)
    }

    fn meets(&mut self, criterion: &str, list: &str) -> Result<bool, Problem> {
        let set_user = self.query.user.or(self.settings.user.as_ref().map(|user| user.value.as_str()));
        let listed = |text: &str| patterns::any_matches(text, list.split(','));
        Ok(match criterion.to_ascii_lowercase().as_str() {
            "all" => true,
            "canonical" => self.is_final,
            "final" => {
                self.needs_final = true;
                self.is_final
            }
            "host" => patterns::list_matches(&self.host_name(), list),
            "originalhost" => patterns::list_matches(self.original, list),
            "user" => listed(set_user.unwrap_or(self.query.local_user)),
            "localuser" => listed(self.query.local_user),
            _ => return Err(Problem::Match(criterion.to_owned())),
        })
    }

    fn set(&mut self, keyword: &str, directive: &Directive) -> Result<(), Problem> {
        let (settings, words) = (&mut self.settings, &directive.words);
        let line = Line { keyword: &directive.keyword, words, location: &directive.location };
        match keyword {
            "hostname" => line.set_first(&mut settings.host_name, line.single()?.to_owned()),
            "user" => line.set_first(&mut settings.user, line.single()?.to_owned()),
            "port" => line.set_first(&mut settings.port, line.port()?),
            "identityfile" => line.append(&mut settings.identity_files)?,
            "identitiesonly" => line.set_first(&mut settings.identities_only, line.boolean()?),
            "identityagent" => line.set_first(&mut settings.identity_agent, line.single()?.to_owned()),
            "proxyjump" => line.set_first(&mut settings.proxy, parse_jump(line.single()?)),
            "proxycommand" => line.set_first(&mut settings.proxy, parse_proxy_command(words)),
            "userknownhostsfile" => line.set_first(&mut settings.user_known_hosts, words.clone()),
            "globalknownhostsfile" => line.set_first(&mut settings.global_known_hosts, words.clone()),
            "hostkeyalias" => line.set_first(&mut settings.host_key_alias, line.single()?.to_owned()),
            "addressfamily" => line.set_first(&mut settings.family, line.address_family()?),
            "connecttimeout" => line.set_first(&mut settings.connect_timeout, line.duration()?),
            "revokedhostkeys" => line.set_first(&mut settings.revoked_host_keys, line.single()?.to_owned()),
            "ignoreunknown" => line.set_first(&mut settings.ignore_unknown, words.join(",").to_lowercase()),
            _ if keywords::IGNORED.contains(&keyword) || settings.ignores(keyword) => {}
            _ if keywords::UNSUPPORTED.contains(&keyword) && is_off(words) => {}
            _ => {
                let known = keywords::UNSUPPORTED.contains(&keyword);
                let (location, keyword) = (directive.location.clone(), directive.keyword.clone());
                settings.ignored.push(IgnoredLine { location, keyword, known });
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
