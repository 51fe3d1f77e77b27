//! Services behind a broker: passwords found, templates fitted to the paths that they take from.

use serde_json::Value;
use std::collections::BTreeSet;

use super::routes::captured;
use super::secrets::Secrets;
use crate::document::decode::{NonEmpty, Spanned};
use crate::document::reports::Reports;
use crate::document::sections::{self, AmqpOperation, NatsOperation, SecretValue};
use crate::document::value::{
    AmqpUrl, ExactPath, FieldName, JsonConfig, MessageText, MethodName, Name, NatsUrl, PlainText, Scalar as _,
};
use crate::suggest::did_you_mean;
use crate::{
    Bridge, BridgeProtocol, Diagnostic, Endpoint, MessagePart, MessageSource, MessageTemplate, Operation, PathPattern,
    Payload, Place, Secret, Verb,
};

/// What an upstream speaks in place of HTTP. None inside where something is wrong with it, which has been reported then.
pub(crate) fn resolve(
    written: &sections::Upstream,
    secrets: &mut Secrets<'_>,
    reports: &mut Reports,
) -> Option<Option<Bridge>> {
    if let Some(nats) = &written.nats {
        return Some(self::nats(nats, secrets, reports));
    }
    written.amqp.as_ref().map(|amqp| self::amqp(amqp, secrets, reports))
}

fn nats(written: &sections::Nats, secrets: &mut Secrets<'_>, reports: &mut Reports) -> Option<Bridge> {
    let servers = written.servers.as_ref().map(|NonEmpty(servers)| servers.as_slice()).unwrap_or_default();
    let servers: Vec<Endpoint> = servers.iter().map(|Spanned { value: NatsUrl(server), .. }| server.clone()).collect();
    let password = secret(written.password.as_ref(), secrets, reports);
    let token = secret(written.token.as_ref(), secrets, reports);
    let credentials = secret(written.credentials.as_ref(), secrets, reports);
    let operations = written.operations.as_ref().map(|NonEmpty(operations)| operations.as_slice()).unwrap_or_default();
    let operations = operations.iter().map(|operation| nats_operation(&operation.value, reports));
    // Each is looked at, whatever is wrong with those before it.
    let operations: Vec<_> = operations.collect();
    Some(Bridge {
        protocol: BridgeProtocol::Nats { token: token?, credentials: credentials? },
        servers,
        username: written.username.as_ref().map(|name| name.value.0.clone()),
        password: password?,
        message: written.message().in_memory(),
        operations: operations.into_iter().collect::<Option<_>>()?,
    })
}

fn nats_operation(written: &NatsOperation, reports: &mut Reports) -> Option<Operation> {
    let verbs = [
        (Verb::Request, &written.request),
        (Verb::Publish, &written.publish),
        (Verb::Store, &written.store),
        (Verb::Subscribe, &written.subscribe),
    ];
    let NatsOperation { path, methods, headers, payload, id, .. } = written;
    let (verb, to) = verbs.into_iter().find_map(|(verb, to)| Some((verb, to.as_ref()?)))?;
    check_subject(to, verb, reports);
    let common =
        Common { path: path.as_ref()?, methods, headers: &headers.0, payload: payload.as_ref(), id: id.as_ref() };
    common.operation(verb, to, String::new(), reports)
}

fn amqp(written: &sections::Amqp, secrets: &mut Secrets<'_>, reports: &mut Reports) -> Option<Bridge> {
    let servers = written.servers.as_ref().map(|NonEmpty(servers)| servers.as_slice()).unwrap_or_default();
    let servers: Vec<Endpoint> = servers.iter().map(|Spanned { value: AmqpUrl(server), .. }| server.clone()).collect();
    let password = secret(written.password.as_ref(), secrets, reports);
    let operations = written.operations.as_ref().map(|NonEmpty(operations)| operations.as_slice()).unwrap_or_default();
    let operations = operations.iter().map(|operation| amqp_operation(&operation.value, reports));
    // Each is looked at, whatever is wrong with those before it.
    let operations: Vec<_> = operations.collect();
    Some(Bridge {
        protocol: BridgeProtocol::Amqp {
            vhost: written.vhost.as_ref().map_or("/", |PlainText(vhost)| vhost).to_owned(),
        },
        servers,
        username: written.username.as_ref().map(|name| name.value.0.clone()),
        password: password?,
        message: written.message().in_memory(),
        operations: operations.into_iter().collect::<Option<_>>()?,
    })
}

fn amqp_operation(written: &AmqpOperation, reports: &mut Reports) -> Option<Operation> {
    let verbs =
        [(Verb::Request, &written.request), (Verb::Publish, &written.publish), (Verb::Subscribe, &written.consume)];
    let AmqpOperation { path, methods, headers, payload, id, exchange, .. } = written;
    let (verb, to) = verbs.into_iter().find_map(|(verb, to)| Some((verb, to.as_ref()?)))?;
    let exchange = exchange.as_ref().map(|exchange| exchange.value.0.clone()).unwrap_or_default();
    let common =
        Common { path: path.as_ref()?, methods, headers: &headers.0, payload: payload.as_ref(), id: id.as_ref() };
    common.operation(verb, to, exchange, reports)
}

/// What operations of every protocol have.
struct Common<'w> {
    path: &'w Spanned<ExactPath>,
    methods: &'w NonEmpty<MethodName>,
    headers: &'w [(Spanned<FieldName>, Option<Spanned<MessageText>>)],
    payload: Option<&'w Spanned<JsonConfig>>,
    id: Option<&'w Spanned<MessageText>>,
}

impl Common<'_> {
    fn operation(
        &self,
        verb: Verb,
        to: &Spanned<MessageText>,
        exchange: String,
        reports: &mut Reports,
    ) -> Option<Operation> {
        let path: &PathPattern = &self.path.value.0;
        let captured = captured(path);
        let mut template = |text: &Spanned<MessageText>| {
            report_uncaptured(&text.value.0, &text.place, &captured, reports);
            text.value.0.clone()
        };
        let to = template(to);
        let id = self.id.map(&mut template);
        let headers = self.headers.iter();
        let headers =
            headers.filter_map(|(name, text)| Some((name.value.0.clone(), template(text.as_ref()?)))).collect();
        let payload = match self.payload {
            Some(payload) => Some(self::payload(&payload.value.value, "", &payload.value, &captured, reports)?),
            None => None,
        };
        let methods = self.methods.0.iter().map(|MethodName(method)| method.clone()).collect();
        Some(Operation { path: path.clone(), methods, verb, to, exchange, headers, payload, id })
    }
}

/// None inside: it was not written. None at all: it is missing, which has been reported.
fn secret(written: Option<&SecretValue>, secrets: &mut Secrets<'_>, reports: &mut Reports) -> Option<Option<Secret>> {
    match written {
        None => Some(None),
        Some(written) => secrets.find(written.secret.as_ref()?, reports).map(Some),
    }
}

/// The parts of a subject that are written are words between dots; wildcards stand only where somebody listens.
fn check_subject(subject: &Spanned<MessageText>, verb: Verb, reports: &mut Reports) {
    let parts = subject.value.0.parts.iter().map(|part| match part {
        MessagePart::Text(text) => text.as_str(),
        MessagePart::Place { .. } => "x",
    });
    let text: String = parts.collect();
    let listens = verb == Verb::Subscribe;
    let problem = if text.is_empty() || text.split('.').any(str::is_empty) {
        "a subject is words between dots, none of them empty"
    } else if text.chars().any(|letter| letter.is_whitespace() || letter.is_control()) {
        "a subject has no spaces"
    } else if !listens && text.split('.').any(|word| matches!(word, "*" | ">")) {
        "a message has one subject: wildcards stand only in `subscribe`"
    } else {
        return;
    };
    reports
        .add(Diagnostic::error("invalid-subject", problem).at(&subject.place).hint("for example `orders.${param.id}`"));
}

/// A template can only use what the path captures.
fn report_uncaptured(template: &MessageTemplate, place: &Place, captured: &BTreeSet<&str>, reports: &mut Reports) {
    for part in &template.parts {
        if let MessagePart::Place { source: MessageSource::Param(name), .. } = part
            && !captured.contains(&**name)
        {
            let message = format!("the path of this operation captures no `{{{name}}}`");
            let hint = did_you_mean(name, captured.iter().copied());
            reports.add_absent(Diagnostic::error("unknown-parameter", message).at(place).maybe_hint(hint));
        }
    }
}

fn payload(
    value: &Value,
    pointer: &str,
    whole: &JsonConfig,
    captured: &BTreeSet<&str>,
    reports: &mut Reports,
) -> Option<Payload> {
    if let Some(secret) = whole.secrets.iter().find(|secret| secret.pointer == pointer) {
        let Spanned { value: Name(name), place } = &secret.name;
        let message = format!("the secret `{name}` stands in what is sent to a service");
        reports.add(Diagnostic::error("secret-in-payload", message).at(place));
        return None;
    }
    let mut at = |value: &Value, key: &str| {
        let key = key.replace('~', "~0").replace('/', "~1");
        payload(value, &format!("{pointer}/{key}"), whole, captured, reports)
    };
    Some(match value {
        Value::Array(items) => {
            let items = items.iter().enumerate().map(|(index, item)| at(item, &index.to_string()));
            let items: Vec<_> = items.collect();
            Payload::List(items.into_iter().collect::<Option<_>>()?)
        }
        Value::Object(entries) => {
            let entries: Vec<_> = entries.iter().map(|(key, value)| Some((key.clone(), at(value, key)?))).collect();
            Payload::Object(entries.into_iter().collect::<Option<_>>()?)
        }
        Value::String(text) => match MessageText::parse(text) {
            Ok(MessageText(template)) => {
                if let Some(place) = whole.places.get(pointer) {
                    report_uncaptured(&template, place, captured, reports);
                }
                Payload::Text(template)
            }
            Err(fault) => {
                let diagnostic = Diagnostic::error(MessageText::CODE, fault.message).maybe_hint(fault.hint);
                reports.add(match whole.places.get(pointer) {
                    Some(place) => diagnostic.at(place),
                    None => diagnostic,
                });
                return None;
            }
        },
        fixed => Payload::Fixed(fixed.clone()),
    })
}
