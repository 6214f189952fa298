//! One link from connect to close: passes notifications on, and finds out why it ends.
//!
//! btleplug's stream of notifications does not end when the link does, and nobody tells that bluetoothd died. So this task listens
//! to three others at the same time: the news of devices, the ground under the link, and the computer's sleep.

use std::collections::{BTreeSet, HashMap};
use std::pin::Pin;
use std::time::Duration;

use btleplug::api::{Peripheral as _, ValueNotification};
use btleplug::platform::Peripheral;
use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use tokio::sync::{broadcast, broadcast::error::RecvError, mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::echo::Echo;
use super::errand::Radio;
use super::error::within;
use super::ground::Ground;
use super::signals::{DeviceEvent, DeviceNews};
use crate::radio::{LinkClosed, NotificationSink, PeerAddress};

/// How long to wait for a look at the link when news of it were missed.
const LOOK_DEADLINE: Duration = Duration::from_secs(2);
/// How long after a link's end the reason may still turn out to be the adapter's: BlueZ tells of the link first, and of the adapter
/// when the controller has said that it is off.
const SECOND_NEWS: Duration = Duration::from_millis(300);

/// What a link asks of its task.
#[derive(Debug)]
pub(super) enum Order {
    /// Deliver this characteristic's notifications there.
    Deliver(Uuid, NotificationSink),
    /// No longer.
    Stop(Uuid),
    /// A read begins; its answer is told, or the sender dropped if there is none.
    Reading(Uuid, oneshot::Receiver<Vec<u8>>),
    /// BlueZ said that the link is gone.
    Gone,
}

/// The notifications of all characteristics of a peripheral.
pub(super) type Values = Pin<Box<dyn Stream<Item = ValueNotification> + Send>>;

/// The task's own.
pub(super) struct Session {
    pub peer: PeerAddress,
    pub ground: Ground,
    pub peripheral: Peripheral,
    pub orders: mpsc::Receiver<Order>,
    pub news: broadcast::Receiver<DeviceNews>,
    pub asleep: watch::Receiver<bool>,
    pub hung_up: CancellationToken,
    pub stop: CancellationToken,
    pub deliveries: Deliveries,
    /// Says that there is a link.
    pub open: OpenLink,
    pub closed: watch::Sender<Option<LinkClosed>>,
}

/// Who gets what.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    sinks: HashMap<Uuid, NotificationSink>,
    reading: Option<(Echo, oneshot::Receiver<Vec<u8>>)>,
    dropped: u64,
}

impl Session {
    /// Runs until the link is closed, and tells who holds it. If it is this side that closes it, it is closed then.
    pub async fn run(mut self, values: &mut Values) {
        let (reason, disconnect) = self.until_closed(values).await;
        if self.deliveries.dropped > 0 {
            tracing::warn!(peer = %self.peer, dropped = self.deliveries.dropped, "Notifications came faster than they were taken.");
        }
        let Self { peer, ground, deliveries, open, closed, .. } = self;
        // Ends the notifications.
        drop(deliveries);
        if disconnect {
            ground.disconnect(&peer).await;
        }
        let reason = explained(reason, &ground.gone).await;
        tracing::info!(%peer, %reason, "A link has ended.");
        drop(open);
        closed.send_replace(Some(reason));
    }

    /// Takes the values that have come in. All that was announced before an answer is among them once the answer is here.
    fn take(&mut self, values: &mut Values) {
        while let Some(Some(value)) = values.next().now_or_never() {
            self.deliveries.value(value.uuid, value.value.into());
        }
    }

    /// The reason, and whether the link is still to be closed.
    async fn until_closed(&mut self, values: &mut Values) -> (LinkClosed, bool) {
        loop {
            // What ends the link comes first, and a stop before the ground that it takes away with it, or nobody would close the link;
            // orders before values, so that a read is known before its echo; the answer to a read
            // last, so that its echo is held by then.
            tokio::select! {
                biased;
                () = self.stop.cancelled() => return (LinkClosed::ByHost, true),
                () = self.ground.gone.cancelled() => return (LinkClosed::RadioGone, false),
                () = self.hung_up.cancelled() => return (LinkClosed::ByHost, true),
                () = falls_asleep(&mut self.asleep) => return (LinkClosed::RadioGone, true),
                news = self.news.recv() => if let Some(reason) = reason(news, &self.peer, &self.peripheral).await {
                    return (reason, false);
                },
                Some(order) = self.orders.recv() => match order {
                    Order::Gone => return (LinkClosed::Lost, true),
                    Order::Reading(..) => {
                        // The former read has been answered, or nobody waits for its answer any more.
                        self.take(values);
                        self.deliveries.conclude();
                        self.deliveries.order(order);
                    }
                    order => self.deliveries.order(order),
                },
                value = values.next() => match value {
                    Some(value) => self.deliveries.value(value.uuid, value.value.into()),
                    None => return (LinkClosed::RadioGone, false),
                },
                read = self.deliveries.read() => {
                    self.take(values);
                    self.deliveries.release(read.as_deref());
                }
            }
        }
    }
}

/// The reason, once it is known whether the ground went, too.
async fn explained(reason: LinkClosed, gone: &CancellationToken) -> LinkClosed {
    let may_be_the_radio = matches!(reason, LinkClosed::Lost | LinkClosed::ByPeer);
    if may_be_the_radio && timeout(SECOND_NEWS, gone.cancelled()).await.is_ok() {
        return LinkClosed::RadioGone;
    }
    reason
}

/// Whether the news end the link with `peer`, and why.
async fn reason(
    news: Result<DeviceNews, RecvError>,
    peer: &PeerAddress,
    peripheral: &Peripheral,
) -> Option<LinkClosed> {
    match news {
        Ok(news) if news.peer != *peer => None,
        Ok(news) => match news.event {
            DeviceEvent::Appeared | DeviceEvent::Resolved => None,
            DeviceEvent::Forgotten => Some(LinkClosed::Lost),
            DeviceEvent::Disconnected(reason) => Some(reason.unwrap_or(LinkClosed::Lost)),
        },
        Err(RecvError::Lagged(_)) => {
            let connected = within(LOOK_DEADLINE, "a look at a link", peripheral.is_connected()).await;
            matches!(connected, Ok(false)).then_some(LinkClosed::Lost)
        }
        Err(RecvError::Closed) => Some(LinkClosed::RadioGone),
    }
}

impl Deliveries {
    fn order(&mut self, order: Order) {
        match order {
            Order::Deliver(characteristic, sink) => drop(self.sinks.insert(characteristic, sink)),
            Order::Stop(characteristic) => drop(self.sinks.remove(&characteristic)),
            Order::Reading(characteristic, answer) if self.sinks.contains_key(&characteristic) => {
                self.reading = Some((Echo::of(characteristic), answer));
            }
            Order::Reading(..) | Order::Gone => {}
        }
    }

    fn value(&mut self, characteristic: Uuid, value: Bytes) {
        match &mut self.reading {
            Some((echo, _)) if echo.holds(characteristic) => echo.hold(value),
            _ => self.deliver(characteristic, value),
        }
    }

    /// Waits for the end of the read under way.
    async fn read(&mut self) -> Option<Vec<u8>> {
        match &mut self.reading {
            Some((_, answer)) => answer.await.ok(),
            None => std::future::pending().await,
        }
    }

    /// Ends a read whose answer is there or will never be.
    fn conclude(&mut self) {
        let answer = self.reading.as_mut().and_then(|(_, answer)| answer.try_recv().ok());
        self.release(answer.as_deref());
    }

    fn release(&mut self, read: Option<&[u8]>) {
        if let Some((echo, _)) = self.reading.take() {
            let characteristic = echo.characteristic();
            for value in echo.release(read) {
                self.deliver(characteristic, value);
            }
        }
    }

    fn deliver(&mut self, characteristic: Uuid, value: Bytes) {
        let Some(sink) = self.sinks.get(&characteristic) else { return };
        if sink.push(value) {
            return;
        }
        if sink.is_closed() {
            self.sinks.remove(&characteristic);
        } else {
            self.dropped += 1;
        }
    }
}

/// Says that there is a link, for as long as there is.
#[derive(Debug)]
pub(super) struct OpenLink {
    open: watch::Sender<BTreeSet<PeerAddress>>,
    count: watch::Sender<usize>,
    peer: PeerAddress,
}

impl OpenLink {
    pub fn enter(radio: &Radio, peer: &PeerAddress) -> Self {
        radio.open.send_if_modified(|open| open.insert(peer.clone()));
        radio.open_links.send_modify(|count| *count += 1);
        Self { open: radio.open.clone(), count: radio.open_links.clone(), peer: peer.clone() }
    }
}

impl Drop for OpenLink {
    fn drop(&mut self) {
        self.open.send_if_modified(|open| open.remove(&self.peer));
        self.count.send_modify(|count| *count -= 1);
    }
}

/// Returns when the computer is about to sleep; never, when nobody tells.
async fn falls_asleep(asleep: &mut watch::Receiver<bool>) {
    if asleep.wait_for(|asleep| *asleep).await.is_err() {
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::Notifications;

    fn taken(notifications: &mut Notifications) -> Vec<Bytes> {
        std::iter::from_fn(|| notifications.try_next()).collect()
    }

    #[test]
    fn a_subscriber_gets_no_echo_but_all_else() {
        let (level, other) = (crate::radio::sig(0x2A19), crate::radio::sig(0x2A37));
        let mut deliveries = Deliveries::default();
        let (sink, mut notifications) = Notifications::channel();
        deliveries.order(Order::Deliver(level, sink));
        let (_answer, answered) = oneshot::channel();
        deliveries.order(Order::Reading(level, answered));
        for (characteristic, value) in [(level, 80), (other, 1), (level, 79)] {
            deliveries.value(characteristic, Bytes::from(vec![value]));
        }
        assert!(notifications.is_empty());
        deliveries.release(Some(&[79]));
        deliveries.value(level, Bytes::from_static(&[79]));
        assert_eq!(taken(&mut notifications), [&[80][..], &[79]]);
    }

    #[test]
    fn a_subscriber_that_has_gone_is_forgotten() {
        let level = crate::radio::sig(0x2A19);
        let mut deliveries = Deliveries::default();
        let (sink, notifications) = Notifications::channel();
        deliveries.order(Order::Deliver(level, sink));
        drop(notifications);
        deliveries.value(level, Bytes::new());
        assert!(deliveries.sinks.is_empty() && deliveries.dropped == 0);
    }
}
