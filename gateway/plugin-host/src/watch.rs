//! One call of a plugin, as it is counted and told in a trace.

use gateway_core::instruments::meters;
use gateway_core::plugin::Fault;
use gateway_core::trace::{Begun, Side, Trace, Value};
use gateway_core::{Phase, clock};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A call under way.
pub(crate) struct Watch<'a> {
    meter: Option<&'a meters::Plugin>,
    began: Instant,
    /// The call's own span, and the one that it stands in.
    span: Option<(Begun, u64)>,
}

impl<'a> Watch<'a> {
    /// A call begins: what is asked within it is told within its span. None where nobody wants to know.
    pub(crate) fn begin(meter: Option<&'a meters::Plugin>, trace: Option<&mut Trace>) -> Option<Self> {
        let trace = trace.filter(|trace| trace.is_recorded());
        if meter.is_none() && trace.is_none() {
            return None;
        }
        let began = clock::now();
        let span = trace.and_then(|trace| {
            let begun = trace.start(began)?;
            let around = trace.move_to(begun.id);
            Some((begun, around))
        });
        Some(Self { meter, began, span })
    }

    /// It is over; the guest waited so long of it.
    pub(crate) fn end(
        self,
        plugin: &Arc<str>,
        phase: Phase,
        trace: Option<&mut Trace>,
        fault: Option<&Fault>,
        waited: Duration,
    ) {
        let now = clock::now();
        if let Some(meter) = self.meter {
            let duration = now.saturating_duration_since(self.began);
            meter.record(phase, nanoseconds(duration));
            meter.busy.add(nanoseconds(duration.saturating_sub(waited)));
            if let Some(fault) = fault {
                meter.fail(fault.kind);
            }
        }
        if let (Some((begun, around)), Some(trace)) = (self.span, trace) {
            trace.move_to(around);
            let mut span = begun.end(format!("{plugin} {}", phase.name()), Side::Internal, now);
            span.attributes = vec![("gateway.plugin", Value::from(plugin)), ("gateway.phase", phase.name().into())];
            span.failure = fault.map(|fault| fault.kind.word().into());
            trace.record(span);
        }
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
