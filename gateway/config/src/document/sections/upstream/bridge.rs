//! `[upstream.NAME.nats]`, `[upstream.NAME.amqp]`: services behind a broker.

use crate::document::decode::{Named, NonEmpty, Spanned};
use crate::document::section::section;
use crate::document::sections::SecretValue;
use crate::document::value::{
    AmqpUrl, ExactPath, FieldName, JsonConfig, MessageText, MethodName, NatsUrl, PlainText, Size,
};

section! {
    /// Services behind NATS, spoken to as if they spoke HTTP: each operation says which message a request becomes. One connection is
    /// kept, and made again when it breaks.
    Nats {
        /// Where it listens: `nats://HOST:PORT`, or `tls://HOST:PORT`. Any of several will do.
        "servers" => servers: NonEmpty<Spanned<NatsUrl>>, required;
        /// Who to log in as.
        "username" => username: Spanned<PlainText>, optional;
        /// The password: `{ secret = "NAME" }`.
        "password" => password: SecretValue, optional;
        /// A token in place of a user: `{ secret = "NAME" }`.
        "token" => token: SecretValue, optional;
        /// The text of a credentials file, with a JWT and its seed: `{ secret = "NAME" }`.
        "credentials" => credentials: SecretValue, optional;
        /// The longest message, both ways; the server may take less.
        "message" => message: Size<1, 67_108_864>, default(Size::mib(1));
        /// What requests become; the first whose path and method fit.
        "operations" => operations: NonEmpty<Spanned<NatsOperation>>, required;
        rule AtMostOne ["username", "token"];
        rule AtMostOne ["username", "credentials"];
        rule AtMostOne ["token", "credentials"];
        rule Needs ["password", "username"];
    }
}

section! {
    /// What a request becomes on NATS. In subjects, fields and payloads `${…}` stands for something of the request: `param.NAME`
    /// of the path, `query.NAME`, `header.NAME`, `attribute.NAME`, `method`, `path`, `id`; `${query.page:-1}` is `1` where there is
    /// none.
    NatsOperation {
        /// The whole path, as the upstream gets it. `{name}` captures one segment, `{*name}` at the end all that is left.
        "path" => path: Spanned<ExactPath>, required;
        /// Any of these methods; any at all when not written.
        "methods" => methods: NonEmpty<MethodName>, empty;
        /// A subject that is asked: the reply is the answer.
        "request" => request: Spanned<MessageText>, optional;
        /// A subject that is told, at most once: 202 when the connection has it.
        "publish" => publish: Spanned<MessageText>, optional;
        /// A subject that a stream of JetStream keeps: 202 when it has.
        "store" => store: Spanned<MessageText>, optional;
        /// A subject whose messages are the answer, as server-sent events.
        "subscribe" => subscribe: Spanned<MessageText>, optional;
        /// Fields of the message.
        "headers" => headers: Named<FieldName, Spanned<MessageText>>, empty;
        /// JSON that is sent in place of the request's body; its strings are templates.
        "payload" => payload: Spanned<JsonConfig>, optional;
        /// What tells a message that is stored from others, so that it is stored once; the request's id when not written.
        "id" => id: Spanned<MessageText>, optional;
        rule ExactlyOne ["request", "publish", "store", "subscribe"];
        rule Needs ["id", "store"];
    }
}

section! {
    /// Services behind a broker of AMQP 0-9-1, such as RabbitMQ, spoken to as if they spoke HTTP: each operation says which message a
    /// request becomes.
    Amqp {
        /// Where it listens: `amqp://HOST:PORT`, or `amqps://HOST:PORT` for TLS. Any of several will do.
        "servers" => servers: NonEmpty<Spanned<AmqpUrl>>, required;
        /// The virtual host; `/` when not written.
        "vhost" => vhost: PlainText, optional;
        /// Who to log in as; `guest` when not written.
        "username" => username: Spanned<PlainText>, optional;
        /// The password: `{ secret = "NAME" }`.
        "password" => password: SecretValue, optional;
        /// The longest message, both ways.
        "message" => message: Size<1, 67_108_864>, default(Size::mib(1));
        /// What requests become; the first whose path and method fit.
        "operations" => operations: NonEmpty<Spanned<AmqpOperation>>, required;
        rule Needs ["password", "username"];
    }
}

section! {
    /// What a request becomes on AMQP. In routing keys, fields and payloads `${…}` stands for something of the request, as for NATS.
    AmqpOperation {
        /// The whole path, as the upstream gets it. `{name}` captures one segment, `{*name}` at the end all that is left.
        "path" => path: Spanned<ExactPath>, required;
        /// Any of these methods; any at all when not written.
        "methods" => methods: NonEmpty<MethodName>, empty;
        /// A routing key that is asked: the reply is the answer.
        "request" => request: Spanned<MessageText>, optional;
        /// A routing key that is told: 202 when the broker has it in a queue.
        "publish" => publish: Spanned<MessageText>, optional;
        /// A queue whose messages are the answer, as server-sent events, each taken from the queue once it was written to the client.
        "consume" => consume: Spanned<MessageText>, optional;
        /// The exchange; the default one, which takes the name of a queue for a routing key, when not written.
        "exchange" => exchange: Spanned<PlainText>, optional;
        /// Fields of the message.
        "headers" => headers: Named<FieldName, Spanned<MessageText>>, empty;
        /// JSON that is sent in place of the request's body; its strings are templates.
        "payload" => payload: Spanned<JsonConfig>, optional;
        /// The message's id; the request's when not written.
        "id" => id: Spanned<MessageText>, optional;
        rule ExactlyOne ["request", "publish", "consume"];
        rule Needs ["exchange", "request", "publish"];
        rule Needs ["id", "request", "publish"];
    }
}
