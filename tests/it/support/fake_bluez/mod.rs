//! A BlueZ of our own making, for whatever bus a story has.
//!
//! It shows as much of `org.bluez` as btleplug and our agent need, and does on request what the real one does on bad days. What
//! it does was seen on the real one first; where the two differ, this one is wrong. One task owns everything ([`machine`]); the
//! handle here passes on what is to be done to it.

mod adapter;
mod air;
mod calls;
mod crowd;
pub mod database;
mod device;
mod discovery;
mod faults;
mod links;
mod machine;
mod outgoing;
mod pairing;
pub mod sensor;
mod traffic;

use std::num::NonZeroUsize;

use futures_util::StreamExt;
use tokio::sync::{mpsc, oneshot};
use zbus::{Connection, MessageStream};

pub use air::Io;
pub use machine::{Machine, Timing};

/// Messages that may wait for us; more than a story ever has under way.
const QUEUE: NonZeroUsize = NonZeroUsize::new(16_384).unwrap();

/// How the process of a story ends whose fake has panicked.
const BROKEN: i32 = 101;

/// A hand on the fake. It ends when this is dropped.
pub struct FakeBluez(mpsc::UnboundedSender<Command>);

type Act = Box<dyn FnOnce(&mut Machine) + Send>;

enum Command {
    /// Do this; what it says to the bus is sent before `done`.
    Act(Act, oneshot::Sender<()>),
    /// bluetoothd ends as if it were killed.
    Kill(oneshot::Sender<()>),
    /// bluetoothd starts.
    Start(oneshot::Sender<()>),
}

impl FakeBluez {
    /// A fake on the bus at `address`. bluetoothd does not run yet, and there is no adapter.
    pub fn new(address: &str, timing: Timing) -> Self {
        let (commands, receiver) = mpsc::unbounded_channel();
        let server = Server {
            address: address.to_owned(),
            machine: Machine::new(timing),
            stream: None,
            commands: receiver,
        };
        tokio::spawn(async move {
            let ended = tokio::spawn(server.run()).await;
            if ended.is_err_and(|error| error.is_panic()) {
                // Nobody waits for this task, and a story that is told with a broken fake proves nothing. It has this process to itself.
                std::process::exit(BROKEN);
            }
        });
        Self(commands)
    }

    /// Starts bluetoothd.
    pub async fn start(&self) {
        self.command(Command::Start).await;
    }

    /// Kills bluetoothd.
    pub async fn kill(&self) {
        self.command(Command::Kill).await;
    }

    /// Does something to the host or the air, and waits until the bus knows.
    pub async fn with<T: Send + 'static>(&self, act: impl FnOnce(&mut Machine) -> T + Send + 'static) -> T {
        let (sender, result) = oneshot::channel();
        // Nobody waits for the result if the story is over.
        let act = Box::new(|machine: &mut Machine| drop(sender.send(act(machine))));
        self.command(|done| Command::Act(act, done)).await;
        result.await.expect("it was done")
    }

    async fn command(&self, command: impl FnOnce(oneshot::Sender<()>) -> Command) {
        let (done, end) = oneshot::channel();
        assert!(self.0.send(command(done)).is_ok(), "the fake has ended");
        end.await.expect("the fake has ended");
    }
}

/// The task that owns the machine.
struct Server {
    address: String,
    machine: Machine,
    stream: Option<MessageStream>,
    commands: mpsc::UnboundedReceiver<Command>,
}

impl Server {
    async fn run(mut self) {
        loop {
            let done = tokio::select! {
                command = self.commands.recv() => match command {
                    Some(command) => Some(self.obey(command).await),
                    None => return,
                },
                message = next(&mut self.stream) => {
                    self.machine.received(&message);
                    None
                }
                Some(event) = self.machine.later.join_next() => match event {
                    Ok(event) => {
                        self.machine.happen(event);
                        None
                    }
                    Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                    // The story is over, and its runtime ends one task after the other.
                    Err(_) => return,
                },
            };
            self.flush().await;
            if let Some(done) = done {
                // Whoever asked may have given up.
                let _ = done.send(());
            }
        }
    }

    async fn obey(&mut self, command: Command) -> oneshot::Sender<()> {
        match command {
            Command::Act(act, done) => {
                act(&mut self.machine);
                done
            }
            Command::Kill(done) => {
                self.stream = None;
                if let Some(connection) = self.machine.bluetoothd_dies() {
                    connection.close().await.unwrap();
                }
                done
            }
            Command::Start(done) => {
                self.start().await;
                done
            }
        }
    }

    async fn start(&mut self) {
        if self.machine.bluetoothd.is_some() {
            return;
        }
        let builder = zbus::connection::Builder::address(self.address.as_str()).max_queued(QUEUE);
        let connection: Connection = builder.build().await.unwrap();
        self.stream = Some(MessageStream::from(&connection));
        let bus = zbus::fdo::DBusProxy::new(&connection).await.unwrap();
        let leaving = "type='signal',sender='org.freedesktop.DBus',member='NameOwnerChanged'";
        bus.add_match_rule(leaving.try_into().unwrap()).await.unwrap();
        connection.request_name("org.bluez").await.unwrap();
        self.machine.bluetoothd_starts(connection);
    }

    /// Sends what there is to send; if nobody serves the bus, it is lost.
    async fn flush(&mut self) {
        let messages = self.machine.out.take();
        if let Some(connection) = &self.machine.bluetoothd {
            connection.send_all(&messages).await.unwrap();
        }
    }
}

async fn next(stream: &mut Option<MessageStream>) -> zbus::Message {
    match stream {
        Some(stream) => match stream.next().await {
            Some(Ok(message)) => message,
            _ => std::future::pending().await,
        },
        None => std::future::pending().await,
    }
}
