//! The socket's connections: only so many at a time, and none for those who ask nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::unix::SocketAddr;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Sleep, sleep};

/// Connections at a time. Whoever comes later waits until one of them ends.
const MOST: usize = 64;
/// A connection that was not worth an answer for so long makes room. Followers of events have theirs at once.
const PATIENCE: Duration = Duration::from_secs(10);

/// A listener with a limit.
pub(super) struct Limited {
    listener: UnixListener,
    places: Arc<Semaphore>,
}

impl Limited {
    pub fn new(listener: UnixListener) -> Self {
        Self { listener, places: Arc::new(Semaphore::new(MOST)) }
    }
}

impl Listener for Limited {
    type Io = Connection<UnixStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        let place = Arc::clone(&self.places).acquire_owned().await;
        let place = place.expect("nothing closes this semaphore");
        let (stream, address) = Listener::accept(&mut self.listener).await;
        (Connection::new(stream, place), address)
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

/// A connection that ends by itself unless something is answered on it.
pub(super) struct Connection<S> {
    stream: S,
    patience: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl<S> Connection<S> {
    fn new(stream: S, place: OwnedSemaphorePermit) -> Self {
        Self { stream, patience: Some(Box::pin(sleep(PATIENCE))), _place: place }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Connection<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(context, buffer) {
            return Poll::Ready(read);
        }
        match &mut self.patience {
            None => Poll::Pending,
            Some(patience) => {
                ready!(patience.as_mut().poll(context));
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Connection<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.patience = None;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    async fn connection() -> (Connection<DuplexStream>, DuplexStream, Arc<Semaphore>) {
        let places = Arc::new(Semaphore::new(1));
        let place = Arc::clone(&places).acquire_owned().await.unwrap();
        let (ours, theirs) = duplex(64);
        (Connection::new(ours, place), theirs, places)
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_asks_nothing_or_half_a_thing_makes_room() {
        let (mut connection, mut client, places) = connection().await;
        client.write_all(b"GET /v1/st").await.unwrap();
        let mut heard = Vec::new();
        let error = connection.read_to_end(&mut heard).await.unwrap_err();
        assert_eq!((error.kind(), &heard[..]), (io::ErrorKind::TimedOut, &b"GET /v1/st"[..]));
        drop(connection);
        assert_eq!(places.available_permits(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_is_answered_may_stay() {
        let (mut connection, mut client, _places) = connection().await;
        connection.write_all(b"the first line").await.unwrap();
        tokio::spawn(async move {
            sleep(100 * PATIENCE).await;
            client.write_all(b"!").await
        });
        assert_eq!(connection.read_u8().await.unwrap(), b'!');
    }
}
