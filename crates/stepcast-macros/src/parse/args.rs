//! Attribute arguments: `key`, `key = value` and `key(..)`, separated by commas.

use proc_macro2::{Group, Ident, Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Expr, ExprLit, ExprUnary, Lit, LitStr, Token, UnOp};

use super::nearest::nearest;
use crate::errors::Errors;

/// One argument.
pub(crate) struct Arg {
    pub(crate) key: Ident,
    pub(crate) value: Value,
}

/// What stands after an argument's key.
pub(crate) enum Value {
    /// Nothing.
    None,
    /// `= value`
    Is(Expr),
    /// `(..)`
    List(Group),
}

impl Parse for Arg {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let key = input.call(Ident::parse_any)?;
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            // `crate = crate` and the like: a keyword is no expression, but a path made of one is.
            Value::Is(visible(input.parse()?))
        } else if input.peek(syn::token::Paren) {
            let group: Group = input.parse()?;
            Value::List(group)
        } else {
            Value::None
        };
        Ok(Arg { key, value })
    }
}

/// The expression inside the invisible groups that a `macro_rules!` puts around what it was given.
fn visible(mut expr: Expr) -> Expr {
    while let Expr::Group(group) = expr {
        expr = *group.expr;
    }
    expr
}

/// Parses arguments; a syntax error is reported and leaves none.
pub(crate) fn parse_args(tokens: TokenStream, errors: &mut Errors) -> Vec<Arg> {
    let parser = Punctuated::<Arg, Token![,]>::parse_terminated;
    errors.keep(parser.parse2(tokens)).map(|args| args.into_iter().collect()).unwrap_or_default()
}

/// Reports keys that nobody knows and keys that occur twice. `owner` is how the user wrote the macro: `#[step]`.
pub(crate) fn check_keys(args: &[Arg], known: &[&str], owner: &str, errors: &mut Errors) {
    for (i, arg) in args.iter().enumerate() {
        let key = arg.key.to_string();
        if !known.contains(&key.as_str()) {
            unknown_key(&arg.key, known, owner, errors);
        } else if args[..i].iter().any(|earlier| earlier.key == key) {
            errors.at(&arg.key, format!("`{key}` is given twice in {owner}; keep one"));
        }
    }
}

pub(crate) fn unknown_key(key: &Ident, known: &[&str], owner: &str, errors: &mut Errors) {
    let hint = nearest(&key.to_string(), known).map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let list = known.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    errors.at(key, format!("{owner} has no argument `{key}`{hint}\nits arguments are {list}"));
}

impl Arg {
    /// The tokens of the whole argument, for a caret under all of it.
    fn span_tokens(&self) -> TokenStream {
        let mut tokens = self.key.to_token_stream();
        match &self.value {
            Value::None => {}
            Value::Is(expr) => expr.to_tokens(&mut tokens),
            Value::List(group) => group.to_tokens(&mut tokens),
        }
        tokens
    }

    /// Reports that the argument has another form.
    pub(crate) fn wrong_form(&self, form: &str, errors: &mut Errors) {
        errors.at(self.span_tokens(), format!("`{}` is written `{form}`", self.key));
    }

    /// `key`
    pub(crate) fn flag(&self, errors: &mut Errors) -> bool {
        let is_flag = matches!(self.value, Value::None);
        if !is_flag {
            self.wrong_form(&self.key.to_string(), errors);
        }
        is_flag
    }

    /// `key = expr`
    pub(crate) fn expr(&self, form: &str, errors: &mut Errors) -> Option<&Expr> {
        match &self.value {
            Value::Is(expr) => Some(expr),
            _ => {
                self.wrong_form(form, errors);
                None
            }
        }
    }

    /// `key = "text"`
    pub(crate) fn text(&self, form: &str, errors: &mut Errors) -> Option<LitStr> {
        match &self.value {
            Value::Is(Expr::Lit(ExprLit { lit: Lit::Str(text), .. })) => Some(text.clone()),
            _ => {
                self.wrong_form(form, errors);
                None
            }
        }
    }

    /// `key = "text"`, not empty.
    pub(crate) fn full_text(&self, form: &str, errors: &mut Errors) -> Option<String> {
        let text = self.text(form, errors)?;
        if text.value().trim().is_empty() {
            errors.at(&text, format!("`{}` is empty; give it a text or leave it out", self.key));
            return None;
        }
        Some(text.value())
    }

    /// `key = n`, at least 1.
    pub(crate) fn count(&self, form: &str, zero: &str, errors: &mut Errors) -> Option<u32> {
        match &self.value {
            Value::Is(Expr::Lit(ExprLit { lit: Lit::Int(number), .. })) => match number.base10_parse::<u32>() {
                Ok(0) => {
                    errors.at(number, format!("`{}` is at least 1: {zero}", self.key));
                    None
                }
                Ok(n) => Some(n),
                Err(_) => {
                    errors.at(number, format!("`{}` is a whole number from 1 to {}", self.key, u32::MAX));
                    None
                }
            },
            Value::Is(expr @ Expr::Unary(ExprUnary { op: UnOp::Neg(_), .. })) => {
                errors.at(expr, format!("`{}` is at least 1: {zero}", self.key));
                None
            }
            _ => {
                self.wrong_form(form, errors);
                None
            }
        }
    }

    /// `key(a, b)`, not empty.
    pub(crate) fn list<T: Parse>(&self, form: &str, errors: &mut Errors) -> Option<Vec<T>> {
        let Value::List(group) = &self.value else {
            self.wrong_form(form, errors);
            return None;
        };
        let items = errors.keep(Punctuated::<T, Token![,]>::parse_terminated.parse2(group.stream()))?;
        if items.is_empty() {
            errors.at(self.span_tokens(), format!("`{}` lists nothing; write `{form}` or leave it out", self.key));
            return None;
        }
        Some(items.into_iter().collect())
    }

    /// A span for code that stands for the argument.
    pub(crate) fn span(&self) -> Span {
        self.key.span()
    }
}

/// The tokens inside `#[name(..)]`; nothing for `#[name]`.
pub(crate) fn attribute_tokens(attr: &syn::Attribute, errors: &mut Errors) -> TokenStream {
    match &attr.meta {
        syn::Meta::Path(_) => TokenStream::new(),
        syn::Meta::List(list) => list.tokens.clone(),
        other => {
            errors.at(other, "arguments are written in parentheses");
            TokenStream::new()
        }
    }
}

/// A group in parentheses around tokens, for parsing a list that was read elsewhere.
#[cfg(test)]
pub(crate) fn in_parentheses(tokens: TokenStream) -> Group {
    Group::new(proc_macro2::Delimiter::Parenthesis, tokens)
}
