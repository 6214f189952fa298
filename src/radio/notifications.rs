//! Notifications on their way from the radio to a driver: a bounded queue that never makes the radio wait.

use bytes::Bytes;
use tokio::sync::mpsc;

/// Holds a 64 KiB credit window of 20-byte notifications, the most that a watch may send unasked.
const CAPACITY: usize = 4096;

/// The radio's end.
#[derive(Clone, Debug)]
pub struct NotificationSink(mpsc::Sender<Bytes>);

/// The driver's end: ends when the link closes.
#[derive(Debug)]
pub struct Notifications(mpsc::Receiver<Bytes>);

impl Notifications {
    /// A connected pair.
    pub fn channel() -> (NotificationSink, Self) {
        let (sink, source) = mpsc::channel(CAPACITY);
        (NotificationSink(sink), Self(source))
    }

    /// The next notification, or `None` when the link is closed and all were taken. Cancel-safe.
    pub async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }

    /// Whether none is waiting.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next notification if one is waiting.
    pub fn try_next(&mut self) -> Option<Bytes> {
        self.0.try_recv().ok()
    }
}

impl NotificationSink {
    /// Passes a notification on. `false` if it was dropped: the queue is full or nobody listens any more. A protocol must
    /// notice the hole itself, as it must for one lost on the bus.
    pub fn push(&self, value: Bytes) -> bool {
        self.0.try_send(value).is_ok()
    }

    /// Whether the driver has dropped its end.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}
