//! Rules about secrets in variables, recognised by name or by value. No message contains a value.
use std::collections::BTreeSet;

use serde_json::Value;

use super::{Remark, ServiceInput};
use landfast_compose::{Project, substitute};

/// Last words of names whose values are secrets.
const WORDS: &[&str] = &["PASSWORD", "PASSWD", "PASSPHRASE", "PASS", "PWD", "SECRET", "TOKEN", "APIKEY", "PAT"];

/// Words that make a name a secret if KEY follows.
const KEYS: &[&str] = &[
    "ACCESS",
    "API",
    "APP",
    "AUTH",
    "COOKIE",
    "ENCRYPTION",
    "JWT",
    "MASTER",
    "PRIVATE",
    "SECRET",
    "SESSION",
    "SIGNING",
    "STORAGE",
    "SUBSCRIPTION",
];

/// Names that end like those of secrets, but are not.
const HARMLESS: &[&str] = &["ETCD_INITIAL_CLUSTER_TOKEN", "AWS_ACCESS_KEY", "PWD"];

/// Values that are switches, not secrets.
const SWITCHES: &[&str] =
    &["true", "false", "yes", "no", "on", "off", "none", "null", "0", "1", "required", "optional"];

/// LF010: reports secrets in the compose file.
pub(super) fn written(input: ServiceInput<'_>) -> Vec<Remark> {
    let remark = |variable: &Variable<'_>| {
        let (name, why) = (variable.name, variable.why.as_str());
        let message = format!("{}'s {name} is a secret in plain text ({why})", input.name);
        let help =
            "move it to a file under secrets: (many images read NAME_FILE), and change it, because it was exposed";
        input.remark(&format!("environment.{name}"), message, help)
    };
    let variables = variables(input.service, written_variables(input));
    variables.iter().filter(|variable| variable.in_the_file).map(remark).collect()
}

/// LF014: reports secrets in variables, in one remark for each service.
pub(super) fn passed(input: ServiceInput<'_>) -> Vec<Remark> {
    let variables = variables(input.service, written_variables(input));
    let names: Vec<_> = variables.iter().filter(|it| !it.in_the_file).map(|it| it.name).collect();
    let Some(first) = names.first() else { return Vec::new() };
    let message = format!("everyone who can inspect {} can read {}", input.name, names.join(", "));
    let help = "mount them as files with secrets:, if the image can read files (NAME_FILE)";
    vec![input.remark(&format!("environment.{first}"), message, help)]
}

/// Returns the names of all variables of a project that hold secrets.
pub fn names(project: &Project) -> BTreeSet<String> {
    let pairs = project.services.values().flat_map(|service| &service.environment);
    let secret = |(name, value): &(&String, &Option<String>)| {
        is_secret_name(name) || value.as_deref().is_some_and(|value| secret(name, value).is_some())
    };
    pairs.filter(secret).map(|(name, _)| name.clone()).collect()
}

/// Removes the value from a line that contains the name of a secret.
pub fn mask(line: &str, names: &BTreeSet<String>) -> String {
    let ends = names.iter().filter_map(|name| Some(line.find(name.as_str())? + name.len()));
    match ends.min() {
        Some(end) if line[end..].trim_matches(['"', '\'', ' ']).len() > 1 => {
            let separator = line[end..].find([':', '=']).map_or(end, |at| end + at + 1);
            format!("{} ***", &line[..separator])
        }
        _ => line.to_owned(),
    }
}

/// A variable that holds a secret.
struct Variable<'a> {
    name: &'a str,
    /// Whether the value is in the compose file, rather than from a variable or an env file.
    in_the_file: bool,
    why: Shape,
}

fn variables<'a>(
    service: &'a landfast_compose::model::Service,
    written: impl Fn(&str) -> Option<String>,
) -> Vec<Variable<'a>> {
    let variable = |(name, value): (&'a String, &'a Option<String>)| {
        // The default of a variable is in the file too.
        let literal = written(name).and_then(|text| Some(substitute(&text, &|_| None).ok()?.0));
        if let Some(why) = literal.and_then(|literal| secret(name, &literal)) {
            return Some(Variable { name, in_the_file: true, why });
        }
        let why = secret(name, value.as_deref()?)?;
        Some(Variable { name, in_the_file: false, why })
    };
    service.environment.iter().filter_map(variable).collect()
}

/// Returns the variables of a service before interpolation, in either form.
fn written_variables<'a>(input: ServiceInput<'a>) -> impl Fn(&str) -> Option<String> + 'a {
    let written = &input.subject.written["services"][input.name]["environment"];
    move |name| match written {
        Value::Object(variables) => variables.get(name).and_then(Value::as_str).map(str::to_owned),
        Value::Array(lines) => {
            let pairs = lines.iter().filter_map(|line| line.as_str()?.split_once('='));
            pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next_back()
        }
        _ => None,
    }
}

/// How a secret was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Name,
    Url,
    PrivateKey,
    Token,
}

impl Shape {
    fn as_str(self) -> &'static str {
        match self {
            Shape::Name => "by its name",
            Shape::Url => "a URL with a password",
            Shape::PrivateKey => "a private key",
            Shape::Token => "the token of a well-known service",
        }
    }
}

fn secret(name: &str, value: &str) -> Option<Shape> {
    let value = value.trim();
    if value.contains("-----BEGIN ") && value.contains("PRIVATE KEY-----") {
        return Some(Shape::PrivateKey);
    }
    if is_token(value) {
        return Some(Shape::Token);
    }
    if password_in_url(value).is_some() {
        return Some(Shape::Url);
    }
    (is_secret_name(name) && may_be_secret(value)).then_some(Shape::Name)
}

/// Whether the last words of a name are those of a secret: `DB_PASSWORD`, `API_KEY` and `PGPASSWORD` are, `PASSWORD_FILE` and
/// `TOKEN_LIFETIME` are not.
fn is_secret_name(name: &str) -> bool {
    let upper = name.to_ascii_uppercase().replace(['-', '.'], "_");
    if HARMLESS.contains(&upper.as_str()) {
        return false;
    }
    let mut words: Vec<&str> = upper.split('_').filter(|word| !word.is_empty()).collect();
    while words.len() > 1 && words.last().is_some_and(|word| is_tail(word)) {
        words.pop();
    }
    match words.as_slice() {
        [.., before, "KEY"] => KEYS.contains(before),
        [.., last] => WORDS.contains(last) || ["PASSWORD", "APIKEY"].iter().any(|word| last.ends_with(word)),
        [] => false,
    }
}

/// Whether a word may follow the name of a secret: `SECRET_KEY_BASE`, `PASSWORD_1`, `PASSWORD_HASH`.
fn is_tail(word: &str) -> bool {
    matches!(word, "BASE" | "BASE64" | "HASH" | "VALUE") || word.chars().all(|c| c.is_ascii_digit())
}

/// Whether a value may be a secret: it is not a switch, a path, a URL or a placeholder.
fn may_be_secret(value: &str) -> bool {
    let switch = SWITCHES.contains(&value.to_ascii_lowercase().as_str());
    let elsewhere = value.starts_with(['/', '.']) && !value.contains(char::is_whitespace) || value.contains("://");
    let to_fill_in = value.starts_with('<') && value.ends_with('>');
    !value.is_empty() && !switch && !elsewhere && !to_fill_in
}

/// Prefixes by which tokens of services can be recognised, with their minimum length.
const TOKENS: &[(&str, usize)] = &[
    ("AKIA", 20),
    ("ASIA", 20),
    ("AIza", 39),
    ("SG.", 60),
    ("dop_v1_", 60),
    ("ghp_", 36),
    ("ghs_", 36),
    ("gho_", 36),
    ("github_pat_", 40),
    ("glpat-", 20),
    ("npm_", 36),
    ("sk_live_", 24),
    ("xoxb-", 24),
    ("xoxp-", 24),
];

fn is_token(value: &str) -> bool {
    let one_word = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '='));
    let prefixed = || TOKENS.iter().any(|(prefix, length)| value.starts_with(prefix) && value.len() >= *length);
    // A JSON web token: two JSON objects and a signature.
    let web_token = || value.starts_with("eyJ") && value.matches('.').count() == 2 && value.len() > 60;
    one_word && (prefixed() || web_token())
}

/// Password of a URL: `pw` in `postgres://user:pw@db/app`.
fn password_in_url(value: &str) -> Option<&str> {
    let (scheme, rest) = value.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let (user, _) = authority.rsplit_once('@')?;
    let (_, password) = user.split_once(':')?;
    let good_scheme = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.:".contains(c));
    (good_scheme && !password.is_empty()).then_some(password)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Shape, is_secret_name, mask, secret};

    #[test]
    fn a_secret_is_recognised_by_the_last_words_of_its_name() {
        let secrets = [
            "POSTGRES_PASSWORD",
            "PGPASSWORD",
            "db-password",
            "API_KEY",
            "SECRET_KEY_BASE",
            "JWT_SECRET",
            "smtp.pass",
            "AWS_SECRET_ACCESS_KEY",
            "GITHUB_TOKEN",
            "PASSWORD_2",
            "keycloakAdminPassword",
        ];
        let harmless = [
            "POSTGRES_PASSWORD_FILE",
            "TOKEN_LIFETIME",
            "MAX_TOKENS",
            "PWD",
            "BYPASS",
            "PUBLIC_KEY",
            "SORT_KEY",
            "ETCD_INITIAL_CLUSTER_TOKEN",
            "PASSWORD_MIN_LENGTH",
            "AWS_ACCESS_KEY_ID",
            "COMPASS",
            "SECRET_NAME",
        ];
        for name in secrets {
            assert!(is_secret_name(name), "{name}");
        }
        for name in harmless {
            assert!(!is_secret_name(name), "{name}");
        }
    }

    #[test]
    fn a_secret_is_recognised_by_its_value_whatever_its_name() {
        let web_token = format!("eyJhbGciOiJIUzI1NiJ9.{}.sig-_", "x".repeat(60));
        for (value, shape) in [
            ("postgres://app:hunter2@db/app", Shape::Url),
            ("-----BEGIN RSA PRIVATE KEY-----\nx", Shape::PrivateKey),
            (concat!("AK", "IAIOSFODNN7EXAMPLE"), Shape::Token),
            (&web_token, Shape::Token),
        ] {
            assert_eq!(secret("X", value), Some(shape), "{value}");
        }
        for value in ["postgres://db/app", "postgres://app@db/app", "http://a:80/@x", "AKIA", "eyJ", "plain"] {
            assert_eq!(secret("X", value), None, "{value}");
        }
    }

    #[test]
    fn the_value_after_the_name_of_a_secret_is_masked() {
        let names = BTreeSet::from(["DB_PASSWORD".to_owned()]);
        for (line, masked) in [
            ("  DB_PASSWORD: hunter2", "  DB_PASSWORD: ***"),
            ("  - DB_PASSWORD=hunter2", "  - DB_PASSWORD= ***"),
            ("  environment: {A: b, \"DB_PASSWORD\": hunter2, C: d}", "  environment: {A: b, \"DB_PASSWORD\": ***"),
            ("  - DB_PASSWORD", "  - DB_PASSWORD"),
            ("  image: postgres", "  image: postgres"),
        ] {
            assert_eq!(mask(line, &names), masked);
        }
    }

    #[test]
    fn switches_paths_and_empty_values_are_not_secrets() {
        for value in ["", "yes", "true", "/run/secrets/pw", "./pw.txt", "vault://kv/pw", "<your password>"] {
            assert_eq!(secret("DB_PASSWORD", value), None, "{value}");
        }
        assert_eq!(secret("DB_PASSWORD", "hunter2"), Some(Shape::Name));
    }
}
