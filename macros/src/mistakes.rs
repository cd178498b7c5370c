//! The user's mistakes, collected so that one compilation reports all of them. It knows words and places, and no rule
//! of the language.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};

/// All mistakes of one macro call.
#[derive(Default)]
pub struct Mistakes {
    errors: Option<syn::Error>,
    found_by_rustc: Vec<TokenStream>,
}

impl Mistakes {
    pub fn add(&mut self, mistake: syn::Error) {
        match &mut self.errors {
            Some(first) => first.combine(mistake),
            None => self.errors = Some(mistake),
        }
    }

    /// A mistake at these tokens.
    pub fn at(&mut self, tokens: impl ToTokens, message: impl std::fmt::Display) {
        self.add(syn::Error::new_spanned(tokens, message));
    }

    /// The mistakes in what was read so far.
    pub fn so_far(&self) -> Option<syn::Error> {
        self.errors.clone()
    }

    /// Forgets those since.
    pub fn back_to(&mut self, errors: Option<syn::Error>) {
        self.errors = errors;
    }

    /// A type that rustc reports by itself, because it stands in the struct under a derive: nothing is to be said, but
    /// nothing can be expanded either.
    pub fn found_by_rustc(&mut self, ty: TokenStream) {
        self.found_by_rustc.push(ty);
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.errors.is_none() && self.found_by_rustc.is_empty()
    }

    /// Statements that fail to compile with these mistakes.
    pub fn into_compile_errors(self) -> TokenStream {
        let errors = self.errors.map(syn::Error::into_compile_error);
        let types = self.found_by_rustc;
        // rustc does not repeat an error of the same words at the same place.
        quote!(#errors #(let _: ::core::option::Option<#types>;)*)
    }

    /// A number that stands for one that is not known because of these mistakes: rustc takes it, and any type that it is a
    /// part of, as wrong already, and says nothing about its uses.
    pub fn as_number(&self) -> TokenStream {
        let first = self.errors.as_ref().and_then(|errors| errors.clone().into_iter().next());
        // rustc does not repeat an error of the same words at the same place.
        first.map_or_else(|| quote!(0), |first| first.into_compile_error())
    }

    /// The messages, in order.
    #[cfg(test)]
    pub fn messages(self) -> Vec<String> {
        self.errors.into_iter().flatten().map(|error| error.to_string()).collect()
    }
}

/// Tokens as a person would write them.
pub fn spaced(tokens: impl ToTokens) -> String {
    let text = quote!(#tokens).to_string();
    let tight = [(" < ", "<"), (" >", ">"), (" ,", ","), (" :: ", "::"), (":: ", "::"), (" ;", ";"), (" (", "(")];
    let text = tight.iter().fold(text, |text, (loose, tight)| text.replace(loose, tight));
    let text = text.replace("(- ", "(-").replace(", - ", ", -").replace("r#where", "where");
    text.strip_prefix("- ").map(|number| format!("-{number}")).unwrap_or(text)
}
