//! A workflow of free steps: `flow!`, and `#[workflow(.., steps(..))]` above a type.

use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, DeriveInput};

use super::at;
use super::graph::{Checked, assertions};
use super::spec::plain;
use super::workflow::{catalogue_entry, end_types, workflow_spec};
use crate::check::signature::{cfgs, first_doc_line};
use crate::errors::Errors;
use crate::parse::workflow_args::{Ends, Settings, WorkflowArgs};
use crate::parse::workflow_list::{Entry, WorkflowList};

/// `flow!`
pub(crate) fn expand(tokens: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let Some(list) = WorkflowList::parse(tokens, &mut errors) else {
        return errors.to_compile_error();
    };
    let (attrs, vis, ident) = (&list.attrs, &list.vis, &list.ident);
    let source = Source { ident, attrs, ends: &list.ends, steps: &list.steps, settings: &list.settings };
    let rest = source.expand(&mut errors);
    quote! {
        #(#attrs)*
        #[derive(
            ::core::clone::Clone,
            ::core::marker::Copy,
            ::core::fmt::Debug,
            ::core::default::Default,
        )]
        #vis struct #ident;

        #rest
    }
}

/// `#[workflow(Start => Stop, steps(..))]` above a type.
pub(crate) fn expand_type(args: &WorkflowArgs, item: &DeriveInput, errors: &mut Errors) -> TokenStream {
    let ident = &item.ident;
    if let Some(param) = item.generics.params.first() {
        errors.at(param, format!("workflow `{ident}` is made of free steps, which know no parameters; put them into a `#[workflow]` impl block, or write the types out"));
    }
    let Some(steps) = &args.settings.steps else {
        if errors.is_empty() {
            errors.at(ident, format!("workflow `{ident}` has no steps; list free ones with `#[workflow(Start => Stop, steps(write, review))]`, or put `#[workflow(Start => Stop)]` above the impl block with its `#[step]` methods"));
        }
        return errors.to_compile_error();
    };
    match &args.ends {
        Some(ends) => Source { ident, attrs: &item.attrs, ends, steps, settings: &args.settings }.expand(errors),
        None => errors.to_compile_error(),
    }
}

struct Source<'a> {
    ident: &'a Ident,
    attrs: &'a [Attribute],
    ends: &'a Ends,
    steps: &'a [Entry],
    settings: &'a Settings,
}

impl Source<'_> {
    fn expand(&self, errors: &mut Errors) -> TokenStream {
        let name = self.settings.name.clone().unwrap_or_else(|| plain(self.ident));
        self.refuse(&name, errors);
        if errors.is_empty() { self.implementation(&name) } else { errors.to_compile_error() }
    }

    fn implementation(&self, name: &str) -> TokenStream {
        let p = &self.settings.krate.private();
        let (ends, ident) = (self.ends, self.ident);
        let entries = self.steps.iter().map(|entry| {
            let (cfgs, path) = (cfgs(&entry.attrs), &entry.path);
            let spec = quote_spanned!(at(path.span())=> <#path as #p::Step>::SPEC);
            quote!(#(#cfgs)* #spec)
        });
        let doc = first_doc_line(self.attrs);
        let spec = workflow_spec(ends, self.settings, name, &doc, quote!(&[#(#entries),*]), p);
        let checked: Vec<_> = self
            .steps
            .iter()
            .map(|entry| Checked {
                span: entry.path.segments.last().map_or_else(|| entry.path.span(), |segment| segment.ident.span()),
                cfgs: cfgs(&entry.attrs),
            })
            .collect();
        let check = assertions(&ident.to_token_stream(), ends, &checked, p);
        let entry = catalogue_entry(&ident.to_token_stream(), self.settings, name, p);
        let (start, stop) = end_types(ends);
        let cfgs = cfgs(self.attrs);
        quote! {
            #(#cfgs)*
            #[automatically_derived]
            impl #p::Workflow for #ident {
                #start
                #stop
                const SPEC: #p::WorkflowSpec = #spec;
            }
            #(#cfgs)*
            const _: () = {
                #check
                #entry
            };
        }
    }

    fn refuse(&self, name: &str, errors: &mut Errors) {
        if self.steps.is_empty() {
            errors
                .at(self.ident, format!("workflow `{name}` has no steps; list `#[step]` functions between the braces"));
        }
        let text = |path: &syn::Path| path.to_token_stream().to_string().replace(' ', "");
        for (i, entry) in self.steps.iter().enumerate() {
            for attr in entry.attrs.iter().filter(|attr| !attr.path().is_ident("cfg")) {
                errors
                    .at(attr, "a step in the list takes `#[cfg(..)]` only; everything else belongs above its function");
            }
            let same = |other: &Entry| other.attrs.is_empty() && text(&other.path) == text(&entry.path);
            if entry.attrs.is_empty() && self.steps[..i].iter().any(same) {
                errors.at(
                    &entry.path,
                    format!("step `{}` is listed twice in workflow `{name}`; list it once", text(&entry.path)),
                );
            }
        }
    }
}
