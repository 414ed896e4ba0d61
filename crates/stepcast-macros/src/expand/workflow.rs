//! `#[workflow]` on an inherent impl block.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, DeriveInput, GenericParam, ImplItem, ItemImpl, Path, Type};

use super::graph::{Checked, assertions, generic_assertions};
use super::spec::{SpecSource, on_failure_tokens, plain};
use super::workflow_list::expand_type;
use super::{at, location};
use crate::check::signature::{Place, StepFn, check, first_doc_line};
use crate::errors::Errors;
use crate::parse::args::attribute_tokens;
use crate::parse::krate::Krate;
use crate::parse::nearest::nearest;
use crate::parse::step_args::{StepArgs, StepRef};
use crate::parse::workflow_args::{Ends, Settings, WorkflowArgs};

/// A method step with its arguments.
struct Method {
    step: StepFn,
    args: StepArgs,
}

impl Method {
    fn name(&self) -> String {
        self.args.name.clone().unwrap_or_else(|| plain(&self.step.ident))
    }
}

pub(crate) fn expand(args: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = WorkflowArgs::parse(args, &mut errors);
    let mut block = match syn::parse2::<ItemImpl>(item.clone()) {
        Ok(block) => block,
        Err(error) => {
            if let Ok(ty) = syn::parse2::<DeriveInput>(item.clone()) {
                let implementation = expand_type(&args, &ty, &mut errors);
                return quote!(#item #implementation);
            }
            match syn::parse2::<syn::Item>(item.clone()) {
                Ok(other) => errors.at(
                    other_name(&other),
                    "`#[workflow(Start => Stop)]` belongs above the impl block that holds the workflow's `#[step]` methods",
                ),
                Err(_) => errors.push(error),
            }
            let errors = errors.to_compile_error();
            return quote!(#item #errors);
        }
    };
    if let Some(entry) = args.settings.steps.iter().flatten().next() {
        errors.at(
            &entry.path,
            "`steps(..)` lists free functions for a type; the steps of an impl block are its `#[step]` methods",
        );
    }
    refuse_other_blocks(&block, &mut errors);
    let methods = take_steps(&mut block, &args.settings.krate, &mut errors);
    let name = args.settings.name.clone().or_else(|| type_name(&block.self_ty)).unwrap_or_default();
    if methods.is_empty() && errors.is_empty() {
        errors.at(&block.self_ty, format!("workflow `{name}` has no steps; put `#[step]` above its async methods"));
    }
    refuse_duplicates(&methods, &name, &mut errors);
    let caught: Vec<_> = methods.iter().map(|method| caught_names(method, &methods, &name, &mut errors)).collect();
    let implementation = match args.ends {
        Some(ends) if errors.is_empty() => implementation(&block, &ends, &args.settings, &name, &methods, &caught),
        _ => errors.to_compile_error(),
    };
    quote!(#block #implementation)
}

fn implementation(
    block: &ItemImpl,
    ends: &Ends,
    settings: &Settings,
    name: &str,
    methods: &[Method],
    caught: &[Vec<TokenStream>],
) -> TokenStream {
    let p = settings.krate.private();
    let this = &*block.self_ty;
    let sources: Vec<_> = methods
        .iter()
        .zip(caught)
        .map(|(method, caught)| {
            let ident = &method.step.ident;
            SpecSource { step: &method.step, args: &method.args, callee: quote!(Self::#ident), caught: caught.clone() }
        })
        .collect();
    let entries = sources.iter().map(|source| {
        let cfgs = &source.step.cfgs;
        let spec = source.expand(&p);
        quote!(#(#cfgs)* #spec)
    });
    let spec = workflow_spec(ends, settings, name, &first_doc_line(&block.attrs), quote!(&[#(#entries),*]), &p);
    let checked: Vec<_> = methods
        .iter()
        .map(|method| Checked { span: method.step.ident.span(), cfgs: method.step.cfgs.clone() })
        .collect();
    let (impl_generics, _, where_clause) = block.generics.split_for_impl();
    let (start, stop) = end_types(ends);
    let cfgs = crate::check::signature::cfgs(&block.attrs);
    let this_tokens = this.to_token_stream();
    let (spec, rest) = if block.generics.params.is_empty() {
        let check = assertions(&this_tokens, ends, &checked, &p);
        let entry = catalogue_entry(&this_tokens, settings, name, &p);
        (spec, quote!(const _: () = { #check #entry };))
    } else {
        let check = generic_assertions(&spec, ends, &checked, &p);
        let spec = quote!({
            let () = Self::__STEPCAST_CHECK;
            Self::__STEPCAST_SPEC
        });
        (spec, quote!(#[automatically_derived] impl #impl_generics #this #where_clause { #check }))
    };
    quote! {
        #(#cfgs)*
        #[automatically_derived]
        impl #impl_generics #p::Workflow for #this #where_clause {
            #start
            #stop
            const SPEC: #p::WorkflowSpec = #spec;
        }
        #(#cfgs)*
        #rest
    }
}

/// The associated types, placed at the types so that a private one is reported there.
pub(crate) fn end_types(ends: &Ends) -> (TokenStream, TokenStream) {
    let (start, stop) = (&ends.start, &ends.stop);
    (quote_spanned!(at(start.span())=> type Start = #start;), quote_spanned!(at(stop.span())=> type Stop = #stop;))
}

/// The `WorkflowSpec` expression.
pub(crate) fn workflow_spec(
    ends: &Ends,
    settings: &Settings,
    name: &str,
    doc: &str,
    steps: TokenStream,
    p: &TokenStream,
) -> TokenStream {
    let (start, stop) = (&ends.start, &ends.stop);
    let start = quote_spanned!(at(start.span())=> &<<Self as #p::Workflow>::Start as #p::Event>::META);
    let stop = quote_spanned!(at(stop.span())=> &<<Self as #p::Workflow>::Stop as #p::Event>::META);
    let on_failure = match settings.on_failure {
        Some(on_failure) => on_failure_tokens(on_failure, p),
        None => quote!(#p::OnFailure::Fail),
    };
    let policy = match &settings.policy {
        Some(policy) => quote_spanned!(at(policy.span())=> || -> #p::RunPolicy { #policy }),
        None => quote!(#p::RunPolicy::new),
    };
    quote! {
        #p::WorkflowSpec { name: #name, start: #start, stop: #stop, steps: #steps, on_failure: #on_failure, policy: #policy, doc: #doc }
    }
}

/// Puts the workflow into the catalogue.
pub(crate) fn catalogue_entry(this: &TokenStream, settings: &Settings, name: &str, p: &TokenStream) -> TokenStream {
    let create = match &settings.new {
        Some(new) => {
            let call = match new.get_ident() {
                Some(ident) => quote_spanned!(at(ident.span())=> <#this>::#ident()),
                None => quote!(#new()),
            };
            let create = quote_spanned!(at(new.span())=> #p::create_workflow::<#this, _, _>(#call));
            quote!(::core::option::Option::Some(|| #create))
        }
        None => quote!({
            #[allow(unused_imports)]
            use #p::NotDefault as _;
            #p::CreateProbe::<#this>::CREATE
        }),
    };
    let location = location(this.span());
    quote! {
        #p::inventory::submit! {
            #p::CatalogueWorkflow {
                name: #name,
                spec: &<#this as #p::Workflow>::SPEC,
                type_id: ::core::any::TypeId::of::<#this>,
                define: #p::WorkflowDef::of::<#this>,
                create: #create,
                location: #location,
            }
        }
    }
}

fn refuse_other_blocks(block: &ItemImpl, errors: &mut Errors) {
    if let Some((path, _)) = &block.trait_ {
        errors.at(
            path,
            format!(
                "`#[workflow]` belongs above the type's own impl block, not above an implementation of `{}`: a trait's methods cannot be steps",
                path.to_token_stream().to_string().replace(' ', ""),
            ),
        );
    }
    for param in &block.generics.params {
        if let GenericParam::Lifetime(lifetime) = param {
            errors.at(
                lifetime,
                format!("a workflow outlives the place that starts it, so it has no lifetimes; own what `{}` borrows, or share it in an `Arc`", lifetime.lifetime),
            );
        }
    }
}

/// Takes the `#[step]` attributes off the methods and checks those methods.
fn take_steps(block: &mut ItemImpl, krate: &Krate, errors: &mut Errors) -> Vec<Method> {
    let mut methods = Vec::new();
    for item in &mut block.items {
        let ImplItem::Fn(function) = item else { continue };
        let Some(attr) = take_step_attr(&mut function.attrs, errors) else { continue };
        let mut args = StepArgs::parse(attribute_tokens(&attr, errors), errors);
        args.krate = krate.clone();
        if let Some(step) = check(&function.sig, &function.attrs, &args, Place::Impl, errors) {
            methods.push(Method { step, args });
        }
    }
    methods
}

fn take_step_attr(attrs: &mut Vec<Attribute>, errors: &mut Errors) -> Option<Attribute> {
    let is_step = |attr: &Attribute| attr.path().segments.last().is_some_and(|segment| segment.ident == "step");
    let at = attrs.iter().position(is_step)?;
    let attr = attrs.remove(at);
    while let Some(at) = attrs.iter().position(is_step) {
        errors.at(attrs.remove(at), "`#[step]` is given twice; write all its arguments in one");
    }
    Some(attr)
}

fn refuse_duplicates(methods: &[Method], workflow: &str, errors: &mut Errors) {
    for (i, method) in methods.iter().enumerate() {
        let same = |other: &&Method| other.name() == method.name() && other.step.cfgs.is_empty();
        if method.step.cfgs.is_empty() && methods[..i].iter().any(|other| same(&other)) {
            let name = method.name();
            errors.at(
                &method.step.ident,
                format!(
                    "two steps of workflow `{workflow}` are named `{name}`; give one of them another `name = \"..\"`"
                ),
            );
        }
    }
}

/// The names of the steps whose failures this one takes.
fn caught_names(method: &Method, all: &[Method], workflow: &str, errors: &mut Errors) -> Vec<TokenStream> {
    let Some(catch) = &method.args.catch else { return Vec::new() };
    let mut names = Vec::new();
    for step in &catch.steps {
        match step {
            StepRef::Name(name) => names.push(name.to_token_stream()),
            StepRef::Path(path) => match resolve(path, all) {
                Ok(name) => names.push(name.into_token_stream()),
                Err(near) => errors.at(
                    path,
                    format!(
                        "workflow `{workflow}` has no step `{}`{}",
                        path.to_token_stream(),
                        near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default(),
                    ),
                ),
            },
        }
    }
    names
}

fn resolve(path: &Path, all: &[Method]) -> Result<String, Option<String>> {
    let Some(ident) = path.segments.last().map(|segment| &segment.ident) else { return Err(None) };
    if let Some(method) = all.iter().find(|method| method.step.ident == *ident) {
        return Ok(method.name());
    }
    let known: Vec<String> = all.iter().map(|method| plain(&method.step.ident)).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    Err(nearest(&ident.to_string(), &known).map(str::to_owned))
}

/// The last name in a type's path.
fn type_name(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|segment| plain(&segment.ident)),
        Type::Group(group) => type_name(&group.elem),
        Type::Paren(paren) => type_name(&paren.elem),
        _ => None,
    }
}

/// The name of an item that is no impl block, for the caret.
fn other_name(item: &syn::Item) -> TokenStream {
    let ident: Option<&Ident> = match item {
        syn::Item::Trait(item) => Some(&item.ident),
        syn::Item::Fn(item) => Some(&item.sig.ident),
        syn::Item::Mod(item) => Some(&item.ident),
        _ => None,
    };
    ident.map_or_else(|| item.to_token_stream(), ToTokens::to_token_stream)
}
