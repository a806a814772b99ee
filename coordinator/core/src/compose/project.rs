//! From the canonical tree to the typed project: the few forms that serde does not read by itself.
use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use super::model::{Attachment, ExtraHost, FileObject, Origin, Published, Restart, Tmpfs, Ulimit};
use super::quantity::scalar_text;

/// A network without options is null.
pub(super) fn attachments<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<String, Attachment>, D::Error> {
    let map = Option::<BTreeMap<String, Option<Attachment>>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(map.into_iter().map(|(key, attachment)| (key, attachment.unwrap_or_default())).collect())
}

/// Numbers and booleans are text to a driver.
pub(super) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let map = Option::<BTreeMap<String, Value>>::deserialize(deserializer)?.unwrap_or_default();
    Ok(map.into_iter().map(|(key, value)| (key, text_of(value))).collect())
}

fn text_of(value: Value) -> String {
    match value {
        Value::String(text) => text,
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// `"0440"` is octal text, 288 a number.
pub(super) fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => u32::from_str_radix(&text, 8).map(Some).map_err(D::Error::custom),
        Some(number) => u32::deserialize(number).map(Some).map_err(D::Error::custom),
    }
}

impl<'de> Deserialize<'de> for ExtraHost {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (name, address) =
            text.split_once('=').ok_or_else(|| D::Error::custom(format!("`{text}` is not name=address")))?;
        Ok(Self { name: name.to_owned(), address: address.to_owned() })
    }
}

impl<'de> Deserialize<'de> for Published {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = scalar_text(deserializer)?;
        let (start, end) = text.split_once('-').unwrap_or((&text, &text));
        match (start.parse(), end.parse()) {
            (Ok(start), Ok(end)) => Ok(Self { start, end }),
            _ => Err(D::Error::custom(format!("`{text}` is not a port"))),
        }
    }
}

impl<'de> Deserialize<'de> for Restart {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (policy, attempts) = text.split_once(':').unwrap_or((&text, "0"));
        match (policy, attempts.parse()) {
            ("no", _) => Ok(Self::No),
            ("always", _) => Ok(Self::Always),
            ("on-failure", Ok(attempts)) => Ok(Self::OnFailure(attempts)),
            ("unless-stopped", _) => Ok(Self::UnlessStopped),
            _ => Err(D::Error::custom(format!("restart: `{text}` is not no, always, on-failure or unless-stopped"))),
        }
    }
}

impl<'de> Deserialize<'de> for Tmpfs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (target, options) = text.split_once(':').unwrap_or((&text, ""));
        Ok(Self { target: target.to_owned(), options: options.to_owned() })
    }
}

impl<'de> Deserialize<'de> for Ulimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            Single(i64),
            Pair { soft: i64, hard: i64 },
        }
        Ok(match Form::deserialize(deserializer)? {
            Form::Single(both) => Self { soft: both, hard: both },
            Form::Pair { soft, hard } => Self { soft, hard },
        })
    }
}

impl<'de> Deserialize<'de> for FileObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Form {
            name: String,
            file: Option<PathBuf>,
            environment: Option<String>,
            content: Option<String>,
            external: bool,
            labels: BTreeMap<String, String>,
        }
        let form = Form::deserialize(deserializer)?;
        let origin = match form {
            Form { external: true, .. } => Origin::External,
            Form { file: Some(file), .. } => Origin::File(file),
            Form { content: Some(content), .. } => Origin::Inline(content),
            Form { environment: Some(variable), .. } => Origin::Environment(variable),
            _ => return Err(D::Error::custom("needs file, environment, content or external")),
        };
        Ok(Self { name: form.name, origin, labels: form.labels })
    }
}
