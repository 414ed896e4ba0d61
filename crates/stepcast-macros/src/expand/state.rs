//! `#[derive(State)]`.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{DeriveInput, GenericParam};

use super::at;
use super::spec::plain;
use crate::errors::Errors;
use crate::parse::args::{attribute_tokens, check_keys, parse_args};
use crate::parse::krate::Krate;

pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(input) = errors.keep(syn::parse2::<DeriveInput>(item)) else {
        return errors.to_compile_error();
    };
    let ident = &input.ident;
    let mut name = None;
    let mut krate = Krate::default();
    for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("state")) {
        let list = parse_args(attribute_tokens(attr, &mut errors), &mut errors);
        check_keys(&list, &["name", "crate"], "#[state]", &mut errors);
        if let Some(arg) = list.iter().find(|arg| arg.key == "name") {
            name = arg.full_text("name = \"..\"", &mut errors);
        }
        krate = Krate::find(&list, &mut errors);
    }
    if let Some(param) = input.generics.params.first() {
        let text = match param {
            GenericParam::Lifetime(_) => {
                format!("state `{ident}` is stored, so it owns its data; remove its lifetimes")
            }
            _ => format!("state `{ident}` is one cell under one name, so it cannot be generic; write the types out"),
        };
        errors.at(param, text);
    }
    if !errors.is_empty() {
        return errors.to_compile_error();
    }
    let p = krate.private();
    let name = name.unwrap_or_else(|| plain(ident));
    let target = quote_spanned!(at(ident.span())=> #p::State for #ident);
    quote! {
        #[automatically_derived]
        impl #target {
            const NAME: &'static str = #name;
        }
    }
}
