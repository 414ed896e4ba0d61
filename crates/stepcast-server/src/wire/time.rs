//! Moments as texts.

use std::time::SystemTime;

/// Microseconds since the Unix epoch, as `2026-11-21T01:49:48.608652+00:00`: RFC 3339 in the form that Python writes.
pub(crate) fn text(micros: u64) -> String {
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    let (days, of_day) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{fraction:06}+00:00")
}

/// Now, in microseconds since the Unix epoch.
pub(crate) fn now() -> u64 {
    let passed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(passed.as_micros()).unwrap_or(u64::MAX)
}

/// The civil date of a day since 1970-01-01: Howard Hinnant, "chrono-compatible low-level date algorithms".
fn date(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let of_era = shifted % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
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
    }
}
