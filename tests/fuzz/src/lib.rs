//! What the targets share.
use serde_json::Value;

/// A project as a file to be read again: JSON, with what YAML allows only as an escape written as one.
pub fn as_file(project: &Value) -> String {
    project.to_string().chars().map(|c| if is_printable(c) { c.to_string() } else { escaped(c) }).collect()
}

fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

fn escaped(c: char) -> String {
    format!("\\u{:04x}", u32::from(c))
}
