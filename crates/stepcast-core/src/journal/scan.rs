//! Whether a row that was written can be read back: a reader follows only so many levels, and knows 64-bit numbers.

use crate::store::MAX_CELL_DEPTH;

/// An event lies at least four levels inside its row, and is decoded only up to `MAX_CELL_DEPTH` of its own.
pub(super) const MAX_DEPTH: usize = MAX_CELL_DEPTH + 4;

/// What cannot be read back.
#[derive(Debug, PartialEq)]
pub(super) enum Fault {
    TooDeep,
    Number(String),
}

/// Looks once through JSON text as `serde_json` writes it.
pub(super) fn readable(text: &[u8]) -> Result<(), Fault> {
    readable_within(text, 0)
}

/// Whether JSON text is read back as it was meant.
pub(crate) fn is_readable(text: &[u8]) -> bool {
    readable(text).is_ok()
}

/// As [`readable`], for a part of a row that has so many levels around it.
pub(super) fn readable_within(text: &[u8], depth: usize) -> Result<(), Fault> {
    if is_harmless(text, depth) { Ok(()) } else { look_through(text, depth) }
}

/// Whether it is seen without a look at every byte: too few brackets for too many levels, and no number with many digits.
fn is_harmless(text: &[u8], depth: usize) -> bool {
    // Few enough that a byte counts them.
    let opened = |part: &[u8]| part.iter().map(|byte| u8::from(byte & !0x20 == b'[')).sum::<u8>();
    let opened: usize = text.chunks(128).map(|part| usize::from(opened(part))).sum();
    depth + opened <= MAX_DEPTH && !has_large_number(text)
}

/// Whether there may be a number that has to be looked at. So many digits in a row have one at a multiple of their count.
fn has_large_number(text: &[u8]) -> bool {
    const MANY: usize = 19;
    let is_digit = |byte: &u8| byte.is_ascii_digit();
    let mut at = MANY - 1;
    while let Some(byte) = text.get(at) {
        if is_digit(byte) {
            let before = text[..at].iter().rev().take_while(|byte| is_digit(byte)).count();
            let after = text[at..].iter().take_while(|byte| is_digit(byte)).count();
            let digits = &text[at - before..at + after];
            let is_negative = at > before && text[at - before - 1] == b'-';
            if digits.len() >= MANY && (is_negative || fits(digits).is_err()) {
                return true;
            }
            at += after;
        }
        at += MANY;
    }
    false
}

fn look_through(text: &[u8], mut depth: usize) -> Result<(), Fault> {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match byte {
            b'"' => at = string_end(text, at + 1),
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Err(Fault::TooDeep);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'-' | b'0'..=b'9' => {
                let end = number_end(text, at);
                if end - at > 18 {
                    fits(&text[at..end])?;
                }
                at = end;
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// The place of the quote that ends a string.
fn string_end(text: &[u8], mut at: usize) -> usize {
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if text[at] == b'"' {
            return at;
        }
        at += 2;
    }
    text.len()
}

fn number_end(text: &[u8], from: usize) -> usize {
    let rest = text[from..].iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'));
    rest.map_or(text.len(), |length| from + length)
}

/// A whole number that does not fit would be read as a float, and lose its last digits.
fn fits(digits: &[u8]) -> Result<(), Fault> {
    let (size, bound) = match digits.strip_prefix(b"-") {
        Some(size) => (size, b"9223372036854775808".as_slice()),
        None => (digits, b"18446744073709551615".as_slice()),
    };
    let fits = size.len() < bound.len() || (size.len() == bound.len() && size <= bound);
    // Any size is right for a float.
    if fits || !size.iter().all(u8::is_ascii_digit) {
        return Ok(());
    }
    Err(Fault::Number(String::from_utf8_lossy(digits).into_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{Fault, MAX_DEPTH, is_harmless, look_through, readable};

    #[test]
    fn the_short_look_finds_no_less() {
        let numbers = ["18446744073709551615", "18446744073709551616", "-9223372036854775808", "-9223372036854775809"];
        let others = ["9999999999999999999", "0.1234567890123456", "1e300", "7", "99999999999999999999999"];
        for number in numbers.into_iter().chain(others) {
            for pad in 0..64 {
                let text = format!("{}{number}{}", " ".repeat(pad), ",1".repeat(pad % 5));
                let found = look_through(text.as_bytes(), 0);
                assert!(!is_harmless(text.as_bytes(), 0) || found.is_ok(), "{text}");
                assert_eq!(readable(text.as_bytes()), found);
            }
        }
        let deep = |levels: usize| "[{".repeat(levels / 2).into_bytes();
        assert!(is_harmless(&deep(MAX_DEPTH), MAX_DEPTH % 2) && !is_harmless(&deep(MAX_DEPTH + 2), 0));
        assert!(!is_harmless(&b"[".repeat(1000), 0) && !is_harmless(&b"[".repeat(256), 0));
    }

    #[test]
    fn levels_are_counted_outside_of_strings() {
        let deep = |levels: usize| [vec![b'['; levels], vec![b']'; levels]].concat();
        assert_eq!(readable(&deep(MAX_DEPTH)), Ok(()));
        assert_eq!(readable(&deep(MAX_DEPTH + 1)), Err(Fault::TooDeep));
        let text = serde_json::to_vec(&("[".repeat(500) + "\\\"" + &"{".repeat(500))).unwrap();
        assert_eq!(readable(&text), Ok(()));
        assert_eq!(readable("[],".repeat(500).as_bytes()), Ok(()));
    }

    #[test]
    fn numbers_that_are_read_back_otherwise_are_found() {
        let fault = |value: u128| readable(serde_json::to_string(&[value]).unwrap().as_bytes());
        assert_eq!(fault(u128::from(u64::MAX)), Ok(()));
        assert_eq!(fault(u128::from(u64::MAX) + 1), Err(Fault::Number("18446744073709551616".into())));
        assert_eq!(fault(10 * u128::from(u64::MAX)), Err(Fault::Number("184467440737095516150".into())));
        let text = serde_json::to_string(&[i64::MIN]).unwrap();
        assert_eq!(readable(text.as_bytes()), Ok(()));
        let text = serde_json::to_string(&[i128::from(i64::MIN) - 1]).unwrap();
        assert_eq!(readable(text.as_bytes()), Err(Fault::Number("-9223372036854775809".into())));
        let text = serde_json::to_string(&[f64::MAX, f64::MIN_POSITIVE, 1e17, -0.1 / 3.0]).unwrap();
        assert_eq!(readable(text.as_bytes()), Ok(()));
        assert_eq!(readable(b"\"99999999999999999999999\""), Ok(()));
    }
}
