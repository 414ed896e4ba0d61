//! Moments as texts.

use std::time::SystemTime;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::Offset;

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// Microseconds since the Unix epoch, as `2026-11-21T01:49:48.608652+00:00`: RFC 3339 in the form that Python writes.
pub(crate) fn text(micros: u64) -> String {
    let moment = i64::try_from(micros).ok().and_then(|micros| Timestamp::from_microsecond(micros).ok());
    // What lies after the year 9999 is its end.
    PRINTER.timestamp_with_offset_to_string(&moment.unwrap_or(Timestamp::MAX), Offset::UTC)
}

/// Now, in microseconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(passed.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn moments_are_written_as_python_writes_them() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000000+00:00");
        assert_eq!(text(951_782_400_000_000), "2000-02-29T00:00:00.000000+00:00");
        assert_eq!(text(1_795_226_058_293_001), "2026-11-21T01:54:18.293001+00:00");
        assert_eq!(text(4_107_542_399_999_999), "2100-02-28T23:59:59.999999+00:00");
        assert!(text(u64::MAX).starts_with("9999-12-3"));
    }
}
