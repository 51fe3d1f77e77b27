//! What `gateway:plugin` offers, for guests of `wasi:http`: the same functions as for our own phases, on the exchange of the request that the
//! calling task is for. `request` and `response` are not among them: the messages are `wasi:http`'s.
//!
//! These functions are synchronous for the guest, so one that waits holds up its whole instance: the thread goes on, other requests of the
//! instance do not. `wasi:http/client` and `wasi:clocks` of 0.3 wait without that.

use super::loan::Borrowed;
use super::state::HttpState;
use crate::abi::gateway::wit::{clock, config, crypto, exchange, http, kv, limit, log, metrics, random, secrets};
use wasmtime::component::Linker;
use wasmtime::{AsContextMut as _, StoreContextMut};

/// Those that answer at once, with a value or without one, and those that wait.
macro_rules! offer {
    ($linker:ident, $interface:literal: $($kind:ident $name:literal $function:path, ($($argument:ident),*);)*) => {
        let mut instance = $linker.instance(concat!("gateway:plugin/", $interface, "@0.1.0"))?;
        $(offer!(@$kind instance, $name, $function, ($($argument),*));)*
    };
    (@value $instance:ident, $name:literal, $function:path, ($($argument:ident),*)) => {
        $instance.func_wrap($name, |store, ($($argument,)*)| {
            Ok((borrow(store)?.now(|state| $function(state, $($argument),*)),))
        })?;
    };
    (@trap $instance:ident, $name:literal, $function:path, ($($argument:ident),*)) => {
        $instance.func_wrap($name, |store, ($($argument,)*)| {
            Ok((borrow(store)?.now(|state| $function(state, $($argument),*))?,))
        })?;
    };
    (@plain $instance:ident, $name:literal, $function:path, ($($argument:ident),*)) => {
        $instance.func_wrap($name, |store, ($($argument,)*)| {
            borrow(store)?.now(|state| $function(state, $($argument),*));
            Ok(())
        })?;
    };
    (@later $instance:ident, $name:literal, $function:path, ($($argument:ident),*)) => {
        $instance.func_wrap_async($name, |store, ($($argument,)*)| Box::new(async move {
            Ok(($function(borrow(store)?.state(), $($argument),*).await,))
        }))?;
    };
    (@wait $instance:ident, $name:literal, $function:path, ($($argument:ident),*)) => {
        $instance.func_wrap_async($name, |store, ($($argument,)*)| Box::new(async move {
            $function(borrow(store)?.state(), $($argument),*).await;
            Ok(())
        }))?;
    };
}

pub(crate) fn add_to_linker(linker: &mut Linker<HttpState>) -> wasmtime::Result<()> {
    linker.instance("gateway:plugin/types@0.1.0")?;
    offer!(linker, "exchange":
        value "id" exchange::Host::id, ();
        value "route" exchange::Host::route, ();
        value "param" exchange::Host::param, (name);
        value "params" exchange::Host::params, ();
        value "client-address" exchange::Host::client_address, ();
        value "set-upstream" exchange::Host::set_upstream, (name);
        value "attribute" exchange::Host::attribute, (name);
        value "attribute-bytes" exchange::Host::attribute_bytes, (name);
        value "set-attribute" exchange::Host::set_attribute, (name, value);
        value "set-attribute-bytes" exchange::Host::set_attribute_bytes, (name, value);
        value "identify" exchange::Host::identify, (consumer, claims, groups);
    );
    offer!(linker, "config": value "get" config::Host::get, (););
    offer!(linker, "log": plain "log" log::Host::log, (level, message););
    offer!(linker, "metrics":
        plain "count" metrics::Host::count, (name, by);
        plain "gauge" metrics::Host::gauge, (name, value);
        plain "observe" metrics::Host::observe, (name, value);
    );
    offer!(linker, "clock":
        value "now" clock::Host::now, ();
        value "monotonic" clock::Host::monotonic, ();
        wait "wait" clock::Host::wait, (milliseconds);
    );
    offer!(linker, "random":
        trap "bytes" random::Host::bytes, (length);
        trap "number" random::Host::number, ();
    );
    offer!(linker, "kv":
        later "get" kv::Host::get, (key);
        later "set" kv::Host::set, (key, value, ttl);
        later "delete" kv::Host::delete, (key);
        later "increment" kv::Host::increment, (key, by, ttl);
        later "compare-and-swap" kv::Host::compare_and_swap, (key, expected, value, ttl);
    );
    offer!(linker, "http":
        later "fetch" http::Host::fetch, (request);
        later "fetch-all" http::Host::fetch_all, (requests);
    );
    offer!(linker, "limit":
        later "take" limit::Host::take, (budgets, cost);
        later "charge" limit::Host::charge, (budget, cost);
    );
    offer!(linker, "secrets": value "get" secrets::Host::get, (name););
    offer!(linker, "crypto":
        value "import-keys" crypto::Host::import_keys, (keys);
        value "verify-jws" crypto::Host::verify_jws, (token, keys, algorithms);
        later "verify-password" crypto::Host::verify_password, (hash, password);
    );
    Ok(())
}

/// What the call works on: the oldest task of the stack is the one that was called for a request.
fn borrow(mut store: StoreContextMut<'_, HttpState>) -> wasmtime::Result<Borrowed> {
    let task = store.as_context_mut().async_call_stack()?.last();
    store.data().borrow(task)
}
