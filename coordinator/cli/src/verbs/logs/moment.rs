//! Parses times on the command line: a duration before now, or a point in time.

use jiff::{SignedDuration, Timestamp};

/// Returns the Unix time in nanoseconds of `10m` (ago), `1h30m`, `2026-11-20T12:00:00Z`, `2026-11-20` or Unix seconds.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    at(text, Timestamp::now())
}

fn at(text: &str, now: Timestamp) -> Result<i64, String> {
    let moment = if let Ok(seconds) = text.parse::<i64>() {
        Timestamp::from_second(seconds).ok()
    } else if let Ok(ago) = text.parse::<SignedDuration>() {
        now.checked_sub(ago).ok()
    } else {
        let day = || text.parse::<jiff::civil::DateTime>().ok()?.to_zoned(jiff::tz::TimeZone::UTC).ok();
        text.parse::<Timestamp>().ok().or_else(|| day().map(|day| day.timestamp()))
    };
    let nanoseconds = moment.and_then(|moment| i64::try_from(moment.as_nanosecond()).ok());
    nanoseconds.ok_or_else(|| "use a duration such as `10m` or a time such as `2026-11-20T12:00:00Z`".to_owned())
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::at;

    #[test]
    fn a_while_ago_a_moment_a_day_and_unix_seconds_are_times() {
        let now = Timestamp::from_second(1_000_000).expect("a time");
        assert_eq!(at("10m", now), Ok(999_400_000_000_000));
        assert_eq!(at("1h30m", now), Ok(994_600_000_000_000));
        assert_eq!(at("1970-01-01T00:00:02Z", now), Ok(2_000_000_000));
        assert_eq!(at("1970-01-02", now), Ok(86_400_000_000_000));
        assert_eq!(at("7", now), Ok(7_000_000_000));
        assert!(at("soon", now).is_err());
    }
}
