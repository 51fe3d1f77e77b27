//! The access log: an entry for each exchange that is over.
//!
//! A thread that serves makes a line of each, while what is in it is at hand; another one writes, many lines at once.

mod entry;
mod file;
mod line;
mod redact;
mod writer;

pub(crate) use entry::entry;
pub(crate) use file::appender;
pub(crate) use writer::Writer;

use super::otlp::Exporter;
use gateway_config::{AccessLog, LogField};
use gateway_core::observe::{Observer, Record};
use http::HeaderName;
use line::Labels;
use redact::Redaction;
use std::sync::Arc;

/// Of so many, as the configuration counts shares.
const ALL: u32 = 1_000_000;

/// What is written of a record, and where.
pub(crate) struct Settings {
    pub(crate) log: AccessLog,
    redaction: Redaction,
    /// What [`AccessLog::fields`] are called in an entry.
    names: Vec<String>,
    /// What they are called in a line.
    labels: Labels,
    /// The fields of requests in [`AccessLog::fields`], in order.
    headers: Vec<HeaderName>,
}

impl Settings {
    /// As they were configured.
    pub(crate) fn new(log: &AccessLog) -> Arc<Self> {
        let header = |field: &LogField| match field {
            LogField::Header(name) => HeaderName::from_bytes(name.as_bytes()).ok(),
            _ => None,
        };
        let headers = log.fields.iter().filter_map(header).collect();
        let names: Vec<String> = log.fields.iter().map(LogField::name).collect();
        let labels = Labels::new(&log.fields, log.format);
        Arc::new(Self { names, labels, redaction: Redaction::new(&log.redact), headers, log: log.clone() })
    }
}

/// Who takes entries.
pub(crate) enum Outlet {
    /// The thread that writes.
    Writer(Arc<Writer>),
    /// The collector.
    Collector(Arc<Exporter>),
}

/// The access log of a generation.
pub(crate) struct Access {
    settings: Arc<Settings>,
    outlet: Outlet,
}

impl Access {
    /// One that puts its entries there.
    pub(crate) fn new(settings: Arc<Settings>, outlet: Outlet) -> Self {
        Self { settings, outlet }
    }
}

impl Observer for Access {
    fn watches(&self) -> bool {
        true
    }

    fn wants(&self, status: u16) -> u8 {
        let sample = self.settings.log.sample;
        (status >= 500 || sample >= ALL || fastrand::u32(..ALL) < sample).into()
    }

    fn fields(&self) -> &[HeaderName] {
        &self.settings.headers
    }

    fn ended(&self, record: Box<Record>, _: u8) {
        match &self.outlet {
            Outlet::Writer(writer) => writer.put(&self.settings, &record),
            Outlet::Collector(exporter) => exporter.offer_entry(Arc::clone(&self.settings), record),
        }
    }
}
