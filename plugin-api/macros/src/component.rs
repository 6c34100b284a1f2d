//! `#[component]`: one declaration of parameters feeds reading, range checks, schema and docs.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Attribute, Error, Expr, ExprLit, Ident, ItemStruct, Lit, LitStr, Meta, Result, Token,
    parenthesized,
};

use crate::range::{self, Range};

/// `layer = "linear"`, or `layer = "sign", exempt(gradients = "straight-through")`
pub struct Head {
    role: Ident,
    name: LitStr,
    exempt: Vec<Pair>,
}

impl Parse for Head {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let Pair {
            key: role,
            text: name,
        } = input.parse()?;
        let mut exempt = vec![];
        if input.parse::<Option<Token![,]>>()?.is_some() && !input.is_empty() {
            let word: Ident = input.parse()?;
            if word != "exempt" {
                return Err(Error::new_spanned(
                    word,
                    "expected `exempt(CHECK = \"reason\")`",
                ));
            }
            let checks;
            parenthesized!(checks in input);
            exempt.extend(Punctuated::<Pair, Token![,]>::parse_terminated(&checks)?);
        }
        Ok(Head { role, name, exempt })
    }
}

/// `key = "text"`
struct Pair {
    key: Ident,
    text: LitStr,
}

impl Parse for Pair {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let key = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Pair {
            key,
            text: input.parse()?,
        })
    }
}

pub fn expand(head: Head, mut item: ItemStruct) -> Result<TokenStream> {
    let (ty, role, name) = (&item.ident.clone(), &head.role, &head.name);
    let doc = docs(&item.attrs);
    if doc.is_empty() {
        return Err(Error::new_spanned(
            ty,
            "a component needs a doc comment: it is what users read",
        ));
    }
    let mut checks = vec![];
    for field in &mut item.fields {
        let ident = field
            .ident
            .clone()
            .ok_or_else(|| Error::new_spanned(&*field, "parameters have names"))?;
        if docs(&field.attrs).is_empty() {
            return Err(Error::new_spanned(
                &ident,
                "a parameter needs a doc comment: it is what users read",
            ));
        }
        let param = Param::take(&mut field.attrs)?;
        if let Some(default) = &param.default {
            field
                .attrs
                .push(syn::parse_quote!(#[schemars(extend("default" = #default))]));
        }
        if let Some(example) = &param.example {
            if param.default.is_some() {
                return Err(Error::new_spanned(
                    example,
                    "a parameter with a default is its own example",
                ));
            }
            field
                .attrs
                .push(syn::parse_quote!(#[schemars(extend("examples" = [#example]))]));
        }
        if let Some((range, text)) = &param.range {
            for (key, value) in range.keywords() {
                field
                    .attrs
                    .push(syn::parse_quote!(#[schemars(extend(#key = #value))]));
            }
            let label = ident.to_string();
            let inside = range.condition();
            checks.push(quote! { ::plugin_api::component::check_range(#label, #text, &self.#ident, |x| #inside)?; });
        }
    }
    let make = format_ident!("{}", pascal(&role.to_string()));
    let role = role.to_string();
    let exempt = head.exempt.iter().map(|Pair { key, text }| {
        let check = key.to_string();
        quote! { (#check, #text) }
    });

    Ok(quote! {
        #[derive(::plugin_api::serde::Deserialize, ::plugin_api::schemars::JsonSchema)]
        #[serde(crate = "::plugin_api::serde", deny_unknown_fields)]
        #[schemars(crate = "::plugin_api::schemars")]
        #item

        impl ::plugin_api::component::Parameters for #ty {
            // An author's clippy is no judge of how a range is written here.
            #[allow(clippy::manual_range_contains, clippy::result_large_err)]
            fn check(&self) -> ::std::result::Result<(), ::plugin_api::Error> {
                #(#checks)*
                Ok(())
            }
        }

        ::plugin_api::inventory::submit! {
            ::plugin_api::component::Registration {
                plugin: env!("CARGO_PKG_NAME"),
                role: #role,
                name: #name,
                doc: #doc,
                schema: ::plugin_api::component::schema::<#ty>,
                exempt: &[#(#exempt),*],
                make: ::plugin_api::component::Make::#make(|params| Ok(Box::new(::plugin_api::component::read::<#ty>(params)?))),
            }
        }
    })
}

#[derive(Default)]
struct Param {
    default: Option<Expr>,
    example: Option<Expr>,
    range: Option<(Range, LitStr)>,
}

impl Param {
    /// Reads `#[param(…)]` and takes it away.
    fn take(attributes: &mut Vec<Attribute>) -> Result<Self> {
        let mut param = Param::default();
        for attribute in attributes.iter().filter(|a| a.path().is_ident("param")) {
            attribute.parse_nested_meta(|meta| {
                if meta.path.is_ident("default") {
                    param.default = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("example") {
                    param.example = Some(meta.value()?.parse()?);
                } else if meta.path.is_ident("range") {
                    let text: LitStr = meta.value()?.parse()?;
                    param.range = Some((range::parse(&text)?, text));
                } else {
                    return Err(meta.error("expected `default`, `example` or `range`"));
                }
                Ok(())
            })?;
        }
        attributes.retain(|a| !a.path().is_ident("param"));
        Ok(param)
    }
}

impl Range {
    /// As JSON Schema writes it.
    fn keywords(&self) -> Vec<(&'static str, TokenStream)> {
        let low = self.low.iter().map(|b| {
            (
                if b.open {
                    "exclusiveMinimum"
                } else {
                    "minimum"
                },
                b.value,
            )
        });
        let high = self.high.iter().map(|b| {
            (
                if b.open {
                    "exclusiveMaximum"
                } else {
                    "maximum"
                },
                b.value,
            )
        });
        // People read it: 1, not 1.0.
        low.chain(high)
            .map(|(key, value)| {
                (
                    key,
                    if value.fract() == 0.0 {
                        let whole = value as i64;
                        quote!(#whole)
                    } else {
                        quote!(#value)
                    },
                )
            })
            .collect()
    }

    /// As Rust writes it; false for NaN.
    fn condition(&self) -> TokenStream {
        let low = self.low.iter().map(|b| {
            let low = b.value;
            if b.open {
                quote!(#low < x)
            } else {
                quote!(#low <= x)
            }
        });
        let high = self.high.iter().map(|b| {
            let high = b.value;
            if b.open {
                quote!(x < #high)
            } else {
                quote!(x <= #high)
            }
        });
        let conditions = low.chain(high);
        quote!(#(#conditions)&&*)
    }
}

fn docs(attributes: &[Attribute]) -> String {
    let lines = attributes.iter().filter_map(|a| match &a.meta {
        Meta::NameValue(m) if m.path.is_ident("doc") => match &m.value {
            Expr::Lit(ExprLit {
                lit: Lit::Str(text),
                ..
            }) => Some(text.value().trim().to_string()),
            _ => None,
        },
        _ => None,
    });
    lines.collect::<Vec<_>>().join("\n").trim().to_string()
}

fn pascal(role: &str) -> String {
    let mut letters = role.chars();
    letters
        .next()
        .map(|first| first.to_uppercase().chain(letters).collect())
        .unwrap_or_default()
}
