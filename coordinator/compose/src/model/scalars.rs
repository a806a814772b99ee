//! Deserializers of scalars.
use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Value;

use crate::quantity::scalar_text;

/// Deserializes driver options. Numbers and booleans become text.
pub(crate) fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
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

/// Deserializes a number, or a string that spells one.
pub(crate) fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    scalar_text(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

/// Deserializes permission bits, from octal text such as `"0440"` or from a number such as 288.
pub(crate) fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    match Option::<Value>::deserialize(deserializer)? {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => u32::from_str_radix(&text, 8).map(Some).map_err(D::Error::custom),
        Some(number) => u32::deserialize(number).map(Some).map_err(D::Error::custom),
    }
}
