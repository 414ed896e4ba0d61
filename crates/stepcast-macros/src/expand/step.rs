//! `#[step]` on a free function.

use proc_macro2::TokenStream;
use quote::{quote, quote_spanned};
use syn::{ImplItemFn, Item, ItemFn};

use super::spec::SpecSource;
use super::{at, location, qualified};
use crate::check::signature::{Place, check};
use crate::errors::Errors;
use crate::parse::step_args::{StepArgs, StepRef};

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = StepArgs::parse(args, &mut errors);
    let Some(function) = parse(&item, &mut errors) else {
        let errors = errors.to_compile_error();
        return quote!(#item #errors);
    };
    let step = check(&function.sig, &function.attrs, &args, Place::Free, &mut errors);
    let Some(step) = step.filter(|_| errors.is_empty()) else {
        let errors = errors.to_compile_error();
        return quote!(#item #errors);
    };

    let p = args.krate.private();
    let (vis, ident) = (&function.vis, &function.sig.ident);
    let caught = match &args.catch {
        Some(catch) => catch
            .steps
            .iter()
            .map(|step| match step {
                StepRef::Path(path) => quote!(<#path as #p::Step>::NAME),
                StepRef::Name(name) => quote!(#name),
            })
            .collect(),
        None => Vec::new(),
    };
    let source = SpecSource { step: &step, args: &args, callee: quote!(#ident), caught };
    let (name, spec) = (source.name(), source.expand(&p));
    let assertion = source.assertion(&quote!(<#ident as #p::Step>::SPEC.params), &p);
    let cfgs = &step.cfgs;
    let (location, qualified) = (location(ident.span()), qualified(&super::spec::plain(ident)));
    let marker = quote_spanned! {at(ident.span())=>
        #[doc(hidden)]
        #[allow(non_camel_case_types, missing_debug_implementations, dead_code, unreachable_pub)]
        #vis struct #ident {}
    };

    quote! {
        #item

        #(#cfgs)*
        #marker

        #(#cfgs)*
        #[automatically_derived]
        impl #p::Step for #ident {
            const NAME: &'static str = #name;
            const SPEC: #p::StepSpec = #spec;
        }

        #(#cfgs)*
        const _: () = {
            #assertion
            #p::inventory::submit! {
                #p::CatalogueStep {
                    qualified_name: #qualified,
                    spec: &<#ident as #p::Step>::SPEC,
                    location: #location,
                }
            }
        };
    }
}

/// The function; anything else is reported with what it is.
fn parse(item: &TokenStream, errors: &mut Errors) -> Option<ItemFn> {
    let error = match syn::parse2::<ItemFn>(item.clone()) {
        Ok(function) => return Some(function),
        Err(error) => error,
    };
    if let Ok(other) = syn::parse2::<Item>(item.clone()) {
        let text = match &other {
            Item::Impl(_) => {
                "`#[step]` belongs above each method; above the impl block write `#[workflow(Start => Stop)]`"
            }
            _ => "`#[step]` belongs above an `async fn`",
        };
        errors.at(first_token(item), text);
    } else if let Ok(method) = syn::parse2::<ImplItemFn>(item.clone()) {
        errors.at(&method.sig.ident, "`#[step]` belongs above an `async fn` with a body");
    } else {
        errors.push(error);
    }
    None
}

fn first_token(item: &TokenStream) -> TokenStream {
    item.clone().into_iter().take(1).collect()
}
