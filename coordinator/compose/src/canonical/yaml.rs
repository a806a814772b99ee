//! Writes YAML as the reference does: in block style, with two spaces for each level, and with quotes only where a parser of
//! YAML 1.1 or 1.2 needs them.
use serde_json::{Map, Number, Value};

use crate::text::node::float_text;
use crate::text::scalar;

/// Formats a document, with a line end after it.
pub fn yaml_text(value: &Value) -> String {
    let mut text = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => object(&mut text, map, 0),
        Value::Array(list) if !list.is_empty() => array(&mut text, list, 0),
        other => write_scalar(&mut text, other, 2),
    }
    text
}

/// Writes a mapping. The first key is already indented by `indent` spaces.
fn object(out: &mut String, map: &Map<String, Value>, indent: usize) {
    for (index, (key, value)) in map.iter().enumerate() {
        if index > 0 {
            spaces(out, indent);
        }
        if key.len() > LONGEST_KEY {
            out.push_str("? ");
            write_text(out, key, Some(indent + 2));
            out.push('\n');
            spaces(out, indent);
            out.push_str(": ");
            beside(out, value, indent);
        } else {
            write_text(out, key, None);
            out.push(':');
            after(out, value, indent);
        }
    }
}

/// Longest key in bytes that is written before a colon. Longer ones use `? `.
const LONGEST_KEY: usize = 128;

fn array(out: &mut String, list: &[Value], indent: usize) {
    for (index, value) in list.iter().enumerate() {
        if index > 0 {
            spaces(out, indent);
        }
        out.push_str("- ");
        beside(out, value, indent);
    }
}

/// Writes a value on the same line as its mark `- ` or `: `.
fn beside(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => object(out, map, indent + 2),
        Value::Array(list) if !list.is_empty() => array(out, list, indent + 2),
        other => write_scalar(out, other, indent + 2),
    }
}

/// Writes the value after the colon of a key.
fn after(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            spaces(out, indent + 2);
            object(out, map, indent + 2);
        }
        Value::Array(list) if !list.is_empty() => {
            out.push('\n');
            spaces(out, indent + 2);
            array(out, list, indent + 2);
        }
        other => {
            out.push(' ');
            write_scalar(out, other, indent + 2);
        }
    }
}

fn spaces(out: &mut String, count: usize) {
    out.extend(std::iter::repeat_n(' ', count));
}

/// Writes a scalar and its line end. Further lines of a text are indented by `indent` spaces.
fn write_scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Value::Number(number) => out.push_str(&number_text(number)),
        Value::Array(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
        Value::String(string) if is_literal(string) => return literal(out, string, indent),
        Value::String(string) => write_text(out, string, Some(indent)),
    }
    out.push('\n');
}

fn number_text(number: &Number) -> String {
    match number.as_f64() {
        Some(float) if number.is_f64() => float_text(float),
        _ => number.to_string(),
    }
}

/// Whether a text can be a literal block scalar.
fn is_literal(text: &str) -> bool {
    text.contains('\n')
        && !text.chars().all(char::is_whitespace)
        && !text.ends_with(' ')
        && !text.contains(" \n")
        && text.chars().all(|c| is_printable(c) || c == '\t' || c == '\n')
}

fn literal(out: &mut String, text: &str, indent: usize) {
    out.push('|');
    // Otherwise the spaces of the first line would count as indentation.
    if text.starts_with(' ') {
        out.push('2');
    }
    match text.strip_suffix('\n') {
        None => out.push('-'),
        Some(rest) if rest.ends_with('\n') => out.push('+'),
        Some(_) => {}
    }
    out.push('\n');
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        if !line.is_empty() {
            spaces(out, indent);
            out.push_str(line);
        }
        out.push('\n');
    }
}

/// Writes a text in the quotes that it needs.
///
/// With `fold`, a text is folded at spaces after [`WIDTH`] columns, and further lines are indented by this many spaces.
fn write_text(out: &mut String, text: &str, fold: Option<usize>) {
    let style = Style::of(text);
    out.push_str(style.quote());
    let mut column = out.chars().rev().take_while(|c| *c != '\n').count();
    let mut after_space = false;
    for (at, c) in text.char_indices() {
        let rest = &text[at + c.len_utf8()..];
        match fold.filter(|_| c == ' ' && !after_space && column > WIDTH && style.folds(at, rest)) {
            Some(indent) => {
                out.push('\n');
                spaces(out, indent);
                column = indent;
                // Otherwise the space would count as indentation.
                if rest.starts_with(' ') {
                    out.push('\\');
                    column += 1;
                }
            }
            None => column += style.write(out, c),
        }
        after_space = c == ' ';
    }
    out.push_str(style.quote());
}

/// Column after which a text is folded at the next space.
const WIDTH: usize = 80;

/// The quotes around a text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
}

impl Style {
    fn of(text: &str) -> Self {
        if !text.chars().all(is_printable) {
            return Self::Double;
        }
        if is_old_boolean(text) || is_sexagesimal(text) || text == "<<" {
            return Self::Single;
        }
        match scalar::is_text(text) {
            false => Self::Double,
            true if is_plain(text) => Self::Plain,
            true => Self::Single,
        }
    }

    fn quote(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Single => "'",
            Self::Double => "\"",
        }
    }

    /// Whether a space may be replaced by a line break.
    fn folds(self, at: usize, rest: &str) -> bool {
        match self {
            Self::Plain => !rest.starts_with(' '),
            Self::Single => at > 0 && !rest.is_empty() && !rest.starts_with(' '),
            Self::Double => at > 0 && !rest.is_empty(),
        }
    }

    /// Writes a character, and returns its number of columns.
    fn write(self, out: &mut String, c: char) -> usize {
        let before = out.len();
        match self {
            Self::Single if c == '\'' => out.push_str("''"),
            Self::Double => write_escaped(out, c),
            _ => out.push(c),
        }
        out[before..].chars().count()
    }
}

/// Whether a text needs no quotes because of the indicators of YAML.
fn is_plain(text: &str) -> bool {
    const MARKS: [char; 16] = ['#', ',', '[', ']', '{', '}', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`'];
    let is_mark_alone = matches!(text, "-" | "?") || ["- ", "? "].iter().any(|mark| text.starts_with(mark));
    !(text.starts_with(MARKS)
        || is_mark_alone
        || text.starts_with("---")
        || text.starts_with("...")
        || text.starts_with(' ')
        || text.ends_with([' ', ':'])
        || text.contains(": ")
        || text.contains(" #"))
}

/// Whether a text is a boolean of YAML 1.1.
fn is_old_boolean(text: &str) -> bool {
    const WORDS: [&str; 6] = ["y", "n", "yes", "no", "on", "off"];
    let is_one_case = |rest: &str| rest.chars().all(char::is_lowercase) || text.chars().all(char::is_uppercase);
    WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)) && text.get(1..).is_some_and(is_one_case)
}

/// Whether a text is a base-60 number of YAML 1.1, such as `12:30`.
fn is_sexagesimal(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let mut parts = whole.split(':');
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'_');
    let is_part = |part: &str| match part.as_bytes() {
        [one] => one.is_ascii_digit(),
        [ten, one] => (b'0'..=b'5').contains(ten) && one.is_ascii_digit(),
        _ => false,
    };
    let first = parts.next().unwrap_or_default();
    first.starts_with(|c: char| c.is_ascii_digit())
        && is_number(first)
        && is_number(fraction)
        && whole.contains(':')
        && parts.all(is_part)
}

fn write_escaped(out: &mut String, c: char) {
    match short_escape(c) {
        Some(short) => out.extend(['\\', short]),
        None if is_printable(c) => out.push(c),
        None => out.push_str(&match u32::from(c) {
            code @ ..=0xff => format!("\\x{code:02X}"),
            code @ ..=0xffff => format!("\\u{code:04X}"),
            code => format!("\\U{code:08X}"),
        }),
    }
}

fn short_escape(c: char) -> Option<char> {
    Some(match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' | '\\' => c,
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => return None,
    })
}

/// Whether the reference writes a character unescaped. Line ends are not, nor are characters beyond U+FFFF, which YAML allows.
fn is_printable(c: char) -> bool {
    matches!(c, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn mappings_and_lists_nest() {
        let value = json!({
            "services": {
                "web": {
                    "ports": [{ "target": 80, "published": "8080" }, [1, ["x"]], {}, []],
                    "empty": {}, "none": null, "flag": true, "ratio": 2.0, "large": 1e21,
                },
            },
            "k".repeat(129): { "a": 1, "b": 2 },
        });
        let expected = "\
services:
  web:
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
    ratio: 2
    large: 1e+21
? KEY
: a: 1
  b: 2
";
        assert_eq!(yaml_text(&value), expected.replace("KEY", &"k".repeat(129)));
    }

    #[test]
    fn a_text_is_quoted_only_if_needed() {
        let texts = [
            ("/a/b.c", "/a/b.c"),
            ("echo a: b", "'echo a: b'"),
            ("it's", "it's"),
            ("'s", "'''s'"),
            ("-c", "-c"),
            ("-", "'-'"),
            ("a:", "'a:'"),
            ("a #b", "'a #b'"),
            (" a", "' a'"),
            (":a", ":a"),
            ("*", "'*'"),
            ("yes", "'yes'"),
            ("Off", "'Off'"),
            ("yEs", "yEs"),
            ("n", "'n'"),
            ("12:30", "'12:30'"),
            ("8080:80", "8080:80"),
            ("<<", "'<<'"),
            ("", "\"\""),
            ("~", "\"~\""),
            ("true", "\"true\""),
            ("80", "\"80\""),
            ("0440", "\"0440\""),
            ("1_0", "\"1_0\""),
            (".5", "\".5\""),
            ("1e3", "\"1e3\""),
            ("18446744073709551615", "\"18446744073709551615\""),
            ("2026-11-20", "\"2026-11-20\""),
            ("1.2.3", "1.2.3"),
            ("a\tb", "\"a\\tb\""),
            ("é\u{a0}", "é\u{a0}"),
            ("del \u{7f}\u{85}\u{feff}\u{2028}", "\"del \\x7F\\N\\uFEFF\\L\""),
            ("🚢", "\"\\U0001F6A2\""),
        ];
        for (text, expected) in texts {
            assert_eq!(yaml_text(&json!(text)), format!("{expected}\n"), "{text:?}");
        }
    }

    #[test]
    fn long_texts_are_folded_at_spaces() {
        let (x, y) = ("x".repeat(90), "y".repeat(90));
        assert_eq!(yaml_text(&json!({ "k": format!("a {x} {y} b") })), format!("k: a {x}\n  {y}\n  b\n"));
        assert_eq!(yaml_text(&json!([format!("{x}  # {y}")])), format!("- '{x}  #\n  {y}'\n"));
        assert_eq!(yaml_text(&json!(format!("\t{x}  {y} "))), format!("\"\\t{x}\n  \\ {y} \"\n"));
        let key = "k ".repeat(60);
        assert_eq!(yaml_text(&json!({ key.clone(): 1 })), format!("'{key}': 1\n"));
    }

    #[test]
    fn texts_with_lines_are_literal_unless_trailing_spaces_matter() {
        let lines = json!({"a": ["x\n\ny\n", "x\ny", "x\n\n"], "b": "  x\n\ty\n", "c": "x \ny", "d": "\n", "e\nf": 1});
        let expected = "\
a:
  - |
    x

    y
  - |-
    x
    y
  - |+
    x

b: |2
    x
  \ty
c: \"x \\ny\"
d: \"\\n\"
\"e\\nf\": 1
";
        assert_eq!(yaml_text(&lines), expected);
    }
}
