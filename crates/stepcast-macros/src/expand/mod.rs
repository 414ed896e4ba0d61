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

use proc_macro2::{Span, TokenStream};
use quote::{quote, quote_spanned};

/// The place of a token, with the macro's own hygiene: carets point there, lints know that the code is generated.
fn at(span: Span) -> Span {
    Span::mixed_site().located_at(span)
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
