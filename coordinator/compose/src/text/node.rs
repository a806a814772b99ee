//! The tree that every step of the loader works on: YAML values with their locations.
use std::collections::BTreeMap;

use serde_json::{Number, Value as Json};

use crate::diagnostic::Location;

/// A mapping. Its keys are sorted, so that results and messages are deterministic.
pub(crate) type Map = BTreeMap<String, Node>;

/// A value and its location. For a value in a mapping, this is the location of its key.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: Location,
    pub(crate) value: Value,
    pub(crate) mode: Mode,
}

/// A YAML value, as the reference resolves it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// An unquoted date or time, which no key accepts.
    Time(String),
    List(Vec<Node>),
    Map(Map),
}

/// How a value merges with an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The values merge by the rules of their key.
    Merge,
    /// `!override`: the value replaces the earlier one.
    Override,
    /// `!reset`: both values are removed.
    Reset,
}

impl Node {
    pub(crate) fn new(at: &Location, value: Value) -> Self {
        Self { at: at.clone(), value, mode: Mode::Merge }
    }

    pub(crate) fn text(at: &Location, text: impl Into<String>) -> Self {
        Self::new(at, Value::Text(text.into()))
    }

    pub(crate) fn flag(at: &Location, flag: bool) -> Self {
        Self::new(at, Value::Bool(flag))
    }

    pub(crate) fn map(at: &Location) -> Self {
        Self::new(at, Value::Map(Map::new()))
    }

    pub(crate) fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self.value {
            Value::Bool(flag) => Some(flag),
            _ => None,
        }
    }

    pub(crate) fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_map_mut(&mut self) -> Option<&mut Map> {
        match &mut self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    pub(crate) fn as_list_mut(&mut self) -> Option<&mut Vec<Node>> {
        match &mut self.value {
            Value::List(list) => Some(list),
            _ => None,
        }
    }

    /// The value of a key of a mapping.
    pub(crate) fn at_key(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    /// The value of a key of a mapping.
    pub(crate) fn at_key_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.as_map_mut()?.get_mut(key)
    }

    /// The string of a key of a mapping.
    pub(crate) fn text_at(&self, key: &str) -> Option<&str> {
        self.at_key(key)?.as_str()
    }

    /// Returns the mapping, if the value is one.
    pub(crate) fn into_map(self) -> Option<Map> {
        match self.value {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The entries of a mapping; none for other values.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&String, &Node)> {
        self.as_map().into_iter().flatten()
    }

    /// The entries of a mapping; none for other values.
    pub(crate) fn entries_mut(&mut self) -> impl Iterator<Item = (&String, &mut Node)> {
        self.as_map_mut().into_iter().flatten()
    }

    /// The elements of a list; none for other values.
    pub(crate) fn items(&self) -> impl Iterator<Item = &Node> {
        self.as_list().into_iter().flatten()
    }

    /// The elements of a list; none for other values.
    pub(crate) fn items_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.as_list_mut().into_iter().flatten()
    }

    /// Sets a key of a mapping unless it is set.
    pub(crate) fn default_key(&mut self, key: &str, value: Value) {
        let at = self.at.clone();
        if let Some(map) = self.as_map_mut() {
            map.entry(key.to_owned()).or_insert_with(|| Node::new(&at, value));
        }
    }

    /// Sets a key of a mapping.
    pub(crate) fn set_key(&mut self, key: &str, node: Node) {
        if let Some(map) = self.as_map_mut() {
            map.insert(key.to_owned(), node);
        }
    }

    /// Removes a key from a mapping, and returns its value.
    pub(crate) fn remove_key(&mut self, key: &str) -> Option<Node> {
        self.as_map_mut()?.remove(key)
    }

    /// A scalar as text, as the reference prints it; `None` for null, lists and mappings.
    pub(crate) fn scalar_text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) | Value::Time(text) => Some(text.clone()),
            Value::Bool(flag) => Some(flag.to_string()),
            Value::Int(number) => Some(number.to_string()),
            Value::Float(number) => Some(float_text(*number)),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Converts the value to JSON, without locations and modes.
    pub(crate) fn into_json(self) -> Json {
        self.value.into_json()
    }

    /// The kind of the value, for messages.
    pub(crate) fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a string",
            Value::Time(_) => "a date",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// Removes nodes with `!reset` and clears `!override`, after all files have been merged.
    pub(crate) fn apply_resets(&mut self) {
        self.mode = Mode::Merge;
        match &mut self.value {
            Value::Map(map) => {
                map.retain(|_, node| node.mode != Mode::Reset);
                map.values_mut().for_each(Node::apply_resets);
            }
            Value::List(list) => {
                list.retain(|node| node.mode != Mode::Reset);
                list.iter_mut().for_each(Node::apply_resets);
            }
            _ => {}
        }
    }
}

impl Value {
    pub(crate) fn into_json(self) -> Json {
        match self {
            Self::Null => Json::Null,
            Self::Bool(flag) => Json::Bool(flag),
            Self::Int(number) => Json::Number(number.into()),
            // JSON has neither infinity nor NaN.
            Self::Float(number) => Number::from_f64(number).map_or(Json::Null, Json::Number),
            Self::Text(text) | Self::Time(text) => Json::String(text),
            Self::List(list) => Json::Array(list.into_iter().map(Node::into_json).collect()),
            Self::Map(map) => Json::Object(map.into_iter().map(|(key, node)| (key, node.into_json())).collect()),
        }
    }
}

/// The size of a tree.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Extent {
    /// Number of values, including the tree itself.
    pub(crate) values: usize,
    /// Depth of nested values.
    pub(crate) depth: usize,
    /// Size of all texts and keys in bytes.
    pub(crate) text: usize,
}

impl Extent {
    pub(crate) fn of(node: &Node) -> Self {
        let mut all = Self { values: 1, depth: 1, text: 0 };
        match &node.value {
            Value::Map(map) => map.iter().for_each(|(key, inner)| {
                all.text += key.len();
                all.add(Self::of(inner));
            }),
            Value::List(list) => list.iter().for_each(|inner| all.add(Self::of(inner))),
            Value::Text(text) | Value::Time(text) => all.text = text.len(),
            _ => {}
        }
        all
    }

    fn add(&mut self, inner: Self) {
        self.values += inner.values;
        self.depth = self.depth.max(inner.depth + 1);
        self.text += inner.text;
    }
}

/// Prints a float with the fewest digits that parse to the same value, and with an exponent where the reference has one.
pub(crate) fn float_text(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    match exponent.parse::<i32>() {
        Ok(exponent) if !(-4..6).contains(&exponent) => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
        _ => number.to_string(),
    }
}
