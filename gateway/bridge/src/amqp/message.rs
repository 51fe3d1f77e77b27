//! A request as a message of AMQP, and a message as an answer.

use crate::answer;
use bytes::Bytes;
use gateway_core::{Body, Error, Kind};
use http::{Response, StatusCode};
use lapin::BasicProperties;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, LongString, ShortString};
use std::time::Duration;

/// Outlives a restart of the broker, where its queue does.
const PERSISTENT: u8 = 2;

/// A message to be sent.
pub(super) struct Outgoing {
    pub(super) exchange: ShortString,
    pub(super) key: ShortString,
    pub(super) properties: BasicProperties,
    pub(super) payload: Bytes,
}

impl Outgoing {
    /// A message: its type, its encoding and its id are properties, all else is among its fields.
    ///
    /// # Errors
    /// [`Kind::HttpRequestError`] where a property would be longer than there is room for.
    pub(super) fn new(
        exchange: String,
        key: String,
        headers: Vec<(String, String)>,
        id: String,
        payload: Bytes,
    ) -> Result<Self, Error> {
        let mut properties = BasicProperties::default().with_message_id(short(id, "the message's id")?);
        let mut fields = FieldTable::default();
        for (name, value) in headers {
            match name.as_str() {
                "content-type" => properties = properties.with_content_type(short(value, "the content type")?),
                "content-encoding" => {
                    properties = properties.with_content_encoding(short(value, "the content encoding")?)
                }
                _ => {
                    fields.insert(short(name, "a field's name")?, AMQPValue::LongString(LongString::from(value)));
                }
            }
        }
        let properties = properties.with_headers(fields);
        let (exchange, key) = (short(exchange, "the exchange")?, short(key, "the routing key")?);
        Ok(Self { exchange, key, properties, payload })
    }

    /// It is to outlive a restart of the broker.
    pub(super) fn keep(&mut self) {
        self.properties = std::mem::take(&mut self.properties).with_delivery_mode(PERSISTENT);
    }

    /// Where its reply goes, and what tells it from others. Whoever takes it up after its time has nobody to answer.
    pub(super) fn reply_to(&mut self, inbox: &ShortString, number: u64, left: Duration) -> Result<(), Error> {
        let properties = std::mem::take(&mut self.properties).with_reply_to(inbox.clone());
        let properties = properties.with_correlation_id(short(number.to_string(), "the number")?);
        self.properties = properties.with_expiration(short(left.as_millis().to_string(), "the time")?);
        Ok(())
    }
}

/// The client library panics at what is too long.
fn short(text: String, what: &str) -> Result<ShortString, Error> {
    ShortString::try_new(text)
        .map_err(|cause| Error::new(Kind::HttpRequestError, format!("{what} has more than 255 bytes")).because(cause))
}

/// A reply.
pub(super) fn answer(delivery: Delivery, limit: usize) -> Result<Response<Body>, Error> {
    let properties = &delivery.properties;
    let own = [("content-type", properties.content_type()), ("content-encoding", properties.content_encoding())];
    let own = own.iter().filter_map(|(name, value)| Some((*name, value.as_ref()?.as_str().as_bytes())));
    let fields =
        properties.headers().iter().flat_map(|fields| fields.inner()).filter_map(|(name, value)| match value {
            AMQPValue::LongString(text) => Some((name.as_str(), text.as_bytes())),
            AMQPValue::ShortString(text) => Some((name.as_str(), text.as_str().as_bytes())),
            _ => None,
        });
    // The broker's own are no business of the client's.
    let fields = own.chain(fields.filter(|(name, _)| !name.to_ascii_lowercase().starts_with("x-")));
    let payload = Bytes::from(delivery.data.clone());
    answer::reply(StatusCode::OK, fields, payload, limit)
}
