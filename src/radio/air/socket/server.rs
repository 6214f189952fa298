//! The air's side: answers scans, and stands in for the central of each link.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, FuturesUnordered, SelectAll};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::frames::{FrameReader, FrameWriter, frames};
use super::messages::{FromAir, ToAir, VERSION};
use crate::radio::air::link::{AirLink, Answer, Operation, Request};
use crate::radio::air::{Air, AirCentral};
use crate::radio::{CALL_DEADLINE, Central, Link, Notifications, WriteMode};

/// Out of file descriptors is the usual cause, and passes when connections close.
const PAUSE_AFTER_FAILED_ACCEPT: Duration = Duration::from_millis(100);
/// Answers and streams that the sending half has not taken over yet.
const HANDED_OVER: usize = 64;

/// Serves an air to other processes until `stop` is cancelled, and then closes the links that came this way.
///
/// The socket file and its permissions are the caller's: whoever can open it holds the virtual watch in their hands.
pub async fn serve_air(air: Air, listener: UnixListener, stop: CancellationToken) {
    let connections = TaskTracker::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                connections.spawn(stop.clone().run_until_cancelled_owned(serve(air.clone(), stream)));
            }
            Err(error) => {
                tracing::warn!(%error, "The virtual air could not accept a connection.");
                sleep(PAUSE_AFTER_FAILED_ACCEPT).await;
            }
        }
    }
    connections.close();
    connections.wait().await;
}

async fn serve(air: Air, stream: UnixStream) {
    if let Err(error) = converse(air, stream).await {
        tracing::debug!(%error, "A process left the virtual air.");
    }
}

async fn converse(air: Air, stream: UnixStream) -> io::Result<()> {
    let (mut reader, mut writer) = frames(stream);
    let question = timeout(CALL_DEADLINE, greet(&mut reader, &mut writer)).await??;
    let central = AirCentral::new(air);
    let refusal = match question {
        ToAir::Scan { window } => match central.scan(window).await {
            Ok(sightings) => {
                let heard = sightings.into_iter().map(Into::into).collect();
                return writer.send(&FromAir::Sightings(heard)).await;
            }
            Err(error) => error,
        },
        ToAir::Connect { peer } => match central.connect(&peer).await {
            Ok(link) => return carry(link, reader, writer).await,
            Err(error) => error,
        },
        _ => return Err(out_of_turn()),
    };
    writer.send(&FromAir::Refused(refusal.into())).await
}

/// Exchanges versions and receives what the connection is for.
async fn greet(reader: &mut FrameReader, writer: &mut FrameWriter) -> io::Result<ToAir> {
    let ToAir::Hello { version } = reader.next().await? else { return Err(out_of_turn()) };
    writer.send(&FromAir::Hello { version: VERSION }).await?;
    if version == VERSION { reader.next().await } else { Err(io::ErrorKind::Unsupported.into()) }
}

fn out_of_turn() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a message out of turn")
}

/// Carries a link until it closes here or the connection does. As on the other side, neither half waits for the other.
async fn carry(link: AirLink, reader: FrameReader, mut writer: FrameWriter) -> io::Result<()> {
    let (characteristics, mtu) = (link.characteristics(), link.mtu());
    writer.send(&FromAir::Connected { characteristics, mtu }).await?;
    let (hand_over, handed_over) = mpsc::channel(HANDED_OVER);
    tokio::select! {
        result = receive(&link, reader, hand_over) => result,
        result = send(&link, handed_over, writer) => result,
    }
}

/// What the sending half has to send as soon as it is there.
enum Outgoing {
    Answer(u32, oneshot::Receiver<Answer>),
    Notifications(u32, Notifications),
}

/// Passes requests on. Ends with the connection, never before: a closed link is for the sending half to tell.
async fn receive(
    link: &AirLink,
    mut reader: FrameReader,
    hand_over: mpsc::Sender<Outgoing>,
) -> io::Result<()> {
    let requests = link.requests();
    loop {
        let (id, characteristic, operation, mode) = match reader.next().await? {
            ToAir::Read { id, characteristic } => {
                (id, characteristic, Operation::Read, WriteMode::WithResponse)
            }
            ToAir::Write { id, characteristic, value, mode } => {
                (id, characteristic, Operation::Write(value), mode)
            }
            ToAir::Subscribe { id, characteristic } => {
                let (sink, notifications) = Notifications::channel();
                let _ = hand_over.send(Outgoing::Notifications(id, notifications)).await;
                (id, characteristic, Operation::Subscribe(sink), WriteMode::WithResponse)
            }
            _ => return Err(out_of_turn()),
        };
        let mut reply = None;
        if mode == WriteMode::WithResponse {
            let (sender, answer) = oneshot::channel();
            reply = Some(sender);
            let _ = hand_over.send(Outgoing::Answer(id, answer)).await;
        }
        let _ = requests.send(Request { characteristic, operation, reply }).await;
    }
}

/// Sends answers and notifications, and at last why the link is closed.
async fn send(
    link: &AirLink,
    mut handed_over: mpsc::Receiver<Outgoing>,
    mut writer: FrameWriter,
) -> io::Result<()> {
    let mut answers = FuturesUnordered::<BoxFuture<Option<FromAir>>>::new();
    let mut notifications = SelectAll::<BoxStream<FromAir>>::new();
    let reason = loop {
        tokio::select! {
            Some(outgoing) = handed_over.recv() => match outgoing {
                Outgoing::Answer(id, answer) => answers.push(Box::pin(answered(id, answer))),
                Outgoing::Notifications(id, source) => notifications.push(Box::pin(notified(id, source))),
            },
            Some(Some(answer)) = answers.next() => writer.send(&answer).await?,
            Some(notification) = notifications.next() => writer.send(&notification).await?,
            reason = link.closed() => break reason,
        }
    };
    // They end, because the link did.
    while let Some(notification) = notifications.next().await {
        writer.send(&notification).await?;
    }
    writer.send(&FromAir::Closed(reason)).await
}

async fn answered(id: u32, answer: oneshot::Receiver<Answer>) -> Option<FromAir> {
    // Without an answer the link is closed, which the other side learns in a moment.
    Some(match answer.await.ok()? {
        Ok(value) => FromAir::Answer { id, value },
        Err(error) => FromAir::Failed { id, failure: error.into() },
    })
}

fn notified(id: u32, source: Notifications) -> impl stream::Stream<Item = FromAir> + Send {
    stream::unfold(source, move |mut source| async move {
        let value: Bytes = source.next().await?;
        Some((FromAir::Notification { id, value: value.to_vec() }, source))
    })
}
