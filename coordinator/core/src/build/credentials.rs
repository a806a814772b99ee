//! Logins at registries, as `docker login` keeps them: what a builder is answered when a base image is somewhere private.
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// The default registry's key in the file, and the name that builders ask by.
const DEFAULT_KEY: &str = "index.docker.io";
const DEFAULT_HOST: &str = "registry-1.docker.io";

/// A name and a password. An identity token has no name. No `Debug` here: it is printed nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    /// Empty for a token.
    pub user: String,
    /// The password, or the token.
    pub secret: String,
}

/// What is known of a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Known {
    /// Nothing: it is asked without a name.
    Nothing,
    /// A login.
    Login(Login),
    /// A program of this name, which is not asked, may have one.
    Helper(String),
}

/// Docker's `config.json`, as far as it is about registries.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub struct Credentials {
    auths: BTreeMap<String, Entry>,
    #[serde(rename = "credsStore")]
    store: String,
    #[serde(rename = "credHelpers")]
    helpers: BTreeMap<String, String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    #[serde(rename = "identitytoken")]
    token: String,
}

impl Credentials {
    /// From the file's text.
    ///
    /// # Errors
    /// It is not JSON of that shape. No part of it is in the message.
    pub fn parse(text: &str) -> Result<Self, String> {
        serde_json::from_str(text).map_err(|error| format!("line {}, column {}", error.line(), error.column()))
    }

    /// What is known of the registry at this host.
    pub fn of(&self, host: &str) -> Known {
        let entry = self.auths.iter().find(|(key, _)| is_key_of(key, host)).map(|(_, entry)| entry);
        if let Some(login) = entry.and_then(Entry::login) {
            return Known::Login(login);
        }
        let helper = self.helpers.iter().find(|(key, _)| is_key_of(key, host)).map(|(_, helper)| helper);
        match helper.unwrap_or(&self.store).as_str() {
            "" => Known::Nothing,
            helper => Known::Helper(format!("docker-credential-{helper}")),
        }
    }
}

/// `https://index.docker.io/v1/`, `https://lan:5000`, `lan:5000`.
fn is_key_of(key: &str, host: &str) -> bool {
    let bare = key.split_once("://").map_or(key, |(_, rest)| rest);
    let bare = bare.split('/').next().unwrap_or_default();
    bare == if host == DEFAULT_HOST { DEFAULT_KEY } else { host }
}

impl Entry {
    fn login(&self) -> Option<Login> {
        if !self.token.is_empty() {
            return Some(Login { user: String::new(), secret: self.token.clone() });
        }
        let decoded = String::from_utf8(STANDARD.decode(&self.auth).ok()?).ok()?;
        let (user, secret) = decoded.split_once(':')?;
        Some(Login { user: user.to_owned(), secret: secret.trim_end_matches('\0').to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(credentials: &Credentials, host: &str) -> Option<(String, String)> {
        match credentials.of(host) {
            Known::Login(Login { user, secret }) => Some((user, secret)),
            Known::Nothing | Known::Helper(_) => None,
        }
    }

    #[test]
    fn a_login_is_found_by_any_way_to_write_its_registry() {
        // anna:sesame
        let text = r#"{"auths": {"https://index.docker.io/v1/": {"auth": "YW5uYTpzZXNhbWU="}, "lan:5000": {"auth": "YW5uYTpzZXNhbWU="},
            "https://other": {"identitytoken": "token"}, "kept": {}}, "HttpHeaders": {}}"#;
        let credentials = Credentials::parse(text).expect("it is well formed");
        for host in ["registry-1.docker.io", "lan:5000"] {
            assert_eq!(login(&credentials, host), Some(("anna".to_owned(), "sesame".to_owned())), "{host}");
        }
        assert_eq!(login(&credentials, "other"), Some((String::new(), "token".to_owned())));
        assert!(credentials.of("kept") == Known::Nothing && credentials.of("lan") == Known::Nothing);
    }

    #[test]
    fn a_helper_is_named_when_the_file_has_no_login_itself() {
        let text = r#"{"auths": {"lan": {}}, "credsStore": "desktop", "credHelpers": {"cloud.example": "cloud"}}"#;
        let credentials = Credentials::parse(text).expect("it is well formed");
        assert!(credentials.of("lan") == Known::Helper("docker-credential-desktop".to_owned()));
        assert!(credentials.of("cloud.example") == Known::Helper("docker-credential-cloud".to_owned()));
    }

    #[test]
    fn a_file_that_is_damaged_is_told_without_what_is_in_it() {
        let error = Credentials::parse(r#"{"auths": {"lan": {"auth": "c2VzYW1l" "}}}"#).err().expect("it is damaged");
        assert!(error.starts_with("line 1, column ") && !error.contains("c2VzYW1l"), "{error}");
    }
}
