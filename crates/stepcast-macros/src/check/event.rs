//! The item under `#[event]`: what it is, and what its fields are called on the wire.

use proc_macro2::Ident;
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Data, DataEnum, DataStruct, DeriveInput, Expr, ExprLit, Field, Fields, GenericParam, Lit, Meta, Path,
    Token, Type,
};

use crate::errors::Errors;
use crate::parse::event_args::{EventArgs, take_secret};

/// What `#[event]` has to know of its item.
pub(crate) struct EventItem {
    /// Names of the fields on the wire, in order; none for enums and tuple structs.
    pub(crate) fields: Vec<String>,
    /// Those of them that are secret.
    pub(crate) secret: Vec<String>,
    /// Which fields are secret, per struct or variant, in the order of the source.
    pub(crate) hidden: Vec<Vec<bool>>,
    /// The derives the user has already written, by last name.
    pub(crate) derived: Vec<String>,
    /// Whether the user says where serde is.
    pub(crate) has_serde_crate: bool,
    /// Its fields, where serde writes it as an object of them, under their names, and nothing is said to it about that.
    pub(crate) plain: Option<Vec<(Ident, Type)>>,
}

impl EventItem {
    pub(crate) fn derives(&self, name: &str) -> bool {
        self.derived.iter().any(|derived| derived == name)
    }

    pub(crate) fn has_secret(&self) -> bool {
        self.hidden.iter().flatten().any(|hidden| *hidden)
    }
}

/// Checks the item and takes the `#[event(secret)]` attributes off its fields.
pub(crate) fn check(input: &mut DeriveInput, args: &EventArgs, errors: &mut Errors) -> EventItem {
    let name = &input.ident;
    let mut is_generic = false;
    for param in &input.generics.params {
        match param {
            GenericParam::Lifetime(lifetime) => errors.at(
                lifetime,
                format!(
                    "event `{name}` owns its data, because it is stored and sent; remove `{}` and own what it borrows",
                    lifetime.lifetime
                ),
            ),
            GenericParam::Type(_) | GenericParam::Const(_) => is_generic = true,
        }
    }
    if is_generic && args.tag.is_none() {
        errors.at(
            name,
            format!("event `{name}` is generic, so its name does not tell its types apart; give it a tag: `#[event(tag = \"..\")]`"),
        );
    }
    let (derived, has_serde_crate) = existing(&input.attrs);
    let plain = plain_fields(input);
    let mut item =
        EventItem { fields: Vec::new(), secret: Vec::new(), hidden: Vec::new(), derived, has_serde_crate, plain };
    let rename_all = serde_text(&input.attrs, "rename_all");
    match &mut input.data {
        Data::Struct(data) => item.read_fields(&mut data.fields, rename_all.as_deref(), true, errors),
        Data::Enum(DataEnum { variants, .. }) => {
            if variants.is_empty() {
                errors.at(
                    name,
                    format!(
                        "event `{name}` has no variants, so there can be no such event; add one or make it a struct"
                    ),
                );
            }
            for variant in variants {
                item.read_fields(&mut variant.fields, None, false, errors);
            }
        }
        Data::Union(data) => {
            errors.at(
                data.union_token,
                format!("event `{name}` is a union, which cannot be serialized; make it a struct or an enum"),
            );
        }
    }
    if item.has_secret() && item.derives("Debug") {
        errors.at(
            name,
            format!("event `{name}` has a secret field, which a derived `Debug` would print; remove `Debug` from its derives, `#[event]` writes one that hides the field"),
        );
    }
    item
}

impl EventItem {
    fn read_fields(&mut self, fields: &mut Fields, rename_all: Option<&str>, named: bool, errors: &mut Errors) {
        let mut hidden = Vec::new();
        for field in fields {
            let secret = take_secret(&mut field.attrs, errors);
            hidden.push(secret);
            if let Some(ident) = field.ident.as_ref().filter(|_| named)
                && !has_serde_flag(&field.attrs, "skip")
                && !has_serde_flag(&field.attrs, "flatten")
            {
                let wire = wire_name(ident, &field.attrs, rename_all);
                if secret {
                    self.secret.push(wire.clone());
                }
                self.fields.push(wire);
            }
        }
        self.hidden.push(hidden);
    }
}

/// What other macros or conditions could change is not plain.
fn plain_fields(input: &DeriveInput) -> Option<Vec<(Ident, Type)>> {
    let known = ["doc", "derive", "allow", "expect", "cfg", "non_exhaustive"];
    let is_known = |attr: &Attribute| known.iter().any(|known| attr.path().is_ident(known));
    let Data::Struct(DataStruct { fields: Fields::Named(fields), .. }) = &input.data else { return None };
    if !input.generics.params.is_empty() || !input.attrs.iter().all(is_known) {
        return None;
    }
    let plain = |field: &Field| {
        let is_plain = field.attrs.iter().all(|attr| attr.path().is_ident("doc"));
        Some((field.ident.clone().filter(|_| is_plain)?, field.ty.clone()))
    };
    fields.named.iter().map(plain).collect()
}

/// The derives above the item, and whether a `#[serde(crate = ..)]` is among its attributes.
fn existing(attrs: &[Attribute]) -> (Vec<String>, bool) {
    let mut derived = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("derive")) {
        if let Ok(paths) = attr.parse_args_with(Punctuated::<Path, Token![,]>::parse_terminated) {
            derived.extend(paths.iter().filter_map(|path| path.segments.last()).map(|last| last.ident.to_string()));
        }
    }
    (derived, serde_text(attrs, "crate").is_some())
}

fn serde_metas(attrs: &[Attribute]) -> impl Iterator<Item = Meta> {
    attrs
        .iter()
        .filter(|attr| attr.path().is_ident("serde"))
        .filter_map(|attr| attr.parse_args_with(Punctuated::<Meta, Token![,]>::parse_terminated).ok())
        .flatten()
}

fn serde_text(attrs: &[Attribute], key: &str) -> Option<String> {
    serde_metas(attrs).find_map(|meta| match meta {
        Meta::NameValue(pair) if pair.path.is_ident(key) => match pair.value {
            Expr::Lit(ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

fn has_serde_flag(attrs: &[Attribute], key: &str) -> bool {
    serde_metas(attrs).any(|meta| matches!(meta, Meta::Path(path) if path.is_ident(key)))
}

/// The name under which serde writes a field.
fn wire_name(ident: &Ident, attrs: &[Attribute], rename_all: Option<&str>) -> String {
    let name = ident.to_string();
    let name = name.strip_prefix("r#").unwrap_or(&name);
    if let Some(renamed) = serde_text(attrs, "rename") {
        return renamed;
    }
    let pascal = || name.split('_').map(capitalized).collect::<String>();
    match rename_all {
        Some("camelCase") => {
            let pascal = pascal();
            let mut letters = pascal.chars();
            letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
        }
        Some("PascalCase") => pascal(),
        Some("kebab-case") => name.replace('_', "-"),
        Some("SCREAMING_SNAKE_CASE" | "UPPERCASE") => name.to_ascii_uppercase(),
        Some("SCREAMING-KEBAB-CASE") => name.to_ascii_uppercase().replace('_', "-"),
        _ => name.to_owned(),
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;
    use syn::parse_quote;

    fn check_item(mut input: DeriveInput) -> (EventItem, Vec<String>) {
        let mut errors = Errors::default();
        let args = EventArgs::parse(quote!(), &mut errors);
        let item = check(&mut input, &args, &mut errors);
        (item, errors.texts())
    }

    #[test]
    fn wire_names() {
        let (item, texts) = check_item(parse_quote! {
            #[serde(rename_all = "camelCase")]
            struct Order { first_item: u8, #[serde(rename = "x")] y: u8, #[serde(skip)] z: u8, #[event(secret)] card_no: u8 }
        });
        assert_eq!(texts, Vec::<String>::new());
        assert_eq!(item.fields, ["firstItem", "x", "cardNo"]);
        assert_eq!(item.secret, ["cardNo"]);
        assert_eq!(item.hidden, [[false, false, false, true]]);
    }

    #[test]
    fn refusals() {
        let cases: [(DeriveInput, &str); 5] = [
            (
                parse_quote!(
                    struct X<'a> {
                        a: &'a str,
                    }
                ),
                "owns its data",
            ),
            (
                parse_quote!(
                    struct X<T> {
                        a: T,
                    }
                ),
                "give it a tag",
            ),
            (
                parse_quote!(
                    enum X {}
                ),
                "no variants",
            ),
            (parse_quote!(union X { a: u8 }), "union"),
            (
                parse_quote!(
                    #[derive(Debug)]
                    struct X(#[event(secret)] u8);
                ),
                "derived `Debug`",
            ),
        ];
        for (input, part) in cases {
            let (_, texts) = check_item(input);
            assert!(texts.len() == 1 && texts[0].contains(part) && texts[0].contains("`X`"), "{part}: {texts:?}");
        }
    }

    #[test]
    fn derives_are_seen() {
        let (item, _) = check_item(parse_quote!(
            #[derive(PartialEq, serde::Serialize)]
            #[serde(crate = "a")]
            struct X;
        ));
        assert!(item.derives("Serialize") && !item.derives("Deserialize") && item.has_serde_crate);
    }
}
