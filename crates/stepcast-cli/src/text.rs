//! Small texts: times, lengths, nearest names.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;
use stepcast::engine::Time;

/// The present, in microseconds since the Unix epoch.
pub(crate) fn now() -> Time {
    let passed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(passed.as_micros()).unwrap_or(u64::MAX))
}

/// How long ago, or how long until.
pub(crate) fn relative(now: Time, at: Time) -> String {
    if at.0 > now.0 {
        return format!("in {}", rough(Duration::from_micros(at.0 - now.0)));
    }
    let passed = Duration::from_micros(now.0 - at.0);
    match passed.as_secs() {
        0..2 => "just now".to_owned(),
        2..2_592_000 => format!("{} ago", rough(passed)),
        _ => date(at)[..10].to_owned(),
    }
}

fn rough(time: Duration) -> String {
    match time.as_secs() {
        secs @ 0..60 => format!("{secs}s"),
        secs @ 60..3600 => format!("{}m", secs / 60),
        secs @ 3600..86_400 => format!("{}h", secs / 3600),
        secs => format!("{}d", secs / 86_400),
    }
}

/// How long something took.
pub(crate) fn length(time: Duration) -> String {
    let millis = time.as_millis();
    match millis {
        0..1000 => format!("{millis}ms"),
        1000..60_000 => format!("{:.1}s", time.as_secs_f64()),
        60_000..3_600_000 => format!("{}m{:02}s", millis / 60_000, millis / 1000 % 60),
        _ => format!("{}h{:02}m", millis / 3_600_000, millis / 60_000 % 60),
    }
}

/// From one time to another.
pub(crate) fn between(from: Time, to: Time) -> String {
    length(Duration::from_micros(to.0.saturating_sub(from.0)))
}

/// A moment in UTC, as RFC 3339 writes it.
pub(crate) fn date(at: Time) -> String {
    let moment = i64::try_from(at.0 / 1_000_000).ok().and_then(|secs| Timestamp::from_second(secs).ok());
    moment.unwrap_or(Timestamp::MAX).strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The moment of a text as RFC 3339 has it; `None` if it is none, or before 1970.
pub(crate) fn moment(text: &str) -> Option<Time> {
    let micros = text.parse::<Timestamp>().ok()?.as_microsecond();
    u64::try_from(micros).ok().map(Time)
}

/// A length of time as it is written: `90`, `90s`, `15m`, `2h`, `7d`, `250ms`.
pub(crate) fn parse_length(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong_length(text))?;
    let seconds = match unit.trim() {
        "ms" => number / 1000.0,
        "" | "s" => number,
        "m" | "min" => number * 60.0,
        "h" => number * 3600.0,
        "d" => number * 86_400.0,
        _ => return Err(wrong_length(text)),
    };
    Duration::try_from_secs_f64(seconds).map_err(|_| wrong_length(text))
}

fn wrong_length(text: &str) -> String {
    format!("`{text}` is no length of time; write it like 30s, 15m, 2h, 7d or 250ms")
}

/// At most so many characters, the last of them an ellipsis where some are left out. Line breaks become spaces.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let clean = |c: char| if c.is_control() { ' ' } else { c };
    if text.chars().count() <= width {
        return text.chars().map(clean).collect();
    }
    let mut short: String = text.chars().take(width.saturating_sub(1)).map(clean).collect();
    short.push('…');
    short
}

/// The last characters of an id that the runtime made; any other id as it is.
pub(crate) fn short(run: &str) -> &str {
    let is_uuid = |id: &str| {
        id.len() == 36
            && id.bytes().enumerate().all(|(at, byte)| match at {
                8 | 13 | 18 | 23 => byte == b'-',
                _ => byte.is_ascii_hexdigit(),
            })
    };
    // A child's id begins with its parent's.
    match run.split_once('.') {
        Some((parent, _)) if is_uuid(parent) => &run[28..],
        None if is_uuid(run) => &run[28..],
        _ => run,
    }
}

/// The known name that is nearest to what was written, if one is near at all.
pub(crate) fn nearest<'a>(name: &str, known: &'a [String]) -> Option<&'a str> {
    let name = name.to_lowercase();
    let most = (name.chars().count() / 3).max(1);
    let distances = known.iter().map(|other| (distance(&name, &other.to_lowercase()), other.as_str()));
    distances.filter(|(far, _)| *far <= most).min().map(|(_, other)| other)
}

/// How many characters have to be changed, put in or left out.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let changed = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_written_in_utc() {
        assert_eq!(moment("2026-11-21T01:54:18.293001+00:00"), Some(Time(1_795_226_058_293_001)));
        assert_eq!((moment("yesterday"), moment("1969-12-31T23:59:59Z")), (None, None));
        assert_eq!(date(Time(0)), "1970-01-01T00:00:00Z");
        assert_eq!(date(Time(951_782_400_000_000)), "2000-02-29T00:00:00Z");
        assert_eq!(date(Time(1_795_253_936_000_000)), "2026-11-21T09:38:56Z");
    }

    #[test]
    fn lengths_are_read_as_they_are_written() {
        assert_eq!(parse_length("90"), Ok(Duration::from_secs(90)));
        assert_eq!(parse_length("1.5h"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_length("250ms"), Ok(Duration::from_millis(250)));
        assert!(parse_length("soon").is_err());
        assert!(parse_length("1e999d").is_err());
        assert!(parse_length("-1s").is_err());
    }

    #[test]
    fn a_runtime_made_id_is_shown_by_its_end() {
        assert_eq!(short("0199a1b2-0000-7000-8000-0123456789ab"), "456789ab");
        assert_eq!(short("0199a1b2-0000-7000-8000-0123456789ab.1"), "456789ab.1");
        assert_eq!(short("order-17"), "order-17");
    }

    #[test]
    fn a_slip_of_the_finger_is_found() {
        let known = ["greet".to_owned(), "countdown".to_owned()];
        assert_eq!(nearest("gret", &known), Some("greet"));
        assert_eq!(nearest("Countdwon", &known), Some("countdown"));
        assert_eq!(nearest("publish", &known), None);
    }
}
