//! The functions of the gateway as the WIT has them, on the exchange that is being played.

use super::state::{self, State, with};
use crate::{Error, Field, Response, Result};

/// The header functions that `request` and `response` share; `$read` and `$write` find the message.
macro_rules! header_functions {
    ($read:expr, $write:expr) => {
        pub(crate) fn header(name: &str) -> Option<String> {
            with(|state| state::joined($read(state), name))
        }

        pub(crate) fn header_values(name: &str) -> Vec<Vec<u8>> {
            with(|state| state::values($read(state), name))
        }

        pub(crate) fn headers() -> Vec<Field> {
            with(|state| $read(state).to_vec())
        }

        pub(crate) fn set_header(name: &str, value: &str) -> Result<()> {
            remove_header(name)?;
            append_header(name, value)
        }

        pub(crate) fn append_header(name: &str, value: &str) -> Result<()> {
            let field = state::field(name, value.as_bytes())?;
            with(|state| $write(state).map(|headers| headers.push(field)))
        }

        pub(crate) fn remove_header(name: &str) -> Result<()> {
            state::field(name, b"")?;
            with(|state| $write(state).map(|headers| headers.retain(|field| !field.name.eq_ignore_ascii_case(name))))
        }
    };
}

pub(crate) mod request {
    use super::*;

    fn read(state: &State) -> &[Field] {
        &state.request.headers
    }

    fn write(state: &mut State) -> Result<&mut Vec<Field>> {
        state.sendable().map(|request| &mut request.headers)
    }

    header_functions!(read, write);

    pub(crate) fn take_header(name: &str) -> Result<Option<String>> {
        let value = header(name);
        remove_header(name)?;
        Ok(value)
    }

    pub(crate) fn method() -> String {
        with(|state| state.request.method.clone())
    }

    pub(crate) fn set_method(method: &str) -> Result<()> {
        with(|state| state.sendable().map(|request| method.clone_into(&mut request.method)))
    }

    pub(crate) fn scheme() -> String {
        with(|state| state.scheme.clone())
    }

    pub(crate) fn authority() -> String {
        with(|state| state.authority.clone())
    }

    pub(crate) fn path() -> String {
        with(|state| state.request.path.clone())
    }

    pub(crate) fn set_path(path: &str) -> Result<()> {
        if !path.starts_with('/') || path.contains(['?', '#']) {
            return Err(Error::Invalid(format!("`{path}` is not a path")));
        }
        with(|state| state.sendable().map(|request| path.clone_into(&mut request.path)))
    }

    pub(crate) fn query() -> String {
        with(|state| state.request.query.clone())
    }

    pub(crate) fn set_query(query: &str) -> Result<()> {
        if !query.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(Error::Invalid("a query is percent-encoded ASCII without spaces and `#`".to_owned()));
        }
        with(|state| state.sendable().map(|request| query.clone_into(&mut request.query)))
    }
}

pub(crate) mod response {
    use super::*;

    fn read(state: &State) -> &[Field] {
        state.response.as_ref().map_or(&[], |response| &response.headers)
    }

    fn write(state: &mut State) -> Result<&mut Vec<Field>> {
        state.answered().map(|response| &mut response.headers)
    }

    header_functions!(read, write);

    pub(crate) fn status() -> u16 {
        with(|state| state.response.as_ref().map_or(0, |response| response.status))
    }

    pub(crate) fn set_status(status: u16) -> Result<()> {
        if !(200..600).contains(&status) {
            return Err(Error::Invalid(format!("{status} is not a status from 200 to 599")));
        }
        with(|state| state.answered().map(|response| response.status = status))
    }
}

pub(crate) mod exchange {
    use super::*;

    pub(crate) fn id() -> String {
        with(|state| state.id.clone())
    }

    pub(crate) fn route() -> String {
        with(|state| state.route.clone())
    }

    pub(crate) fn param(name: &str) -> Option<String> {
        params().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub(crate) fn params() -> Vec<(String, String)> {
        with(|state| state.params.clone())
    }

    pub(crate) fn client_address() -> String {
        with(|state| state.client.clone())
    }

    pub(crate) fn set_upstream(name: &str) -> Result<()> {
        with(|state| {
            state.allow("set-upstream")?;
            state.sendable()?;
            state.upstream = Some(name.to_owned());
            Ok(())
        })
    }

    pub(crate) fn attribute(name: &str) -> Option<String> {
        String::from_utf8(attribute_bytes(name)?).ok()
    }

    pub(crate) fn attribute_bytes(name: &str) -> Option<Vec<u8>> {
        with(|state| state.attributes.get(name).cloned())
    }

    pub(crate) fn set_attribute(name: &str, value: &str) -> Result<()> {
        set_attribute_bytes(name, value.as_bytes())
    }

    pub(crate) fn set_attribute_bytes(name: &str, value: &[u8]) -> Result<()> {
        with(|state| state.set_attribute(name, value))
    }

    pub(crate) fn identify(consumer: &str, claims: &str, groups: &str) -> Result<()> {
        with(|state| state.identify(consumer, claims, groups))
    }
}

pub(crate) mod config {
    use super::*;

    pub(crate) fn get() -> String {
        with(|state| state.config.clone())
    }
}

pub(crate) mod log {
    use super::*;

    pub(crate) fn log(level: crate::log::Level, message: &str) {
        with(|state| state.logs.push((level, message.to_owned())));
    }
}

pub(crate) mod metrics {
    use super::*;

    pub(crate) fn count(name: &str, by: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a test counts little")]
        with(|state| *state.metrics.entry(name.to_owned()).or_default() += by as f64);
    }

    pub(crate) fn gauge(name: &str, value: f64) {
        with(|state| state.metrics.insert(name.to_owned(), value));
    }

    pub(crate) fn observe(name: &str, value: f64) {
        gauge(name, value);
    }
}

pub(crate) mod clock {
    use super::*;

    pub(crate) fn now() -> u64 {
        with(|state| state.now)
    }

    pub(crate) fn monotonic() -> u64 {
        now()
    }

    /// Time passes at once.
    pub(crate) fn wait(milliseconds: u32) {
        with(|state| state.now += u64::from(milliseconds.min(1000)) * 1_000_000);
    }
}

pub(crate) mod random {
    use super::*;

    pub(crate) fn bytes(length: u32) -> Vec<u8> {
        (0..length.min(64 << 10)).map(|_| number().to_be_bytes()[0]).collect()
    }

    /// The same numbers in each test (splitmix64).
    pub(crate) fn number() -> u64 {
        with(|state| {
            state.random = state.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state.random ^ (state.random >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^ (mixed >> 31)
        })
    }
}

pub(crate) mod kv {
    use super::*;

    fn live(state: &State, key: &str) -> Option<(Vec<u8>, Option<u64>)> {
        state.kv.get(key).filter(|(_, ends)| ends.is_none_or(|ends| ends > state.now)).cloned()
    }

    fn ends(state: &State, ttl: Option<u64>) -> Option<u64> {
        ttl.map(|milliseconds| state.now + milliseconds * 1_000_000)
    }

    pub(crate) fn get(key: &str) -> Result<Option<Vec<u8>>> {
        Ok(with(|state| live(state, key)).map(|(value, _)| value))
    }

    pub(crate) fn set(key: &str, value: &[u8], ttl: Option<u64>) -> Result<()> {
        with(|state| {
            let ends = ends(state, ttl);
            state.kv.insert(key.to_owned(), (value.to_vec(), ends));
        });
        Ok(())
    }

    pub(crate) fn delete(key: &str) -> Result<()> {
        with(|state| state.kv.remove(key));
        Ok(())
    }

    pub(crate) fn increment(key: &str, by: i64, ttl: Option<u64>) -> Result<i64> {
        with(|state| {
            let (value, ends) = live(state, key).unwrap_or_else(|| (b"0".to_vec(), ends(state, ttl)));
            let number: Option<i64> = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
            let sum = number.and_then(|number| number.checked_add(by));
            let sum = sum.ok_or_else(|| Error::Invalid("the value of this key is not a number".to_owned()))?;
            state.kv.insert(key.to_owned(), (sum.to_string().into_bytes(), ends));
            Ok(sum)
        })
    }

    pub(crate) fn compare_and_swap(key: &str, expected: Option<&[u8]>, value: &[u8], ttl: Option<u64>) -> Result<bool> {
        if get(key)?.as_deref() != expected {
            return Ok(false);
        }
        set(key, value, ttl).map(|()| true)
    }
}

/// Every algorithm counts as a fixed window here, but that a window begins when it is first used; places are given back by nobody.
pub(crate) mod limit {
    use super::*;
    use crate::limit::{Algorithm, Budget, Standing};

    /// What was taken in the present window, and when that ends.
    fn present(state: &State, budget: &Budget) -> (u64, u64) {
        let held = state.budgets.get(&(budget.key.clone(), budget.algorithm, budget.window)).copied();
        let length = match budget.algorithm {
            Algorithm::Concurrency => u64::MAX / 2,
            _ => budget.window.saturating_mul(1_000_000),
        };
        held.filter(|(_, ends)| *ends > state.now).unwrap_or((0, state.now.saturating_add(length)))
    }

    fn enter(state: &mut State, budget: &Budget, cost: u64) {
        let (taken, ends) = present(state, budget);
        state.budgets.insert((budget.key.clone(), budget.algorithm, budget.window), (taken + cost, ends));
    }

    fn allow(state: &State) -> Result<()> {
        state.allow("limit")?;
        if state.budgets_away { Err(Error::Failed("the store does not answer".to_owned())) } else { Ok(()) }
    }

    pub(crate) fn take(budgets: &[Budget], cost: u64) -> Result<Vec<Standing>> {
        with(|state| {
            allow(state)?;
            let standing = |budget: &Budget| {
                let size = if budget.burst == 0 { budget.limit } else { budget.burst };
                let (taken, ends) = present(state, budget);
                let left = size.saturating_sub(taken);
                let allowed = left >= cost.max(1);
                let until = (ends - state.now) / 1_000_000;
                Standing {
                    allowed,
                    remaining: if allowed { left - cost } else { left },
                    reset: until,
                    retry_after: if allowed { 0 } else { until },
                }
            };
            let standings: Vec<_> = budgets.iter().map(standing).collect();
            if standings.iter().all(|standing| standing.allowed) {
                budgets.iter().for_each(|budget| enter(state, budget, cost));
            }
            Ok(standings)
        })
    }

    pub(crate) fn charge(budget: &Budget, cost: u64) -> Result<()> {
        with(|state| {
            allow(state)?;
            enter(state, budget, cost);
            Ok(())
        })
    }
}

pub(crate) mod http {
    use super::*;
    use crate::fetch::Request;

    pub(crate) fn fetch(request: &Request) -> Result<Response> {
        with(|state| state.fetch(request))
    }

    pub(crate) fn fetch_all(requests: &[Request]) -> Vec<Result<Response>> {
        requests.iter().map(fetch).collect()
    }
}

pub(crate) mod secrets {
    use super::*;

    pub(crate) fn get(name: &str) -> Result<String> {
        with(|state| {
            state.allow("secrets")?;
            state.secrets.get(name).cloned().ok_or_else(|| Error::Denied(format!("the secret `{name}` is not granted")))
        })
    }
}

pub(crate) mod crypto {
    use super::*;
    use crate::crypto::{Algorithm, KeySet, Refusal, Verified};

    /// Every text is taken that could be one; the number is its position among those of the exchange.
    pub(crate) fn import_keys(keys: &str) -> Result<KeySet> {
        with(|state| {
            state.allow("crypto")?;
            let start = keys.trim_start();
            if !start.starts_with('{') && !start.starts_with("-----BEGIN PUBLIC KEY-----") {
                return Err(Error::Invalid("it is neither JSON nor PEM with a `BEGIN PUBLIC KEY`".to_owned()));
            }
            let known = state.key_sets.iter().position(|known| known == keys);
            let position = known.unwrap_or_else(|| {
                state.key_sets.push(keys.to_owned());
                state.key_sets.len() - 1
            });
            Ok(KeySet { id: u32::try_from(position).unwrap_or(u32::MAX), keys: 1, refused: Vec::new() })
        })
    }

    pub(crate) fn verify_jws(token: &str, keys: u32, algorithms: &[Algorithm]) -> Result<Verified, Refusal> {
        with(|state| {
            state.allow("crypto").map_err(Refusal::Failed)?;
            let set = state.key_sets.get(keys as usize);
            let set = set.ok_or_else(|| Refusal::Failed(Error::Invalid(format!("there is no key set {keys}"))))?;
            let scripted = state.tokens.iter().find(|(text, ..)| text == token);
            let (_, keys, outcome) = scripted.ok_or(Refusal::Signature)?;
            if !set.contains(keys) {
                return Err(Refusal::Key);
            }
            let verified = outcome.clone()?;
            if !algorithms.contains(&verified.algorithm) {
                return Err(Refusal::Algorithm);
            }
            Ok(verified)
        })
    }

    pub(crate) fn verify_password(hash: &str, password: &str) -> Result<bool> {
        with(|state| {
            state.allow("crypto")?;
            state.hashed.push(hash.to_owned());
            Ok(state.passwords.iter().any(|(known, right)| known == hash && right == password))
        })
    }
}
