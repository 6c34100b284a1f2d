//! The attribute macros of pleach's plugin API.
//!
//! [`boundary`] turns a trait into something that crosses from one library into another; the API's own roles and
//! services are made with it. [`component`] is for authors: it registers a struct under a role.

mod boundary;
mod component;
mod range;

use proc_macro::TokenStream;

/// Lets a trait cross the plugin boundary, in both directions.
///
/// Beside `trait Layer` it makes `LayerVTable`, a prefix type of `extern "C"` functions; for `#[boundary(owned)]` also
/// `LayerObj`, an owned implementor from any library; for `#[boundary(lent)]` `LayerRef`, one that is lent for a call.
/// Both implement `Layer`, so neither side sees which library it talks to. Each call is guarded on the side that is
/// called.
///
/// Arguments `&dyn Trait`, `&mut dyn Trait` and `Option<&dyn Trait>` are lent, all others cross by `Cross`. A method that
/// returns no `Result` hands a failure on by unwinding to the guard of the caller's side.
///
/// Methods are added at the end, with the minor version that brings them, `#[since(1.2)]`, and a body: where the other
/// library is older, the body runs on the side of the caller. Built with the feature `minor-1`, the crate leaves them
/// out, as the API was before.
#[proc_macro_attribute]
pub fn boundary(forms: TokenStream, item: TokenStream) -> TokenStream {
    let forms = syn::parse_macro_input!(forms);
    boundary::expand(&forms, syn::parse_macro_input!(item))
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}

/// Registers a struct of parameters as a component: `#[component(layer = "linear")]`.
///
/// Doc comments of struct and fields become its documentation. A field takes `#[param(default = 0.2)]`, which is any
/// expression that serde can write as JSON, and `#[param(range = "0 < x <= 1")]`, which is checked when the parameters
/// are read. A field without default is required, unless it is an `Option`; `#[param(example = "data.csv")]`, an expression
/// like that of a default, then says what one would write: `pleach describe` shows it, and `pleach plugins check` tries it.
///
/// A component that does not pass a check of `pleach plugins check` by design says so, with the reason that users read:
/// `#[component(layer = "sign", exempt(gradients = "straight-through estimator"))]`.
#[proc_macro_attribute]
pub fn component(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let attribute = syn::parse_macro_input!(attribute);
    component::expand(attribute, syn::parse_macro_input!(item))
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
