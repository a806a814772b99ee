//! Logins at registries, as `docker login` keeps them: what a builder is answered when a base image is somewhere private. As for
//! the docker command, a program that is named for a registry is the only one that is asked about it.
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::helper::{Helper, HelperError};
use super::login::Login;

/// The default registry: the name that builders ask by, and the one that logins are kept under.
const DEFAULT_HOST: &str = "registry-1.docker.io";
const DEFAULT_KEY: &str = "https://index.docker.io/v1/";

/// What is known of a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum LoginSource {
    /// Nothing: it is asked without a name.
    None,
    /// A login.
    Login(Login),
    /// This program knows.
    Helper(Helper),
}

/// Docker's `config.json`, as far as it is about registries.
#[derive(Clone, Default)]
pub struct Credentials {
    logins: BTreeMap<String, Login>,
    store: String,
    helpers: BTreeMap<String, String>,
}

/// Why a `config.json` is not used. No part of a login is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// It is not JSON of that shape.
    #[error("it is no JSON of logins, at line {line}, column {column}")]
    Json {
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
    },
    /// A login that cannot be read.
    #[error("`auth` of {registry} is not the base64 of name:password")]
    Login {
        /// Its key in the file.
        registry: String,
    },
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Written {
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credsStore")]
    store: String,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    #[serde(rename = "identitytoken")]
    token: String,
}

impl Credentials {
    /// From the file's text.
    ///
    /// # Errors
    /// It is not JSON of that shape, or has a login that cannot be read.
    pub fn parse(text: &str) -> Result<Self, CredentialsError> {
        let written: Written = serde_json::from_str(text)
            .map_err(|error| CredentialsError::Json { line: error.line(), column: error.column() })?;
        let mut logins = BTreeMap::new();
        for (registry, entry) in written.auths {
            let login = entry.login().ok_or_else(|| CredentialsError::Login { registry: registry.clone() })?;
            logins.extend(login.map(|login| (registry, login)));
        }
        Ok(Self { logins, store: written.store, helpers: written.helpers })
    }

    /// What is known of the registry that a builder calls by this name.
    ///
    /// # Errors
    /// The program that knows it has a name that no program may have.
    pub fn of(&self, host: &str) -> Result<LoginSource, HelperError> {
        let server = if host == DEFAULT_HOST { DEFAULT_KEY } else { host };
        // Empty for a registry whose logins are in the file, whatever the others do.
        let helper = entry_of(&self.helpers, server).unwrap_or(&self.store);
        if !helper.is_empty() {
            return Ok(LoginSource::Helper(Helper::new(helper, server)?));
        }
        Ok(entry_of(&self.logins, server).map_or(LoginSource::None, |login| LoginSource::Login(login.clone())))
    }
}

/// Under the name itself, else under one that only says it otherwise: `https://lan:5000`, `http://lan:5000/v2/`.
fn entry_of<'a, T>(entries: &'a BTreeMap<String, T>, server: &str) -> Option<&'a T> {
    let alike = || entries.iter().find(|(key, _)| bare(key) == bare(server)).map(|(_, entry)| entry);
    entries.get(server).or_else(alike)
}

fn bare(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

impl Entry {
    /// The login, if the entry has one; nothing when it cannot be read.
    fn login(self) -> Option<Option<Login>> {
        if !self.token.is_empty() {
            return Some(Some(Login { user: String::new(), secret: self.token }));
        }
        if self.auth.is_empty() {
            let login = Login { user: self.username, secret: self.password };
            return Some((!login.user.is_empty()).then_some(login));
        }
        let decoded = String::from_utf8(STANDARD.decode(&self.auth).ok()?).ok()?;
        let (user, secret) = decoded.split_once(':')?;
        Some(Some(Login { user: user.to_owned(), secret: secret.trim_matches('\0').to_owned() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Credentials {
        Credentials::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    /// `user secret`, `program < server`, `-`.
    fn known(credentials: &Credentials, host: &str) -> String {
        match credentials.of(host).expect("a good name") {
            LoginSource::Login(Login { user, secret }) => format!("{user} {secret}"),
            LoginSource::Helper(helper) => format!("{} < {}", helper.program, helper.server),
            LoginSource::None => "-".to_owned(),
        }
    }

    #[test]
    fn a_login_is_found_by_any_way_to_write_its_registry() {
        // anna:sesame, bert:sesame
        let credentials = parse(
            r#"{"auths": {"https://index.docker.io/v1/": {"auth": "YW5uYTpzZXNhbWU="}, "lan:5000": {"auth": "YW5uYTpzZXNhbWU="},
            "http://lan:5000/v1/": {"auth": "YmVydDpzZXNhbWU="}, "https://other": {"identitytoken": "token"}, "kept": {},
            "plain": {"username": "carl", "password": "open"}}, "HttpHeaders": {}}"#,
        );
        for (host, expected) in [
            ("registry-1.docker.io", "anna sesame"),
            ("lan:5000", "anna sesame"),
            ("other", " token"),
            ("plain", "carl open"),
            ("kept", "-"),
            ("lan", "-"),
        ] {
            assert_eq!(known(&credentials, host), expected, "{host}");
        }
    }

    #[test]
    fn a_program_wins_over_the_file_and_one_of_the_registry_over_that_of_all() {
        let credentials = parse(
            r#"{"auths": {"lan": {"auth": "YW5uYTpzZXNhbWU="}, "filed": {"auth": "YW5uYTpzZXNhbWU="}},
            "credsStore": "desktop", "credHelpers": {"cloud.example": "cloud", "filed": ""}}"#,
        );
        for (host, expected) in [
            ("lan", "docker-credential-desktop < lan"),
            ("cloud.example", "docker-credential-cloud < cloud.example"),
            ("registry-1.docker.io", "docker-credential-desktop < https://index.docker.io/v1/"),
            ("filed", "anna sesame"),
        ] {
            assert_eq!(known(&credentials, host), expected, "{host}");
        }
    }

    #[test]
    fn a_program_for_one_registry_leaves_the_others_to_the_file() {
        let credentials = parse(
            r#"{"auths": {"lan": {"auth": "YW5uYTpzZXNhbWU="}}, "credHelpers": {"https://index.docker.io/v1/": "hub"}}"#,
        );
        assert_eq!(known(&credentials, "lan"), "anna sesame");
        assert_eq!(known(&credentials, "registry-1.docker.io"), "docker-credential-hub < https://index.docker.io/v1/");
    }

    #[test]
    fn a_file_that_is_damaged_is_told_without_what_is_in_it() {
        for (text, expected) in [
            (r#"{"auths": {"lan": {"auth": "c2VzYW1l" "}}}"#, "line 1, column "),
            (r#"{"auths": {"lan": {"auth": "c2VzYW1l"}}}"#, "`auth` of lan is not the base64 of name:password"),
            (r#"{"auths": {"lan": {"auth": "%c2VzYW1l"}}}"#, "`auth` of lan is not"),
            (r#"{"auths": {"lan": "c2VzYW1l"}}"#, "line 1, column "),
        ] {
            let error = Credentials::parse(text).err().expect("it is damaged").to_string();
            assert!(error.contains(expected) && !error.contains("c2VzYW1l"), "{error}");
        }
    }
}
