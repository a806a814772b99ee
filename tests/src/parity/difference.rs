//! Compares two JSON trees field by field.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::{Map, Value};

/// A place at which two trees differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Path from the root: names of fields and numbers of items.
    pub path: Vec<String>,
    /// Value of the reference; null if it has none.
    pub theirs: Value,
    /// Value of Landfast; null if it has none.
    pub ours: Value,
}

impl fmt::Display for Difference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: theirs {}, ours {}", self.path.join(" > "), self.theirs, self.ours)
    }
}

/// Returns all differences in path order.
///
/// Null, an empty list, an empty object and an absent field are equal, because the engine writes any of them for an
/// unset value. Lists of equal length are compared item by item, others as a whole.
pub fn differences(theirs: &Value, ours: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(&mut Vec::new(), theirs, ours, &mut found);
    found
}

fn compare(path: &mut Vec<String>, theirs: &Value, ours: &Value, found: &mut Vec<Difference>) {
    match (theirs, ours) {
        (theirs, ours) if is_nothing(theirs) && is_nothing(ours) => {}
        (Value::Object(theirs), Value::Object(ours)) => compare_fields(path, theirs, ours, found),
        (Value::Object(theirs), Value::Null) => compare_fields(path, theirs, &Map::new(), found),
        (Value::Null, Value::Object(ours)) => compare_fields(path, &Map::new(), ours, found),
        (Value::Array(theirs), Value::Array(ours)) if theirs.len() == ours.len() => {
            for (at, (theirs, ours)) in theirs.iter().zip(ours).enumerate() {
                path.push(at.to_string());
                compare(path, theirs, ours, found);
                path.pop();
            }
        }
        (theirs, ours) if theirs == ours => {}
        (theirs, ours) => found.push(Difference { path: path.clone(), theirs: theirs.clone(), ours: ours.clone() }),
    }
}

fn compare_fields(
    path: &mut Vec<String>,
    theirs: &Map<String, Value>,
    ours: &Map<String, Value>,
    found: &mut Vec<Difference>,
) {
    let names: BTreeSet<&String> = theirs.keys().chain(ours.keys()).collect();
    for name in names {
        path.push(name.clone());
        compare(path, theirs.get(name).unwrap_or(&Value::Null), ours.get(name).unwrap_or(&Value::Null), found);
        path.pop();
    }
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(theirs: &Value, ours: &Value) -> Vec<String> {
        differences(theirs, ours).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_difference_is_reported_with_its_path() {
        let theirs = json!({"a": {"b.c": [1, {"d": "x"}]}, "same": 1});
        let ours = json!({"a": {"b.c": [1, {"d": "y"}]}, "same": 1});
        assert_eq!(printed(&theirs, &ours), [r#"a > b.c > 1 > d: theirs "x", ours "y""#]);
    }

    #[test]
    fn an_object_that_one_side_lacks_is_reported_field_by_field() {
        assert_eq!(
            printed(&json!({"only": {"a": 1, "b": false}}), &json!({"more": 2})),
            ["more: theirs null, ours 2", "only > a: theirs 1, ours null", "only > b: theirs false, ours null"]
        );
    }

    #[test]
    fn four_notations_of_nothing_are_equal_but_false_and_zero_are_values() {
        let nothing = json!({"a": null, "b": [], "c": {}});
        assert_eq!(printed(&nothing, &json!({})), Vec::<String>::new());
        assert_eq!(printed(&json!({"a": null, "b": 0}), &json!({"a": false})).len(), 2);
    }

    #[test]
    fn lists_of_different_lengths_are_reported_as_a_whole() {
        assert_eq!(printed(&json!([1, 2]), &json!([2])), [": theirs [1,2], ours [2]"]);
        assert_eq!(printed(&json!([1, 2]), &json!([1, 3])), ["1: theirs 2, ours 3"]);
    }
}
