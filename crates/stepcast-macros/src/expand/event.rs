//! `#[event]`.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::{DeriveInput, Type};

use super::event_debug::debug_impl;
use super::spec::plain;
use super::{at, location, qualified};
use crate::check::event::{EventItem, check};
use crate::errors::Errors;
use crate::parse::event_args::EventArgs;

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = EventArgs::parse(args, &mut errors);
    let mut input = match syn::parse2::<DeriveInput>(item.clone()) {
        Ok(input) => input,
        Err(error) => {
            match syn::parse2::<syn::Item>(item.clone()) {
                Ok(_) => errors.at(first_word(&item), "`#[event]` belongs above a struct or an enum"),
                Err(_) => errors.push(error),
            }
            let errors = errors.to_compile_error();
            return quote!(#item #errors);
        }
    };
    let event = check(&mut input, &args, &mut errors);
    if !errors.is_empty() {
        let errors = errors.to_compile_error();
        return quote!(#input #errors);
    }
    let p = args.krate.private();
    let derives = derives(&event, &p);
    if !event.has_serde_crate {
        // Behind the user's own derives: a helper attribute may not stand before the derive that introduces it.
        let text = args.krate.serde_text();
        input.attrs.push(syn::parse_quote!(#[serde(crate = #text)]));
    }
    let implementation = implementation(&input, &event, &args, &p);
    quote! {
        #derives
        #input
        #implementation
    }
}

/// The derives that the user has not written.
fn derives(event: &EventItem, p: &TokenStream) -> TokenStream {
    let wanted = [
        ("Debug", quote!(::core::fmt::Debug), !event.has_secret()),
        ("Clone", quote!(::core::clone::Clone), true),
        ("Serialize", quote!(#p::serde::Serialize), true),
        ("Deserialize", quote!(#p::serde::Deserialize), true),
    ];
    let missing =
        wanted.into_iter().filter(|(name, _, wanted)| *wanted && !event.derives(name)).map(|(_, path, _)| path);
    quote!(#[derive(#(#missing),*)])
}

fn implementation(input: &DeriveInput, event: &EventItem, args: &EventArgs, p: &TokenStream) -> TokenStream {
    let ident = &input.ident;
    let name = plain(ident);
    let tag = args.tag.clone().unwrap_or_else(|| name.clone());
    let role = Ident::new(args.role, Span::call_site());
    let (qualified, location) = (qualified(&name), location(ident.span()));
    let (fields, secret) = (&event.fields, &event.secret);
    let is_generic = !input.generics.params.is_empty();

    let mut generics = input.generics.clone();
    if is_generic {
        let (_, ty, _) = input.generics.split_for_impl();
        let bound = syn::parse2(quote! {
            #ident #ty: ::core::clone::Clone + ::core::fmt::Debug + ::core::marker::Send + ::core::marker::Sync
                + #p::serde::Serialize + #p::serde::de::DeserializeOwned + 'static
        });
        if let Ok(bound) = bound {
            let bound: syn::WherePredicate = bound;
            generics.make_where_clause().predicates.push(bound);
        }
    }
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let debug = event.has_secret().then(|| debug_impl(input, event));
    let flat = event.plain.as_deref().map(|fields| flat(fields, p));
    let registered = (!is_generic).then(|| quote!(#p::register_event!(#ident, #qualified);));
    let trait_path = quote_spanned!(at(ident.span())=> #p::Event);
    let cfgs = crate::check::signature::cfgs(&input.attrs);

    quote! {
        #(#cfgs)*
        const _: () = {
            #debug

            #[automatically_derived]
            impl #impl_generics #trait_path for #ident #ty_generics #where_clause {
                const META: #p::EventMeta = #p::EventMeta::new::<Self>(#p::EventIdent {
                    tag: #tag,
                    type_name: #name,
                    qualified_name: #qualified,
                    location: #location,
                    role: #p::Role::#role,
                    fields: &[#(#fields),*],
                    secret: &[#(#secret),*],
                });

                #p::event_schema!();
                #flat
            }

            #registered
        };
    }
}

/// Whether all fields are numbers, bools and texts, which only the compiler knows, and their values.
fn flat(fields: &[(Ident, Type)], p: &TokenStream) -> TokenStream {
    let types: Vec<_> = fields.iter().map(|(_, ty)| ty).collect();
    let idents: Vec<_> = fields.iter().map(|(ident, _)| ident).collect();
    let places = 0..fields.len();
    let to_and_fro = to_and_fro(&idents, &types, p);
    if fields.is_empty() {
        return quote!(
            const IS_FLAT: bool = true;
            #to_and_fro
        );
    }
    quote! {
        const IS_FLAT: bool = {
            #[allow(unused_imports)]
            use #p::NotFlat as _;
            true #(&& #p::FlatProbe::<#types>::VALUE.is_some())*
        };

        fn flat_at(&self, place: usize) -> ::core::option::Option<#p::FlatValue<'_>> {
            #[allow(unused_imports)]
            use #p::NotFlat as _;
            match place {
                #(#places => #p::FlatProbe::<#types>::VALUE.map(|value| value(&self.#idents)),)*
                _ => ::core::option::Option::None,
            }
        }

        #to_and_fro
    }
}

/// Writes a flat event as text, where what stands between the values is known here, and reads it from its fields' values.
fn to_and_fro(idents: &[&Ident], types: &[&Type], p: &TokenStream) -> TokenStream {
    let text = |text: String| Literal::byte_string(text.as_bytes());
    if idents.is_empty() {
        let whole = text("{}".to_owned());
        return quote! {
            fn put_flat(&self, out: &mut ::std::vec::Vec<u8>) -> bool {
                out.extend_from_slice(#whole);
                true
            }

            fn from_fields<'v>(
                _: &mut dyn ::core::ops::FnMut(usize) -> ::core::option::Option<#p::FlatValue<'v>>,
            ) -> ::core::option::Option<Self> {
                ::core::option::Option::Some(Self {})
            }
        };
    }
    let before = idents.iter().zip(["{"].into_iter().chain(std::iter::repeat(",")));
    let before = before.map(|(ident, mark)| text(format!("{mark}\"{}\":", plain(ident))));
    let ways: Vec<_> = (0..idents.len()).map(|at| Ident::new(&format!("field_{at}"), Span::call_site())).collect();
    let places = 0..idents.len();
    quote! {
        fn put_flat(&self, out: &mut ::std::vec::Vec<u8>) -> bool {
            #[allow(unused_imports)]
            use #p::NotFlat as _;
            let (#(::core::option::Option::Some(#ways),)*) = (#(#p::FlatProbe::<#types>::PUT,)*) else { return false };
            #(
                out.extend_from_slice(#before);
                #ways(&self.#idents, out);
            )*
            out.push(b'}');
            true
        }

        fn from_fields<'v>(
            field: &mut dyn ::core::ops::FnMut(usize) -> ::core::option::Option<#p::FlatValue<'v>>,
        ) -> ::core::option::Option<Self> {
            #[allow(unused_imports)]
            use #p::NotFlat as _;
            let (#(::core::option::Option::Some(#ways),)*) = (#(#p::FlatProbe::<#types>::READ,)*) else {
                return ::core::option::Option::None;
            };
            ::core::option::Option::Some(Self { #(#idents: #ways(field(#places)?)?,)* })
        }
    }
}

fn first_word(item: &TokenStream) -> TokenStream {
    item.clone().into_iter().take(1).collect()
}
