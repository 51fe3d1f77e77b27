//! Telemetry: the collector is an upstream that can be spoken to as is written, and whoever sends there has one.

use std::path::Path;
use std::sync::Arc;

use super::names::Names;
use crate::document::decode::Spanned;
use crate::document::read::beside;
use crate::document::reports::Reports;
use crate::document::sections::{self, Document, LogWord};
use crate::document::value::{FieldName, LogFieldName, Name};
use crate::{AccessLog, Diagnostic, LogField, LogTarget, Otlp, OtlpProtocol, ProcessLog, Protocol, Telemetry, Traces};

/// What is counted, traced and told, with the defaults.
pub(crate) fn resolve(document: &Document, names: &Names<'_>, reports: &mut Reports) -> Telemetry {
    let written = document.telemetry.as_ref().map(|telemetry| telemetry.value.clone()).unwrap_or_default();
    let otlp = written.otlp.as_ref().and_then(|otlp| collector(&otlp.value, names, reports));
    let access_log = written.access_log.as_ref().and_then(|log| access_log(log, written.otlp.is_some(), reports));
    let traces =
        written.traces.as_ref().map(|traces| Traces { sample: traces.sample().per_million(), trust: traces.trust() });
    let log = written.log.as_ref().map(|log| ProcessLog {
        target: log.to.as_ref().and_then(|to| target(to, written.otlp.is_some(), reports)),
        format: log.format,
    });
    let targets = [
        written.access_log.as_ref().and_then(|log| log.to.as_ref()),
        written.log.as_ref().and_then(|log| log.to.as_ref()),
    ];
    let sends = |to: &Spanned<sections::LogTarget>| matches!(to.value, sections::LogTarget::Word(LogWord::Otlp));
    let is_used = traces.is_some() || targets.into_iter().flatten().any(sends);
    if let Some(Spanned { place, .. }) = written.otlp.as_ref().filter(|_| !is_used) {
        let diagnostic = Diagnostic::warning("unused-otlp", "nothing is sent to the collector").at(place);
        reports.add_absent(diagnostic.hint("write `traces`, or a log with `to = \"otlp\"`"));
    }
    Telemetry {
        metrics: written.metrics(),
        service: written.service.as_ref().map_or_else(|| "gateway".into(), |Name(service)| Arc::clone(service)),
        otlp,
        traces,
        access_log,
        log,
    }
}

fn collector(written: &sections::Otlp, names: &Names<'_>, reports: &mut Reports) -> Option<Otlp> {
    let upstream = written.upstream.as_ref()?;
    let definition = names.upstreams.find(upstream, reports)?;
    let protocol = written.protocol();
    if let Some(service) = definition.value
        && protocol == OtlpProtocol::Grpc
        && service.spoken() != Protocol::Http2
    {
        let message = format!("gRPC is spoken by HTTP/2, and the upstream `{}` by HTTP/1.1", upstream.value);
        let diagnostic = Diagnostic::error("otlp-protocol", message).at(&upstream.place);
        reports.add(diagnostic.label(definition.place, "defined here").hint("write `protocol = \"http2\"` there"));
        return None;
    }
    Some(Otlp { upstream: Arc::clone(&upstream.value.0), protocol })
}

fn access_log(written: &sections::AccessLog, has_collector: bool, reports: &mut Reports) -> Option<AccessLog> {
    let target = target(written.to.as_ref()?, has_collector, reports)?;
    let fields = written.fields.as_ref();
    let fields = fields.map(|fields| fields.0.iter().map(|LogFieldName(field)| field.clone()).collect());
    Some(AccessLog {
        target,
        format: written.format(),
        fields: fields.unwrap_or_else(LogField::usual),
        sample: written.sample().per_million(),
        redact: written.redact.iter().map(|FieldName(name)| name.clone()).collect(),
    })
}

fn target(to: &Spanned<sections::LogTarget>, has_collector: bool, reports: &mut Reports) -> Option<LogTarget> {
    match &to.value {
        sections::LogTarget::Word(LogWord::Stdout) => Some(LogTarget::Stdout),
        sections::LogTarget::Word(LogWord::Otlp) => {
            if !has_collector {
                let message = "`\"otlp\"` means nothing without `otlp`";
                let diagnostic = Diagnostic::error("missing-key", message).at(&to.place);
                reports.add_absent(diagnostic.hint("write `otlp = { upstream = \"NAME\" }` in `[telemetry]`"));
            }
            Some(LogTarget::Otlp)
        }
        sections::LogTarget::File(file) => {
            let path = file.file.as_ref()?;
            let written = Path::new(&path.value.0);
            if written.file_name().is_none() {
                reports.add(Diagnostic::error("invalid-file", "this is no name of a file").at(&path.place));
                return None;
            }
            let (path, keep) = (beside(&path.place.file, written), file.keep().in_memory());
            Some(LogTarget::File { path, rotation: file.rotate(), keep })
        }
    }
}
