//! The thread on which btleplug's connection to the bus is served.
//!
//! dbus 0.9 takes a match rule out of its list while it hands a signal to whom it is for. If another thread gives the rule back at that
//! moment, it is not found: bluez-async panics (in a task of its own), and the rule stays on the bus for good; a few of a hundred
//! links would leave one behind, and the bus allows 512. So signals are handled and rules are given back on one thread, where they
//! cannot meet. It has one more use: when it ends, the connection is closed, which btleplug has no call for.
//!
//! One thread is not enough by itself: a stream that is dropped gives its rule back in a task of its own, and a signal that is handled
//! before that task's turn finds nobody listening, upon which dbus 0.9 forgets the rule, too. So streams are dropped while the
//! connection rests, and their tasks get to that point before it goes on.

use std::any::Any;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use futures_util::{Stream, StreamExt as _};
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::mpsc;
use tokio::task::yield_now;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::AbortOnDropHandle;

use super::error::Fault;

/// A hold on the thread. It ends with the last one.
#[derive(Clone, Debug)]
pub(super) struct GattThread {
    handle: Handle,
    /// Without a bound, since a drop cannot wait; there is one for each link that ended.
    dropped: mpsc::UnboundedSender<Dropped>,
    _end: Arc<DropGuard>,
}

/// A stream that nobody needs any more.
type Dropped = Box<dyn Any + Send>;

/// A stream of btleplug's, which gives back its match rules when it is dropped: on the thread.
#[derive(Debug)]
pub(super) struct Kept<S: Send + 'static> {
    /// There until the drop.
    stream: Option<S>,
    thread: GattThread,
}

impl GattThread {
    /// Starts a thread.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let sweeper = Builder::new_current_thread().enable_time().build()?;
        let (dropped, mut waiting) = mpsc::unbounded_channel();
        let handle = runtime.handle().clone();
        let end = CancellationToken::new();
        let ended = end.clone();
        // Nobody joins it: it does nothing but serve, and to wait for the bus at its end could take long.
        thread::Builder::new().name("gatt".to_owned()).spawn(move || {
            while let Some(Some(stream)) = runtime.block_on(ended.run_until_cancelled(waiting.recv())) {
                sweep(&sweeper, stream);
            }
        })?;
        Ok(Self { handle, dropped, _end: Arc::new(end.drop_guard()) })
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
    pub fn keep<S: Send + 'static>(&self, stream: S) -> Kept<S> {
        Kept { stream: Some(stream), thread: self.clone() }
    }
}

/// Drops a stream, and has what it spawns begin. The rest of it, to wait for an answer that nobody needs, may take until the next time.
fn sweep(sweeper: &Runtime, stream: Dropped) {
    {
        let _entered = sweeper.enter();
        drop(stream);
    }
    sweeper.block_on(yield_now());
}

impl<S: Stream + Unpin + Send + 'static> Stream for Kept<S> {
    type Item = S::Item;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<S::Item>> {
        self.stream.as_mut().map_or(Poll::Ready(None), |stream| stream.poll_next_unpin(cx))
    }
}

impl<S: Send + 'static> Drop for Kept<S> {
    fn drop(&mut self) {
        let Some(stream) = self.stream.take() else { return };
        // What the stream spawns runs there even if the thread takes no more.
        let _entered = self.thread.handle.enter();
        let _ = self.thread.dropped.send(Box::new(stream));
    }
}
