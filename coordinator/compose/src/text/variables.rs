//! Lists the variables that the values of a project use, without interpolating them.
use std::collections::BTreeMap;

use serde_json::Value;

use super::interpolate::{closing, name_of};

/// A variable, as a value uses it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variable {
    /// Default value when the variable is not set; empty if there is none.
    pub default: String,
    /// Value that replaces the variable when it is set; empty if there is none.
    pub alternative: String,
    /// Whether the variable must be set.
    pub required: bool,
}

/// Returns the variables of a project by name. If a variable is used several times, the last use counts.
pub fn variables(project: &Value) -> BTreeMap<String, Variable> {
    let mut found = BTreeMap::new();
    collect(project, &mut found);
    found
}

fn collect(value: &Value, found: &mut BTreeMap<String, Variable>) {
    match value {
        Value::String(text) => scan(text, found),
        Value::Array(list) => list.iter().for_each(|item| collect(item, found)),
        Value::Object(map) => map.values().for_each(|item| collect(item, found)),
        _ => {}
    }
}

/// Collects the variables of a text. Defaults may use other variables.
fn scan(text: &str, found: &mut BTreeMap<String, Variable>) {
    let mut rest = text;
    while let Some((_, after)) = rest.split_once('$') {
        rest = after.strip_prefix('$').unwrap_or(after);
        if rest.len() < after.len() {
            continue;
        }
        let (expression, end) = match rest.strip_prefix('{').and_then(|inside| Some((inside, closing(inside)?))) {
            Some((inside, end)) => (&inside[..end], end + 2),
            None => (name_of(rest), name_of(rest).len()),
        };
        rest = &rest[end..];
        let name = name_of(expression);
        if !name.is_empty() {
            let variable = Variable::of(&expression[name.len()..]);
            scan(&variable.default, found);
            scan(&variable.alternative, found);
            found.insert(name.to_owned(), variable);
        }
    }
}

impl Variable {
    /// Parses the part of an expression after the name.
    fn of(operation: &str) -> Self {
        let mut chars = operation.strip_prefix(':').unwrap_or(operation).chars();
        let (operator, word) = (chars.next(), chars.as_str().to_owned());
        match operator {
            Some('-') => Self { default: word, ..Self::default() },
            Some('+') => Self { alternative: word, ..Self::default() },
            Some('?') => Self { required: true, ..Self::default() },
            _ => Self::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_form_is_found_and_dollar_signs_are_not() {
        let project = json!({
            "$KEY": ["${A:-1}$B$$C ${D?why} $${E}", { "x": "${F:+${G-g}} ${ }${" }, 1],
            "y": "${A:-2}${H:-${I:-{}}}",
        });
        let found = variables(&project);
        assert_eq!(found.keys().map(String::as_str).collect::<String>(), "ABDFGHI");
        assert_eq!(found["A"].default, "2");
        assert_eq!(found["B"], Variable::default());
        assert!(found["D"].required);
        assert_eq!((&*found["F"].alternative, &*found["G"].default), ("${G-g}", "g"));
        assert_eq!(found["H"].default, "${I:-{}}");
    }
}
