//! Prints a project as `docker compose config` does: the same keys, in the same order, with the same values.
//!
//! The reference has two printers, for YAML and for JSON, which leave out different values. Both use the order of the keys in
//! the [table of keys](mod@super::schema::keys).
mod digest;
mod json;
mod natural;
mod yaml;

use serde_json::{Map, Value as Json};

pub use digest::service_digests;
pub use json::{Layout, json_text};
pub use natural::sort_keys;
pub use yaml::yaml_text;

use super::loaded::Loaded;
use super::schema::{Field, Object, Presence, Shape, keys};
use super::text::node::{self, Node, Value};

/// The output format of a project.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// JSON has extension keys only at the top level, and empty mappings for keys that are always printed.
    Json,
    /// YAML has extension keys, and no nulls or empty mappings. It has zeros in `ulimits`, so that the output is valid input.
    Yaml,
}

/// Returns the canonical form of a project, for JSON.
///
/// Short forms are expanded, paths are absolute, sizes are strings of bytes, and durations have the form of the reference.
/// The text is a valid Compose file after each `$` in it is [doubled]. The function consumes the project, so that a large one
/// is not in memory twice.
pub fn canonical(loaded: Loaded) -> Json {
    print(loaded, Form::Json)
}

/// Escapes each `$` of a text as `$$`, so that interpolation restores the text.
pub fn doubled(text: &str) -> String {
    text.replace('$', "$$")
}

/// Returns the canonical form of a project, for YAML: with extension keys, and without nulls and empty mappings.
pub fn canonical_for_yaml(loaded: Loaded) -> Json {
    print(loaded, Form::Yaml)
}

fn print(loaded: Loaded, form: Form) -> Json {
    let mut project = form.value(loaded.tree, Some(&keys::PROJECT_SHAPE));
    for service in values(project.get_mut("services")) {
        adapt(service, form);
    }
    // The value of a variable is only for the container of the config.
    for config in values(project.get_mut("configs")).filter_map(Json::as_object_mut) {
        if config.contains_key("environment") {
            config.shift_remove("content");
        }
    }
    if let (Form::Json, Json::Object(sections)) = (form, &mut project) {
        sections.shift_remove("models");
        sections.sort_keys();
    }
    project
}

fn values(map: Option<&mut Json>) -> impl Iterator<Item = &mut Json> {
    map.and_then(Json::as_object_mut).into_iter().flat_map(|map| map.values_mut())
}

/// Applies the differences between the reference and the table of keys.
fn adapt(service: &mut Json, form: Form) {
    if let (Form::Json, Some(limits)) = (form, service.get_mut("blkio_config")) {
        values(Some(limits)).for_each(capitalise);
    }
    adapt_limits(service.get_mut("ulimits"), form);
    adapt_limits(service.get_mut("build").and_then(|build| build.get_mut("ulimits")), form);
}

/// Removes the zeros of `ulimits` in JSON, and adds them in YAML. A limit of zero is a mapping in both.
fn adapt_limits(limits: Option<&mut Json>, form: Form) {
    for limit in values(limits) {
        if *limit == 0 {
            *limit = Json::Object(Map::new());
        }
        let Some(bounds) = limit.as_object_mut().filter(|_| form == Form::Yaml) else { continue };
        let bound = |name: &str| (name.to_owned(), bounds.get(name).cloned().unwrap_or_else(|| 0.into()));
        *bounds = Map::from_iter(["soft", "hard"].map(bound));
    }
}

/// Capitalises the keys of device limits, as the reference does, although it does not accept them as input.
fn capitalise(limits: &mut Json) {
    for limit in limits.as_array_mut().into_iter().flatten().filter_map(Json::as_object_mut) {
        *limit = std::mem::take(limit).into_iter().map(|(key, value)| (capitalised(&key), value)).collect();
    }
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().into_iter().flat_map(char::to_uppercase).chain(chars).collect()
}

impl Form {
    fn value(self, node: Node, shape: Option<&'static Shape>) -> Json {
        let shape = shape.and_then(|shape| shape.form_of(&node.value));
        match (node.value, shape) {
            (Value::Map(map), Some(Shape::Object(object))) => self.object(map, object),
            (Value::Map(map), Some(Shape::Map(_, inner))) => self.map(map, Some(inner)),
            (Value::Map(map), _) => self.map(map, None),
            (Value::List(list), Some(Shape::List(inner, _))) => self.list(list, Some(inner)),
            (Value::List(list), _) => self.list(list, None),
            (scalar, _) => scalar.into_json(),
        }
    }

    fn object(self, mut map: node::Map, object: &'static Object) -> Json {
        let mut printed = Map::new();
        for field in object.fields {
            let Some(child) = map.remove(field.name) else { continue };
            if self == Form::Json || !is_left_out(field, &child) {
                printed.insert(field.name.to_owned(), self.value(child, Some(&field.shape)));
            }
        }
        if (self == Form::Yaml || std::ptr::eq(object, &keys::PROJECT))
            && let Json::Object(own) = self.map(map, None)
        {
            printed.extend(own);
        }
        Json::Object(printed)
    }

    fn map(self, map: node::Map, inner: Option<&'static Shape>) -> Json {
        let entries = map.into_iter().map(|(key, item)| (key, self.value(item, inner)));
        match self {
            Form::Json => Json::Object(entries.collect()),
            Form::Yaml => {
                let mut entries: Vec<_> = entries.collect();
                entries.sort_by(|(one, _), (other, _)| natural::order(one, other));
                Json::Object(entries.into_iter().collect())
            }
        }
    }

    fn list(self, list: Vec<Node>, inner: Option<&'static Shape>) -> Json {
        Json::Array(list.into_iter().map(|item| self.value(item, inner)).collect())
    }
}

/// Whether YAML leaves out a key that JSON always has.
fn is_left_out(field: &'static Field, node: &Node) -> bool {
    match (field.presence, &node.value) {
        (Presence::Nullable, value) => *value == Value::Null,
        (Presence::Always, Value::Map(map)) => match field.shape.long_form() {
            Shape::Object(object) => {
                map.iter().all(|(key, child)| object.field(key).is_some_and(|field| is_left_out(field, child)))
            }
            _ => false,
        },
        _ => false,
    }
}
