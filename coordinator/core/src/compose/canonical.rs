//! A project as `docker compose config --format json` prints it.
use serde_json::{Number, Value as Json};

use super::Loaded;
use super::node::{Node, Value};

/// The canonical form of a project: every short form long, every path absolute, sizes as bytes in text, durations as
/// the reference prints them, and `$` doubled, so that it can be read again as a Compose file.
pub fn canonical(loaded: &Loaded) -> Json {
    json(&loaded.tree, &|text| text.replace('$', "$$"))
}

/// A tree as JSON, with each text and key put through `text`.
pub(super) fn json(node: &Node, text: &dyn Fn(&str) -> String) -> Json {
    match &node.value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::Number((*number).into()),
        Value::Float(number) => Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Text(value) | Value::Time(value) => Json::String(text(value)),
        Value::List(list) => Json::Array(list.iter().map(|item| json(item, text)).collect()),
        Value::Map(map) => Json::Object(map.iter().map(|(key, item)| (text(key), json(item, text))).collect()),
    }
}
