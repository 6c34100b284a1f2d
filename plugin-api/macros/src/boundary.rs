//! `#[boundary]`: vtable, owned and lent form of a trait.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::parse::{Parse, ParseStream};
use syn::punctuated::Punctuated;
use syn::{
    Error, FnArg, GenericArgument, Ident, ItemTrait, LitFloat, Pat, PathArguments, Result,
    ReturnType, Signature, Token, TraitItem, Type,
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

pub fn expand(forms: &Forms, mut item: ItemTrait) -> Result<TokenStream> {
    let since = item
        .items
        .iter_mut()
        .map(Since::take)
        .collect::<Result<Vec<_>>>()?;
    let methods = item
        .items
        .iter()
        .zip(since)
        .map(|(item, since)| Method::read(item, since))
        .collect::<Result<Vec<_>>>()?;
    // The layout is the order of the trait.
    if let Some(pair) = methods.windows(2).find(|m| m[1].since < m[0].since) {
        let what = "a method stands behind those of earlier versions";
        return Err(Error::new_spanned(&pair[1].signature.ident, what));
    }
    let role = &item.ident;
    let (vtable, vtable_ref) = (
        format_ident!("{role}VTable"),
        format_ident!("{role}VTableRef"),
    );
    let last = methods
        .iter()
        .rposition(|m| m.since == Since::default())
        .ok_or_else(|| Error::new_spanned(role, "a boundary needs a method of version 1.0"))?;

    let fields = methods.iter().enumerate().map(|(i, m)| m.field(i == last));
    let thunks = methods.iter().map(|m| m.thunk(role));
    let names = methods.iter().map(|m| {
        let (there, name) = (m.since.there(), &m.signature.ident);
        quote!(#there #name,)
    });
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
        #[sabi(missing_field(option))]
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
                    &::abi_stable::prefix_type::WithMetadata::new(#vtable { drop: drop_it, #(#names)* });
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

        impl crate::boundary::Cross for Box<dyn #role> {
            type Abi = #obj;
            type Held = Self;
            fn out(self) -> #obj {
                #obj::new(self, crate::boundary::Owner::UNNAMED)
            }
            fn hold(abi: #obj) -> crate::Result<Self> {
                Ok(Box::new(abi))
            }
            fn hold_of(mut abi: #obj, owner: &crate::boundary::Owner) -> crate::Result<Self> {
                abi.owner = abi.owner.or(owner);
                Ok(Box::new(abi))
            }
        }

        impl crate::boundary::Cross for Option<Box<dyn #role>> {
            type Abi = ::abi_stable::std_types::ROption<#obj>;
            type Held = Self;
            fn out(self) -> Self::Abi {
                self.map(crate::boundary::Cross::out).into()
            }
            fn hold(abi: Self::Abi) -> crate::Result<Self> {
                abi.into_option().map(<Box<dyn #role> as crate::boundary::Cross>::hold).transpose()
            }
            fn hold_of(abi: Self::Abi, owner: &crate::boundary::Owner) -> crate::Result<Self> {
                let hold = |abi| <Box<dyn #role> as crate::boundary::Cross>::hold_of(abi, owner);
                abi.into_option().map(hold).transpose()
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
    let changes = methods.iter().any(|m| m.receiver.mutability.is_some());
    let new_mut = changes.then(|| {
        quote! {
            /// Lends it, to be changed.
            pub(crate) fn new_mut(it: &'a mut (dyn #role + 'a)) -> Self {
                Self::lend(::std::ptr::from_mut(it))
            }
        }
    });
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
            /// Lends it, to be looked at.
            pub(crate) fn new(it: &'a (dyn #role + 'a)) -> crate::boundary::Shared<Self> {
                crate::boundary::Shared::new(Self::lend(::std::ptr::from_ref(it).cast_mut()))
            }

            #new_mut

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

/// The minor version of the API that brought a method: `#[since(1.2)]` is 2.
#[derive(Default, Clone, Copy, PartialEq, PartialOrd)]
struct Since(u32);

impl Since {
    /// Reads the attribute and takes it away.
    fn take(item: &mut TraitItem) -> Result<Self> {
        let TraitItem::Fn(function) = item else {
            return Ok(Since::default());
        };
        let mut since = Since::default();
        for attribute in function.attrs.iter().filter(|a| a.path().is_ident("since")) {
            let version: LitFloat = attribute.parse_args()?;
            let minor = version.base10_digits().strip_prefix("1.");
            since = minor
                .and_then(|minor| minor.parse().ok())
                .map(Since)
                .filter(|since| since.0 > 0)
                .ok_or_else(|| Error::new_spanned(&version, "expected a version such as 1.1"))?;
            if function.default.is_none() {
                let what = "a method that older libraries lack needs a body to run instead";
                return Err(Error::new_spanned(&function.sig.ident, what));
            }
        }
        function.attrs.retain(|a| !a.path().is_ident("since"));
        Ok(since)
    }

    /// Leaves a field out where the crate is built as an older minor of itself.
    fn there(self) -> TokenStream {
        if self.0 == 0 {
            return TokenStream::new();
        }
        let older = (0..self.0).map(|minor| format!("minor-{minor}"));
        quote!(#[cfg(not(any(#(feature = #older),*)))])
    }
}

struct Method<'a> {
    signature: &'a Signature,
    receiver: &'a syn::Receiver,
    /// What runs where the other library is older than the method.
    default: Option<&'a syn::Block>,
    since: Since,
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
    fn read(item: &'a TraitItem, since: Since) -> Result<Self> {
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
            default: function.default.as_ref(),
            since,
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
        let there = self.since.there();
        let last = last.then(|| quote!(#[sabi(last_prefix_field)]));
        quote! { #there #last #name: unsafe extern "C" fn(it: crate::boundary::Fat, #(#arguments),*) -> #result, }
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
        let there = self.since.there();
        quote! {
            #there
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
        let call = quote! {
            // SAFETY: libraries are never unloaded, and what is lent lives until the call returns.
            let returned = unsafe { call(self.it, #(#out),*) };
        };
        let returned = quote!(crate::boundary::received(returned, &self.owner) #end);
        if self.since == Since::default() {
            return quote! {
                #signature {
                    let call = self.vtable.#name();
                    #call
                    #returned
                }
            };
        }
        let (there, default) = (self.since.there(), self.default);
        quote! {
            #signature {
                #there
                if let Some(call) = self.vtable.#name() {
                    #call
                    return #returned;
                }
                #default
            }
        }
    }
}

/// How an argument crosses.
enum Way {
    /// By `Cross`.
    Value,
    /// `&dyn Trait`, by this lent form.
    Lent(Ident),
    /// `&mut dyn Trait`.
    LentMut(Ident),
    /// `Option<&dyn Trait>`.
    LentMaybe(Ident),
}

impl Argument<'_> {
    fn way(&self) -> Way {
        if let Some((lent, mutable)) = lent_form(self.ty) {
            return match mutable {
                true => Way::LentMut(lent),
                false => Way::Lent(lent),
            };
        }
        match inside("Option", self.ty).and_then(lent_form) {
            Some((lent, false)) => Way::LentMaybe(lent),
            _ => Way::Value,
        }
    }

    fn mutable(&self) -> bool {
        matches!(self.ty, Type::Reference(r) if r.mutability.is_some())
    }

    fn abi(&self) -> TokenStream {
        let ty = self.ty;
        match self.way() {
            Way::Value => quote!(<#ty as crate::boundary::Cross>::Abi),
            Way::Lent(lent) => {
                quote!(crate::boundary::Shared<crate::boundary::lent::#lent<'_>>)
            }
            Way::LentMut(lent) => quote!(crate::boundary::lent::#lent<'_>),
            Way::LentMaybe(lent) => {
                quote!(::abi_stable::std_types::ROption<crate::boundary::Shared<crate::boundary::lent::#lent<'_>>>)
            }
        }
    }

    fn hold(&self) -> TokenStream {
        let (name, ty) = (self.name, self.ty);
        let mutability = self.mutable().then(|| quote!(mut));
        match self.way() {
            Way::Value => {
                quote! { let #mutability #name = <#ty as crate::boundary::Cross>::hold(#name)?; }
            }
            Way::Lent(_) | Way::LentMut(_) => quote! { let #mutability #name = #name; },
            Way::LentMaybe(_) => quote! { let #name = #name.into_option(); },
        }
    }

    fn pass(&self) -> TokenStream {
        let (name, ty) = (self.name, self.ty);
        match self.way() {
            Way::Lent(_) => quote!(&*#name),
            Way::LentMut(_) => quote!(&mut #name),
            Way::LentMaybe(_) => {
                let it = inside("Option", ty);
                quote!(#name.as_deref().map(|it| -> #it { it }))
            }
            Way::Value => match ty {
                Type::Reference(r) if r.mutability.is_some() => quote!(&mut #name),
                Type::Reference(_) => quote!(&#name),
                _ => quote!(#name),
            },
        }
    }

    fn out(&self) -> TokenStream {
        let name = self.name;
        match self.way() {
            Way::Value => quote!(crate::boundary::Cross::out(#name)),
            Way::Lent(lent) => quote!(crate::boundary::lent::#lent::new(#name)),
            Way::LentMut(lent) => quote!(crate::boundary::lent::#lent::new_mut(#name)),
            Way::LentMaybe(lent) => {
                quote!(#name.map(crate::boundary::lent::#lent::new).into())
            }
        }
    }
}

/// The lent form of `&dyn Trait`, and whether it is lent to be changed.
fn lent_form(ty: &Type) -> Option<(Ident, bool)> {
    let Type::Reference(reference) = ty else {
        return None;
    };
    let Type::TraitObject(object) = &*reference.elem else {
        return None;
    };
    let name = object.bounds.iter().find_map(|b| match b {
        syn::TypeParamBound::Trait(t) => t.path.segments.last().map(|s| &s.ident),
        _ => None,
    })?;
    Some((format_ident!("{name}Ref"), reference.mutability.is_some()))
}

/// The `T` of `Outer<T>`.
fn inside<'a>(outer: &str, ty: &'a Type) -> Option<&'a Type> {
    let Type::Path(path) = ty else {
        return None;
    };
    let segment = path.path.segments.last().filter(|s| s.ident == outer)?;
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match arguments.args.first()? {
        GenericArgument::Type(inner) => Some(inner),
        _ => None,
    }
}

/// The value of `-> Result<T>` or `-> T`, and whether it was a `Result`.
fn returned(output: &ReturnType) -> (TokenStream, bool) {
    let ReturnType::Type(_, ty) = output else {
        return (quote!(()), false);
    };
    match inside("Result", ty) {
        Some(value) => (quote!(#value), true),
        None => (quote!(#ty), false),
    }
}
