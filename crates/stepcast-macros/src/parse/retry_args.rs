//! The short form of a retry policy: `retry(attempts = 3, backoff = "200ms", ..)`.

use std::time::Duration;

use proc_macro2::Group;
use syn::{Expr, ExprLit, Lit};

use super::args::{Arg, Value, check_keys, parse_args};
use super::duration::duration;
use crate::errors::Errors;

const KEYS: [&str; 6] = ["attempts", "backoff", "max_backoff", "factor", "jitter", "max_elapsed"];

/// What `retry(..)` says.
#[derive(Default)]
pub(crate) struct RetryArgs {
    pub(crate) attempts: Option<u32>,
    pub(crate) backoff: Option<Duration>,
    pub(crate) max_backoff: Option<Duration>,
    pub(crate) factor: Option<f64>,
    pub(crate) jitter: Option<Jitter>,
    pub(crate) max_elapsed: Option<Duration>,
}

/// What is random about the waits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Jitter {
    /// Up to this is added to each wait.
    UpTo(Duration),
    /// Each wait is anything from nothing to its full length.
    Full,
}

impl RetryArgs {
    pub(crate) fn parse(group: &Group, errors: &mut Errors) -> RetryArgs {
        let list = parse_args(group.stream(), errors);
        if list.is_empty() && errors.is_empty() {
            errors.at(group, "`retry` says nothing; write `retry(attempts = 3, backoff = \"200ms\")`");
        }
        check_keys(&list, &KEYS, "`retry(..)`", errors);
        let mut args = RetryArgs::default();
        for arg in &list {
            match arg.key.to_string().as_str() {
                "attempts" => args.attempts = arg.count("attempts = 3", "the first attempt counts too", errors),
                "backoff" => args.backoff = read_duration(arg, "backoff = \"200ms\"", errors),
                "max_backoff" => args.max_backoff = read_duration(arg, "max_backoff = \"5s\"", errors),
                "max_elapsed" => args.max_elapsed = read_duration(arg, "max_elapsed = \"5m\"", errors),
                "factor" => args.factor = read_factor(arg, errors),
                "jitter" => args.jitter = read_jitter(arg, errors),
                _ => {}
            }
        }
        for key in ["max_backoff", "factor", "jitter"] {
            if let Some(arg) = list.iter().find(|arg| arg.key == key)
                && !list.iter().any(|arg| arg.key == "backoff")
            {
                errors.at(&arg.key, format!("`{key}` changes a `backoff`; add `backoff = \"200ms\"`"));
            }
        }
        args
    }
}

fn read_duration(arg: &Arg, form: &str, errors: &mut Errors) -> Option<Duration> {
    let expr = arg.expr(form, errors)?;
    errors.keep(duration(expr))
}

fn read_factor(arg: &Arg, errors: &mut Errors) -> Option<f64> {
    let number = match &arg.value {
        Value::Is(Expr::Lit(ExprLit { lit: Lit::Float(number), .. })) => number.base10_parse::<f64>().ok(),
        Value::Is(Expr::Lit(ExprLit { lit: Lit::Int(number), .. })) => number.base10_parse::<f64>().ok(),
        _ => {
            arg.wrong_form("factor = 2.0", errors);
            return None;
        }
    };
    match number {
        Some(factor) if factor >= 1.0 && factor.is_finite() => Some(factor),
        _ => {
            if let Value::Is(expr) = &arg.value {
                errors.at(expr, "`factor` is at least 1.0: waits do not shrink");
            }
            None
        }
    }
}

fn read_jitter(arg: &Arg, errors: &mut Errors) -> Option<Jitter> {
    match &arg.value {
        Value::Is(Expr::Path(path)) if path.path.is_ident("full") => Some(Jitter::Full),
        Value::Is(expr @ Expr::Lit(_)) => errors.keep(duration(expr)).map(Jitter::UpTo),
        _ => {
            arg.wrong_form("jitter = \"100ms\"` or `jitter = full", errors);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::args::in_parentheses;
    use proc_macro2::TokenStream;
    use quote::quote;

    fn parse(tokens: TokenStream) -> (RetryArgs, Vec<String>) {
        let mut errors = Errors::default();
        let args = RetryArgs::parse(&in_parentheses(tokens), &mut errors);
        (args, errors.texts())
    }

    #[test]
    fn all_keys() {
        let (args, texts) =
            parse(quote!(attempts = 3, backoff = "200ms", max_backoff = "5s", factor = 2, jitter = full));
        assert_eq!(texts, Vec::<String>::new());
        assert_eq!(args.attempts, Some(3));
        assert_eq!(args.max_backoff, Some(Duration::from_secs(5)));
        assert_eq!(args.factor, Some(2.0));
        assert_eq!(args.jitter, Some(Jitter::Full));
    }

    #[test]
    fn mistakes() {
        let (_, texts) = parse(quote!(attempt = 3, factor = 0.5));
        assert!(texts[0].contains("did you mean `attempts`?"), "{texts:?}");
        assert!(texts[1].contains("at least 1.0"), "{texts:?}");
        assert!(texts[2].contains("`factor` changes a `backoff`"), "{texts:?}");
        assert!(parse(quote!()).1[0].contains("says nothing"));
        assert!(parse(quote!(backoff = "1s", jitter = 100)).1[0].contains("needs a unit"));
    }
}
