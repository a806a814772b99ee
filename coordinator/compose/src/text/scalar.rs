//! Resolves YAML scalars with the mixture of YAML 1.1 and 1.2 that the reference uses.
//!
//! `0755`, `0o755`, `0x1f`, `0b11` and `1_000` are numbers. `yes`, `on` and `12:30` are strings. `2026-11-20` is a date.
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::text::node::Value;

/// Resolves a scalar. Returns `None` when it does not match its tag. `plain` means that it is not quoted.
pub(crate) fn resolve(text: &str, plain: bool, tag: Option<&str>) -> Option<Value> {
    let core = tag.and_then(|tag| tag.strip_prefix("tag:yaml.org,2002:"));
    match (tag, core) {
        (None, _) if plain => Some(implicit(text)),
        (_, Some("int")) => match implicit(text) {
            value @ Value::Int(_) => Some(value),
            Value::Float(number) if number.fract() == 0.0 => Some(Value::Int(number as i64)),
            _ => None,
        },
        (_, Some("float")) => match implicit(text) {
            Value::Int(number) => Some(Value::Float(number as f64)),
            value @ Value::Float(_) => Some(value),
            _ => None,
        },
        (_, Some("bool")) => Some(implicit(text)).filter(|value| matches!(value, Value::Bool(_))),
        (_, Some("null")) => Some(implicit(text)).filter(|value| *value == Value::Null),
        (_, Some("binary")) => binary(text).map(Value::Text),
        (_, Some("timestamp")) => is_time(text).then(|| Value::Time(text.to_owned())),
        _ => Some(Value::Text(text.to_owned())),
    }
}

/// Decodes base64, which may have line breaks, to UTF-8.
fn binary(text: &str) -> Option<String> {
    let bytes = STANDARD.decode(text.replace(['\r', '\n'], "")).ok()?;
    String::from_utf8(bytes).ok()
}

/// Whether an unquoted scalar is a string. A number that is too large for 64 bits is not, although its value is kept as text.
pub(crate) fn is_text(text: &str) -> bool {
    matches!(implicit(text), Value::Text(_)) && integer(&text.replace('_', "")).is_none()
}

/// Reads a string as a boolean, as YAML 1.1 spells it.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "y" | "yes" | "on" => Some(true),
        "false" | "n" | "no" | "off" => Some(false),
        _ => None,
    }
}

fn implicit(text: &str) -> Value {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Value::Null,
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        "-0" | "-0.0" => return Value::Float(-0.0),
        ".nan" | ".NaN" | ".NAN" => return Value::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => return Value::Float(f64::INFINITY),
        "-.inf" | "-.Inf" | "-.INF" => return Value::Float(f64::NEG_INFINITY),
        _ => {}
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-' | '.')) {
        return Value::Text(text.to_owned());
    }
    if is_time(text) {
        return Value::Time(text.to_owned());
    }
    let digits = if text.starts_with('.') { text.to_owned() } else { text.replace('_', "") };
    if let Some(number) = integer(&digits) {
        // A number that does not fit into 64 bits keeps its digits as text.
        return i64::try_from(number).map_or_else(|_| Value::Text(number.to_string()), Value::Int);
    }
    match decimal(&digits) {
        Some(number) => Value::Float(number),
        None => Value::Text(text.to_owned()),
    }
}

fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &lower[..]),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let number = u64::from_str_radix(digits, radix).ok().map(i128::from)?;
    let number = if negative { -number } else { number };
    (number >= i64::MIN.into()).then_some(number)
}

/// Parses digits with an optional point and exponent. Other forms that Rust parses as floats are not accepted.
fn decimal(text: &str) -> Option<f64> {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let exponent_is_good = exponent.is_none_or(|exponent| {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        !digits.is_empty() && all_digits(digits)
    });
    let good = all_digits(whole) && all_digits(fraction) && !(whole.is_empty() && fraction.is_empty());
    if good && exponent_is_good { text.parse().ok().filter(|number: &f64| number.is_finite()) } else { None }
}

/// Whether a text is a date such as `2026-11-20`, with an optional time of day.
fn is_time(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    };
    let parts: Vec<&str> = date.split('-').collect();
    let [year, month, day] = parts[..] else { return false };
    year.len() == 4
        && number_in(year, 4, 0, 9999).is_some()
        && number_in(month, 2, 1, 12).is_some_and(|month| number_in(day, 2, 1, days_of(year, month)).is_some())
        && time.is_none_or(|time| is_time_of_day(time, text.contains(' ')))
}

fn days_of(year: &str, month: u32) -> u32 {
    let year: u32 = year.parse().unwrap_or(0);
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn is_time_of_day(time: &str, zoneless: bool) -> bool {
    let (clock, zone) = match time.find(['Z', '+', '-']) {
        Some(at) => (&time[..at], &time[at..]),
        None => (time, ""),
    };
    let zone_is_good = if zoneless {
        zone.is_empty()
    } else {
        zone == "Z"
            || zone.get(1..).and_then(|zone| zone.split_once(':')).is_some_and(|(hours, minutes)| {
                number_in(hours, 2, 0, 24).is_some() && number_in(minutes, 2, 0, 60).is_some()
            })
    };
    let parts: Vec<&str> = clock.split(':').collect();
    let [hours, minutes, seconds] = parts[..] else { return false };
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    zone_is_good
        && number_in(hours, 2, 0, 23).is_some()
        && number_in(minutes, 2, 0, 59).is_some()
        && number_in(seconds, 2, 0, 59).is_some()
        && fraction.bytes().all(|byte| byte.is_ascii_digit())
}

fn number_in(text: &str, width: usize, low: u32, high: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.len() <= width && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|number| digits && (low..=high).contains(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_parsed_in_every_base() {
        let cases = [("0755", 493), ("0o755", 493), ("0x1F", 31), ("0b11", 3), ("1_000", 1000), ("-8", -8), ("+8", 8)];
        for (text, number) in cases {
            assert_eq!(implicit(text), Value::Int(number), "{text}");
        }
        assert_eq!(implicit("08"), Value::Float(8.0));
        assert_eq!(implicit("12345678901234567890"), Value::Text("12345678901234567890".to_owned()));
        assert_eq!(implicit("1.50"), Value::Float(1.5));
        assert_eq!(implicit("1e3"), Value::Float(1000.0));
    }

    #[test]
    fn words_that_resemble_other_types_are_strings() {
        for text in
            ["yes", "on", "12:30", "1.2.3", "0x", "--1", "1e", "nan", "infinity", "2024-13-01", "8.8.8.8/16", "1e999"]
        {
            assert_eq!(implicit(text), Value::Text(text.to_owned()));
        }
    }

    #[test]
    fn dates_are_recognised() {
        for text in ["2024-02-29", "2024-1-5", "2024-01-05T10:00:00Z", "2024-01-05 10:00:00.5"] {
            assert_eq!(implicit(text), Value::Time(text.to_owned()));
        }
        assert_eq!(implicit("2023-02-29"), Value::Text("2023-02-29".to_owned()));
    }

    #[test]
    fn a_tag_decides_the_type() {
        assert_eq!(resolve("12", true, Some("tag:yaml.org,2002:str")), Some(Value::Text("12".to_owned())));
        assert_eq!(resolve("12", false, Some("tag:yaml.org,2002:int")), Some(Value::Int(12)));
        assert_eq!(resolve("x", true, Some("tag:yaml.org,2002:int")), None);
        let binary = |text| resolve(text, true, Some("tag:yaml.org,2002:binary"));
        assert_eq!(binary("aGVs\nbG8="), Some(Value::Text("hello".to_owned())));
        assert_eq!((binary("aGVsbG8"), binary("_w=="), binary("/w==")), (None, None, None));
        assert_eq!(resolve("12", false, None), Some(Value::Text("12".to_owned())));
    }
}
