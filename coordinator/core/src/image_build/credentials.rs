//! Logins at registries, as `docker login` stores them, for base images in private registries. As in the docker command, a
//! credential helper that is configured for a registry is the only source of its login.
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::helper::{Helper, HelperError};
use super::login::Login;

/// Host of the default registry in requests of builders, and the key of its login.
const DEFAULT_HOST: &str = "registry-1.docker.io";
const DEFAULT_KEY: &str = "https://index.docker.io/v1/";

/// Source of the login for a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum LoginSource {
    /// No login: the registry is used anonymously.
    None,
    /// A login from the file.
    Login(Login),
    /// A credential helper, which returns the login.
    Helper(Helper),
}

/// Logins and credential helpers of Docker's `config.json`.
#[derive(Clone, Default)]
pub struct Credentials {
    logins: BTreeMap<String, Login>,
    store: String,
    helpers: BTreeMap<String, String>,
}

/// Reason why a `config.json` is not valid. It contains no part of a login.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialsError {
    /// The file is not JSON of the expected form.
    #[error("the logins are not valid JSON, at line {line}, column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
    },
    /// A login is not valid.
    #[error("`auth` of {registry} is not the base64 of name:password")]
    Login {
        /// Key of the login in the file.
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
    /// Parses the text of the file.
    ///
    /// # Errors
    /// Returns an error if the text is not JSON of the expected form or contains an invalid login.
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

    /// Returns the source of the login for a registry, by the host that a builder uses.
    ///
    /// # Errors
    /// Returns an error if the name of the credential helper is not valid.
    pub fn of(&self, host: &str) -> Result<LoginSource, HelperError> {
        let server = if host == DEFAULT_HOST { DEFAULT_KEY } else { host };
        // An empty helper means that the login is in the file, even if there is a helper for all registries.
        let helper = entry_of(&self.helpers, server).unwrap_or(&self.store);
        if !helper.is_empty() {
            return Ok(LoginSource::Helper(Helper::new(helper, server)?));
        }
        Ok(entry_of(&self.logins, server).map_or(LoginSource::None, |login| LoginSource::Login(login.clone())))
    }
}

/// Finds the entry of a registry, by its exact key or by another form of it, such as `http://lan:5000/v2/` for `lan:5000`.
fn entry_of<'a, T>(entries: &'a BTreeMap<String, T>, server: &str) -> Option<&'a T> {
    let alike = || entries.iter().find(|(key, _)| bare(key) == bare(server)).map(|(_, entry)| entry);
    entries.get(server).or_else(alike)
}

fn bare(key: &str) -> &str {
    let rest = key.split_once("://").map_or(key, |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

impl Entry {
    /// Returns the login if the entry has one, or `None` if the entry is not valid.
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
    fn a_login_is_found_by_every_form_of_its_registry() {
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
    fn a_helper_precedes_the_file_and_a_helper_of_the_registry_precedes_the_one_of_all() {
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
    fn a_helper_for_one_registry_leaves_the_others_to_the_file() {
        let credentials = parse(
            r#"{"auths": {"lan": {"auth": "YW5uYTpzZXNhbWU="}}, "credHelpers": {"https://index.docker.io/v1/": "hub"}}"#,
        );
        assert_eq!(known(&credentials, "lan"), "anna sesame");
        assert_eq!(known(&credentials, "registry-1.docker.io"), "docker-credential-hub < https://index.docker.io/v1/");
    }

    #[test]
    fn the_error_about_an_invalid_file_contains_no_login() {
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
