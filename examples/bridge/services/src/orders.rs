//! Orders, asked on the subject `orders.ID.get` of NATS; and the stream that keeps what is audited.

use crate::say;
use anyhow::{Context as _, bail};
use async_nats::Client;
use futures_util::StreamExt as _;
use serde_json::{Value, json};

/// Answers until the server has gone.
pub(crate) async fn serve(server: &str) -> anyhow::Result<()> {
    // One try: who calls tries again, and makes the stream again too.
    let client = async_nats::ConnectOptions::new().max_reconnects(1).connect(server).await?;
    make_stream(&client).await?;
    let mut asked = client.subscribe("orders.*.get").await?;
    client.flush().await?;
    say("orders: answers on orders.*.get");
    while let Some(message) = asked.next().await {
        let id = message.subject.split('.').nth(1).unwrap_or_default();
        say(&format!("orders: asked for {id}"));
        let Some(reply) = message.reply else { continue };
        let (fields, payload) = order(id);
        client.publish_with_headers(reply, fields, payload.to_string().into()).await?;
    }
    Ok(())
}

/// An order, or a failure as services of NATS tell it.
fn order(id: &str) -> (async_nats::HeaderMap, Value) {
    let mut fields = async_nats::HeaderMap::new();
    match id.parse::<u32>() {
        Ok(number) => {
            let sku = if number % 2 == 0 { "tea" } else { "boots" };
            (fields, json!({ "id": id, "customer": format!("c{}", number % 3), "sku": sku }))
        }
        Err(_) => {
            fields.insert("Nats-Service-Error-Code", "404");
            fields.insert("Nats-Service-Error", "orders have numbers");
            (fields, json!({ "error": "orders have numbers" }))
        }
    }
}

/// What JetStream is asked by its own subjects, so that its client need not be linked.
async fn make_stream(client: &Client) -> anyhow::Result<()> {
    let wanted = json!({ "name": "AUDIT", "subjects": ["audit"] });
    let answer = client.request("$JS.API.STREAM.CREATE.AUDIT", wanted.to_string().into()).await;
    let answer = answer.context("no JetStream: start nats-server with --jetstream")?;
    let answer: Value = serde_json::from_slice(&answer.payload)?;
    if let Some(error) = answer.get("error") {
        bail!("the stream AUDIT cannot be made: {error}");
    }
    Ok(())
}
