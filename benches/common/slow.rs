//! A disk that is slow in virtual time.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Knows which wake-ups come from the disk: the outbox works on threads of its own, the air on the runtime's only one.
struct Ears {
    runtime: ThreadId,
    disk: AtomicBool,
    waker: Mutex<Waker>,
}

impl Wake for Ears {
    fn wake(self: Arc<Self>) {
        if thread::current().id() != self.runtime {
            self.disk.store(true, Ordering::SeqCst);
        }
        self.waker.lock().unwrap_or_else(PoisonError::into_inner).wake_by_ref();
    }
}

/// Runs a session of which each call to the outbox takes `flush` longer. On a runtime with one thread.
pub async fn slow_disk<T>(session: impl Future<Output = T>, flush: Duration) -> T {
    let (mut session, mut flushed) = (pin!(session), pin!(sleep_until(Instant::now())));
    let waker = Mutex::new(Waker::noop().clone());
    let ears = Arc::new(Ears { runtime: thread::current().id(), disk: AtomicBool::new(false), waker });
    let inner = Waker::from(Arc::clone(&ears));
    poll_fn(move |context| {
        ears.waker.lock().unwrap_or_else(PoisonError::into_inner).clone_from(context.waker());
        if ears.disk.swap(false, Ordering::SeqCst) {
            flushed.as_mut().reset(Instant::now() + flush);
        }
        if !flushed.is_elapsed() && flushed.as_mut().poll(context).is_pending() {
            return Poll::Pending;
        }
        session.as_mut().poll(&mut Context::from_waker(&inner))
    })
    .await
}
