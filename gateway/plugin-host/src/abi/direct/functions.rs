//! The host functions as a core module calls them: its parameters one by one, and where it has room for the result.

use super::lift::Source;
use super::types::Case;
use crate::abi::gateway::wit::types::Field;
use crate::abi::gateway::wit::{
    clock, config, crypto, exchange, http, kv, limit, log, metrics, random, request, response, secrets,
};
use crate::capabilities::fields;
use crate::state::State;
use wasm_encoder::ValType;
use wasmtime::{Caller, Engine, Linker, Result, bail};

/// A host function.
pub(super) struct Function {
    /// Its interface, without package and version.
    pub(super) interface: &'static str,
    pub(super) name: &'static str,
    /// What it takes, without the place for its result.
    pub(super) parameters: Vec<ValType>,
    pub(super) gives: Gives,
    /// Whether the guest may have to wait for it.
    pub(super) waits: bool,
}

/// How a host function gives its result.
pub(super) enum Gives {
    /// Not at all, or as it is.
    Value(Option<ValType>),
    /// In the guest's memory, where the guest may have to make room.
    Parcel,
}

/// A parameter of a core function.
trait Slot {
    const TYPE: ValType;
}

impl Slot for u32 {
    const TYPE: ValType = ValType::I32;
}

impl Slot for u64 {
    const TYPE: ValType = ValType::I64;
}

impl Slot for i64 {
    const TYPE: ValType = ValType::I64;
}

impl Slot for f64 {
    const TYPE: ValType = ValType::F64;
}

impl<T: Slot> Slot for Result<T> {
    const TYPE: ValType = T::TYPE;
}

/// The memory of the guest that calls, and the host's side of it.
pub(super) fn reach<'c>(caller: &'c mut Caller<'_, State>) -> Result<(&'c mut [u8], &'c mut State)> {
    let Some(memory) = caller.data().desk.memory else {
        bail!("a host function was called before the guest was started")
    };
    Ok(memory.data_and_store_mut(caller))
}

/// Defines a host function: `define!(linker, functions, "interface", "name", (state, name: kind, …) -> how, expression)`.
///
/// A kind stands for the flat parameters of the canonical ABI: `text` (a `&str`), `string`, `bytes`, `list`, `case`, an `option` of some, a number. How the
/// result comes: as a `parcel`, as an `awaited` one, as a `value` of a type, or as `nothing`.
macro_rules! define {
    ($linker:ident, $functions:ident, $interface:literal, $name:literal, ($state:ident $(, $($parameters:tt)*)?) -> $how:tt $(($value:ty))?, $call:expr) => {
        define!(@ $linker $functions $interface $name source $state [$($($parameters)*)?] [] [] $how [$($value)?] $call)
    };
    // One parameter after the other becomes slots of the core function, and a line that reads it from them.
    (@ $l:ident $f:ident $i:literal $n:literal $source:ident $state:ident [$name:ident: text $(, $($more:tt)*)?] [$($slots:tt)*] [$($lines:tt)*] $($rest:tt)*) => {
        define!(@ $l $f $i $n $source $state [$($($more)*)?] [$($slots)* (at: u32) (length: u32)] [$($lines)* ($name = $source.text(at, length)?)] $($rest)*)
    };
    (@ $l:ident $f:ident $i:literal $n:literal $source:ident $state:ident [$name:ident: string $(, $($more:tt)*)?] [$($slots:tt)*] [$($lines:tt)*] $($rest:tt)*) => {
        define!(@ $l $f $i $n $source $state [$($($more)*)?] [$($slots)* (at: u32) (length: u32)] [$($lines)* ($name = $source.text(at, length)?.to_owned())] $($rest)*)
    };
    (@ $l:ident $f:ident $i:literal $n:literal $source:ident $state:ident [$name:ident: bytes $(, $($more:tt)*)?] [$($slots:tt)*] [$($lines:tt)*] $($rest:tt)*) => {
        define!(@ $l $f $i $n $source $state [$($($more)*)?] [$($slots)* (at: u32) (length: u32)] [$($lines)* ($name = $source.bytes(at, length)?.to_vec())] $($rest)*)
    };
    (@ $l:ident $f:ident $i:literal $n:literal $source:ident $state:ident [$name:ident: list<$item:ty> $(, $($more:tt)*)?] [$($slots:tt)*] [$($lines:tt)*] $($rest:tt)*) => {
        define!(@ $l $f $i $n $source $state [$($($more)*)?] [$($slots)* (at: u32) (length: u32)] [$($lines)* ($name = $source.list::<$item>(at, length)?)] $($rest)*)
    };
    (@ $l:ident $f:ident $i:literal $n:literal $source:ident $state:ident [$name:ident: case<$type:ty> $(, $($more:tt)*)?] [$($slots:tt)*] [$($lines:tt)*] $($rest:tt)*) => {
        define!(@ $l $f $i $n $source $state [$($($more)*)?] [$($slots)* (case: u32)] [$($lines)* ($name = <$type as Case>::case(case)?)] $($rest)*)
    };
    (@ $l:ident $f:ident $i:literal $n:literal $source:ident $state:ident [$name:ident: option_bytes $(, $($more:tt)*)?] [$($slots:tt)*] [$($lines:tt)*] $($rest:tt)*) => {
        define!(@ $l $f $i $n $source $state [$($($more)*)?] [$($slots)* (some: u32) (at: u32) (length: u32)] [$($lines)* ($name = if is_some(some)? { Some($source.bytes(at, length)?.to_vec()) } else { None })] $($rest)*)
    };
    (@ $l:ident $f:ident $i:literal $n:literal $source:ident $state:ident [$name:ident: option<$type:ty> $(, $($more:tt)*)?] [$($slots:tt)*] [$($lines:tt)*] $($rest:tt)*) => {
        define!(@ $l $f $i $n $source $state [$($($more)*)?] [$($slots)* (some: u32) (value: $type)] [$($lines)* ($name = is_some(some)?.then_some(value))] $($rest)*)
    };
    (@ $l:ident $f:ident $i:literal $n:literal $source:ident $state:ident [$name:ident: $type:ty $(, $($more:tt)*)?] [$($slots:tt)*] [$($lines:tt)*] $($rest:tt)*) => {
        define!(@ $l $f $i $n $source $state [$($($more)*)?] [$($slots)* ($name: $type)] [$($lines)*] $($rest)*)
    };
    // All of them are there.
    (@ $l:ident $f:ident $i:literal $n:literal $source:ident $state:ident [] [$(($slot:ident: $type:ty))*] [$(($name:ident = $read:expr))*] parcel [] $call:expr) => {
        $l.func_wrap($i, $n, |mut caller: Caller<'_, State>, $($slot: $type,)* into: u32| -> Result<u64> {
            let (memory, $state) = reach(&mut caller)?;
            $state.desk.parcel.is_free()?;
            #[allow(unused_mut, unused_variables, reason = "not every function takes something from memory")]
            let mut $source = Source::new(memory, $state.settings.limits.transfer());
            $(let $name = $read;)*
            let result = $call;
            $state.desk.parcel.pack(&result, into, memory)
        })?;
        $f.push(Function { interface: $i, name: $n, parameters: vec![$(<$type as Slot>::TYPE),*], gives: Gives::Parcel, waits: false });
    };
    (@ $l:ident $f:ident $i:literal $n:literal $source:ident $state:ident [] [$(($slot:ident: $type:ty))*] [$(($name:ident = $read:expr))*] awaited [] $call:expr) => {
        $l.func_wrap_async($i, $n, |mut caller: Caller<'_, State>, ($($slot,)* into,): ($($type,)* u32,)| Box::new(async move {
            let (memory, $state) = reach(&mut caller)?;
            $state.desk.parcel.is_free()?;
            #[allow(unused_mut, unused_variables, reason = "not every function takes something from memory")]
            let mut $source = Source::new(memory, $state.settings.limits.transfer());
            $(let $name = $read;)*
            let $state = caller.data_mut();
            let result = $call.await;
            let (memory, $state) = reach(&mut caller)?;
            $state.desk.parcel.pack(&result, into, memory)
        }))?;
        $f.push(Function { interface: $i, name: $n, parameters: vec![$(<$type as Slot>::TYPE),*], gives: Gives::Parcel, waits: true });
    };
    (@ $l:ident $f:ident $i:literal $n:literal $source:ident $state:ident [] [$(($slot:ident: $type:ty))*] [$(($name:ident = $read:expr))*] nothing [] $call:expr) => {
        $l.func_wrap($i, $n, |mut caller: Caller<'_, State>, $($slot: $type,)*| -> Result<()> {
            let (memory, $state) = reach(&mut caller)?;
            let mut $source = Source::new(memory, $state.settings.limits.transfer());
            $(let $name = $read;)*
            $call;
            Ok(())
        })?;
        $f.push(Function { interface: $i, name: $n, parameters: vec![$(<$type as Slot>::TYPE),*], gives: Gives::Value(None), waits: false });
    };
    (@ $l:ident $f:ident $i:literal $n:literal $source:ident $state:ident [] [] [] value [$value:ty] $call:expr) => {
        $l.func_wrap($i, $n, |mut caller: Caller<'_, State>| -> Result<$value> {
            let $state = caller.data_mut();
            $call
        })?;
        $f.push(Function { interface: $i, name: $n, parameters: Vec::new(), gives: Gives::Value(Some(<$value as Slot>::TYPE)), waits: false });
    };
}

fn is_some(tag: u32) -> Result<bool> {
    match tag {
        0 => Ok(false),
        1 => Ok(true),
        _ => bail!("unexpected discriminant: {tag}"),
    }
}

/// All that the WIT offers.
pub(super) fn all(engine: &Engine) -> Result<(Linker<State>, Vec<Function>)> {
    let (mut linker, mut functions) = (Linker::new(engine), Vec::new());
    let (l, f) = (&mut linker, &mut functions);
    messages(l, f)?;
    simple(l, f)?;
    granted(l, f)?;
    Ok((linker, functions))
}

fn messages(l: &mut Linker<State>, f: &mut Vec<Function>) -> Result<()> {
    define!(l, f, "request", "method", (state) -> parcel, request::Host::method(state));
    define!(l, f, "request", "set-method", (state, method: string) -> parcel, request::Host::set_method(state, method));
    define!(l, f, "request", "scheme", (state) -> parcel, request::Host::scheme(state));
    define!(l, f, "request", "authority", (state) -> parcel, request::Host::authority(state));
    define!(l, f, "request", "path", (state) -> parcel, request::Host::path(state));
    define!(l, f, "request", "set-path", (state, path: string) -> parcel, request::Host::set_path(state, path));
    define!(l, f, "request", "query", (state) -> parcel, request::Host::query(state));
    define!(l, f, "request", "set-query", (state, query: string) -> parcel, request::Host::set_query(state, query));
    define!(l, f, "request", "header", (state, name: text) -> parcel, state.request().and_then(|request| fields::joined(&request.headers, name)));
    define!(l, f, "request", "header-values", (state, name: string) -> parcel, request::Host::header_values(state, name));
    define!(l, f, "request", "headers", (state) -> parcel, request::Host::headers(state));
    define!(l, f, "request", "set-header", (state, name: text, value: text) -> parcel, state.request_headers().and_then(|headers| fields::set(headers, name, value)));
    define!(l, f, "request", "append-header", (state, name: text, value: text) -> parcel, state.request_headers().and_then(|headers| fields::append(headers, name, value)));
    define!(l, f, "request", "remove-header", (state, name: text) -> parcel, state.request_headers().and_then(|headers| fields::remove(headers, name)));
    define!(l, f, "request", "take-header", (state, name: text) -> parcel, state.request_headers().and_then(|headers| fields::take(headers, name)));

    define!(l, f, "response", "status", (state) -> value(u32), Ok(response::Host::status(state).into()));
    define!(l, f, "response", "set-status", (state, status: u32) -> parcel, response::Host::set_status(state, status as u16));
    define!(l, f, "response", "header", (state, name: text) -> parcel, state.response().and_then(|response| fields::joined(&response.headers, name)));
    define!(l, f, "response", "header-values", (state, name: string) -> parcel, response::Host::header_values(state, name));
    define!(l, f, "response", "headers", (state) -> parcel, response::Host::headers(state));
    define!(l, f, "response", "set-header", (state, name: text, value: text) -> parcel, state.response_headers().and_then(|headers| fields::set(headers, name, value)));
    define!(l, f, "response", "append-header", (state, name: text, value: text) -> parcel, state.response_headers().and_then(|headers| fields::append(headers, name, value)));
    define!(l, f, "response", "remove-header", (state, name: text) -> parcel, state.response_headers().and_then(|headers| fields::remove(headers, name)));

    define!(l, f, "exchange", "id", (state) -> parcel, exchange::Host::id(state));
    define!(l, f, "exchange", "route", (state) -> parcel, exchange::Host::route(state));
    define!(l, f, "exchange", "param", (state, name: string) -> parcel, exchange::Host::param(state, name));
    define!(l, f, "exchange", "params", (state) -> parcel, exchange::Host::params(state));
    define!(l, f, "exchange", "client-address", (state) -> parcel, exchange::Host::client_address(state));
    define!(l, f, "exchange", "set-upstream", (state, name: string) -> parcel, exchange::Host::set_upstream(state, name));
    define!(l, f, "exchange", "attribute", (state, name: string) -> parcel, exchange::Host::attribute(state, name));
    define!(l, f, "exchange", "attribute-bytes", (state, name: string) -> parcel, exchange::Host::attribute_bytes(state, name));
    define!(l, f, "exchange", "set-attribute", (state, name: string, value: string) -> parcel, exchange::Host::set_attribute(state, name, value));
    define!(l, f, "exchange", "set-attribute-bytes", (state, name: string, value: bytes) -> parcel, exchange::Host::set_attribute_bytes(state, name, value));
    define!(l, f, "exchange", "identify", (state, consumer: text, claims: text, groups: text) -> parcel, state.write_identity(consumer, claims, groups));
    Ok(())
}

fn simple(l: &mut Linker<State>, f: &mut Vec<Function>) -> Result<()> {
    define!(l, f, "config", "get", (state) -> parcel, config::Host::get(state));
    define!(l, f, "log", "log", (state, level: case<log::Level>, message: string) -> nothing, log::Host::log(state, level, message));
    define!(l, f, "metrics", "count", (state, name: string, by: u64) -> nothing, metrics::Host::count(state, name, by));
    define!(l, f, "metrics", "gauge", (state, name: string, value: f64) -> nothing, metrics::Host::gauge(state, name, value));
    define!(l, f, "metrics", "observe", (state, name: string, value: f64) -> nothing, metrics::Host::observe(state, name, value));
    define!(l, f, "clock", "now", (state) -> value(u64), Ok(clock::Host::now(state)));
    define!(l, f, "clock", "monotonic", (state) -> value(u64), Ok(clock::Host::monotonic(state)));
    define!(l, f, "random", "bytes", (state, length: u32) -> parcel, random::Host::bytes(state, length)?);
    define!(l, f, "random", "number", (state) -> value(u64), random::Host::number(state));
    l.func_wrap_async("clock", "wait", |mut caller: Caller<'_, State>, (milliseconds,): (u32,)| {
        Box::new(async move { clock::Host::wait(caller.data_mut(), milliseconds).await })
    })?;
    let (parameters, gives) = (vec![ValType::I32], Gives::Value(None));
    f.push(Function { interface: "clock", name: "wait", parameters, gives, waits: true });
    Ok(())
}

fn granted(l: &mut Linker<State>, f: &mut Vec<Function>) -> Result<()> {
    define!(l, f, "kv", "get", (state, key: string) -> awaited, kv::Host::get(state, key));
    define!(l, f, "kv", "set", (state, key: string, value: bytes, ttl: option<u64>) -> awaited, kv::Host::set(state, key, value, ttl));
    define!(l, f, "kv", "delete", (state, key: string) -> awaited, kv::Host::delete(state, key));
    define!(l, f, "kv", "increment", (state, key: string, by: i64, ttl: option<u64>) -> awaited, kv::Host::increment(state, key, by, ttl));
    define!(l, f, "kv", "compare-and-swap", (state, key: string, expected: option_bytes, value: bytes, ttl: option<u64>) -> awaited,
        kv::Host::compare_and_swap(state, key, expected, value, ttl));
    define!(l, f, "http", "fetch", (state, method: string, url: string, headers: list<Field>, body: bytes, timeout: option<u32>) -> awaited,
        http::Host::fetch(state, http::Request { method, url, headers, body, timeout }));
    define!(l, f, "http", "fetch-all", (state, requests: list<http::Request>) -> awaited, http::Host::fetch_all(state, requests));
    define!(l, f, "limit", "take", (state, budgets: list<limit::Budget>, cost: u64) -> awaited, limit::Host::take(state, budgets, cost));
    define!(l, f, "limit", "charge", (state, key: string, algorithm: case<limit::Algorithm>, limit: u64, window: u64, burst: u64, cost: u64) -> awaited,
        limit::Host::charge(state, limit::Budget { key, algorithm, limit, window, burst }, cost));
    define!(l, f, "secrets", "get", (state, name: string) -> parcel, secrets::Host::get(state, name));
    define!(l, f, "crypto", "import-keys", (state, keys: string) -> parcel, crypto::Host::import_keys(state, keys));
    define!(l, f, "crypto", "verify-jws", (state, token: string, keys: u32, algorithms: list<crypto::Algorithm>) -> parcel,
        crypto::Host::verify_jws(state, token, keys, algorithms));
    define!(l, f, "crypto", "verify-password", (state, hash: string, password: string) -> awaited, crypto::Host::verify_password(state, hash, password));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wit_parser::Resolve;
    use wit_parser::abi::{AbiVariant, WasmType};

    fn flat(types: &[WasmType]) -> Vec<ValType> {
        let flat = |wasm: &WasmType| match wasm {
            WasmType::I64 => ValType::I64,
            WasmType::F32 => ValType::F32,
            WasmType::F64 => ValType::F64,
            _ => ValType::I32,
        };
        types.iter().map(flat).collect()
    }

    #[test]
    fn every_function_of_the_wit_is_there_as_the_canonical_abi_flattens_it() {
        let mut resolve = Resolve::default();
        resolve.push_source("gateway.wit", include_str!("../../../../../wit/0.1/gateway.wit")).unwrap();
        let (_, functions) = all(&Engine::default()).unwrap();
        let mut met = 0;
        let world = resolve.worlds.iter().find(|(_, world)| world.name == "imports").unwrap().1;
        for (key, _) in &world.imports {
            let wit_parser::WorldKey::Interface(id) = key else { continue };
            let interface = &resolve.interfaces[*id];
            for (name, wanted) in &interface.functions {
                let of = interface.name.as_deref().unwrap();
                let is = |function: &&Function| function.interface == of && function.name == name;
                let function = functions.iter().find(is).unwrap_or_else(|| panic!("{of}.{name}"));
                let signature = resolve.wasm_signature(AbiVariant::GuestImport, wanted);
                let mut parameters = function.parameters.clone();
                let result = match function.gives {
                    Gives::Value(value) => value.into_iter().collect(),
                    Gives::Parcel => {
                        parameters.push(ValType::I32);
                        vec![]
                    }
                };
                assert_eq!(parameters, flat(&signature.params), "{of}.{name}");
                assert_eq!(result, flat(&signature.results), "{of}.{name}");
                met += 1;
            }
        }
        assert_eq!(met, functions.len());
    }
}
