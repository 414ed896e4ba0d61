//! `#[derive(Events)]`: an enum of several events, as a parameter and as a return type.

use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{DeriveInput, Generics, Type};

use super::at;
use crate::check::events::{EventVariant, check};
use crate::errors::Errors;
use crate::parse::args::{attribute_tokens, check_keys, parse_args};
use crate::parse::krate::Krate;

pub(crate) fn expand(item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(input) = errors.keep(syn::parse2::<DeriveInput>(item)) else {
        return errors.to_compile_error();
    };
    let krate = settings(&input, &mut errors);
    let variants = check(&input, &mut errors);
    if !errors.is_empty() {
        return errors.to_compile_error();
    }
    let p = krate.private();
    let input_impls = input_impls(&input, &variants, &p);
    let output_impl = output_impl(&input, &variants, &p);
    let from_impls = from_impls(&input, &variants);
    quote!(#input_impls #output_impl #from_impls)
}

fn settings(input: &DeriveInput, errors: &mut Errors) -> Krate {
    let mut krate = Krate::default();
    for attr in input.attrs.iter().filter(|attr| attr.path().is_ident("events")) {
        let list = parse_args(attribute_tokens(attr, errors), errors);
        check_keys(&list, &["crate"], "#[events]", errors);
        krate = Krate::find(&list, errors);
    }
    krate
}

/// As a parameter. A variant may hold what only a step's output can be (`Vec<_>`): then the enum is no parameter, which
/// must be an error where it is used as one, not here. A bound with a lifetime of its own is checked no sooner.
fn input_impls(input: &DeriveInput, variants: &[EventVariant], p: &TokenStream) -> TokenStream {
    let ident = &input.ident;
    let mut generics = input.generics.clone();
    for variant in variants {
        let ty = &variant.ty;
        if let Ok(bound) = syn::parse2::<syn::WherePredicate>(quote!(for<'any> #ty: #p::UnionMember<'any>)) {
            generics.make_where_clause().predicates.push(bound);
        }
    }
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let mut set: Option<TokenStream> = None;
    for variant in variants.iter().rev() {
        let ty = &variant.ty;
        let one = quote!(<#ty as #p::EventInput>::SET);
        set = Some(match set {
            None => one,
            Some(rest) => quote!(#p::EventSet::Both(&#one, &#rest)),
        });
    }
    let tries = variants.iter().map(|variant| {
        let (label, ty) = (&variant.ident, &variant.ty);
        quote! {
            if let ::core::option::Option::Some(event) = <#ty as #p::EventInput>::from_payload(payload) {
                return ::core::option::Option::Some(Self::#label(event));
            }
        }
    });
    quote! {
        #[automatically_derived]
        impl #impl_generics #p::EventInput for #ident #ty_generics #where_clause {
            const SET: #p::EventSet = #set;

            fn from_payload(payload: &#p::Payload) -> ::core::option::Option<Self> {
                #(#tries)*
                ::core::option::Option::None
            }
        }

        #[automatically_derived]
        impl #impl_generics #p::StepParam for #ident #ty_generics #where_clause {
            const PARAM: #p::ParamSpec = #p::ParamSpec::Event(<Self as #p::EventInput>::SET);

            fn extract(call: &mut #p::StepCall<'_>) -> ::core::result::Result<Self, #p::ExtractError> {
                call.next_event()
            }
        }
    }
}

fn output_impl(input: &DeriveInput, variants: &[EventVariant], p: &TokenStream) -> TokenStream {
    let ident = &input.ident;
    let mut generics = input.generics.clone();
    for param in generics.type_params_mut() {
        param.bounds.push(syn::parse_quote!(#p::IntoEvents));
    }
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let mut out: Option<TokenStream> = None;
    for variant in variants.iter().rev() {
        let ty = &variant.ty;
        let one = quote_spanned!(at(ty.span())=> <#ty as #p::IntoEvents>::OUT);
        out = Some(match out {
            None => one,
            Some(rest) => quote!(#p::OutSpec::Either(&#one, &#rest)),
        });
    }
    let arms = variants.iter().map(|variant| {
        let (label, ty) = (&variant.ident, &variant.ty);
        let forward = quote_spanned!(at(ty.span())=> <#ty as #p::IntoEvents>::into_events);
        quote!(Self::#label(value) => #forward(value, out),)
    });
    quote! {
        #[automatically_derived]
        impl #impl_generics #p::IntoEvents for #ident #ty_generics #where_clause {
            const OUT: #p::OutSpec = #out;

            fn into_events(self, out: &mut #p::Outputs) -> ::core::result::Result<(), #p::StepError> {
                match self { #(#arms)* }
            }
        }
    }
}

/// `From` for each held type, except where a type parameter could make two of them the same.
fn from_impls(input: &DeriveInput, variants: &[EventVariant]) -> TokenStream {
    let ident = &input.ident;
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let plain = variants.iter().filter(|variant| !mentions_parameter(&variant.ty, &input.generics));
    let impls = plain.map(|variant| {
        let (label, ty) = (&variant.ident, &variant.ty);
        quote! {
            #[automatically_derived]
            impl #impl_generics ::core::convert::From<#ty> for #ident #ty_generics #where_clause {
                fn from(event: #ty) -> Self {
                    Self::#label(event)
                }
            }
        }
    });
    quote!(#(#impls)*)
}

fn mentions_parameter(ty: &Type, generics: &Generics) -> bool {
    fn search(tokens: TokenStream, generics: &Generics) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => generics.type_params().any(|param| param.ident == ident),
            TokenTree::Group(group) => search(group.stream(), generics),
            _ => false,
        })
    }
    search(ty.to_token_stream(), generics)
}
