//! The constants in which the compiler checks a workflow's graph, each with its caret on the step it is about.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::Attribute;
use syn::spanned::Spanned;

use super::placed;
use crate::parse::workflow_args::Ends;

/// One step of a workflow, for its assertion.
pub(crate) struct Checked {
    pub(crate) span: Span,
    pub(crate) cfgs: Vec<Attribute>,
}

/// The assertions of a workflow that is no generic type, as a free constant that `cargo check` evaluates.
pub(crate) fn assertions(workflow: &TokenStream, ends: &Ends, steps: &[Checked], p: &TokenStream) -> TokenStream {
    let each = steps.iter().enumerate().map(|(i, step)| {
        let index = index_of(i, steps);
        let cfgs = &step.cfgs;
        let check = placed(quote!(#p::assert_step(REPORT, #index)), step.span);
        quote!(#(#cfgs)* const _: () = #check;)
    });
    let start = placed(quote!(#p::assert_start(REPORT)), ends.start.span());
    let stop = placed(quote!(#p::assert_stop(REPORT)), ends.stop.span());
    quote! {
        const _: () = {
            const SPEC: &#p::WorkflowSpec = &<#workflow as #p::Workflow>::SPEC;
            const REPORT: &#p::Report<{ SPEC.steps.len() }> = &#p::Report::of(SPEC);
            const _: () = #start;
            const _: () = #stop;
            #(#each)*
        };
    }
}

/// The same assertions for a generic workflow, as constants of its impl block: the compiler evaluates them for each type
/// the workflow is built with. `Workflow::SPEC` names the last one, so that nothing can use a workflow unchecked.
pub(crate) fn generic_assertions(spec: &TokenStream, ends: &Ends, steps: &[Checked], p: &TokenStream) -> TokenStream {
    let each = steps.iter().enumerate().map(|(i, step)| {
        let index = index_of(i, steps);
        let cfgs = &step.cfgs;
        let check = placed(quote!(#p::assert_step(report, #index)), step.span);
        quote!(#(#cfgs)* #check;)
    });
    let start = placed(quote!(#p::assert_start(report)), ends.start.span());
    let stop = placed(quote!(#p::assert_stop(report)), ends.stop.span());
    let count = index_of(steps.len(), steps);
    quote! {
        #[doc(hidden)]
        const __STEPCAST_SPEC: #p::WorkflowSpec = #spec;
        #[doc(hidden)]
        const __STEPCAST_REPORT: #p::Report<{ #count }> = #p::Report::of(&Self::__STEPCAST_SPEC);
        #[doc(hidden)]
        const __STEPCAST_CHECK: () = {
            let report = &Self::__STEPCAST_REPORT;
            #start;
            #stop;
            #(#each)*
        };
    }
}

/// The position of a step among those that `cfg` leaves.
fn index_of(i: usize, steps: &[Checked]) -> TokenStream {
    let always = steps[..i].iter().filter(|step| step.cfgs.is_empty()).count();
    let sometimes = steps[..i].iter().filter(|step| !step.cfgs.is_empty()).map(|step| {
        let predicates = step.cfgs.iter().filter_map(|attr| attr.meta.require_list().ok()).map(|list| &list.tokens);
        quote!(+ ::core::cfg!(all(#(#predicates),*)) as usize)
    });
    quote!(#always #(#sometimes)*)
}
