//! The enum under `#[derive(Events)]`: every variant holds exactly one value.

use proc_macro2::Ident;
use quote::ToTokens;
use syn::{Data, DeriveInput, Fields, GenericParam, Type};

use crate::errors::Errors;

/// A variant with the one value it holds.
pub(crate) struct EventVariant {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
}

pub(crate) fn check(input: &DeriveInput, errors: &mut Errors) -> Vec<EventVariant> {
    let name = &input.ident;
    for param in &input.generics.params {
        if let GenericParam::Lifetime(lifetime) = param {
            errors.at(lifetime, format!("`{name}` holds events, which own their data; remove `{}`", lifetime.lifetime));
        }
    }
    let variants = match &input.data {
        Data::Enum(data) => &data.variants,
        _ => {
            errors.at(
                name,
                format!("`{name}` is no enum: `#[derive(Events)]` makes an enum of several events; for one event write `#[event]`"),
            );
            return Vec::new();
        }
    };
    if variants.is_empty() {
        errors.at(name, format!("`{name}` has no variants; give it one per event: `Joke(Joke)`"));
    }
    let mut all = Vec::new();
    for variant in variants {
        let label = &variant.ident;
        match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                all.push(EventVariant { ident: label.clone(), ty: fields.unnamed[0].ty.clone() });
            }
            Fields::Unit => errors.at(
                label,
                format!("variant `{label}` of `{name}` holds no event; write `{label}({label})` and `#[event] struct {label};`"),
            ),
            Fields::Named(_) => errors.at(
                variant,
                format!("variant `{label}` of `{name}` has named fields; make an `#[event]` of them and hold it: `{label}({label})`"),
            ),
            Fields::Unnamed(_) => errors.at(
                variant,
                format!("variant `{label}` of `{name}` must hold exactly one event; for several at once hold a tuple: `{label}((A, B))`"),
            ),
        }
    }
    for (i, variant) in all.iter().enumerate() {
        let ty = variant.ty.to_token_stream().to_string();
        if let Some(first) = all[..i].iter().find(|other| other.ty.to_token_stream().to_string() == ty) {
            errors.at(
                &variant.ty,
                format!(
                    "`{ty}` is already held by variant `{}` of `{name}`, so an event of it could be either; keep one",
                    first.ident
                ),
            );
        }
    }
    all
}
