//! The task that owns a peripheral: it advertises until a central connects, carries that link, and advertises again.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

use super::Conditions;
use super::faults::Dice;
use super::link::AirLink;
use super::model::LinkModel;
use super::peripheral::{Advertisement, Peripheral, Presence};
use super::session::Session;
use crate::radio::{LinkClosed, PeerAddress, RadioError};

/// What a central may ask of a peripheral.
#[derive(Debug)]
pub(super) enum Command {
    /// What it advertises; nothing while it cannot be heard.
    Listen(oneshot::Sender<Option<Advertisement>>),
    /// A link; nothing if it does not answer.
    Connect(oneshot::Sender<Result<Option<AirLink>, RadioError>>),
}

impl Command {
    /// A peripheral with a link neither advertises nor answers others.
    pub fn answer_busy(self) {
        // Whoever asked may have given up since.
        match self {
            Self::Listen(reply) => drop(reply.send(None)),
            Self::Connect(reply) => drop(reply.send(Ok(None))),
        }
    }
}

/// What the conditions mean for one peripheral.
pub(super) struct Surroundings {
    pub adapter_on: bool,
    pub in_range: bool,
}

/// A peripheral and everything its task needs.
pub(super) struct Station {
    pub address: PeerAddress,
    pub peripheral: Box<dyn Peripheral>,
    pub model: LinkModel,
    pub dice: Dice,
    pub doorbell: Arc<Notify>,
    pub commands: mpsc::Receiver<Command>,
    pub conditions: watch::Receiver<Conditions>,
    /// This peripheral was taken off the air, or the air is no more.
    pub removed: CancellationToken,
    /// The air is no more.
    pub air_gone: CancellationToken,
}

impl Station {
    /// Serves centrals until the peripheral is removed.
    pub async fn run(mut self) {
        loop {
            let command = tokio::select! {
                biased;
                () = self.removed.cancelled() => return,
                Some(command) = self.commands.recv() => command,
            };
            match command {
                Command::Listen(reply) => drop(reply.send(self.heard())),
                Command::Connect(reply) => self.connect(reply).await,
            }
        }
    }

    async fn connect(&mut self, reply: oneshot::Sender<Result<Option<AirLink>, RadioError>>) {
        if self.heard().is_none() {
            drop(reply.send(Ok(None)));
            return;
        }
        if self.dice.connect_fails() {
            drop(reply.send(Err(RadioError::Aborted(self.address.clone()))));
            return;
        }
        let (link, end) = AirLink::pair(self.peripheral.characteristics(), self.model.mtu);
        // If the caller gave up, its end is dropped here, and the session finds that the host hung up.
        drop(reply.send(Ok(Some(link))));
        Session::new(self, end).run().await;
    }

    /// What a central would hear now.
    fn heard(&mut self) -> Option<Advertisement> {
        let audible = self.surroundings().in_range && self.peripheral.presence() != Presence::Silent;
        if audible { self.peripheral.advertisement() } else { None }
    }

    /// Takes note of the present conditions.
    pub fn surroundings(&mut self) -> Surroundings {
        let conditions = self.conditions.borrow_and_update();
        self.dice.follow(conditions.faults);
        Surroundings {
            adapter_on: conditions.adapter_on,
            in_range: !conditions.out_of_range.contains(&self.address),
        }
    }

    /// How a link sees that the peripheral is no more.
    pub fn reason_of_removal(&self) -> LinkClosed {
        if self.air_gone.is_cancelled() { LinkClosed::RadioGone } else { LinkClosed::Lost }
    }
}
