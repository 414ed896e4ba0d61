//! The `Debug` of an event with secret fields.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Fields};

use super::spec::plain;
use crate::check::event::EventItem;

/// Prints `<secret>` in place of every secret field.
pub(crate) fn debug_impl(input: &DeriveInput, event: &EventItem) -> TokenStream {
    let ident = &input.ident;
    let mut generics = input.generics.clone();
    for param in generics.type_params_mut() {
        param.bounds.push(syn::parse_quote!(::core::fmt::Debug));
    }
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let arms: Vec<TokenStream> = match &input.data {
        Data::Struct(data) => {
            event.hidden.iter().map(|hidden| arm(&quote!(Self), ident, &data.fields, hidden)).collect()
        }
        Data::Enum(data) => {
            let variants = data.variants.iter().zip(&event.hidden);
            variants
                .map(|(variant, hidden)| {
                    let name = &variant.ident;
                    arm(&quote!(Self::#name), name, &variant.fields, hidden)
                })
                .collect()
        }
        Data::Union(_) => Vec::new(),
    };
    quote! {
        #[automatically_derived]
        impl #impl_generics ::core::fmt::Debug for #ident #ty_generics #where_clause {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                match self { #(#arms)* }
            }
        }
    }
}

fn arm(pattern: &TokenStream, name: &Ident, fields: &Fields, hidden: &[bool]) -> TokenStream {
    let text = plain(name);
    let values: Vec<Ident> = (0..hidden.len()).map(|i| format_ident!("v{}", i, span = Span::mixed_site())).collect();
    let shown = values
        .iter()
        .zip(hidden)
        .map(|(value, hidden)| if *hidden { quote!(&::core::format_args!("<secret>")) } else { quote!(#value) });
    let bound = values.iter().zip(hidden).map(|(value, hidden)| if *hidden { quote!(_) } else { quote!(#value) });
    match fields {
        Fields::Named(named) => {
            let idents = named.named.iter().filter_map(|field| field.ident.as_ref());
            let names = named.named.iter().filter_map(|field| field.ident.as_ref()).map(plain);
            quote!(#pattern { #(#idents: #bound),* } => f.debug_struct(#text) #(.field(#names, #shown))* .finish(),)
        }
        Fields::Unnamed(_) => quote!(#pattern(#(#bound),*) => f.debug_tuple(#text) #(.field(#shown))* .finish(),),
        Fields::Unit => quote!(#pattern => f.write_str(#text),),
    }
}
