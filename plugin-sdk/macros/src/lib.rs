//! `#[plugin_sdk::plugin]`: which phases an `impl Plugin` writes, and the exports for just those.

use proc_macro::TokenStream;
use proc_macro2::TokenStream as Tokens;
use quote::{format_ident, quote};
use syn::{Error, Ident, ImplItem, ItemImpl, Type, parse_macro_input};

/// The methods that are phases, in the order of events.
const PHASES: [&str; 6] = ["on_request", "on_request_body", "handle", "on_response", "on_response_body", "on_complete"];

/// Makes a component of an `impl Plugin for …`: it exports `configure` and each phase that is written, and nothing else.
/// Without a `type Config` the plugin takes no configuration; without `configure` it is made by `Default`.
#[proc_macro_attribute]
pub fn plugin(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let item = parse_macro_input!(item as ItemImpl);
    expand(&arguments.into(), item).unwrap_or_else(Error::into_compile_error).into()
}

fn expand(arguments: &Tokens, mut item: ItemImpl) -> Result<Tokens, Error> {
    if !arguments.is_empty() {
        return Err(Error::new_spanned(arguments, "`#[plugin]` takes no arguments"));
    }
    let of_plugin =
        item.trait_.as_ref().and_then(|(_, path, _)| path.segments.last()).is_some_and(|name| name.ident == "Plugin");
    if !of_plugin || !item.generics.params.is_empty() {
        return Err(Error::new_spanned(&item.self_ty, "`#[plugin]` stands on an `impl Plugin for …` without generics"));
    }
    let written = phases(&item);
    complete(&mut item, &written);
    let exports = exports(&item.self_ty, &written);
    Ok(quote!(#item #exports))
}

/// The phases that are written, as their author spelt them.
fn phases(item: &ItemImpl) -> Vec<Ident> {
    let methods = item.items.iter().filter_map(|item| match item {
        ImplItem::Fn(method) => Some(method.sig.ident.clone()),
        _ => None,
    });
    methods.filter(|name| PHASES.iter().any(|phase| name == phase)).collect()
}

/// Adds what the author may leave out.
fn complete(item: &mut ItemImpl, written: &[Ident]) {
    let phases = written.iter().map(ToString::to_string);
    let has_config = item.items.iter().any(|item| matches!(item, ImplItem::Type(alias) if alias.ident == "Config"));
    let has_configure =
        item.items.iter().any(|item| matches!(item, ImplItem::Fn(method) if method.sig.ident == "configure"));
    item.items.push(syn::parse_quote! {
        const PHASES: &'static [&'static str] = &[#(#phases),*];
    });
    if !has_config {
        item.items.push(syn::parse_quote! { type Config = ::plugin_sdk::NoConfig; });
    }
    if !has_configure {
        item.items.push(syn::parse_quote! {
            fn configure(_: Self::Config) -> ::core::result::Result<Self, ::std::string::String> {
                ::core::result::Result::Ok(::core::default::Default::default())
            }
        });
    }
}

/// The one instance that a component has, and an export for each phase.
fn exports(plugin: &Type, written: &[Ident]) -> Tokens {
    let configure = format_ident!("configure");
    let exports = std::iter::once(&configure).chain(written).map(
        |phase| quote!(::plugin_sdk::guest::#phase::export!(Component with_types_in ::plugin_sdk::guest::#phase);),
    );
    quote! {
        // Natively only tests make a plugin; elsewhere the compiler would find it unused.
        #[cfg(not(target_family = "wasm"))]
        const _: fn(<#plugin as ::plugin_sdk::Plugin>::Config) -> ::core::result::Result<#plugin, ::std::string::String> =
            <#plugin as ::plugin_sdk::Plugin>::configure;
        #[cfg(target_family = "wasm")]
        const _: () = {
            ::std::thread_local! {
                static INSTANCE: ::std::cell::OnceCell<#plugin> = const { ::std::cell::OnceCell::new() };
            }
            impl ::plugin_sdk::guest::Single for #plugin {
                fn instance() -> &'static ::std::thread::LocalKey<::std::cell::OnceCell<Self>> {
                    &INSTANCE
                }
            }
            type Component = ::plugin_sdk::guest::Component<#plugin>;
            #(#exports)*
        };
    }
}
