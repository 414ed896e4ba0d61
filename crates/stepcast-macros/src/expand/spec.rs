//! A step's specification: one constant expression, and the closure that runs its body.

use std::time::Duration;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{LitStr, Type};

use super::{at, placed};
use crate::check::signature::{StepFn, no_event_text};
use crate::parse::duration;
use crate::parse::retry_args::{Jitter, RetryArgs};
use crate::parse::step_args::{OnFailure, Retry, StepArgs};

/// Everything about one step that its specification is written from.
pub(crate) struct SpecSource<'a> {
    pub(crate) step: &'a StepFn,
    pub(crate) args: &'a StepArgs,
    /// What calls the body: `write`, or `Self::write`.
    pub(crate) callee: TokenStream,
    /// The names of the steps its `catch` lists, as expressions.
    pub(crate) caught: Vec<TokenStream>,
}

impl SpecSource<'_> {
    pub(crate) fn name(&self) -> String {
        self.args.name.clone().unwrap_or_else(|| plain(&self.step.ident))
    }

    /// The specification as an expression.
    pub(crate) fn expand(&self, p: &TokenStream) -> TokenStream {
        let name = self.name();
        let params = self.step.params.iter().map(|ty| param_spec(ty, p));
        let out = match &self.step.output {
            Some(ty) => quote_spanned!(at(ty.span())=> <#ty as #p::IntoEvents>::OUT),
            None => quote!(#p::OutSpec::None),
        };
        let invoke = self.invoke(p);
        let base = quote!(#p::StepSpec::new(#name, &[#(#params),*], #out, #invoke));
        let settings = self.settings(p);
        if settings.is_empty() { base } else { quote!(#p::StepSpec { #settings ..#base }) }
    }

    /// A constant that the compiler refuses when no parameter takes an event.
    pub(crate) fn assertion(&self, params: &TokenStream, p: &TokenStream) -> TokenStream {
        let name = self.name();
        let no_event = no_event_text(&name);
        let take_zero = format!(
            "step `{name}` takes the first 0 events of a batch, so it would never run; write `Take<_, 1>` or more"
        );
        let check = placed(quote!(#p::assert_params(#params, #no_event, #take_zero)), self.step.ident.span());
        quote!(const _: () = #check;)
    }

    /// The closure that takes the parameters out of a call and starts the body.
    fn invoke(&self, p: &TokenStream) -> TokenStream {
        // The names share the function's hygiene, because their uses are placed there; nothing of the user's can meet them.
        let local = |name: &str| Ident::new(&format!("__stepcast_{name}"), self.step.ident.span());
        let (call, this) = (local("call"), local("this"));
        let values: Vec<Ident> = (0..self.step.params.len()).map(|i| local(&i.to_string())).collect();
        let or_refuse = quote! {{
            ::core::result::Result::Ok(value) => value,
            ::core::result::Result::Err(error) => return #p::Invocation::Refused(error),
        }};
        let instance = self.step.takes_self.then(|| quote!(let #this = match #call.instance::<Self>() #or_refuse;));
        let extracted = self.step.params.iter().zip(&values).map(|(ty, value)| {
            let extract = quote_spanned!(at(ty.span())=> <#ty as #p::StepParam>::extract);
            quote!(let #value = match #extract(&mut #call) #or_refuse;)
        });
        let callee = &self.callee;
        let receiver = self.step.takes_self.then(|| quote!(&#this,));
        let body_call = quote!(#callee(#receiver #(#values),*));
        let output = self.step.output.as_ref().map(|ty| quote!(::<#ty>));
        let (run, call_and, body) = if self.args.blocking.is_some() {
            (quote!(run_blocking), None, quote!(move || #body_call))
        } else if self.step.takes_self {
            (quote!(run_async), Some(quote!(#call,)), quote!(async move { #body_call.await }))
        } else {
            (quote!(run_async), Some(quote!(#call,)), body_call)
        };
        // The caret of a body that is not `Send` stands under the name of its function.
        let span = at(self.step.ident.span());
        let run = placed(quote!(#p::#run), span);
        let body = placed(body, span);
        let run = quote_spanned!(span=> #run #output (#call_and #body));
        quote! {
            |mut #call| {
                #instance
                #(#extracted)*
                #run
            }
        }
    }

    /// Every setting that is not at its default, each followed by a comma.
    fn settings(&self, p: &TokenStream) -> TokenStream {
        let args = self.args;
        let mut all = TokenStream::new();
        let mut set = |field: &str, value: TokenStream| {
            let field = Ident::new(field, Span::call_site());
            all.extend(quote!(#field: #value,));
        };
        for (field, types) in [("emits", &args.emits), ("waits", &args.waits), ("streams", &args.streams)] {
            if !types.is_empty() {
                set(field, event_set(types, p));
            }
        }
        if let Some(catch) = &args.catch {
            let max = catch.max_recoveries;
            let names = &self.caught;
            set(
                "catch",
                if names.is_empty() {
                    quote!(#p::CatchSpec::All { max_recoveries: #max })
                } else {
                    quote!(#p::CatchSpec::Steps { names: &[#(#names),*], max_recoveries: #max })
                },
            );
        }
        if let Some(workers) = args.workers {
            set("workers", quote!(::core::option::Option::Some(#workers)));
        }
        if let Some(timeout) = args.timeout {
            let timeout = duration::tokens(timeout, p);
            set("timeout", quote!(::core::option::Option::Some(#timeout)));
        }
        if let Some(on_failure) = args.on_failure {
            let on_failure = on_failure_tokens(on_failure, p);
            set("on_failure", quote!(::core::option::Option::Some(#on_failure)));
        }
        if let Some(retry) = &args.retry {
            let policy = retry_tokens(retry, p);
            set("retry", quote!(::core::option::Option::Some(|| #policy)));
        }
        for (field, on) in [
            ("blocking", args.blocking.is_some()),
            ("allow_unconsumed", args.allow_unconsumed),
            ("allow_endless", args.allow_endless),
        ] {
            if on {
                set(field, quote!(true));
            }
        }
        if !self.step.doc.is_empty() {
            let doc = LitStr::new(&self.step.doc, Span::call_site());
            set("doc", quote!(#doc));
        }
        all
    }
}

/// An identifier without `r#`.
pub(crate) fn plain(ident: &Ident) -> String {
    let text = ident.to_string();
    text.strip_prefix("r#").map(str::to_owned).unwrap_or(text)
}

pub(crate) fn on_failure_tokens(on_failure: OnFailure, p: &TokenStream) -> TokenStream {
    match on_failure {
        OnFailure::Fail => quote!(#p::OnFailure::Fail),
        OnFailure::Continue => quote!(#p::OnFailure::Continue),
        OnFailure::Pause => quote!(#p::OnFailure::Pause),
    }
}

fn param_spec(ty: &Type, p: &TokenStream) -> TokenStream {
    quote_spanned!(at(ty.span())=> <#ty as #p::StepParam>::PARAM)
}

fn event_set(types: &[Type], p: &TokenStream) -> TokenStream {
    let mut all: Option<TokenStream> = None;
    for ty in types.iter().rev() {
        let one = quote_spanned!(at(ty.span())=> <#ty as #p::EventInput>::SET);
        all = Some(match all {
            None => one,
            Some(rest) => quote!(#p::EventSet::Both(&#one, &#rest)),
        });
    }
    all.unwrap_or_else(|| quote!(#p::EventSet::None))
}

fn retry_tokens(retry: &Retry, p: &TokenStream) -> TokenStream {
    match retry {
        Retry::Policy(policy) => quote!(#policy),
        Retry::Built(args) => built_policy(args, p),
    }
}

/// Waits grow by this factor unless `factor` says otherwise, up to this long unless `max_backoff` does.
const FACTOR: f64 = 2.0;
const MAX_BACKOFF: Duration = Duration::from_secs(60);

fn built_policy(args: &RetryArgs, p: &TokenStream) -> TokenStream {
    let attempts = args.attempts.map(|n| quote!(#p::Stop::after_attempt(#n)));
    let elapsed = args.max_elapsed.map(|limit| {
        let limit = duration::tokens(limit, p);
        quote!(#p::Stop::before_delay(#limit))
    });
    let stop = match (attempts, elapsed) {
        (Some(attempts), Some(elapsed)) => Some(quote!(#attempts | #elapsed)),
        (one, other) => one.or(other),
    };
    let stop = stop.map(|stop| quote!(.stop(#stop)));
    let wait = args.backoff.map(|backoff| {
        let factor = args.factor.unwrap_or(FACTOR);
        let max = duration::tokens(args.max_backoff.unwrap_or(MAX_BACKOFF.max(backoff)), p);
        let backoff = duration::tokens(backoff, p);
        match args.jitter {
            None => quote!(.wait(#p::Wait::exponential(#backoff, #factor, #max))),
            Some(Jitter::Full) => quote!(.wait(#p::Wait::full_jitter(#backoff, #factor, #max))),
            Some(Jitter::UpTo(jitter)) => {
                let jitter = duration::tokens(jitter, p);
                quote!(.wait(#p::Wait::exponential_jitter(#backoff, #factor, #max, #jitter)))
            }
        }
    });
    quote!(#p::RetryPolicy::new() #stop #wait)
}
