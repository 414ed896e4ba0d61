//! What stands inside `flow!(..)`: `pub JokeFlow: Topic => Critique { write, review }, name = ".."`.

use proc_macro2::{Ident, TokenStream};
use syn::parse::{Parse, ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Attribute, Path, Token, Visibility, braced};

use super::args::parse_args;
use super::workflow_args::{Ends, Settings};
use crate::errors::Errors;

const KEYS: [&str; 4] = ["name", "on_failure", "policy", "crate"];

/// A workflow made of free steps.
pub(crate) struct WorkflowList {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) vis: Visibility,
    pub(crate) ident: Ident,
    pub(crate) ends: Ends,
    pub(crate) steps: Vec<Entry>,
    pub(crate) settings: Settings,
}

/// One step of the list, with the `#[cfg(..)]` above it.
pub(crate) struct Entry {
    pub(crate) attrs: Vec<Attribute>,
    pub(crate) path: Path,
}

impl Parse for Entry {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        Ok(Entry { attrs: input.call(Attribute::parse_outer)?, path: input.call(Path::parse_mod_style)? })
    }
}

struct Raw {
    attrs: Vec<Attribute>,
    vis: Visibility,
    ident: Ident,
    ends: Ends,
    steps: Punctuated<Entry, Token![,]>,
    rest: TokenStream,
}

impl Parse for Raw {
    fn parse(input: ParseStream<'_>) -> syn::Result<Self> {
        let attrs = input.call(Attribute::parse_outer)?;
        let vis = input.parse()?;
        let ident = input.parse()?;
        input.parse::<Token![:]>()?;
        let ends = input.parse()?;
        let inside;
        braced!(inside in input);
        let steps = inside.call(Punctuated::parse_terminated)?;
        if !input.is_empty() {
            input.parse::<Token![,]>()?;
        }
        Ok(Raw { attrs, vis, ident, ends, steps, rest: input.parse()? })
    }
}

impl WorkflowList {
    pub(crate) fn parse(tokens: TokenStream, errors: &mut Errors) -> Option<WorkflowList> {
        let raw = errors.keep(Raw::parse.parse2(tokens))?;
        let list = parse_args(raw.rest, errors);
        let settings = Settings::read(&list, &KEYS, "flow!", errors);
        Some(WorkflowList {
            attrs: raw.attrs,
            vis: raw.vis,
            ident: raw.ident,
            ends: raw.ends,
            steps: raw.steps.into_iter().collect(),
            settings,
        })
    }
}
