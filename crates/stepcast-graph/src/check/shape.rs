//! Durations as texts.

use std::time::Duration;

/// Reads `"30s"`, `"1.5h"`, `"200ms"`, `"2d"`, or a number of seconds.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn duration(text: &str) -> Result<Duration, &'static str> {
    let text = text.trim();
    let split = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().map_err(|_| "a duration begins with a number, as in `30s`")?;
    let seconds = match unit.trim() {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3_600.0,
        "d" => 86_400.0,
        _ => return Err("a duration ends in `ms`, `s`, `m`, `h` or `d`"),
    };
    let seconds = number * seconds;
    // A hundred years.
    if !(0.0..=3_155_760_000.0).contains(&seconds) {
        return Err("a duration is at most a hundred years");
    }
    Ok(Duration::from_secs_f64(seconds))
}
