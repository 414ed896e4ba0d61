//! Where the generated code finds stepcast: `::stepcast`, or what `crate = path` says.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Expr;

use super::args::Arg;
use crate::errors::Errors;

/// The path of the stepcast crate.
#[derive(Clone)]
pub(crate) struct Krate(TokenStream);

impl Default for Krate {
    fn default() -> Self {
        Krate(quote!(::stepcast))
    }
}

impl Krate {
    /// Reads `crate = path`.
    pub(crate) fn read(arg: &Arg, errors: &mut Errors) -> Krate {
        match arg.expr("crate = path::to::stepcast", errors) {
            Some(Expr::Path(path)) if path.qself.is_none() => Krate(path.path.to_token_stream()),
            Some(other) => {
                errors.at(other, "`crate` takes the path of the stepcast crate: `crate = my_crate::stepcast`");
                Krate::default()
            }
            None => Krate::default(),
        }
    }

    /// Finds `crate = ..` among the arguments.
    pub(crate) fn find(args: &[Arg], errors: &mut Errors) -> Krate {
        args.iter().find(|arg| arg.key == "crate").map(|arg| Krate::read(arg, errors)).unwrap_or_default()
    }

    /// The module that the generated code takes everything from.
    pub(crate) fn private(&self) -> TokenStream {
        let path = &self.0;
        quote!(#path::__private)
    }

    /// The path of serde, as the text that `#[serde(crate = "..")]` takes.
    pub(crate) fn serde_text(&self) -> String {
        let private = self.private();
        quote!(#private::serde).to_string().replace(' ', "")
    }
}
