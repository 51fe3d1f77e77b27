//! A timer that is moved only when it fires.
//!
//! Most waits end long before their limit. Setting a timer for each and taking it back costs more than leaving one in place and
//! looking, when it fires, whether what is waited for now is really overdue.

use gateway_core::clock::now;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::time::Sleep;

/// Made at the first wait; kept by whatever waits again and again.
#[derive(Default)]
pub struct Alarm(Option<Pin<Box<Sleep>>>);

impl Alarm {
    /// Ready once `limit` has passed.
    pub fn poll_until(&mut self, limit: Instant, context: &mut Context<'_>) -> Poll<()> {
        let timer = self.0.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(limit.into())));
        if timer.deadline() > limit.into() {
            timer.as_mut().reset(limit.into());
        }
        while timer.as_mut().poll(context).is_ready() {
            if now() >= limit {
                return Poll::Ready(());
            }
            timer.as_mut().reset(limit.into());
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;
    use std::time::Duration;

    #[tokio::test]
    async fn it_is_over_at_the_limit_of_the_last_look_and_not_before() {
        let start = now();
        let mut alarm = Alarm::default();
        let limits = [60_000, 5, 30].map(|milliseconds| start + Duration::from_millis(milliseconds));
        let [far, near, later] = limits;
        poll_fn(|context| {
            assert!(alarm.poll_until(far, context).is_pending());
            Poll::Ready(())
        })
        .await;
        poll_fn(|context| alarm.poll_until(near, context)).await;
        assert!(now() >= near && now() < far);
        poll_fn(|context| alarm.poll_until(later, context)).await;
        assert!(now() >= later && now() < far);
    }
}
