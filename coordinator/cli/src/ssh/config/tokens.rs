//! Expands the tokens in a value: `%h` and similar, a leading `~`, and `${NAME}`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Problem;
use super::{ConfigError, Located, Location};

/// Values of the tokens.
#[derive(Debug, Clone, Copy)]
pub struct TokenValues<'a> {
    /// `%n`: the host name as the user typed it.
    pub original: &'a str,
    /// `%h`: the host name to connect to.
    pub host: &'a str,
    /// `%k`: the name of the host in known_hosts.
    pub key_name: &'a str,
    /// `%p`: the port.
    pub port: u16,
    /// `%r`: the remote user.
    pub user: &'a str,
    /// `%u`: the local user.
    pub local_user: &'a str,
    /// `%i`: the local user's id.
    pub uid: u32,
    /// `%d` and `~`: the local user's home folder.
    pub home: &'a Path,
    /// Folder that relative paths start from.
    pub current_dir: &'a Path,
    /// `${NAME}`: the environment variables.
    pub environment: &'a BTreeMap<String, String>,
}

impl TokenValues<'_> {
    /// Expands the `%` tokens in a value.
    pub fn text(&self, written: &Located<String>) -> Result<String, ConfigError> {
        self.percent(&written.value).map_err(|problem| failed(&written.location, problem))
    }

    /// Expands the tokens, the variables and `~` in a path, and makes it absolute.
    pub fn path(&self, value: &str, location: &Location) -> Result<PathBuf, ConfigError> {
        let expanded = self.variables(value).and_then(|value| self.percent(&value));
        let path = expanded.and_then(|path| self.tilde(&path)).map_err(|problem| failed(location, problem))?;
        Ok(self.current_dir.join(path))
    }

    fn percent(&self, value: &str) -> Result<String, Problem> {
        let mut expanded = String::new();
        let mut characters = value.chars();
        while let Some(character) = characters.next() {
            if character != '%' {
                expanded.push(character);
                continue;
            }
            match characters.next() {
                Some('%') => expanded.push('%'),
                Some('n') => expanded.push_str(self.original),
                Some('h') => expanded.push_str(self.host),
                Some('k') => expanded.push_str(self.key_name),
                Some('r') => expanded.push_str(self.user),
                Some('u') => expanded.push_str(self.local_user),
                Some('p') => expanded.push_str(&self.port.to_string()),
                Some('i') => expanded.push_str(&self.uid.to_string()),
                Some('d') => expanded.push_str(&self.home.display().to_string()),
                other => {
                    let token = format!("%{}", other.map(String::from).unwrap_or_default());
                    return Err(Problem::Token { token, value: value.to_owned() });
                }
            }
        }
        Ok(expanded)
    }

    fn variables(&self, value: &str) -> Result<String, Problem> {
        let (mut expanded, mut rest) = (String::new(), value);
        while let Some((before, after)) = rest.split_once("${") {
            let unclosed = || Problem::Token { token: "${".to_owned(), value: value.to_owned() };
            let (name, after) = after.split_once('}').ok_or_else(unclosed)?;
            let unset = || Problem::Variable { name: name.to_owned(), value: value.to_owned() };
            expanded.push_str(before);
            expanded.push_str(self.environment.get(name).ok_or_else(unset)?);
            rest = after;
        }
        expanded.push_str(rest);
        Ok(expanded)
    }

    fn tilde(&self, path: &str) -> Result<PathBuf, Problem> {
        match path.strip_prefix('~').map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
            None => Ok(path.into()),
            Some(("", rest)) => Ok(self.home.join(rest)),
            Some((user, _)) => Err(Problem::Token { token: format!("~{user}"), value: path.to_owned() }),
        }
    }
}

fn failed(location: &Location, problem: Problem) -> ConfigError {
    ConfigError { location: location.clone(), problem }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn with<T>(check: impl FnOnce(TokenValues<'_>, Location) -> T) -> T {
        let environment = BTreeMap::from([("KEYS".to_owned(), "/keys".to_owned())]);
        let tokens = TokenValues {
            original: "box",
            host: "box.example",
            key_name: "alias",
            port: 2222,
            user: "anna",
            local_user: "me",
            uid: 1000,
            home: Path::new("/home/me"),
            current_dir: Path::new("/srv/project"),
            environment: &environment,
        };
        check(tokens, Location { file: Arc::new("config".into()), line: 7 })
    }

    #[test]
    fn tokens_are_replaced() {
        for (written, expected) in [
            ("~/.ssh/id", "/home/me/.ssh/id"),
            ("~", "/home/me/"),
            ("%d/.ssh/%r@%h-%n-%p", "/home/me/.ssh/anna@box.example-box-2222"),
            ("/k/%u-%i-%k", "/k/me-1000-alias"),
            ("${KEYS}/id-%%", "/keys/id-%"),
            ("id", "/srv/project/id"),
            ("/a~b", "/a~b"),
        ] {
            with(|tokens, location| assert_eq!(tokens.path(written, &location), Ok(expected.into()), "{written}"));
        }
    }

    #[test]
    fn unsupported_tokens_are_refused_with_file_and_line() {
        for (written, expected) in [
            ("/k/%C", "config:7: `%C` is not supported in `/k/%C`"),
            ("/k/%", "config:7: `%` is not supported in `/k/%`"),
            ("~anna/id", "config:7: `~anna` is not supported in `~anna/id`"),
            ("${NOBODY}/id", "config:7: `${NOBODY}/id` uses the environment variable NOBODY, which is not set"),
            ("${KEYS/id", "config:7: `${` is not supported in `${KEYS/id`"),
        ] {
            with(|tokens, location| assert_eq!(tokens.path(written, &location).unwrap_err().to_string(), expected));
        }
    }
}
