//! `#[boundary]`: vtable, owned and lent form of a trait.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Error, FnArg, GenericArgument, Ident, ItemTrait, Pat, PathArguments, Result, ReturnType,
    Signature, Token, TraitItem, Type,
};

/// The forms in which a trait crosses: `owned`, `lent`, or both.
pub struct Forms {
    owned: bool,
    lent: bool,
}

impl Parse for Forms {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let mut forms = Forms {
            owned: false,
            lent: false,
        };
        for form in Punctuated::<Ident, Token![,]>::parse_terminated(input)? {
            match form.to_string().as_str() {
                "owned" => forms.owned = true,
                "lent" => forms.lent = true,
                _ => return Err(Error::new_spanned(form, "expected `owned` or `lent`")),
            }
        }
        Ok(forms)
    }
}

pub fn expand(forms: &Forms, item: ItemTrait) -> Result<TokenStream> {
    let methods = item
        .items
        .iter()
        .map(Method::read)
        .collect::<Result<Vec<_>>>()?;
    let role = &item.ident;
    let (vtable, vtable_ref) = (
        format_ident!("{role}VTable"),
        format_ident!("{role}VTableRef"),
    );
    let last = methods
        .len()
        .checked_sub(1)
        .ok_or_else(|| Error::new_spanned(role, "a boundary needs a method"))?;

    let fields = methods.iter().enumerate().map(|(i, m)| m.field(i == last));
    let thunks = methods.iter().map(|m| m.thunk(role));
    let names = methods.iter().map(|m| &m.signature.ident);
    let stubs: Vec<_> = methods.iter().map(Method::stub).collect();
    let owned = forms.owned.then(|| owned(&item, &vtable_ref, &stubs));
    let lent = forms
        .lent
        .then(|| lent(&item, &methods, &vtable_ref, &stubs));
    let doc = format!("The functions of a [`{role}`] of some library.");

    Ok(quote! {
        #item

        #[doc = #doc]
        #[repr(C)]
        #[derive(::abi_stable::StableAbi)]
        #[sabi(kind(Prefix(prefix_ref = #vtable_ref)))]
        #[sabi(missing_field(panic))]
        pub struct #vtable {
            drop: unsafe extern "C" fn(crate::boundary::Fat),
            #(#fields)*
        }

        impl #vtable_ref {
            /// The functions of this library.
            fn here() -> Self {
                unsafe extern "C" fn drop_it(it: crate::boundary::Fat) {
                    // A destructor has nobody to tell of its failure.
                    let _ = crate::boundary::guard(|| {
                        // SAFETY: `it` came from `Box::into_raw` in the owned form's `new`, in this library, and is
                        // dropped once.
                        drop(unsafe { Box::from_raw(::std::mem::transmute::<crate::boundary::Fat, *mut dyn #role>(it)) });
                        Ok(())
                    });
                }
                #(#thunks)*
                static VTABLE: &::abi_stable::prefix_type::WithMetadata<#vtable> =
                    &::abi_stable::prefix_type::WithMetadata::new(#vtable { drop: drop_it, #(#names,)* });
                #vtable_ref(VTABLE.static_as_prefix())
            }
        }

        #owned
        #lent
    })
}

fn owned(item: &ItemTrait, vtable_ref: &Ident, stubs: &[TokenStream]) -> TokenStream {
    let role = &item.ident;
    let obj = format_ident!("{role}Obj");
    let doc = format!("An owned [`{role}`] of some library.");
    let threads = ["Send", "Sync"]
        .into_iter()
        .map(|t| Ident::new(t, role.span()))
        .filter(|t| has_supertrait(item, t))
        .map(|t| {
            quote! {
                // SAFETY: the trait demands it of whatever stands behind the object.
                unsafe impl #t for #obj {}
            }
        });
    quote! {
        #[doc = #doc]
        #[repr(C)]
        #[derive(::abi_stable::StableAbi)]
        pub struct #obj {
            it: crate::boundary::Fat,
            vtable: #vtable_ref,
            owner: crate::boundary::Owner,
        }

        impl #obj {
            /// Makes it cross; `owner` is named where it fails.
            pub fn new(it: Box<dyn #role>, owner: crate::boundary::Owner) -> Self {
                let it: *mut dyn #role = Box::into_raw(it);
                // SAFETY: a fat pointer is two words; only this library, by the vtable beside it, reads them again.
                let it = unsafe { ::std::mem::transmute::<*mut dyn #role, crate::boundary::Fat>(it) };
                #obj { it, vtable: #vtable_ref::here(), owner }
            }
        }

        #(#threads)*

        impl Drop for #obj {
            fn drop(&mut self) {
                // SAFETY: libraries are never unloaded, and `it` is owned by this object.
                unsafe { self.vtable.drop()(self.it) }
            }
        }

        impl #role for #obj {
            #(#stubs)*
        }

        impl crate::boundary::Cross for #obj {
            type Abi = Self;
            type Held = Self;
            fn out(self) -> Self {
                self
            }
            fn hold(abi: Self) -> crate::Result<Self> {
                Ok(abi)
            }
        }
    }
}

fn lent(
    item: &ItemTrait,
    methods: &[Method<'_>],
    vtable_ref: &Ident,
    stubs: &[TokenStream],
) -> TokenStream {
    let role = &item.ident;
    let lent = format_ident!("{role}Ref");
    // What a method changes is lent to be changed: a shared reference must not lead to `&mut self`.
    let changes = methods.iter().any(|m| m.receiver.mutability.is_some());
    let new = if changes {
        quote! {
            /// Lends it, to be changed.
            pub(crate) fn new_mut(it: &'a mut (dyn #role + 'a)) -> Self {
                Self::lend(::std::ptr::from_mut(it))
            }
        }
    } else {
        quote! {
            /// Lends it.
            pub(crate) fn new(it: &'a (dyn #role + 'a)) -> Self {
                Self::lend(::std::ptr::from_ref(it).cast_mut())
            }
        }
    };
    let doc = format!("A [`{role}`] of some library, lent for the time of a call.");
    quote! {
        #[doc = #doc]
        #[repr(C)]
        #[derive(::abi_stable::StableAbi)]
        pub struct #lent<'a> {
            it: crate::boundary::Fat,
            vtable: #vtable_ref,
            owner: crate::boundary::Owner,
            life: ::std::marker::PhantomData<&'a ()>,
        }

        impl<'a> #lent<'a> {
            #new

            fn lend(it: *mut (dyn #role + 'a)) -> Self {
                // SAFETY: a fat pointer is two words; only this library, by the vtable beside it, reads them again.
                let it = unsafe { ::std::mem::transmute::<*mut (dyn #role + 'a), crate::boundary::Fat>(it) };
                #lent { it, vtable: #vtable_ref::here(), owner: crate::boundary::Owner::UNNAMED, life: ::std::marker::PhantomData }
            }
        }

        impl #role for #lent<'_> {
            #(#stubs)*
        }
    }
}

fn has_supertrait(item: &ItemTrait, name: &Ident) -> bool {
    item.supertraits
        .iter()
        .any(|b| matches!(b, syn::TypeParamBound::Trait(t) if t.path.is_ident(name)))
}

struct Method<'a> {
    signature: &'a Signature,
    receiver: &'a syn::Receiver,
    arguments: Vec<Argument<'a>>,
    /// What it returns, without `Result`.
    value: TokenStream,
    fallible: bool,
}

struct Argument<'a> {
    name: &'a Ident,
    ty: &'a Type,
}

impl<'a> Method<'a> {
    fn read(item: &'a TraitItem) -> Result<Self> {
        let TraitItem::Fn(function) = item else {
            return Err(Error::new_spanned(item, "a boundary has methods only"));
        };
        let signature = &function.sig;
        let receiver = signature.receiver().ok_or_else(|| {
            Error::new_spanned(
                signature,
                "a boundary's method takes `&self` or `&mut self`",
            )
        })?;
        let arguments = signature.inputs.iter().filter_map(|a| match a {
            FnArg::Typed(a) => Some(match &*a.pat {
                Pat::Ident(name) => Ok(Argument {
                    name: &name.ident,
                    ty: &a.ty,
                }),
                other => Err(Error::new_spanned(other, "an argument needs a plain name")),
            }),
            FnArg::Receiver(_) => None,
        });
        let (value, fallible) = returned(&signature.output);
        Ok(Method {
            signature,
            receiver,
            arguments: arguments.collect::<Result<_>>()?,
            value,
            fallible,
        })
    }

    /// What crosses, as a function's type or head.
    fn abi(&self) -> (Vec<TokenStream>, TokenStream) {
        let value = &self.value;
        let arguments = self.arguments.iter().map(|a| {
            let (name, abi) = (a.name, a.abi());
            quote!(#name: #abi)
        });
        let result = quote!(::abi_stable::std_types::RResult<<#value as crate::boundary::Cross>::Abi, crate::boundary::Fault>);
        (arguments.collect(), result)
    }

    fn field(&self, last: bool) -> TokenStream {
        let name = &self.signature.ident;
        let (arguments, result) = self.abi();
        let last = last.then(|| quote!(#[sabi(last_prefix_field)]));
        quote! { #last #name: unsafe extern "C" fn(it: crate::boundary::Fat, #(#arguments),*) -> #result, }
    }

    /// The function that the other library calls: it stands on the side of the implementor.
    fn thunk(&self, role: &Ident) -> TokenStream {
        let name = &self.signature.ident;
        let (arguments, result) = self.abi();
        let held = self.arguments.iter().map(Argument::hold);
        let passed = self.arguments.iter().map(Argument::pass);
        let it = match self.receiver.mutability {
            Some(_) => {
                quote!(&mut *::std::mem::transmute::<crate::boundary::Fat, *mut dyn #role>(it))
            }
            None => quote!(&*::std::mem::transmute::<crate::boundary::Fat, *const dyn #role>(it)),
        };
        let call = quote!(#role::#name(it, #(#passed),*));
        let call = if self.fallible {
            call
        } else {
            quote!(Ok(#call))
        };
        quote! {
            unsafe extern "C" fn #name(it: crate::boundary::Fat, #(#arguments),*) -> #result {
                crate::boundary::guard(move || {
                    #(#held)*
                    // SAFETY: the object or reference that holds `it` was made in this library and outlives the call.
                    let it = unsafe { #it };
                    #call
                })
            }
        }
    }

    /// The trait's method on the side of the caller.
    fn stub(&self) -> TokenStream {
        let (signature, name) = (self.signature, &self.signature.ident);
        let out = self.arguments.iter().map(Argument::out);
        let end = (!self.fallible).then(|| quote!(.unwrap_or_else(|e| crate::boundary::raise(e))));
        quote! {
            #signature {
                // SAFETY: libraries are never unloaded, and what is lent lives until the call returns.
                let returned = unsafe { self.vtable.#name()(self.it, #(#out),*) };
                crate::boundary::received(returned, &self.owner) #end
            }
        }
    }
}

impl Argument<'_> {
    /// The trait that is lent, where one is.
    fn lent(&self) -> Option<Ident> {
        let Type::Reference(reference) = self.ty else {
            return None;
        };
        let Type::TraitObject(object) = &*reference.elem else {
            return None;
        };
        object.bounds.iter().find_map(|b| match b {
            syn::TypeParamBound::Trait(t) => t
                .path
                .segments
                .last()
                .map(|s| format_ident!("{}Ref", s.ident)),
            _ => None,
        })
    }

    fn mutable(&self) -> bool {
        matches!(self.ty, Type::Reference(r) if r.mutability.is_some())
    }

    fn abi(&self) -> TokenStream {
        let ty = self.ty;
        match self.lent() {
            Some(lent) => quote!(crate::boundary::lent::#lent<'_>),
            None => quote!(<#ty as crate::boundary::Cross>::Abi),
        }
    }

    fn hold(&self) -> TokenStream {
        let (name, ty) = (self.name, self.ty);
        let mutability = self.mutable().then(|| quote!(mut));
        match self.lent() {
            Some(_) => quote! { let #mutability #name = #name; },
            None => {
                quote! { let #mutability #name = <#ty as crate::boundary::Cross>::hold(#name)?; }
            }
        }
    }

    fn pass(&self) -> TokenStream {
        let name = self.name;
        match self.ty {
            Type::Reference(r) if r.mutability.is_some() => quote!(&mut #name),
            Type::Reference(_) => quote!(&#name),
            _ => quote!(#name),
        }
    }

    fn out(&self) -> TokenStream {
        let name = self.name;
        match (self.lent(), self.mutable()) {
            (Some(lent), true) => quote!(crate::boundary::lent::#lent::new_mut(#name)),
            (Some(lent), false) => quote!(crate::boundary::lent::#lent::new(#name)),
            (None, _) => quote!(crate::boundary::Cross::out(#name)),
        }
    }
}

/// The value of `-> Result<T>` or `-> T`, and whether it was a `Result`.
fn returned(output: &ReturnType) -> (TokenStream, bool) {
    let ReturnType::Type(_, ty) = output else {
        return (quote!(()), false);
    };
    if let Type::Path(path) = &**ty
        && let Some(segment) = path.path.segments.last().filter(|s| s.ident == "Result")
        && let PathArguments::AngleBracketed(arguments) = &segment.arguments
        && let Some(GenericArgument::Type(value)) = arguments.args.first()
    {
        return (quote!(#value), true);
    }
    (quote!(#ty), false)
}
