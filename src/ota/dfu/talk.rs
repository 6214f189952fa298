//! Commands, packets and notices over a link, each with a deadline.

use std::time::Duration;

use tokio::time::{Instant, timeout, timeout_at};

use crate::ota::OtaError;
use crate::radio::{CALL_DEADLINE, Link, LinkClosed, Notifications, RadioError, WriteMode};
use crate::wire::dfu::{CONTROL, Command, Notice, Op, PACKET, ROOM, Status};

/// ATT "insufficient authorisation": what InfiniTime answers while updates are switched off.
const SWITCHED_OFF: u8 = 0x08;
/// Notices that nobody waits for, in one upload: a few may come late, more are not about this.
const MOST_STRAYS: u32 = 64;

/// A link on which the control point is listened to.
pub(super) struct Talk<'a, L: ?Sized> {
    link: &'a L,
    notices: Notifications,
    strays: u32,
}

impl<'a, L: Link + ?Sized> Talk<'a, L> {
    pub async fn open(link: &'a L) -> Result<Self, OtaError> {
        let asked = timeout(CALL_DEADLINE, link.subscribe(CONTROL)).await;
        let notices = asked.unwrap_or(Err(RadioError::Timeout("a subscription"))).map_err(refusal)?;
        Ok(Self { link, notices, strays: 0 })
    }

    /// Writes a command.
    pub async fn command(&self, command: Command) -> Result<(), OtaError> {
        write(self.link, command).await
    }

    /// Writes a packet. It may be lost without a word.
    pub async fn packet(&self, packet: &[u8]) -> Result<(), OtaError> {
        let write = self.link.write(PACKET, packet.to_vec(), WriteMode::WithoutResponse);
        bounded(write).await
    }

    /// The next notice, or why there is none.
    pub async fn next(&mut self, request: &'static str, until: Instant) -> Result<Notice, OtaError> {
        match timeout_at(until, self.notices.next()).await {
            Ok(Some(value)) => Notice::decode(&value)
                .map_err(|error| OtaError::Nonsense { request, detail: error.to_string() }),
            Ok(None) => {
                let reason = timeout(CALL_DEADLINE, self.link.closed()).await;
                Err(RadioError::Closed(reason.unwrap_or(LinkClosed::Lost)).into())
            }
            Err(_) => Err(OtaError::Silent(request)),
        }
    }

    /// A notice that nobody waits for.
    pub fn stray(&mut self, request: &'static str, notice: Notice) -> Result<(), OtaError> {
        tracing::debug!(?notice, "passed over while waiting for the answer to another request");
        self.strays += 1;
        if self.strays <= MOST_STRAYS {
            return Ok(());
        }
        Err(OtaError::Nonsense { request, detail: format!("{} answers to other questions", self.strays) })
    }

    /// Waits for the end of a command. `size` is that of the image.
    pub async fn ended(&mut self, wanted: Op, after: Duration, size: u64) -> Result<(), OtaError> {
        let until = Instant::now() + after;
        loop {
            match self.next(wanted.name(), until).await? {
                Notice::Ended(op, status) if op == wanted => return outcome(op, status, size),
                other => self.stray(wanted.name(), other)?,
            }
        }
    }
}

/// Writes a command.
pub(super) async fn write<L: Link + ?Sized>(link: &L, command: Command) -> Result<(), OtaError> {
    bounded(link.write(CONTROL, command.encode(), WriteMode::WithResponse)).await
}

async fn bounded(write: impl Future<Output = Result<(), RadioError>>) -> Result<(), OtaError> {
    let written = timeout(CALL_DEADLINE, write).await;
    written.unwrap_or(Err(RadioError::Timeout("a write"))).map_err(refusal)
}

/// What a status means for the update.
pub(super) fn outcome(op: Op, status: Status, size: u64) -> Result<(), OtaError> {
    let passing = match status {
        Status::Done => return Ok(()),
        Status::Crc => return Err(OtaError::Damaged),
        Status::Size => return Err(OtaError::TooLarge { size, room: ROOM }),
        Status::InvalidState | Status::Failed => true,
        Status::NotSupported | Status::Other(_) => false,
    };
    Err(OtaError::Refused { request: op.name(), reason: status.to_string(), passing })
}

fn refusal(error: RadioError) -> OtaError {
    match error {
        RadioError::Refused { code: SWITCHED_OFF } => OtaError::Refused {
            request: "the update",
            reason: "firmware updates are switched off on it; switch on firmware updates on the watch, in its settings, and ask again"
                .to_owned(),
            passing: false,
        },
        RadioError::NoCharacteristic(_) => OtaError::NoService,
        other => other.into(),
    }
}
