//! The signature of a step: what can be refused without knowing any type.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Attribute, FnArg, GenericParam, ReceiverKind, ReturnType, Safety, Signature, Type};

use crate::errors::Errors;
use crate::parse::step_args::StepArgs;

/// Where a step's function stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On its own, under `#[step]`.
    Free,
    /// In an impl block under `#[workflow]`.
    Impl,
}

/// A step's function, reduced to what its specification needs.
pub(crate) struct StepFn {
    pub(crate) ident: Ident,
    /// Whether it takes `&self`.
    pub(crate) takes_self: bool,
    pub(crate) params: Vec<Type>,
    /// `None` for `()`.
    pub(crate) output: Option<Type>,
    /// First line of its documentation.
    pub(crate) doc: String,
    /// Its `#[cfg(..)]` attributes.
    pub(crate) cfgs: Vec<Attribute>,
}

/// Checks a step's signature and takes it apart. Everything wrong is reported; `None` if that leaves nothing to build on.
pub(crate) fn check(
    sig: &Signature,
    attrs: &[Attribute],
    args: &StepArgs,
    place: Place,
    errors: &mut Errors,
) -> Option<StepFn> {
    let before = errors.len();
    let name = &sig.ident;
    modifiers(sig, args, errors);
    generics(sig, place, errors);
    let takes_self = receiver(sig, place, errors);
    let mut params = Vec::new();
    for input in &sig.inputs {
        if let FnArg::Typed(param) = input {
            for attr in param.attrs.iter().filter(|attr| attr.path().is_ident("cfg")) {
                errors.at(attr, "a step's signature is its place in the graph and cannot depend on `cfg` parameter by parameter; put `#[cfg(..)]` on two versions of the step");
            }
            parameter_type(name, &param.ty, errors);
            params.push((*param.ty).clone());
        }
    }
    if params.is_empty() {
        errors.at(name, no_event_text(&name.to_string()));
    }
    let output = match &sig.output {
        ReturnType::Default => None,
        ReturnType::Type(_, ty) => {
            return_type(name, ty, errors);
            Some((**ty).clone())
        }
    };
    (errors.len() == before).then(|| StepFn {
        ident: name.clone(),
        takes_self,
        params,
        output,
        doc: first_doc_line(attrs),
        cfgs: cfgs(attrs),
    })
}

/// What the compiler says of a step that takes no event.
pub(crate) fn no_event_text(step: &str) -> String {
    format!("step `{step}` takes no event, so nothing could ever start it; add a parameter of an `#[event]` type")
}

fn modifiers(sig: &Signature, args: &StepArgs, errors: &mut Errors) {
    let name = &sig.ident;
    match (&sig.asyncness, args.blocking) {
        (None, None) => errors.at(
            sig.fn_token,
            format!("step `{name}` is not async: write `async fn {name}`, or `#[step(blocking)]` to run a plain `fn` on the blocking pool"),
        ),
        (Some(token), Some(_)) => errors.at(
            token,
            format!("step `{name}` is `blocking`, so it is a plain `fn`: remove `async`, or remove `blocking`"),
        ),
        _ => {}
    }
    if let Some(token) = &sig.constness {
        errors.at(token, format!("step `{name}` runs in a workflow, never in a constant; remove `const`"));
    }
    if let Safety::Unsafe(token) = &sig.safety {
        errors.at(token, format!("step `{name}` is called by the runtime, which can promise nothing; make it safe and keep `unsafe` inside"));
    }
    if let Some(abi) = &sig.abi {
        errors.at(abi, format!("step `{name}` is called from Rust; remove `extern`"));
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, format!("step `{name}` takes a fixed list of parameters"));
    }
}

fn generics(sig: &Signature, place: Place, errors: &mut Errors) {
    let name = &sig.ident;
    for param in &sig.generics.params {
        match param {
            GenericParam::Lifetime(lifetime) => errors.at(
                lifetime,
                format!("step `{name}` owns what it takes, so it has no lifetimes; remove `{}`", lifetime.lifetime),
            ),
            GenericParam::Const(param) => errors.at(
                &param.ident,
                format!(
                    "step `{name}` has one signature, so it cannot be generic over `{}`; {}",
                    param.ident,
                    instead(place)
                ),
            ),
            GenericParam::Type(param) => errors.at(
                &param.ident,
                format!(
                    "step `{name}` takes events of known types, so it cannot be generic over `{}`; {}",
                    param.ident,
                    instead(place)
                ),
            ),
        }
    }
}

fn instead(place: Place) -> &'static str {
    match place {
        Place::Free => "write the type out, or make it a parameter of a `#[workflow]` impl",
        Place::Impl => "write the type out, or make it a parameter of the impl block",
    }
}

fn receiver(sig: &Signature, place: Place, errors: &mut Errors) -> bool {
    let name = &sig.ident;
    let Some(receiver) = sig.receiver() else { return false };
    if place == Place::Free {
        errors.at(
            receiver,
            format!("step `{name}` is a method, and only `#[workflow(Start => Stop)]` on its inherent impl block makes steps of methods (a trait's methods cannot be steps); a free function needs no `self`"),
        );
        return true;
    }
    match &receiver.kind {
        ReceiverKind::Reference(_, _, None) => true,
        ReceiverKind::Reference(..) => {
            errors.at(
                receiver,
                format!("step `{name}` takes `&mut self`, but steps of a run work at the same time; take `&self` and keep what changes in `State<S>`, or behind a lock"),
            );
            true
        }
        _ => {
            errors.at(
                receiver,
                format!("step `{name}` takes the workflow by value, but every step of a run shares it; take `&self` and keep what changes in `State<S>`, or behind a lock"),
            );
            true
        }
    }
}

fn parameter_type(step: &Ident, ty: &Type, errors: &mut Errors) {
    if let Type::Reference(reference) = ty {
        errors.at(
            ty,
            format!(
                "step `{step}` owns its parameters; take `{}` without the `&`",
                quote::quote!(#reference).to_string().trim_start_matches('&').trim()
            ),
        );
    }
    for found in impl_traits(ty) {
        errors.at(found, format!("step `{step}` is routed by the types it takes, and `impl Trait` names none; write the event's type, or a `#[derive(Events)]` enum"));
    }
}

fn return_type(step: &Ident, ty: &Type, errors: &mut Errors) {
    if let Type::Reference(_) = ty {
        errors.at(ty, format!("step `{step}` gives its events away; return them by value"));
    }
    for found in impl_traits(ty) {
        errors.at(found, format!("step `{step}` is routed by the types it returns, and `impl Trait` hides them; write the event's type, `Either<A, B>`, or a `#[derive(Events)]` enum"));
    }
}

/// The `impl` keywords in a type: each begins an `impl Trait`.
fn impl_traits(ty: &Type) -> Vec<Ident> {
    fn search(tokens: TokenStream, found: &mut Vec<Ident>) {
        for token in tokens {
            match token {
                TokenTree::Ident(ident) if ident == "impl" => found.push(ident),
                TokenTree::Group(group) => search(group.stream(), found),
                _ => {}
            }
        }
    }
    let mut found = Vec::new();
    search(ty.to_token_stream(), &mut found);
    found
}

/// The first line of the documentation, as text.
pub(crate) fn first_doc_line(attrs: &[Attribute]) -> String {
    let line = attrs.iter().filter(|attr| attr.path().is_ident("doc")).find_map(|attr| match &attr.meta {
        syn::Meta::NameValue(syn::MetaNameValue {
            value: syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }),
            ..
        }) => text.value().lines().map(str::trim).find(|line| !line.is_empty()).map(str::to_owned),
        _ => None,
    });
    line.unwrap_or_default()
}

/// The `#[cfg(..)]` attributes, which generated items must share.
pub(crate) fn cfgs(attrs: &[Attribute]) -> Vec<Attribute> {
    attrs.iter().filter(|attr| attr.path().is_ident("cfg")).cloned().collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used)]

    use super::*;
    use syn::parse_quote;

    fn texts(sig: Signature, place: Place) -> Vec<String> {
        let mut errors = Errors::default();
        check(&sig, &[], &StepArgs::default(), place, &mut errors);
        errors.texts()
    }

    #[test]
    fn a_good_signature() {
        let mut errors = Errors::default();
        let sig: Signature = parse_quote!(async fn write(&self, ev: Topic, ctx: Context) -> Result<Joke>);
        let step = check(&sig, &[], &StepArgs::default(), Place::Impl, &mut errors).expect("a step");
        assert_eq!((step.takes_self, step.params.len(), step.output.is_some()), (true, 2, true));
    }

    #[test]
    fn each_refusal_names_the_step() {
        let free: [(Signature, &str); 9] = [
            (parse_quote!(fn write(ev: Topic)), "not async"),
            (parse_quote!(async fn write()), "takes no event"),
            (parse_quote!(async fn write(&self, ev: Topic)), "is a method"),
            (parse_quote!(async fn write<'a>(ev: Topic)), "no lifetimes"),
            (parse_quote!(async fn write<const N: usize>(ev: Topic)), "generic over `N`"),
            (parse_quote!(async fn write<T>(ev: T)), "generic over `T`"),
            (parse_quote!(async fn write(ev: Topic) -> impl IntoEvents), "hides them"),
            (parse_quote!(async fn write(ev: Vec<impl Event>)), "names none"),
            (parse_quote!(async fn write(ev: &Topic)), "take `Topic` without the `&`"),
        ];
        for (sig, part) in free {
            let texts = texts(sig, Place::Free);
            assert!(texts.len() == 1 && texts[0].contains(part) && texts[0].contains("`write`"), "{part}: {texts:?}");
        }
        let methods: [(Signature, &str); 2] = [
            (parse_quote!(async fn write(&mut self, ev: Topic)), "`&mut self`"),
            (parse_quote!(async fn write(self, ev: Topic)), "by value"),
        ];
        for (sig, part) in methods {
            let texts = texts(sig, Place::Impl);
            assert!(texts.len() == 1 && texts[0].contains(part) && texts[0].contains("State<S>"), "{part}: {texts:?}");
        }
    }

    #[test]
    fn all_faults_at_once() {
        assert_eq!(texts(parse_quote!(fn write<'a>(&mut self, ev: &Topic)), Place::Impl).len(), 4);
    }

    #[test]
    fn documentation() {
        let attrs: Vec<Attribute> =
            vec![parse_quote!(#[doc = ""]), parse_quote!(#[doc = "  Writes. "]), parse_quote!(#[doc = "More."])];
        assert_eq!(first_doc_line(&attrs), "Writes.");
    }
}
