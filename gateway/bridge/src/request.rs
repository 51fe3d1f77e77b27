//! What a message is made of: the request's own parts, filled into the templates of its operation.

use crate::operations::Captured;
use bytes::Bytes;
use gateway_config::{MessagePart, MessageSource, MessageTemplate, Operation, Payload};
use gateway_core::bridge::Told;
use gateway_core::{Body, Error, Kind};
use http::HeaderName;
use http::request::Parts;
use percent_encoding::percent_decode_str;
use serde_json::Value;

/// The longest subject, routing key or name of a queue.
const LONGEST: usize = 255;

/// The request's own fields that every message has as well, where they are there.
const CARRIED: [&str; 4] = ["content-type", "traceparent", "tracestate", "x-request-id"];

/// A request whose operation is known.
pub(crate) struct Asked<'a> {
    pub(crate) head: &'a Parts,
    pub(crate) captured: &'a Captured,
    pub(crate) operation: &'a Operation,
}

impl Asked<'_> {
    /// Where the message goes. What is filled in stays one word: it can neither be a wildcard nor add words to the subject.
    ///
    /// # Errors
    /// [`Kind::HttpRequestError`] where it would not, or is absent.
    pub(crate) fn to(&self) -> Result<String, Error> {
        let subject = self.fill(&self.operation.to, &|value, place| {
            let is_word = |letter: char| {
                !letter.is_whitespace() && !letter.is_control() && !matches!(letter, '.' | '*' | '>' | '#')
            };
            match !value.is_empty() && value.chars().all(is_word) {
                true => Ok(()),
                false => Err(refused(format!("{} is no single word of a subject", told(place)))),
            }
        })?;
        // Subjects of the server's own; who writes one in the configuration means it.
        let reserved =
            subject.starts_with(['$', '_']) && !matches!(self.operation.to.parts.first(), Some(MessagePart::Text(_)));
        if reserved || subject.len() > LONGEST {
            return Err(refused("the request makes a subject that is reserved or too long".into()));
        }
        Ok(subject)
    }

    /// What tells the message from others.
    ///
    /// # Errors
    /// [`Kind::HttpRequestError`] where the request lacks what it is made of.
    pub(crate) fn id(&self) -> Result<String, Error> {
        match &self.operation.id {
            Some(template) => self.text(template),
            None => Ok(self.field("x-request-id").unwrap_or_default()),
        }
    }

    /// The fields of the message: those that every message has, then those that were written.
    ///
    /// # Errors
    /// [`Kind::HttpRequestError`] where the request lacks what one is made of.
    pub(crate) fn headers(&self) -> Result<Vec<(String, String)>, Error> {
        let is_own = |name: &str| self.operation.headers.iter().any(|(own, _)| own == name);
        let carried = CARRIED.into_iter().filter(|name| !is_own(name));
        let mut headers: Vec<(String, String)> =
            carried.filter_map(|name| Some((name.to_owned(), self.field(name)?))).collect();
        for (name, template) in &self.operation.headers {
            headers.push((name.clone(), self.text(template)?));
        }
        Ok(headers)
    }

    /// What the message holds: the payload that was written, else the request's body as it is.
    ///
    /// # Errors
    /// [`Kind::BodyTooLarge`] past `limit` bytes; the client's faults.
    pub(crate) async fn payload(&self, body: Body, limit: usize) -> Result<Bytes, Error> {
        let Some(payload) = &self.operation.payload else { return body.gather(limit).await };
        let text = self.json(payload)?.to_string();
        match text.len() > limit {
            true => Err(Error::new(Kind::BodyTooLarge, format!("the message has more than {limit} bytes"))),
            false => Ok(Bytes::from(text)),
        }
    }

    fn json(&self, payload: &Payload) -> Result<Value, Error> {
        Ok(match payload {
            Payload::Fixed(value) => value.clone(),
            Payload::Text(template) => Value::String(self.fill(template, &|_, _| Ok(()))?),
            Payload::List(items) => items.iter().map(|item| self.json(item)).collect::<Result<_, _>>()?,
            Payload::Object(entries) => {
                let entries = entries.iter().map(|(key, value)| Ok((key.clone(), self.json(value)?)));
                Value::Object(entries.collect::<Result<_, Error>>()?)
            }
        })
    }

    /// A text of one line.
    fn text(&self, template: &MessageTemplate) -> Result<String, Error> {
        self.fill(template, &|value, place| match value.chars().any(char::is_control) {
            true => Err(refused(format!("{} has a control character", told(place)))),
            false => Ok(()),
        })
    }

    fn fill(
        &self,
        template: &MessageTemplate,
        check: &dyn Fn(&str, &MessageSource) -> Result<(), Error>,
    ) -> Result<String, Error> {
        let mut filled = String::new();
        for part in &template.parts {
            match part {
                MessagePart::Text(text) => filled.push_str(text),
                MessagePart::Place { source, default } => {
                    let value = match (self.value(source).filter(|value| !value.is_empty()), default) {
                        (Some(value), _) => value,
                        (None, Some(default)) => default.clone(),
                        (None, None) => return Err(refused(format!("{} is missing", told(source)))),
                    };
                    check(&value, source)?;
                    filled.push_str(&value);
                }
            }
        }
        Ok(filled)
    }

    fn value(&self, source: &MessageSource) -> Option<String> {
        match source {
            MessageSource::Param(name) => {
                self.captured.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
            }
            MessageSource::Header(name) => self.field(name),
            MessageSource::Query(name) => query(self.head.uri.query()?, name),
            MessageSource::Attribute(name) => {
                let Told(attributes) = self.head.extensions.get::<Told>()?;
                let (_, value) = attributes.iter().find(|(known, _)| known == name)?;
                String::from_utf8(value.to_vec()).ok()
            }
            MessageSource::Method => Some(self.head.method.to_string()),
            MessageSource::Path => Some(self.head.uri.path().to_owned()),
            MessageSource::Id => self.field("x-request-id"),
        }
    }

    /// A field's values, joined as RFC 9110 5.3 allows.
    fn field(&self, name: &str) -> Option<String> {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        let values: Vec<&str> =
            self.head.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
        (!values.is_empty()).then(|| values.join(", "))
    }
}

fn query(query: &str, name: &str) -> Option<String> {
    let decode = |text: &str| {
        let spaced = text.replace('+', " ");
        percent_decode_str(&spaced).decode_utf8().ok().map(String::from)
    };
    query.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(key)? == name).then(|| decode(value))?
    })
}

fn refused(detail: String) -> Error {
    Error::new(Kind::HttpRequestError, detail)
}

/// Names what was taken, never its value.
fn told(source: &MessageSource) -> String {
    match source {
        MessageSource::Param(name) => format!("the part `{name}` of the path"),
        MessageSource::Header(name) => format!("the field `{name}`"),
        MessageSource::Query(name) => format!("the query parameter `{name}`"),
        MessageSource::Attribute(name) => format!("the attribute `{name}`"),
        MessageSource::Method => "the method".into(),
        MessageSource::Path => "the path".into(),
        MessageSource::Id => "the request's id".into(),
    }
}
