//! Parses and prints sizes and durations as Compose does.
use std::fmt;

use serde::{Deserialize, Deserializer, de::Error};

/// A size in bytes. -1 means no limit where Compose allows it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub i64);

/// A duration in nanoseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub i64);

impl Bytes {
    /// Parses a size such as `1073741824`, `512m` or `1.5 GiB`. Units are powers of 1024, in upper or lower case.
    pub fn parse(text: &str) -> Option<Self> {
        if let Ok(whole) = text.parse() {
            return Some(Self(whole));
        }
        let end = text.rfind(|c: char| c.is_ascii_digit() || c == '.' || c == ' ')?;
        let number = text[..=end].strip_suffix(' ').unwrap_or(&text[..=end]);
        let number = &separated(number)?;
        let unit = text[end + 1..].to_ascii_lowercase();
        let digits = number.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'e' | b'E' | b'+'));
        let value = number.parse::<f64>().ok().filter(|_| digits)? * unit_bytes(&unit)?;
        (value < i64::MAX as f64).then_some(Self(value as i64))
    }
}

/// Removes underscores between digits. Returns `None` when there are underscores elsewhere.
fn separated(number: &str) -> Option<String> {
    let digits =
        |part: &str| part.ends_with(|c: char| c.is_ascii_digit()) && part.starts_with(|c: char| c.is_ascii_digit());
    let good = !number.contains('_') || number.split('_').all(digits);
    good.then(|| number.replace('_', ""))
}

fn unit_bytes(unit: &str) -> Option<f64> {
    let power = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('b')).unwrap_or(unit) {
        "" if unit != "ib" => 0,
        "k" => 1,
        "m" => 2,
        "g" => 3,
        "t" => 4,
        "p" => 5,
        _ => return None,
    };
    Some(1024_f64.powi(power))
}

impl Nanos {
    /// Parses a duration such as `90s`, `1m30s`, `1h`, `1.5s`, `500ms`, `2d` or `1w`.
    pub fn parse(text: &str) -> Option<Self> {
        let mut rest = text;
        let negative = rest.starts_with('-');
        rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
        if rest == "0" {
            return Some(Self(0));
        }
        if rest.is_empty() {
            return None;
        }
        let mut total = 0_f64;
        while !rest.is_empty() {
            let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
            let number: f64 = rest[..end].parse().ok()?;
            rest = &rest[end..];
            let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
            total += number * unit_nanos(&rest[..end])?;
            rest = &rest[end..];
        }
        let total = if negative { -total } else { total };
        (total.abs() < i64::MAX as f64).then_some(Self(total.round() as i64))
    }
}

fn unit_nanos(unit: &str) -> Option<f64> {
    Some(match unit {
        "ns" => 1.0,
        "us" | "µs" | "μs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        "d" => 24.0 * 3600e9,
        "w" => 7.0 * 24.0 * 3600e9,
        _ => return None,
    })
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for Nanos {
    /// Prints a duration as the reference does: `1h30m0s`, `1m30s`, `1.5s`, `500ms`, `0s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            write!(f, "-")?;
        }
        match nanos {
            0 => write!(f, "0s"),
            1..1_000 => write!(f, "{nanos}ns"),
            1_000..1_000_000 => write!(f, "{}µs", nanos as f64 / 1e3),
            1_000_000..1_000_000_000 => write!(f, "{}ms", nanos as f64 / 1e6),
            _ => {
                let minutes = nanos / 60_000_000_000;
                if minutes >= 60 {
                    write!(f, "{}h", minutes / 60)?;
                }
                if minutes > 0 {
                    write!(f, "{}m", minutes % 60)?;
                }
                let rest = nanos % 60_000_000_000;
                write!(f, "{}", rest / 1_000_000_000)?;
                let fraction = format!("{:09}", rest % 1_000_000_000);
                let fraction = fraction.trim_end_matches('0');
                if !fraction.is_empty() {
                    write!(f, ".{fraction}")?;
                }
                write!(f, "s")
            }
        }
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = scalar_text(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not a size")))
    }
}

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = scalar_text(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom(format!("`{text}` is not a duration")))
    }
}

/// Deserializes a string or a number as text.
pub(super) fn scalar_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::String(text) => Ok(text),
        other => Ok(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_powers_of_1024() {
        let cases = [
            ("10", 10),
            ("-1", -1),
            ("1k", 1 << 10),
            ("1.5 GiB", 3 << 29),
            ("2MB", 2 << 20),
            ("4e3", 4000),
            ("1_0m", 10 << 20),
        ];
        for (text, bytes) in cases {
            assert_eq!(Bytes::parse(text), Some(Bytes(bytes)), "{text}");
        }
        for text in ["", "k", "1x", "1kk", "-1k", "1 ib", "lots", "1e99", "_1", "1_", "1__0"] {
            assert_eq!(Bytes::parse(text), None, "{text}");
        }
    }

    #[test]
    fn durations_are_parsed_and_printed() {
        let cases =
            [("90s", "1m30s"), ("1h", "1h0m0s"), ("1.5s", "1.5s"), ("500ms", "500ms"), ("2d", "48h0m0s"), ("0", "0s")];
        for (text, printed) in cases {
            assert_eq!(Nanos::parse(text).map(|nanos| nanos.to_string()).as_deref(), Some(printed), "{text}");
        }
        for text in ["", "10", "s", "1x", "1s ", "1.2.3s"] {
            assert_eq!(Nanos::parse(text), None, "{text}");
        }
    }
}
