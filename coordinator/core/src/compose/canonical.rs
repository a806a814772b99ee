//! A project as `docker compose config --format json` prints it.
use serde_json::{Map, Number, Value as Json};

use super::Loaded;
use super::text::node::{Node, Value};

/// The canonical form of a project: every short form long, every path absolute, sizes as bytes in text, durations as
/// the reference prints them, and `$` doubled, so that it can be read again as a Compose file.
///
/// The tree goes as its JSON comes: a large project is not in memory twice.
pub fn canonical(loaded: Loaded) -> Json {
    let doubled = |text: String| if text.contains('$') { text.replace('$', "$$") } else { text };
    let mut project = json(loaded.tree, &doubled);
    if let Json::Object(sections) = &mut project {
        sections.remove("models");
    }
    for service in project["services"].as_object_mut().into_iter().flat_map(|services| services.values_mut()) {
        if let Some(Json::Object(limits)) = service.get_mut("blkio_config") {
            limits.values_mut().for_each(capitalise);
        }
        for limit in ulimits(service).filter(|limit| **limit == 0) {
            *limit = Json::Object(Map::new());
        }
    }
    // What the variable of a config holds is for its container alone.
    for config in
        project.get_mut("configs").and_then(Json::as_object_mut).into_iter().flat_map(|configs| configs.values_mut())
    {
        if let Some(config) = config.as_object_mut().filter(|config| config.contains_key("environment")) {
            config.remove("content");
        }
    }
    project
}

/// The canonical form for YAML, in which the reference writes the zeros of `ulimits` that it leaves out in JSON. Without
/// them it is not read again.
pub fn canonical_for_yaml(loaded: Loaded) -> Json {
    let mut project = canonical(loaded);
    let services = project["services"].as_object_mut().into_iter().flat_map(|services| services.values_mut());
    for limit in services.flat_map(ulimits).filter_map(Json::as_object_mut) {
        for bound in ["soft", "hard"] {
            limit.entry(bound).or_insert(0.into());
        }
    }
    project
}

/// The `ulimits` of a service and of its build.
fn ulimits(service: &mut Json) -> impl Iterator<Item = &mut Json> {
    let service = service.as_object_mut().into_iter().flatten();
    let named = service.flat_map(|(key, value)| match key.as_str() {
        "build" => value.get_mut("ulimits"),
        "ulimits" => Some(value),
        _ => None,
    });
    named.filter_map(Json::as_object_mut).flat_map(|limits| limits.values_mut())
}

/// The reference prints the limits of single devices with capitals, which it does not read again.
fn capitalise(limits: &mut Json) {
    for limit in limits.as_array_mut().into_iter().flatten().filter_map(Json::as_object_mut) {
        for (from, to) in [("path", "Path"), ("rate", "Rate"), ("weight", "Weight")] {
            if let Some(value) = limit.remove(from) {
                limit.insert(to.to_owned(), value);
            }
        }
    }
}

/// A tree as JSON, with each text and key put through `text`.
pub(super) fn json(node: Node, text: &dyn Fn(String) -> String) -> Json {
    match node.value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(flag),
        Value::Int(number) => Json::Number(number.into()),
        Value::Float(number) => Number::from_f64(number).map_or(Json::Null, Json::Number),
        Value::Text(value) | Value::Time(value) => Json::String(text(value)),
        Value::List(list) => Json::Array(list.into_iter().map(|item| json(item, text)).collect()),
        Value::Map(map) => Json::Object(map.into_iter().map(|(key, item)| (text(key), json(item, text))).collect()),
    }
}
