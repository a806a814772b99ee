//! Any text as a value with variables.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::compose::{Diagnostics, Input, canonical, doubled, load};
use super::text_of;

/// Checks that replacing variables never panics, that a text with every dollar sign doubled comes out unchanged, and that
/// a replaced value is the same after it is printed and read again.
pub fn check(input: &[u8]) {
    let text = text_of(input);
    let escaped = text.replace('$', "$$");
    assert_eq!(read(&escaped).expect("a doubled dollar sign is always valid"), Value::String(escaped.clone()));
    let Ok(replaced) = read(text) else { return };
    assert_eq!(read(replaced.as_str().expect("a text stays a text")).expect("what is printed reads back"), replaced);
}

/// Loads a project that has the text as the value of a variable, and returns the value as the project is printed.
fn read(value: &str) -> Result<Value, Diagnostics> {
    let project = json!({"services": {"s": {"image": "i", "environment": {"V": value}}}});
    let input = Input {
        files: vec![(PathBuf::from("/srv/app/compose.yaml"), as_file(&project))],
        working_dir: PathBuf::from("/srv/app"),
        environment: [("A", "a"), ("B", "$A ${b} }"), ("EMPTY", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Input::default()
    };
    let loaded = load(&input, &|_: &Path| Ok(None))?;
    let printed = &canonical(loaded)["services"]["s"]["environment"]["V"];
    Ok(printed.as_str().map_or(Value::Null, |text| doubled(text).into()))
}

/// A project as a file to be read: JSON in which characters that YAML allows only as an escape are escaped.
fn as_file(project: &Value) -> String {
    project.to_string().chars().map(|c| if is_printable(c) { c.to_string() } else { escaped(c) }).collect()
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

fn escaped(c: char) -> String {
    format!("\\u{:04x}", u32::from(c))
}
