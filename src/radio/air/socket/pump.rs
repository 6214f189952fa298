//! Carries one link over its connection, on the central's side.
//!
//! Sending and receiving are two futures that never wait for each other: if they did, two full socket buffers could stop both
//! processes for good.

use std::collections::HashMap;
use std::io;

use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::frames::{FrameReader, FrameWriter};
use super::messages::{FromAir, ToAir};
use crate::radio::air::link::{Answer, LinkEnd, Operation, Request};
use crate::radio::{LinkClosed, NotificationSink, WriteMode};

/// Requests that were sent before the first of them was answered.
const REQUESTS_UNDER_WAY: usize = 64;

/// Who waits for messages with this id.
struct Waiting {
    id: u32,
    reply: Option<oneshot::Sender<Answer>>,
    sink: Option<NotificationSink>,
}

/// Runs until either side closes the link; dropping the connection tells the other.
pub async fn run(mut end: LinkEnd, reader: FrameReader, writer: FrameWriter, stop: CancellationToken) {
    let (announce, announced) = mpsc::channel(REQUESTS_UNDER_WAY);
    let reason = tokio::select! {
        biased;
        () = end.hung_up.cancelled() => LinkClosed::ByHost,
        () = stop.cancelled() => LinkClosed::ByHost,
        reason = receive(reader, announced) => reason,
        never = send(&mut end.requests, announce, writer) => match never {},
    };
    end.closed.send_replace(Some(reason));
}

/// Sends requests. Never ends by itself: whether the link is gone is for the receiving half to say, which may still have the
/// reason to read.
async fn send(
    requests: &mut mpsc::Receiver<Request>,
    announce: mpsc::Sender<Waiting>,
    mut writer: FrameWriter,
) -> std::convert::Infallible {
    let mut id = 0_u32;
    while let Some(request) = requests.recv().await {
        id = id.wrapping_add(1);
        let (message, waiting) = translate(id, request);
        // Announced first, so that the answer finds who waits for it.
        if announce.send(waiting).await.is_err() || writer.send(&message).await.is_err() {
            break;
        }
    }
    std::future::pending().await
}

fn translate(id: u32, Request { characteristic, operation, reply }: Request) -> (ToAir, Waiting) {
    let mode = if reply.is_some() { WriteMode::WithResponse } else { WriteMode::WithoutResponse };
    let (message, sink) = match operation {
        Operation::Read => (ToAir::Read { id, characteristic }, None),
        Operation::Write(value) => (ToAir::Write { id, characteristic, value, mode }, None),
        Operation::Subscribe(sink) => (ToAir::Subscribe { id, characteristic }, Some(sink)),
    };
    (message, Waiting { id, reply, sink })
}

/// Hands out what arrives, until the link is closed.
async fn receive(mut reader: FrameReader, mut announced: mpsc::Receiver<Waiting>) -> LinkClosed {
    let mut replies = HashMap::new();
    let mut sinks = HashMap::new();
    loop {
        let message = tokio::select! {
            biased;
            Some(Waiting { id, reply, sink }) = announced.recv() => {
                reply.map(|reply| replies.insert(id, reply));
                sink.map(|sink| sinks.insert(id, sink));
                continue;
            }
            message = reader.next() => message,
        };
        let (id, answer) = match message {
            Ok(FromAir::Answer { id, value }) => (id, Ok(value)),
            Ok(FromAir::Failed { id, failure }) => (id, Err(failure.into())),
            Ok(FromAir::Notification { id, value }) => {
                // A full queue is a hole that the protocol above must notice, as everywhere.
                sinks.get(&id).map(|sink: &NotificationSink| sink.push(value.into()));
                continue;
            }
            Ok(FromAir::Closed(reason)) => return reason,
            Ok(other) => return confused(&io::Error::other(format!("{other:?} in the middle of a link"))),
            Err(error) => return confused(&error),
        };
        if let Some(reply) = replies.remove(&id) {
            let _ = reply.send(answer);
        }
    }
}

fn confused(error: &io::Error) -> LinkClosed {
    tracing::debug!(%error, "The process with the virtual air went away.");
    LinkClosed::RadioGone
}
