//! Writes JSON as the reference does: with escapes for HTML and JavaScript, and with exponents only for very small and very
//! large numbers.
use serde_json::{Map, Number, Value};

/// The layout of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Layout {
    /// One line without spaces.
    Compact,
    /// One line for each value, indented by two spaces for each level.
    Indented,
}

/// Formats a value, without a line end after it.
pub fn json_text(value: &Value, layout: Layout) -> String {
    let mut text = String::new();
    write(&mut text, value, layout, 0);
    text
}

fn write(out: &mut String, value: &Value, layout: Layout, depth: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::String(string) => write_string(out, string),
        Value::Array(list) if list.is_empty() => out.push_str("[]"),
        Value::Object(map) if map.is_empty() => out.push_str("{}"),
        Value::Array(list) => write_array(out, list, layout, depth + 1),
        Value::Object(map) => write_object(out, map, layout, depth + 1),
    }
}

fn write_array(out: &mut String, list: &[Value], layout: Layout, depth: usize) {
    for (index, item) in list.iter().enumerate() {
        out.push(if index == 0 { '[' } else { ',' });
        line(out, layout, depth);
        write(out, item, layout, depth);
    }
    line(out, layout, depth - 1);
    out.push(']');
}

fn write_object(out: &mut String, map: &Map<String, Value>, layout: Layout, depth: usize) {
    for (index, (key, item)) in map.iter().enumerate() {
        out.push(if index == 0 { '{' } else { ',' });
        line(out, layout, depth);
        write_string(out, key);
        out.push_str(if layout == Layout::Compact { ":" } else { ": " });
        write(out, item, layout, depth);
    }
    line(out, layout, depth - 1);
    out.push('}');
}

fn line(out: &mut String, layout: Layout, depth: usize) {
    if layout == Layout::Indented {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", depth));
    }
}

fn write_string(out: &mut String, string: &str) {
    out.push('"');
    for c in string.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out.push('"');
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_text(float),
        _ => number.to_string(),
    }
}

fn float_text(number: f64) -> String {
    if number == 0.0 || (1e-6..1e21).contains(&number.abs()) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn html_and_javascript_are_escaped() {
        let value = json!({"<a&b>": "\u{1}\u{8}\u{c}\n\r\t\"\\\u{7f}\u{2028}é🚢", "empty": [{}, []], "none": null});
        let expected = r#"{"\u003ca\u0026b\u003e":"\u0001\b\f\n\r\t\"\\"#.to_owned()
            + "\u{7f}\\u2028é🚢\",\"empty\":[{},[]],\"none\":null}";
        assert_eq!(json_text(&value, Layout::Compact), expected);
    }

    #[test]
    fn the_indented_layout_has_a_line_for_each_value() {
        let text = json_text(&json!({"a": [1, true], "b": {}}), Layout::Indented);
        assert_eq!(text, "{\n  \"a\": [\n    1,\n    true\n  ],\n  \"b\": {}\n}");
    }

    #[test]
    fn whole_floats_have_no_point_and_only_extreme_ones_an_exponent() {
        let numbers = [(2.0, "2"), (0.5, "0.5"), (1e20, "100000000000000000000"), (1e21, "1e+21"), (-0.0, "-0")];
        for (number, text) in numbers.into_iter().chain([(1e-6, "0.000001"), (1.5e-7, "1.5e-7")]) {
            assert_eq!(json_text(&json!(number), Layout::Compact), text);
        }
    }
}
