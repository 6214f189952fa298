//! The thread on which btleplug's connection to the bus is served.
//!
//! dbus 0.9 takes a match rule out of its list while it hands a signal to whom it is for. If another thread gives the rule back at that
//! moment, it is not found: bluez-async panics (in a task of its own), and the rule stays on the bus for good; a few of a hundred
//! links would leave one behind, and the bus allows 512. So signals are handled and rules are given back on one thread, where they
//! cannot meet. It has one more use: when it ends, the connection is closed, which btleplug has no call for.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use futures_util::{Stream, StreamExt as _};
use tokio::runtime::{Builder, Handle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use super::error::Fault;

/// A hold on the thread. It ends with the last one.
#[derive(Clone, Debug)]
pub(super) struct GattThread {
    handle: Handle,
    _end: Arc<DropGuard>,
}

/// A stream of btleplug's, which gives back its match rules when it is dropped: on the thread.
#[derive(Debug)]
pub(super) struct Kept<S> {
    /// There until the drop.
    stream: Option<S>,
    thread: GattThread,
}

impl GattThread {
    /// Starts a thread.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let end = CancellationToken::new();
        let ended = end.clone();
        // Nobody joins it: it does nothing but serve, and to wait for the bus at its end could take long.
        thread::Builder::new().name("gatt".to_owned()).spawn(move || runtime.block_on(ended.cancelled()))?;
        Ok(Self { handle, _end: Arc::new(end.drop_guard()) })
    }

    /// Runs something on the thread. Dropping this drops it there, too.
    pub async fn run<T, E, F>(&self, what: F) -> Result<T, Fault>
    where
        F: Future<Output = Result<T, E>> + Send + 'static,
        T: Send + 'static,
        E: Into<Fault> + Send + 'static,
    {
        match AbortOnDropHandle::new(self.handle.spawn(what)).await {
            Ok(done) => done.map_err(Into::into),
            Err(error) => Err(Fault::new("", &format!("the Bluetooth library failed: {error}"))),
        }
    }

    /// Has a stream dropped on the thread.
    pub fn keep<S>(&self, stream: S) -> Kept<S> {
        Kept { stream: Some(stream), thread: self.clone() }
    }
}

impl<S: Stream + Unpin> Stream for Kept<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.stream.as_mut().map_or(Poll::Ready(None), |stream| stream.poll_next_unpin(cx))
    }
}

impl<S> Drop for Kept<S> {
    fn drop(&mut self) {
        // What the stream spawns from here on runs there.
        let _entered = self.thread.handle.enter();
        self.stream = None;
    }
}
