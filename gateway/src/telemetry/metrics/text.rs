//! The text that Prometheus reads, in the older form or as OpenMetrics.

use super::family::{Family, Figure, Kind, Labels, Unit};
use crate::server::Running;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::exemplar::Exemplar;
use prometheus_client::registry::{self, Registry};
use std::fmt;

/// In what form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `text/plain; version=0.0.4`
    Prometheus,
    /// `application/openmetrics-text; version=1.0.0`
    OpenMetrics,
}

impl Format {
    /// What an `accept` field asks for: Prometheus asks for OpenMetrics first.
    pub(crate) fn of(accept: &str) -> Self {
        if accept.contains("application/openmetrics-text") { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// As a `content-type` field has it.
    pub(crate) fn media_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// All figures as text.
pub(crate) fn render(running: &Running, format: Format) -> Result<String, fmt::Error> {
    write(super::families(running), format)
}

fn write(families: Vec<Family>, format: Format) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Figures(families)));
    let mut written = String::new();
    match format {
        Format::Prometheus => prometheus_text::encode(&mut written, &registry)?,
        Format::OpenMetrics => text::encode(&mut written, &registry)?,
    }
    Ok(written)
}

#[derive(Debug)]
struct Figures(Vec<Family>);

impl Collector for Figures {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        self.0.iter().try_for_each(|family| encode(&mut encoder, family))
    }
}

fn encode(encoder: &mut DescriptorEncoder<'_>, family: &Family) -> Result<(), fmt::Error> {
    let unit = match family.unit {
        Unit::None => None,
        Unit::Seconds => Some(registry::Unit::Seconds),
        Unit::Bytes => Some(registry::Unit::Bytes),
    };
    let kind = match family.kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
    };
    let mut encoder = encoder.encode_descriptor(family.name, family.help, unit.as_ref(), kind)?;
    for (labels, figure) in &family.samples {
        if family.kind == Kind::Info {
            encoder.encode_info(labels)?;
            continue;
        }
        let mut encoder = encoder.encode_family(labels)?;
        match (figure, family.kind) {
            (Figure::Whole(count), Kind::Counter) => encoder.encode_counter(count, none())?,
            (Figure::Number(number), Kind::Counter) => encoder.encode_counter(number, none())?,
            // What does not fit is told as near as it goes.
            (Figure::Whole(count), _) => encoder.encode_gauge(&i64::try_from(*count).unwrap_or(i64::MAX))?,
            (Figure::Number(number), _) => encoder.encode_gauge(number)?,
            (Figure::Histogram(reading), _) => {
                let scale = if family.unit == Unit::Seconds { 1e9 } else { 1.0 };
                // The last range has no end.
                let ends = reading.bounds.iter().map(|bound| *bound as f64 / scale).chain([f64::INFINITY]);
                let buckets: Vec<(f64, u64)> = ends.zip(reading.counts.iter().copied()).collect();
                encoder.encode_histogram::<NoLabelSet>(reading.sum as f64 / scale, reading.count(), &buckets, None)?;
            }
        }
    }
    Ok(())
}

/// No example is told.
fn none<'a>() -> Option<&'a Exemplar<Labels, f64>> {
    None
}
