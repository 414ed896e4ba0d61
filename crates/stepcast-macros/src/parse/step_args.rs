//! The arguments of `#[step(..)]`.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use syn::parse::{Parse, ParseStream};
use syn::{Expr, LitStr, Path, Type};

use super::args::{Arg, Value, check_keys, parse_args};
use super::duration::duration;
use super::krate::Krate;
use super::nearest::nearest;
use super::retry_args::RetryArgs;
use crate::errors::Errors;

pub(crate) const KEYS: [&str; 13] = [
    "name",
    "workers",
    "emits",
    "waits",
    "streams",
    "retry",
    "timeout",
    "catch",
    "max_recoveries",
    "on_failure",
    "blocking",
    "allow",
    "crate",
];

/// What `#[step(..)]` says.
#[derive(Default)]
pub(crate) struct StepArgs {
    pub(crate) name: Option<String>,
    pub(crate) workers: Option<u32>,
    pub(crate) emits: Vec<Type>,
    pub(crate) waits: Vec<Type>,
    pub(crate) streams: Vec<Type>,
    pub(crate) retry: Option<Retry>,
    pub(crate) timeout: Option<Duration>,
    pub(crate) catch: Option<Catch>,
    pub(crate) on_failure: Option<OnFailure>,
    pub(crate) blocking: Option<Span>,
    pub(crate) allow_unconsumed: bool,
    pub(crate) allow_endless: bool,
    pub(crate) krate: Krate,
}

/// `retry = policy` or `retry(..)`.
pub(crate) enum Retry {
    Policy(Box<Expr>),
    Built(RetryArgs),
}

/// `catch` or `catch(step, ..)`, with `max_recoveries`.
pub(crate) struct Catch {
    pub(crate) steps: Vec<StepRef>,
    pub(crate) max_recoveries: u32,
}

/// A step named by its function, or by its name as text.
pub(crate) enum StepRef {
    Path(Path),
    Name(LitStr),
}

impl Parse for StepRef {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        if input.peek(LitStr) { input.parse().map(StepRef::Name) } else { input.parse().map(StepRef::Path) }
    }
}

/// `on_failure = ".."`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OnFailure {
    Fail,
    Continue,
    Pause,
}

impl OnFailure {
    pub(crate) fn read(arg: &Arg, errors: &mut Errors) -> Option<OnFailure> {
        let text = arg.text("on_failure = \"fail\" | \"continue\" | \"pause\"", errors)?;
        let value = text.value();
        match value.as_str() {
            "fail" => Some(OnFailure::Fail),
            "continue" => Some(OnFailure::Continue),
            "pause" => Some(OnFailure::Pause),
            other => {
                let hint = nearest(other, &["fail", "continue", "pause"])
                    .map(|near| format!("; did you mean \"{near}\"?"))
                    .unwrap_or_default();
                errors.at(&text, format!("`on_failure` is \"fail\", \"continue\" or \"pause\"{hint}"));
                None
            }
        }
    }
}

impl StepArgs {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> StepArgs {
        let list = parse_args(tokens, errors);
        check_keys(&list, &KEYS, "#[step]", errors);
        let mut args = StepArgs { krate: Krate::find(&list, errors), ..StepArgs::default() };
        let mut max_recoveries = None;
        for arg in &list {
            match arg.key.to_string().as_str() {
                "name" => args.name = arg.full_text("name = \"..\"", errors),
                "workers" => args.workers = arg.count("workers = 4", "a step without workers would never run", errors),
                "emits" => args.emits = arg.list("emits(EventA, EventB)", errors).unwrap_or_default(),
                "waits" => args.waits = arg.list("waits(EventA, EventB)", errors).unwrap_or_default(),
                "streams" => args.streams = arg.list("streams(EventA, EventB)", errors).unwrap_or_default(),
                "retry" => args.retry = read_retry(arg, errors),
                "timeout" => args.timeout = read_timeout(arg, errors),
                "catch" => args.catch = Some(read_catch(arg, errors)),
                "max_recoveries" => {
                    let zero = "a step that recovers nothing is no `catch` step";
                    max_recoveries = Some((arg, arg.count("max_recoveries = 3", zero, errors)));
                }
                "on_failure" => args.on_failure = OnFailure::read(arg, errors),
                "blocking" => args.blocking = arg.flag(errors).then(|| arg.span()),
                "allow" => args.read_allow(arg, errors),
                _ => {}
            }
        }
        match (&mut args.catch, max_recoveries) {
            (Some(catch), Some((_, Some(n)))) => catch.max_recoveries = n,
            (None, Some((arg, _))) => {
                errors.at(&arg.key, "`max_recoveries` belongs to a `catch` step; add `catch`, or `catch(step, ..)`");
            }
            _ => {}
        }
        args
    }

    fn read_allow(&mut self, arg: &Arg, errors: &mut Errors) {
        for what in arg.list::<Ident>("allow(unconsumed, endless)", errors).unwrap_or_default() {
            match what.to_string().as_str() {
                "unconsumed" => self.allow_unconsumed = true,
                "endless" => self.allow_endless = true,
                other => {
                    let hint = nearest(other, &["unconsumed", "endless"])
                        .map(|near| format!("; did you mean `{near}`?"))
                        .unwrap_or_default();
                    errors.at(&what, format!("`allow` knows `unconsumed` and `endless`{hint}"));
                }
            }
        }
    }
}

fn read_retry(arg: &Arg, errors: &mut Errors) -> Option<Retry> {
    match &arg.value {
        Value::Is(policy) => Some(Retry::Policy(Box::new(policy.clone()))),
        Value::List(group) => Some(Retry::Built(RetryArgs::parse(group, errors))),
        Value::None => {
            arg.wrong_form("retry(attempts = 3, backoff = \"200ms\")` or `retry = policy", errors);
            None
        }
    }
}

fn read_timeout(arg: &Arg, errors: &mut Errors) -> Option<Duration> {
    let expr = arg.expr("timeout = \"30s\"", errors)?;
    let timeout = errors.keep(duration(expr))?;
    if timeout.is_zero() {
        errors.at(expr, "a timeout of zero would fail every attempt; give the step some time or leave `timeout` out");
        return None;
    }
    Some(timeout)
}

fn read_catch(arg: &Arg, errors: &mut Errors) -> Catch {
    let steps = match &arg.value {
        Value::None => Vec::new(),
        _ => arg.list("catch` or `catch(step, other_step)", errors).unwrap_or_default(),
    };
    Catch { steps, max_recoveries: 1 }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;
    use quote::quote;

    fn texts(tokens: TokenStream) -> Vec<String> {
        let mut errors = Errors::default();
        StepArgs::parse(tokens, &mut errors);
        errors.texts()
    }

    #[test]
    fn everything_at_once() {
        let mut errors = Errors::default();
        let args = StepArgs::parse(
            quote!(
                name = "write joke",
                workers = 4,
                emits(A, b::B),
                timeout = "1m30s",
                catch(one, two::three, "four"),
                max_recoveries = 7,
                on_failure = "pause",
                blocking,
                allow(unconsumed)
            ),
            &mut errors,
        );
        assert_eq!(errors.texts(), Vec::<String>::new());
        assert_eq!(args.name.as_deref(), Some("write joke"));
        assert_eq!(args.workers, Some(4));
        assert_eq!(args.emits.len(), 2);
        assert_eq!(args.timeout, Some(Duration::from_secs(90)));
        let catch = args.catch.expect("a catch step");
        assert_eq!((catch.steps.len(), catch.max_recoveries), (3, 7));
        assert_eq!(args.on_failure, Some(OnFailure::Pause));
        assert!(args.blocking.is_some() && args.allow_unconsumed && !args.allow_endless);
    }

    #[test]
    fn mistakes_are_reported_together() {
        let all = texts(quote!(worker = 4, timeout = 30, workers = 0, name = "a", name = "b"));
        assert_eq!(all.len(), 4, "{all:?}");
        assert!(all[0].contains("no argument `worker`; did you mean `workers`?"), "{all:?}");
        assert!(all[1].contains("`name` is given twice"), "{all:?}");
        assert!(all[2].contains("write \"30s\""), "{all:?}");
        assert!(all[3].contains("at least 1"), "{all:?}");
    }

    #[test]
    fn budget_needs_catch() {
        assert!(texts(quote!(max_recoveries = 2))[0].contains("belongs to a `catch` step"));
        assert!(texts(quote!(catch, max_recoveries = 0))[0].contains("at least 1"));
        assert!(texts(quote!(catch())).concat().contains("lists nothing"));
    }
}
