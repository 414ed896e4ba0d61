//! The arguments of `#[workflow(Start => Stop, ..)]`, and the settings that `flow!` shares with it.

use proc_macro2::{Span, TokenStream};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Expr, Path, Token, Type};

use super::args::{Arg, check_keys, parse_args};
use super::krate::Krate;
use super::step_args::OnFailure;
use super::workflow_list::Entry;
use crate::errors::Errors;

/// `Start => Stop`.
#[derive(Clone)]
pub(crate) struct Ends {
    pub(crate) start: Type,
    pub(crate) stop: Type,
}

/// Settings of a workflow.
#[derive(Default)]
pub(crate) struct Settings {
    pub(crate) name: Option<String>,
    pub(crate) on_failure: Option<OnFailure>,
    pub(crate) new: Option<Path>,
    /// An expression of the type `RunPolicy`.
    pub(crate) policy: Option<Expr>,
    /// `steps(..)`, for a workflow of free steps.
    pub(crate) steps: Option<Vec<Entry>>,
    pub(crate) krate: Krate,
}

impl Settings {
    pub(crate) fn read(list: &[Arg], known: &[&str], owner: &str, errors: &mut Errors) -> Settings {
        check_keys(list, known, owner, errors);
        let mut settings = Settings { krate: Krate::find(list, errors), ..Settings::default() };
        for arg in list {
            match arg.key.to_string().as_str() {
                "name" => settings.name = arg.full_text("name = \"..\"", errors),
                "policy" => settings.policy = arg.expr("policy = RunPolicy::new().max_queued(1000)", errors).cloned(),
                "on_failure" => settings.on_failure = OnFailure::read(arg, errors),
                "steps" if known.contains(&"steps") => settings.steps = arg.list("steps(write, review)", errors),
                "new" if known.contains(&"new") => match arg.expr("new = connect", errors) {
                    Some(Expr::Path(path)) if path.qself.is_none() => settings.new = Some(path.path.clone()),
                    Some(other) => errors.at(
                        other,
                        "`new` names an `async fn` of the workflow that makes it: `new = connect` for `async fn connect() -> Result<Self>`",
                    ),
                    None => {}
                },
                _ => {}
            }
        }
        settings
    }
}

const KEYS: [&str; 6] = ["name", "steps", "new", "on_failure", "policy", "crate"];

const FORM: &str = "say which event begins the workflow and which ends it: `#[workflow(Start => Stop)]`";

/// What `#[workflow(..)]` says.
pub(crate) struct WorkflowArgs {
    pub(crate) ends: Option<Ends>,
    pub(crate) settings: Settings,
}

/// The parts of the attribute before its settings are understood.
struct Raw {
    ends: Ends,
    rest: TokenStream,
}

impl Parse for Raw {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let ends = input.parse()?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok(Raw { ends, rest: input.parse()? })
    }
}

impl Parse for Ends {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let start = input.parse()?;
        if !input.peek(Token![=>]) {
            return Err(syn::Error::new_spanned(start, FORM));
        }
        input.parse::<Token![=>]>()?;
        Ok(Ends { start, stop: input.parse()? })
    }
}

impl WorkflowArgs {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> WorkflowArgs {
        if tokens.is_empty() {
            errors.push(syn::Error::new(Span::call_site(), FORM));
            return WorkflowArgs { ends: None, settings: Settings::default() };
        }
        let Some(raw) = errors.keep(Raw::parse.parse2(tokens)) else {
            return WorkflowArgs { ends: None, settings: Settings::default() };
        };
        let list = parse_args(raw.rest, errors);
        let settings = Settings::read(&list, &KEYS, "#[workflow]", errors);
        WorkflowArgs { ends: Some(raw.ends), settings }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;
    use quote::{ToTokens, quote};

    #[test]
    fn ends_and_settings() {
        let mut errors = Errors::default();
        let args = WorkflowArgs::parse(quote!(a::Topic => Done<u8>, name = "jokes", new = connect), &mut errors);
        assert!(errors.is_empty());
        let ends = args.ends.expect("both ends");
        assert_eq!(ends.start.to_token_stream().to_string(), "a :: Topic");
        assert_eq!(ends.stop.to_token_stream().to_string(), "Done < u8 >");
        assert_eq!(args.settings.name.as_deref(), Some("jokes"));
        assert!(args.settings.new.is_some());
    }

    #[test]
    fn mistakes() {
        for (tokens, part) in [
            (quote!(), "which event begins"),
            (quote!(Topic), "which event begins"),
            (quote!(Topic, Done), "which event begins"),
            (quote!(Topic => Done, nam = "x"), "did you mean `name`?"),
            (quote!(Topic => Done, on_failure = "retry"), "\"fail\", \"continue\" or \"pause\""),
            (quote!(Topic => Done, new = 3), "names an `async fn`"),
        ] {
            let mut errors = Errors::default();
            WorkflowArgs::parse(tokens.clone(), &mut errors);
            let texts = errors.texts();
            assert!(texts.len() == 1 && texts[0].contains(part), "{tokens}: {texts:?}");
        }
    }
}
