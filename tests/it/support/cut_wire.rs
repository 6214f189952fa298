//! A wire to a server that breaks at a byte of one's choice.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Who is cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// What the client sends.
    There,
    /// What the server answers.
    Back,
}

/// What is to happen to the next upload.
#[derive(Clone, Copy, Debug)]
struct Plan {
    way: Way,
    /// Bytes that still get through.
    left: usize,
    /// An upload is on its way.
    begun: bool,
}

#[derive(Default)]
struct Book {
    plan: Option<Plan>,
    /// Bytes of the last upload, there and back.
    seen: (usize, usize),
}

/// The wire. Ends when dropped.
pub struct CutWire {
    pub address: SocketAddr,
    book: Arc<Mutex<Book>>,
    task: JoinHandle<()>,
}

impl CutWire {
    /// A wire to the server at `server`, whole for now.
    pub async fn to(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, book) = (listener.local_addr().unwrap(), Arc::<Mutex<Book>>::default());
        let shared = Arc::clone(&book);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, server, Arc::clone(&shared)));
            }
        });
        Self { address, book, task }
    }

    /// The next upload, and no other, loses its connection after so many bytes of it.
    pub fn cut(&self, way: Way, after: usize) {
        lock(&self.book).plan = Some(Plan { way, left: after, begun: false });
    }

    /// Whether the cut is still to come.
    pub fn is_to_come(&self) -> bool {
        lock(&self.book).plan.is_some()
    }

    /// How many bytes the last upload had, there and back.
    pub fn seen(&self) -> (usize, usize) {
        lock(&self.book).seen
    }
}

impl Drop for CutWire {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn relay(mut client: TcpStream, server: SocketAddr, book: Arc<Mutex<Book>>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let (mut there, mut back) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let (way, read) = tokio::select! {
            read = client.read(&mut there) => (Way::There, read.unwrap_or(0)),
            read = server.read(&mut back) => (Way::Back, read.unwrap_or(0)),
        };
        if read == 0 {
            return;
        }
        let (bytes, to) = match way {
            Way::There => (&there[..read], &mut server),
            Way::Back => (&back[..read], &mut client),
        };
        let passed = lock(&book).pass(way, bytes);
        if to.write_all(&bytes[..passed]).await.is_err() || passed < read {
            // Both ends are closed.
            return;
        }
    }
}

impl Book {
    /// How many of these bytes get through.
    fn pass(&mut self, way: Way, bytes: &[u8]) -> usize {
        let is_upload =
            bytes.starts_with(b"POST") && bytes.windows(7).take(99).any(|word| word == b"/upload");
        if way == Way::There && is_upload {
            self.seen = (0, 0);
        }
        match way {
            Way::There => self.seen.0 += bytes.len(),
            Way::Back => self.seen.1 += bytes.len(),
        }
        let Some(plan) = &mut self.plan else { return bytes.len() };
        plan.begun |= way == Way::There && is_upload;
        if !plan.begun || plan.way != way {
            return bytes.len();
        }
        if plan.left >= bytes.len() {
            plan.left -= bytes.len();
            return bytes.len();
        }
        let passed = plan.left;
        self.plan = None;
        passed
    }
}

fn lock(book: &Mutex<Book>) -> std::sync::MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
