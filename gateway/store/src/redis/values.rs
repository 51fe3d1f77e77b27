//! Values that gateways share: `kv` in Redis.

use super::Shared;
use gateway_core::dispatch::BoxFuture;
use gateway_core::limit::{StoreError, Values};
use redis::Script;
use std::time::Duration;

/// What Redis has no command for.
pub(super) struct Scripts {
    increment: Script,
    swap: Script,
}

impl Default for Scripts {
    fn default() -> Self {
        Self { increment: Script::new(include_str!("increment.lua")), swap: Script::new(include_str!("swap.lua")) }
    }
}

impl Shared {
    fn value_key(&self, owner: &str, key: &str) -> String {
        format!("{}:{owner}:value:{key}", self.0.options.prefix)
    }
}

impl Values for Shared {
    fn get<'a>(&'a self, owner: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        let key = self.value_key(owner, key);
        Box::pin(self.0.link.ask(async move |mut manager| redis::cmd("GET").arg(key).query_async(&mut manager).await))
    }

    fn set<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<(), StoreError>> {
        let mut command = redis::cmd("SET");
        command.arg(self.value_key(owner, key)).arg(value);
        if let Some(ttl) = ttl {
            command.arg("PX").arg(milliseconds(ttl));
        }
        Box::pin(self.0.link.ask(async move |mut manager| command.query_async(&mut manager).await))
    }

    fn delete<'a>(&'a self, owner: &'a str, key: &'a str) -> BoxFuture<'a, Result<(), StoreError>> {
        let key = self.value_key(owner, key);
        Box::pin(self.0.link.ask(async move |mut manager| {
            redis::cmd("DEL").arg(key).query_async::<i64>(&mut manager).await.map(|_| ())
        }))
    }

    fn increment<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        by: i64,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<i64, StoreError>> {
        let key = self.value_key(owner, key);
        let script = self.0.values.increment.clone();
        Box::pin(async move {
            let sum: Result<String, StoreError> = self
                .0
                .link
                .ask(async move |mut manager| {
                    let mut invocation = script.key(key);
                    invocation.arg(by).arg(ttl.map_or_else(String::new, |ttl| milliseconds(ttl).to_string()));
                    invocation.invoke_async(&mut manager).await
                })
                .await;
            match sum {
                Ok(sum) => sum.parse().map_err(|_| StoreError::NotANumber),
                // The one thing that Redis refuses here: it names no kind for it.
                Err(StoreError::Refused(_, reason))
                    if reason.contains("not an integer") || reason.contains("overflow") =>
                {
                    Err(StoreError::NotANumber)
                }
                Err(error) => Err(error),
            }
        })
    }

    fn compare_and_swap<'a>(
        &'a self,
        owner: &'a str,
        key: &'a str,
        expected: Option<Vec<u8>>,
        value: Vec<u8>,
        ttl: Option<Duration>,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        let key = self.value_key(owner, key);
        let script = self.0.values.swap.clone();
        Box::pin(self.0.link.ask(async move |mut manager| {
            let mut invocation = script.key(key);
            invocation.arg(i32::from(expected.is_some())).arg(expected.unwrap_or_default()).arg(value);
            invocation.arg(ttl.map_or_else(String::new, |ttl| milliseconds(ttl).to_string()));
            invocation.invoke_async(&mut manager).await
        }))
    }
}

/// Ten years, in milliseconds: past that, sums of times have no place in Redis.
const LONGEST: u64 = 10 * 365 * 86_400_000;

/// Redis has no time to live of nothing.
fn milliseconds(ttl: Duration) -> u64 {
    u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).clamp(1, LONGEST)
}
