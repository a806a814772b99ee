//! Interpolates variables in values: `$A`, `${A}`, `${A:-default}`, `${A-default}`, `${A:?why}`, `${A?why}`,
//! `${A:+other}`, `${A+other}`, nested expressions, and `$$` for a dollar sign.
use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::text::node::{Node, Value};

/// Returns the value of a variable, if it is set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Largest depth of nested expressions.
const MAX_DEPTH: usize = 64;
/// Largest size of an interpolated text in bytes. Variables of an env file can multiply.
const MAX_LENGTH: usize = 4 << 20;
/// Largest number of warnings about variables without a value.
const MAX_UNSET: usize = 1_000;

/// Why a text cannot be interpolated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InterpolationError {
    /// The interpolated text is too long.
    #[error("a value grows beyond {} MiB", MAX_LENGTH >> 20)]
    TooLong,
    /// An expression has the wrong form. Holds the whole text.
    #[error("invalid interpolation format in `{0}`")]
    Syntax(String),
    /// A required variable has no value.
    #[error("required variable {name} is missing a value{}", .why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    Required {
        /// Name of the variable.
        name: String,
        /// The message after `?` in the expression.
        why: Option<String>,
    },
}

/// Interpolates a text. Also returns the names of the variables that have neither a value nor a default.
pub fn substitute(text: &str, lookup: Lookup) -> Result<(String, BTreeSet<String>), InterpolationError> {
    let mut unset = BTreeSet::new();
    let replaced = replace(text, lookup, &mut unset, 0)?;
    Ok((replaced, unset))
}

/// Interpolates every text of a tree. `path` is the dotted path of the tree.
pub(crate) fn interpolate(
    node: &mut Node,
    path: &str,
    lookup: Lookup,
    warnings: &mut Vec<Diagnostic>,
    mistakes: &mut Vec<Diagnostic>,
) {
    match &mut node.value {
        Value::Text(text) if text.contains('$') => match substitute(text, lookup) {
            Ok((replaced, unset)) => {
                *text = replaced;
                let rest = MAX_UNSET.saturating_sub(warnings.len());
                warnings.extend(unset.into_iter().take(rest).map(|name| {
                    Diagnostic::at(&node.at, format!("variable {name} is not set and defaults to an empty string"))
                        .key(path)
                        .hint(format!("set it, or write ${{{name}:-default}}"))
                        .used_by(path)
                }));
            }
            Err(error) => mistakes.push(diagnostic_of(error, node, path)),
        },
        Value::List(list) => {
            for (index, item) in list.iter_mut().enumerate() {
                interpolate(item, &element(path, index), lookup, warnings, mistakes);
            }
        }
        Value::Map(map) => {
            for (key, value) in map {
                interpolate(value, &join(path, key), lookup, warnings, mistakes);
            }
        }
        _ => {}
    }
}

/// Appends a key to a dotted path.
pub(crate) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

/// Appends the index of a list element to a dotted path.
pub(crate) fn element(path: &str, index: usize) -> String {
    format!("{path}[{index}]")
}

fn diagnostic_of(error: InterpolationError, node: &Node, path: &str) -> Diagnostic {
    let diagnostic = Diagnostic::at(&node.at, error.to_string()).key(path);
    match error {
        InterpolationError::Syntax(_) => diagnostic.hint("write $$ for a dollar sign that does not start a variable"),
        InterpolationError::TooLong => diagnostic,
        InterpolationError::Required { name, .. } => {
            diagnostic.hint(format!("set {name} in the environment or in the env file")).used_by(path)
        }
    }
}

fn replace(
    text: &str,
    lookup: Lookup,
    unset: &mut BTreeSet<String>,
    depth: usize,
) -> Result<String, InterpolationError> {
    if depth > MAX_DEPTH {
        return Err(InterpolationError::Syntax(text.to_owned()));
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        if out.len() > MAX_LENGTH {
            return Err(InterpolationError::TooLong);
        }
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some(inside) = rest.strip_prefix('{') {
            let end = closing(inside).ok_or_else(|| InterpolationError::Syntax(text.to_owned()))?;
            out.push_str(&expression(&inside[..end], text, lookup, unset, depth)?);
            rest = &inside[end + 1..];
        } else {
            let name = name_of(rest);
            if name.is_empty() {
                out.push('$');
            } else {
                out.push_str(&value_of(name, lookup, unset));
                rest = &rest[name.len()..];
            }
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// Finds the brace on the same line that closes the one before `inside`.
///
/// As in the reference, the character after an opening brace is skipped, and unbalanced braces extend to the last brace of
/// the line.
pub(super) fn closing(inside: &str) -> Option<usize> {
    let line = inside.split('\n').next().unwrap_or_default();
    let name = name_of(line).len();
    if line[name..].starts_with('}') {
        return Some(name);
    }
    let mut open = 1_usize;
    let mut bytes = line.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'{' => {
                open += 1;
                bytes.next();
            }
            b'}' => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    line.rfind('}')
}

pub(super) fn name_of(text: &str) -> &str {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return "";
    }
    &text[..text.find(|c| !good(c)).unwrap_or(text.len())]
}

fn value_of(name: &str, lookup: Lookup, unset: &mut BTreeSet<String>) -> String {
    lookup(name).unwrap_or_else(|| {
        if unset.len() < MAX_UNSET {
            unset.insert(name.to_owned());
        }
        String::new()
    })
}

/// Evaluates the expression between the braces.
fn expression(
    inside: &str,
    text: &str,
    lookup: Lookup,
    unset: &mut BTreeSet<String>,
    depth: usize,
) -> Result<String, InterpolationError> {
    let name = name_of(inside);
    let operation = &inside[name.len()..];
    if name.is_empty() {
        return Err(InterpolationError::Syntax(text.to_owned()));
    }
    if operation.is_empty() {
        return Ok(value_of(name, lookup, unset));
    }
    let (empty_is_unset, operation) = match operation.strip_prefix(':') {
        Some(operation) => (true, operation),
        None => (false, operation),
    };
    let value = lookup(name);
    let usable = value.as_ref().is_some_and(|value| !(empty_is_unset && value.is_empty()));
    let mut chars = operation.chars();
    let (operator, word) = (chars.next(), chars.as_str());
    match operator {
        Some('-') if usable => Ok(value.unwrap_or_default()),
        Some('-') => replace(word, lookup, unset, depth + 1),
        Some('+') if usable => replace(word, lookup, unset, depth + 1),
        Some('+') => Ok(value.unwrap_or_default()),
        Some('?') if usable => Ok(value.unwrap_or_default()),
        Some('?') => {
            let why = replace(word, lookup, unset, depth + 1)?;
            Err(InterpolationError::Required { name: name.to_owned(), why: Some(why).filter(|why| !why.is_empty()) })
        }
        _ => Err(InterpolationError::Syntax(text.to_owned())),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        match name {
            "A" => Some("a".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        }
    }

    fn good(text: &str) -> String {
        substitute(text, &lookup).unwrap().0
    }

    #[test]
    fn every_form_is_interpolated() {
        let cases = [
            ("$A-${A}", "a-a"),
            ("$$A $${A}", "$A ${A}"),
            ("${NO:-d}${NO-d}${EMPTY:-d}${EMPTY-d}", "ddd"),
            ("${A:+x}${NO:+x}${EMPTY:+x}${EMPTY+x}", "xx"),
            ("${NO:-${NO2:-${A}}}", "a"),
            ("${NO:-{\"k\": {}}}", "{\"k\": {}}"),
            ("${NO:-{\"k\": 1}} ${A}", "{\"k\": 1} a"),
            ("${NO:-{a} b", "{a b"),
            ("${A:-${NO} b", "a b"),
            ("${A:-x} and ${NO:-y}", "a and y"),
            ("cost $5, $", "cost $5, $"),
            ("${NO:-$$x}", "$x"),
            ("${A:?why}", "a"),
        ];
        for (text, replaced) in cases {
            assert_eq!(good(text), replaced, "{text}");
        }
    }

    #[test]
    fn a_variable_without_value_is_named() {
        assert_eq!(substitute("$NO${NO2}", &lookup).unwrap(), (String::new(), ["NO".into(), "NO2".into()].into()));
        assert_eq!(substitute("${NO:-}", &lookup).unwrap(), (String::new(), BTreeSet::new()));
    }

    #[test]
    fn invalid_expressions_are_refused() {
        for text in ["${", "${}", "${1A}", "${A B}", "${A:x}", "${A!}", "${NO:-a\nb}", "${NO:-{}} ${A}", "${NO:-${A}"] {
            assert!(matches!(substitute(text, &lookup), Err(InterpolationError::Syntax(_))), "{text}");
        }
    }

    #[test]
    fn a_required_variable_has_its_own_message() {
        let error = substitute("${NO:?because ${A}}", &lookup).unwrap_err();
        assert_eq!(error.to_string(), "required variable NO is missing a value: because a");
        assert!(substitute("${EMPTY?x}", &lookup).is_ok());
        assert!(substitute("${EMPTY:?x}", &lookup).is_err());
    }
}
