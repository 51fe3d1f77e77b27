//! A queue as server-sent events: a message leaves it once its event was written to the client.

use super::link::{Link, Session};
use crate::answer;
use crate::events::{self, Event, Sender};
use futures_util::StreamExt as _;
use gateway_core::{Body, Error, Kind, problem};
use http::{Response, StatusCode};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Acker, Channel, Consumer, ErrorKind};
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::mpsc;

/// Messages that are on their way to one client; the rest stays in the queue.
const PREFETCH: u16 = 16;

/// Reads a queue for as long as its client and the connection last.
pub(super) async fn read(
    link: &Link,
    session: Arc<Session>,
    queue: String,
    deadline: Instant,
) -> Result<Response<Body>, Error> {
    let queue = ShortString::try_new(queue)
        .map_err(|cause| Error::new(Kind::HttpRequestError, "the queue's name is too long").because(cause))?;
    let opened = tokio::time::timeout_at(deadline.into(), open(&session, queue)).await;
    let (channel, consumer) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) if is_missing(&error) => {
            return Ok(answer::whole(problem::answer(StatusCode::NOT_FOUND, Some("there is no such queue"))));
        }
        Ok(Err(error)) => return Err(link.unavailable("cannot read the queue").because(error)),
        Err(_) => return Err(Error::new(Kind::HttpResponseTimeout, "the queue could not be read in time")),
    };
    let (sender, response) = events::stream();
    link.runtime().spawn(async move {
        relay(consumer, &sender).await;
        // What was not written goes back into the queue with the channel.
        let _ = channel.close(200, "read".into()).await;
        drop(session);
    });
    Ok(response)
}

async fn open(session: &Session, queue: ShortString) -> lapin::Result<(Channel, Consumer)> {
    let channel = session.connection.create_channel().await?;
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let consumer = channel.basic_consume(queue, ShortString::default(), options, FieldTable::default()).await?;
    Ok((channel, consumer))
}

fn is_missing(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(error) if error.get_id() == 404)
}

async fn relay(mut consumer: Consumer, sender: &Sender) {
    // Never more than the prefetch.
    let (written, mut acknowledged) = mpsc::unbounded_channel::<Acker>();
    loop {
        tokio::select! {
            () = sender.closed() => break,
            acker = acknowledged.recv() => {
                if let Some(acker) = acker
                    && acker.ack(BasicAckOptions::default()).await.is_err()
                {
                    break;
                }
            }
            delivery = consumer.next() => {
                let Some(Ok(delivery)) = delivery else { break };
                let (written, acker) = (written.clone(), delivery.acker);
                let receipt = Box::new(move || drop(written.send(acker)));
                if sender.offer(Event::new(&delivery.data, Some(receipt))).is_err() {
                    break;
                }
            }
        }
    }
    while let Ok(acker) = acknowledged.try_recv() {
        let _ = acker.ack(BasicAckOptions::default()).await;
    }
}
