//! The arguments of `#[event(..)]`, on the type and on its fields.

use proc_macro2::TokenStream;
use syn::Attribute;

use super::args::{attribute_tokens, check_keys, parse_args, unknown_key};
use super::krate::Krate;
use crate::errors::Errors;

const ROLES: [(&str, &str); 5] = [
    ("start", "Start"),
    ("stop", "Stop"),
    ("input_required", "InputRequired"),
    ("human_response", "HumanResponse"),
    ("external", "External"),
];

const KEYS: [&str; 7] = ["start", "stop", "input_required", "human_response", "external", "tag", "crate"];

/// What `#[event(..)]` says on a type.
pub(crate) struct EventArgs {
    /// Name of the `Role` variant.
    pub(crate) role: &'static str,
    pub(crate) tag: Option<String>,
    pub(crate) krate: Krate,
}

impl EventArgs {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> EventArgs {
        let list = parse_args(tokens, errors);
        let mut args = EventArgs { role: "Plain", tag: None, krate: Krate::find(&list, errors) };
        let mut first_role: Option<&'static str> = None;
        let mut others = Vec::new();
        for arg in list {
            let key = arg.key.to_string();
            if let Some((name, role)) = ROLES.iter().find(|(name, _)| *name == key) {
                if arg.flag(errors) {
                    match first_role {
                        None => {
                            first_role = Some(name);
                            args.role = role;
                        }
                        Some(first) => errors.at(
                            &arg.key,
                            format!("an event has one role, and this one is already `{first}`; keep one of them"),
                        ),
                    }
                }
            } else if key == "secret" {
                errors.at(
                    &arg.key,
                    "`secret` marks a field: put `#[event(secret)]` above the field that must not reach a log",
                );
            } else {
                others.push(arg);
            }
        }
        check_keys(&others, &KEYS, "#[event]", errors);
        if let Some(arg) = others.iter().find(|arg| arg.key == "tag") {
            args.tag = arg.full_text("tag = \"order.placed\"", errors);
        }
        args
    }
}

/// Takes the `#[event(..)]` attributes off a field and says whether it is secret.
pub(crate) fn take_secret(attrs: &mut Vec<Attribute>, errors: &mut Errors) -> bool {
    let mut secret = false;
    attrs.retain(|attr| {
        if !attr.path().is_ident("event") {
            return true;
        }
        let tokens = attribute_tokens(attr, errors);
        if tokens.is_empty() {
            errors.at(attr, "on a field, `event` takes `secret`: `#[event(secret)]`");
        }
        for arg in parse_args(tokens, errors) {
            if arg.key == "secret" {
                secret |= arg.flag(errors);
            } else if KEYS.contains(&arg.key.to_string().as_str()) {
                errors.at(&arg.key, format!("`{}` belongs above the type, not on a field", arg.key));
            } else {
                unknown_key(&arg.key, &["secret"], "#[event] on a field", errors);
            }
        }
        false
    });
    secret
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    fn parse(tokens: TokenStream) -> (EventArgs, Vec<String>) {
        let mut errors = Errors::default();
        let args = EventArgs::parse(tokens, &mut errors);
        (args, errors.texts())
    }

    #[test]
    fn role_and_tag() {
        let (args, texts) = parse(quote!(stop, tag = "order.done"));
        assert!(texts.is_empty());
        assert_eq!((args.role, args.tag.as_deref()), ("Stop", Some("order.done")));
    }

    #[test]
    fn mistakes() {
        assert!(parse(quote!(start, stop)).1[0].contains("already `start`"));
        assert!(parse(quote!(tag = "")).1[0].contains("empty"));
        assert!(parse(quote!(tag)).1[0].contains("is written `tag = "));
        assert!(parse(quote!(stat)).1[0].contains("did you mean `start`?"));
        assert!(parse(quote!(secret)).1[0].contains("marks a field"));
    }
}
