//! Any text as an env file.

use std::collections::BTreeMap;

use super::compose::dotenv;
use super::text_of;

/// Checks that reading an env file never panics, and that its variables, written in double quotes, are read back the
/// same.
pub fn check(input: &[u8]) {
    let text = text_of(input);
    let mut raw = BTreeMap::new();
    drop(dotenv::parse_raw(text, &mut raw, &outside));
    let mut variables = BTreeMap::new();
    if dotenv::parse(text, &mut variables, &outside).is_err() {
        return;
    }
    // A name that begins with `export` cannot be written first on its line: the word is taken for the keyword.
    if variables.keys().any(|name| name.starts_with("export")) {
        return;
    }
    // Variables of variables may become more than an env file can hold.
    if variables.values().map(String::len).sum::<usize>() > 1 << 18 {
        return;
    }
    let written: String = variables.iter().map(|(name, value)| format!("{name}=\"{}\"\n", quoted(value))).collect();
    let mut again = BTreeMap::new();
    dotenv::parse(&written, &mut again, &outside).unwrap_or_else(|error| panic!("{error} in {written}"));
    assert_eq!(again, variables, "{written}");
}

/// The environment of the process that reads the file.
fn outside(name: &str) -> Option<String> {
    match name {
        "A" => Some("a".to_owned()),
        "B" => Some("$A \"b".to_owned()),
        _ => None,
    }
}

fn quoted(value: &str) -> String {
    let escape = |c: char| match c {
        '\\' | '"' | '$' => format!("\\{c}"),
        '\r' => "\\r".to_owned(),
        c => c.to_string(),
    };
    value.chars().map(escape).collect()
}
