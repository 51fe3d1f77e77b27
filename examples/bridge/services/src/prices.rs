//! Prices, asked through the queue of that name on RabbitMQ; and the queue of jobs, which clients fill and read.

use crate::say;
use futures_util::StreamExt as _;
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Connection, ConnectionProperties};
use serde_json::{Value, json};

/// Answers until the broker has gone.
pub(crate) async fn serve(broker: &str) -> anyhow::Result<()> {
    let connection = Connection::connect(broker, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    for queue in ["prices", "jobs"] {
        channel.queue_declare(queue.into(), durable, FieldTable::default()).await?;
    }
    let options = BasicConsumeOptions::default();
    let mut asked = channel.basic_consume("prices".into(), "".into(), options, FieldTable::default()).await?;
    say("prices: answers on the queue prices");
    while let Some(message) = asked.next().await {
        let message = message?;
        if let (Some(reply), Some(number)) = (message.properties.reply_to(), message.properties.correlation_id()) {
            let properties = BasicProperties::default().with_correlation_id(number.clone());
            let payload = price(&message.data).to_string();
            let options = BasicPublishOptions::default();
            channel.basic_publish("".into(), reply.clone(), options, payload.as_bytes(), properties).await?;
        }
        message.ack(BasicAckOptions::default()).await?;
    }
    Ok(())
}

/// Of `{"sku": …}`.
fn price(asked: &[u8]) -> Value {
    let asked: Value = serde_json::from_slice(asked).unwrap_or_default();
    let sku = asked.get("sku").and_then(Value::as_str).unwrap_or_default();
    say(&format!("prices: asked for {sku}"));
    json!({ "sku": sku, "amount": 5 * sku.len(), "currency": "EUR" })
}
