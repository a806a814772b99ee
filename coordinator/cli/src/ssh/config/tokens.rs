//! What stands for something else in a value: `%h` and its like, `~` at the beginning, `${NAME}`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Problem;
use super::{ConfigError, Place, Placed};

/// What tokens stand for.
#[derive(Debug, Clone, Copy)]
pub struct Meaning<'a> {
    /// `%n`: the host as it was asked for.
    pub asked: &'a str,
    /// `%h`: the name to connect to.
    pub host: &'a str,
    /// `%k`: the name in known_hosts.
    pub key_name: &'a str,
    /// `%p`
    pub port: u16,
    /// `%r`: the user over there.
    pub user: &'a str,
    /// `%u`: the user here.
    pub local_user: &'a str,
    /// `%i`: the number of the user here.
    pub uid: u32,
    /// `%d`, and `~`.
    pub home: &'a Path,
    /// What a relative path is relative to.
    pub current_dir: &'a Path,
    /// `${NAME}`
    pub environment: &'a BTreeMap<String, String>,
}

impl Meaning<'_> {
    /// A value with its `%` tokens.
    pub fn text(&self, written: &Placed<String>) -> Result<String, ConfigError> {
        self.percent(&written.value).map_err(|problem| failed(&written.place, problem))
    }

    /// A path with its tokens, variables and home folder.
    pub fn path(&self, value: &str, place: &Place) -> Result<PathBuf, ConfigError> {
        let expanded = self.variables(value).and_then(|value| self.percent(&value));
        let path = expanded.and_then(|path| self.tilde(&path)).map_err(|problem| failed(place, problem))?;
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
                Some('n') => expanded.push_str(self.asked),
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

fn failed(place: &Place, problem: Problem) -> ConfigError {
    ConfigError { place: place.clone(), problem }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn with<T>(check: impl FnOnce(Meaning<'_>, Place) -> T) -> T {
        let environment = BTreeMap::from([("KEYS".to_owned(), "/keys".to_owned())]);
        let meaning = Meaning {
            asked: "box",
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
        check(meaning, Place { file: Arc::new("config".into()), line: 7 })
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
            with(|meaning, place| assert_eq!(meaning.path(written, &place), Ok(expected.into()), "{written}"));
        }
    }

    #[test]
    fn tokens_that_are_not_known_are_refused_with_file_and_line() {
        for (written, expected) in [
            ("/k/%C", "config:7: `%C` is not supported in `/k/%C`"),
            ("/k/%", "config:7: `%` is not supported in `/k/%`"),
            ("~anna/id", "config:7: `~anna` is not supported in `~anna/id`"),
            ("${NOBODY}/id", "config:7: `${NOBODY}/id` uses the variable NOBODY, which is not set"),
            ("${KEYS/id", "config:7: `${` is not supported in `${KEYS/id`"),
        ] {
            with(|meaning, place| assert_eq!(meaning.path(written, &place).unwrap_err().to_string(), expected));
        }
    }
}
