//! From plain data to the code the user gets. Every name in it is reached through the facade's `__private` module, so
//! that nothing depends on what the user has imported.

pub(crate) mod event;
pub(crate) mod event_debug;
pub(crate) mod events;
pub(crate) mod graph;
pub(crate) mod spec;
pub(crate) mod state;
pub(crate) mod step;
pub(crate) mod workflow;
pub(crate) mod workflow_list;

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{quote, quote_spanned};

/// The place of a user's token, for code that is wrong only if that token is: the compiler's caret then stands there,
/// without a remark about the macro.
fn at(span: Span) -> Span {
    span
}

/// Places every token at `span`: an expression's caret begins at its first token and ends at its last.
fn placed(tokens: TokenStream, span: Span) -> TokenStream {
    tokens
        .into_iter()
        .map(|mut token| {
            if let TokenTree::Group(group) = &token {
                token = Group::new(group.delimiter(), placed(group.stream(), span)).into();
            }
            token.set_span(span);
            token
        })
        .collect()
}

/// `file:line:column` of a token, as a constant expression.
fn location(span: Span) -> TokenStream {
    quote_spanned!(at(span)=> ::core::concat!(::core::file!(), ":", ::core::line!(), ":", ::core::column!()))
}

/// Module path and name, as a constant expression.
fn qualified(name: &str) -> TokenStream {
    let name = format!("::{name}");
    quote!(::core::concat!(::core::module_path!(), #name))
}
