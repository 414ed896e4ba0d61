//! Durations as text: `"200ms"`, `"30s"`, `"1h30m"`.

use proc_macro2::TokenStream;
use quote::quote;
use std::time::Duration;
use syn::{Expr, ExprLit, Lit};

const UNITS: [(&str, u128); 6] = [
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

const FORM: &str = "write a number and a unit: \"250us\", \"200ms\", \"30s\", \"5m\", \"1h\", \"1h30m\"";

/// Reads a duration literal; the error's caret is on the literal.
pub(crate) fn duration(expr: &Expr) -> syn::Result<Duration> {
    match expr {
        Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => {
            parse(&text.value()).map_err(|why| syn::Error::new_spanned(text, why))
        }
        Expr::Lit(ExprLit { lit: Lit::Int(number), .. }) => Err(syn::Error::new_spanned(
            number,
            format!("a duration needs a unit: write \"{number}s\" for seconds or \"{number}ms\" for milliseconds"),
        )),
        other => Err(syn::Error::new_spanned(other, format!("a duration is a text literal; {FORM}"))),
    }
}

/// A duration as an expression.
pub(crate) fn tokens(duration: Duration, private: &TokenStream) -> TokenStream {
    let (seconds, nanos) = (duration.as_secs(), duration.subsec_nanos());
    quote!(#private::Duration::new(#seconds, #nanos))
}

fn parse(text: &str) -> Result<Duration, String> {
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(format!("this duration is empty; {FORM}"));
    }
    let mut total: u128 = 0;
    let mut last_unit = u128::MAX;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if number.is_empty() {
            return Err(format!("`{text}` is not a duration; {FORM}"));
        }
        if unit.is_empty() {
            return Err(match after.chars().next() {
                Some('.') => format!(
                    "`{text}` is not a duration: fractions are written in a smaller unit, \"1500ms\" for 1.5 seconds"
                ),
                Some(_) => format!("`{text}` is not a duration; {FORM}"),
                None => format!("`{text}` has no unit; {FORM}"),
            });
        }
        let Some((_, nanos)) = UNITS.iter().find(|(name, _)| *name == unit) else {
            return Err(format!("`{unit}` is not a unit of time; the units are `us`, `ms`, `s`, `m`, `h` and `d`"));
        };
        if *nanos >= last_unit {
            return Err(format!(
                "`{text}` is not a duration: write each unit once, the largest first, as in \"1h30m\""
            ));
        }
        last_unit = *nanos;
        let too_long = || format!("`{text}` is too long for a duration; the longest is \"36500d\"");
        let part = number.parse::<u128>().ok().and_then(|number| number.checked_mul(*nanos)).ok_or_else(too_long)?;
        total = total.checked_add(part).filter(|total| *total <= 36_500 * UNITS[5].1).ok_or_else(too_long)?;
        rest = after;
    }
    let (seconds, nanos) = (total / 1_000_000_000, total % 1_000_000_000);
    // Both fit: the total is below a hundred years.
    Ok(Duration::new(seconds as u64, nanos as u32))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::parse;
    use std::time::Duration;

    #[test]
    fn every_unit() {
        for (text, expected) in [
            ("250us", Duration::from_micros(250)),
            ("200ms", Duration::from_millis(200)),
            ("30s", Duration::from_secs(30)),
            ("5m", Duration::from_secs(300)),
            ("1h", Duration::from_secs(3600)),
            ("2d", Duration::from_secs(172_800)),
            ("1h30m", Duration::from_secs(5400)),
            ("1m30s500ms", Duration::from_millis(90_500)),
            ("0s", Duration::ZERO),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn each_mistake_has_its_own_text() {
        for (text, part) in [
            ("", "empty"),
            ("30", "no unit"),
            ("s", "not a duration"),
            ("30 s", "not a duration"),
            ("-3s", "not a duration"),
            ("1.5s", "smaller unit"),
            ("3sec", "`sec` is not a unit"),
            ("3S", "`S` is not a unit"),
            ("30m1h", "largest first"),
            ("1s1s", "each unit once"),
            ("99999999999999999999999999999999999999999d", "too long"),
            ("36501d", "too long"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
