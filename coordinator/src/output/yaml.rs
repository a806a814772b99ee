//! Values as YAML, block style: what people read and every YAML reader reads the same way.

use serde_json::Value;

/// A document, ending with a line end.
pub fn yaml(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => object(&mut out, map, 0),
        Value::Array(list) if !list.is_empty() => array(&mut out, list, 0),
        other => {
            out.push_str(&scalar(other));
            out.push('\n');
        }
    }
    out
}

fn object(out: &mut String, map: &serde_json::Map<String, Value>, depth: usize) {
    for (index, (key, value)) in map.iter().enumerate() {
        // The first key of a mapping in a list stands on the line of its dash.
        if index > 0 || !out.ends_with("- ") {
            indent(out, depth);
        }
        out.push_str(&text(key));
        out.push(':');
        nested(out, value, depth);
    }
}

fn array(out: &mut String, list: &[Value], depth: usize) {
    for (index, value) in list.iter().enumerate() {
        if index > 0 || !out.ends_with("- ") {
            indent(out, depth);
        }
        out.push_str("- ");
        match value {
            Value::Object(map) if !map.is_empty() => object(out, map, depth + 1),
            Value::Array(list) if !list.is_empty() => array(out, list, depth + 1),
            other => {
                out.push_str(&scalar(other));
                out.push('\n');
            }
        }
    }
}

fn nested(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            object(out, map, depth + 1);
        }
        Value::Array(list) if !list.is_empty() => {
            out.push('\n');
            array(out, list, depth + 1);
        }
        other => {
            out.push(' ');
            out.push_str(&scalar(other));
            out.push('\n');
        }
    }
}

fn indent(out: &mut String, depth: usize) {
    out.extend(std::iter::repeat_n("  ", depth));
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(string) => text(string),
        other => other.to_string(),
    }
}

/// Plain only where nobody could take it for anything but text; else in double quotes, whose escapes are JSON's, and with
/// escapes for what YAML, unlike JSON, does not take as it is.
fn text(string: &str) -> String {
    let begins = |char: char| char.is_ascii_alphabetic() || matches!(char, '/' | '_' | '.');
    let goes_on = |char: char| char.is_ascii_alphanumeric() || matches!(char, '/' | '_' | '.' | '-' | '@' | '+');
    let plain = string.starts_with(begins) && string.chars().all(goes_on) && !is_taken(string);
    if plain {
        return string.to_owned();
    }
    let quoted = Value::String(string.to_owned()).to_string();
    quoted.chars().map(|c| if is_printable(c) { c.to_string() } else { format!("\\u{:04x}", u32::from(c)) }).collect()
}

/// YAML 1.2.2, 5.1, without the line ends that JSON does not escape.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..)
}

/// Words and numbers that YAML 1.1 or 1.2 reads as something else than text.
fn is_taken(string: &str) -> bool {
    const WORDS: [&str; 10] = ["true", "false", "yes", "no", "on", "off", "null", "y", "n", "nan"];
    let lower = string.to_ascii_lowercase();
    let number = lower.trim_start_matches(['.', '+', '-']);
    WORDS.contains(&number) || number == "inf" || number.starts_with(|char: char| char.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::yaml;

    #[test]
    fn mappings_and_lists_nest_and_doubtful_text_is_quoted() {
        let value = json!({
            "services": {
                "web": {
                    "command": ["sh", "-c", "echo a: b"],
                    "ports": [{ "target": 80, "published": "8080" }, [1, ["x"]], {}, []],
                    "empty": {}, "none": null, "flag": true, "word": "yes", "time": "1:30", "path": "/a/b.c", "": "",
                    "dots": ".5", "nl": "a\nb",
                }
            }
        });
        let expected = "\
services:
  web:
    command:
      - sh
      - \"-c\"
      - \"echo a: b\"
    ports:
      - target: 80
        published: \"8080\"
      - - 1
        - - x
      - {}
      - []
    empty: {}
    none: null
    flag: true
    word: \"yes\"
    time: \"1:30\"
    path: /a/b.c
    \"\": \"\"
    dots: \".5\"
    nl: \"a\\nb\"
";
        assert_eq!(yaml(&value), expected);
    }

    #[test]
    fn what_yaml_does_not_take_as_it_is_is_escaped() {
        let text = "del \u{7f} next line \u{85} mark \u{feff} é 🚢 \u{2028}";
        assert_eq!(yaml(&json!(text)), "\"del \\u007f next line \\u0085 mark \\ufeff é 🚢 \\u2028\"\n");
    }
}
