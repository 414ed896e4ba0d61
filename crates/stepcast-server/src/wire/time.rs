//! Moments as texts.

use std::cell::Cell;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use jiff::tz::Offset;

const PRINTER: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

const SECOND: u64 = 1_000_000;

/// Where the microseconds stand in a text.
const FRACTION: std::ops::Range<usize> = 20..26;

/// A text, and the second that it is of.
type OfSecond = (u64, [u8; 32]);

thread_local! {
    /// The last text of this thread: most moments that are shown lie within the same second.
    static LAST: Cell<Option<OfSecond>> = const { Cell::new(None) };
}

/// Microseconds since the Unix epoch, as `2026-11-21T01:49:48.608652+00:00`: RFC 3339 in the form that Python writes.
pub(crate) fn text(micros: u64) -> String {
    let (second, mut rest) = (micros / SECOND, micros % SECOND);
    let known = LAST.get().filter(|(known, _)| *known == second);
    let Some((_, mut text)) = known.or_else(|| of_second(second)) else { return printed(micros) };
    for digit in text[FRACTION].iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    String::from_utf8(text.to_vec()).unwrap_or_default()
}

/// The text of a second, kept for the next moment. None of the last one that there is, and of what lies after it.
#[cold]
fn of_second(second: u64) -> Option<OfSecond> {
    let micros = second.checked_mul(SECOND)?;
    let last = Timestamp::MAX.as_microsecond().unsigned_abs() / SECOND;
    let text = printed(micros).as_bytes().try_into().ok().filter(|_| second < last);
    let new = text.map(|text| (second, text));
    LAST.set(new);
    new
}

fn printed(micros: u64) -> String {
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
    use super::{printed, text};

    #[test]
    fn moments_are_written_as_python_writes_them() {
        assert_eq!(text(0), "1970-01-01T00:00:00.000000+00:00");
        assert_eq!(text(951_782_400_000_000), "2000-02-29T00:00:00.000000+00:00");
        assert_eq!(text(1_795_226_058_293_001), "2026-11-21T01:54:18.293001+00:00");
        assert_eq!(text(4_107_542_399_999_999), "2100-02-28T23:59:59.999999+00:00");
        assert!(text(u64::MAX).starts_with("9999-12-3"));
    }

    #[test]
    fn what_was_written_before_makes_no_difference() {
        let last = u64::try_from(jiff::Timestamp::MAX.as_microsecond()).unwrap_or_default();
        for micros in [0, 1, 999_999, 1_000_000, 1_795_225_788_608_652, 1_795_225_788_000_007, 1_795_225_789_000_000] {
            assert_eq!(text(micros), printed(micros));
        }
        for micros in [last - 1, last, last + 1, last + 2_000_000, u64::MAX - 1, u64::MAX, 1_795_225_789_000_001] {
            assert_eq!(text(micros), printed(micros));
        }
    }
}
