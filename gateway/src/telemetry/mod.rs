//! What leaves the process of what it knows: figures, traces, entries of the access log, and the log.
//!
//! Whoever serves a request hands over what is finished and never waits: a queue that is full loses it, and counts that. What costs
//! time, writing and sending, is done by a thread and a task of their own. Figures are not sent: [`metrics`] reads what
//! `gateway_core::instruments` and the parts of the program know, at the moment somebody asks.

mod access;
mod log;
pub(crate) mod metrics;
mod otlp;
mod queue;
mod tail;

pub(crate) use log::{Log, LogFormat};
pub(crate) use tail::{Heard, Listening, Tail};

use crate::assemble::Assembly;
use gateway_config::{Config, LogTarget, TraceTrust};
use gateway_core::instruments::Instruments;
use gateway_core::observe::Observer;
use gateway_proxy::snapshot::Telemetry;
use gateway_proxy::tracing::{Tracing, Trust};
use otlp::Exporter;
use parking_lot::Mutex;
use std::sync::Arc;

/// Where things leave; the same over every reload.
pub(crate) struct Outlets {
    instruments: Instruments,
    exporter: Arc<Exporter>,
    entries: Arc<access::Writer>,
    tail: Arc<Tail>,
    /// None where nothing is served.
    log: Mutex<Option<Log>>,
}

impl Outlets {
    /// Nothing leaves yet.
    pub(crate) fn new(instruments: &Instruments) -> Self {
        Self {
            exporter: Arc::new(Exporter::new(instruments)),
            entries: Arc::new(access::Writer::new(instruments)),
            tail: Arc::new(Tail::new(instruments)),
            log: Mutex::default(),
            instruments: instruments.clone(),
        }
    }

    /// Requests as they end.
    pub(crate) fn tail(&self) -> &Arc<Tail> {
        &self.tail
    }

    /// The log is among them, and what is lost of it counted.
    pub(crate) fn with_log(&self, log: &Log) {
        log.count(self.instruments.counter("telemetry.log-lines-lost"));
        *self.log.lock() = Some(log.clone());
    }

    /// A generation serves from now on: the log goes where it says.
    pub(crate) fn take_up(&self, config: &Config) {
        if let Some(log) = &*self.log.lock() {
            log.take_up(config.telemetry.log.as_ref(), &self.exporter);
        }
    }

    /// What a generation needs of it.
    pub(crate) fn of(&self, config: &Config) -> Telemetry {
        let meters = self.instruments.meters().clone();
        let written = &config.telemetry;
        let log = written.access_log.as_ref().map(|log| {
            let settings = access::Settings::new(log);
            let outlet = match log.target {
                LogTarget::Otlp => access::Outlet::Collector(Arc::clone(&self.exporter)),
                LogTarget::Stdout | LogTarget::File { .. } => access::Outlet::Writer(Arc::clone(&self.entries)),
            };
            Arc::new(access::Access::new(settings, outlet)) as Arc<dyn Observer>
        });
        Telemetry {
            unmatched: meters.route(&"".into(), ""),
            meters,
            tracing: written.traces.as_ref().map(|traces| Tracing {
                trust: match traces.trust {
                    TraceTrust::Proxies => Trust::Proxies,
                    TraceTrust::Everybody => Trust::Everybody,
                    TraceTrust::Nobody => Trust::Nobody,
                },
                threshold: Tracing::threshold(traces.sample),
                sink: Arc::clone(&self.exporter) as _,
            }),
            observer: Some(Arc::new(tail::Audience { log, tail: Arc::clone(&self.tail) })),
        }
    }

    /// Sends to the collector of whichever generation serves, until [`Self::finish`].
    pub(crate) fn start(&self, current: Arc<Mutex<Arc<Assembly>>>) {
        self.exporter.start(current);
    }

    /// Sends and writes what is still there, within a moment.
    pub(crate) async fn finish(&self) {
        self.entries.finish();
        self.exporter.finish().await;
    }
}
