//! Requests over a link, one at a time, each with a deadline.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};

use super::{Session, SmpClientError, SmpLink, SmpLinkError};
use crate::radio::CALL_DEADLINE;
use crate::wire::Sha256;
use crate::wire::smp::upload::Path;
use crate::wire::smp::{
    BootloaderQuery, Header, ImageState, MAX_MESSAGE, Message, MessageError, MgmtCode, Reassembler, Request,
    Response, Version, fragments,
};

/// How long a watch may take to say what it can take. It is asked first, so this is how long a watch that does not speak SMP costs.
const PARAMS_DEADLINE: Duration = Duration::from_secs(1);
/// For what it only has to look up.
const READ_DEADLINE: Duration = Duration::from_secs(5);
/// For what it writes to flash.
const WRITE_DEADLINE: Duration = Duration::from_secs(10);
/// For what it erases: some 100 pages of 85 ms.
const ERASE_DEADLINE: Duration = Duration::from_secs(40);
/// How often a question without consequences is asked.
const TRIES: usize = 2;

/// A watch that speaks SMP, over a link of ours alone.
#[derive(Debug)]
pub struct SmpClient<L> {
    link: L,
    session: Session,
    reassembler: Reassembler,
    seq: u8,
    /// A message may have been left half sent, so the watch may take the next one for its rest.
    half_sent: bool,
}

impl<L: SmpLink> SmpClient<L> {
    /// Asks the watch what it is. What it was built without is tolerated; silence is not.
    pub async fn open(link: L) -> Result<Self, SmpClientError> {
        let session = Session {
            version: Version::V2,
            params: None,
            bootloader: None,
            mode: None,
            slots: None,
            state: None,
        };
        let reassembler = Reassembler::new(MAX_MESSAGE);
        let mut client = Self { link, session, reassembler, seq: 0, half_sent: false };
        client.session.params = match client.greet().await {
            Ok(Response::Params(params)) => Some(params),
            other => client.absent("its parameters", other)?,
        };
        let name = client.read(&Request::Bootloader(BootloaderQuery::Name)).await;
        client.session.bootloader = match name {
            Ok(Response::Bootloader(info)) => Some(info),
            other => client.absent("its bootloader", other)?,
        };
        if client.session.bootloader.is_some() {
            client.session.mode = match client.read(&Request::Bootloader(BootloaderQuery::Mode)).await {
                Ok(Response::Bootloader(info)) => info.mode,
                // A bootloader that has no modes answers with an error of its own.
                Ok(_) | Err(SmpClientError::Refused { .. }) => None,
                Err(error) => return Err(error),
            };
        }
        client.session.slots = match client.read(&Request::SlotInfo).await {
            Ok(Response::SlotInfo(slots)) => Some(slots),
            other => client.absent("its slots", other)?,
        };
        client.session.state = match client.read(&Request::ReadState).await {
            Ok(Response::State(state)) => Some(state),
            other => client.absent("its images", other)?,
        };
        Ok(client)
    }

    /// `None` for what the watch was built without.
    fn absent<T>(
        &self,
        what: &'static str,
        asked: Result<Response, SmpClientError>,
    ) -> Result<Option<T>, SmpClientError> {
        match asked {
            Err(error) if error.is_not_supported() => Ok(None),
            // In version 1 some firmware says no more than that it does not know.
            Err(SmpClientError::Refused { ref refusal, .. })
                if self.session.version == Version::V1 && refusal.mgmt_code() == Some(MgmtCode::Unknown) =>
            {
                Ok(None)
            }
            Err(error) => Err(error),
            Ok(_) => Err(unexpected(what)),
        }
    }

    /// Asks for the parameters, in the version that the watch speaks.
    async fn greet(&mut self) -> Result<Response, SmpClientError> {
        let first = self.tried(&Request::Params, PARAMS_DEADLINE).await;
        let other_version = match &first {
            Err(SmpClientError::Timeout { .. }) => true,
            Err(error) => matches!(
                error.refusal().and_then(crate::wire::smp::SmpError::mgmt_code),
                Some(MgmtCode::TooNew | MgmtCode::TooOld)
            ),
            Ok(_) => false,
        };
        if !other_version || self.session.version == Version::V1 {
            return first;
        }
        self.session.version = Version::V1;
        self.tried(&Request::Params, PARAMS_DEADLINE).await
    }

    /// What was learnt when the session was opened.
    pub const fn session(&self) -> &Session {
        &self.session
    }

    /// The link.
    pub const fn link(&self) -> &L {
        &self.link
    }

    /// Gives the link back.
    pub fn into_link(self) -> L {
        self.link
    }

    /// What link and watch can take.
    pub fn path(&self) -> Path {
        self.session.path(&self.link)
    }

    /// Has the watch say something back.
    pub async fn echo(&mut self, text: &str) -> Result<String, SmpClientError> {
        match self.read(&Request::Echo(text.to_owned())).await? {
            Response::Echo(text) => Ok(text),
            _ => Err(unexpected("an echo")),
        }
    }

    /// What the firmware says of itself; `format` as in [`Request::Info`].
    pub async fn info(&mut self, format: Option<&str>) -> Result<String, SmpClientError> {
        match self.read(&Request::Info { format: format.map(str::to_owned) }).await? {
            Response::Info(text) => Ok(text),
            _ => Err(unexpected("what its firmware is")),
        }
    }

    /// What lies in the slots, now.
    pub async fn state(&mut self) -> Result<ImageState, SmpClientError> {
        let state = self.read(&Request::ReadState).await;
        self.listed(state)
    }

    /// Has the bootloader try the image with this hash at the next restart, and go back at the one after that unless it is confirmed.
    pub async fn test(&mut self, hash: Sha256) -> Result<ImageState, SmpClientError> {
        self.write_state(Some(hash), false).await
    }

    /// Keeps the image that runs.
    pub async fn confirm(&mut self) -> Result<ImageState, SmpClientError> {
        self.write_state(None, true).await
    }

    /// Has the bootloader start the image with this hash for good, untried.
    pub async fn make_permanent(&mut self, hash: Sha256) -> Result<ImageState, SmpClientError> {
        self.write_state(Some(hash), true).await
    }

    async fn write_state(
        &mut self,
        hash: Option<Sha256>,
        confirm: bool,
    ) -> Result<ImageState, SmpClientError> {
        let hash = hash.map(|hash| Bytes::copy_from_slice(&hash.0));
        let state = self.request(&Request::WriteState { hash, confirm }, WRITE_DEADLINE).await;
        self.listed(state)
    }

    fn listed(&mut self, answer: Result<Response, SmpClientError>) -> Result<ImageState, SmpClientError> {
        let Response::State(state) = answer? else { return Err(unexpected("its images")) };
        self.session.state = Some(state.clone());
        Ok(state)
    }

    /// Empties a slot; slot 1 if none is given.
    pub async fn erase(&mut self, slot: Option<u32>) -> Result<(), SmpClientError> {
        self.request(&Request::Erase { slot }, ERASE_DEADLINE).await.map(drop)
    }

    /// Restarts the watch. A link that goes before the answer has come is as good as an answer.
    pub async fn reset(&mut self) -> Result<(), SmpClientError> {
        match self.request(&Request::Reset { force: false }, READ_DEADLINE).await {
            Ok(_) | Err(SmpClientError::Link(SmpLinkError::Closed(_))) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Asks what has no consequences, twice if need be.
    async fn read(&mut self, request: &Request) -> Result<Response, SmpClientError> {
        self.tried(request, READ_DEADLINE).await
    }

    async fn tried(&mut self, request: &Request, deadline: Duration) -> Result<Response, SmpClientError> {
        let mut tries = 1;
        loop {
            match self.request(request, deadline).await {
                Err(SmpClientError::Timeout { .. }) if tries < TRIES => tries += 1,
                other => return other,
            }
        }
    }

    /// Asks once. A watch that answers in version 1 is spoken to in version 1 from then on.
    ///
    /// Cancel-safe: an answer that nobody waits for any more is ignored when it comes.
    pub async fn request(&mut self, request: &Request, after: Duration) -> Result<Response, SmpClientError> {
        let what = name(request);
        self.seq = self.seq.wrapping_add(1);
        let message = request
            .message(self.session.version, self.seq)
            .map_err(|error| SmpClientError::Message { what, error })?;
        let deadline = Instant::now() + after;
        // Nothing else is under way, so what is half here belongs to nothing.
        self.reassembler.reset();
        self.send(&message.encode()).await?;
        let reply = timeout_at(deadline, self.answer(&message.header)).await;
        let reply = reply.map_err(|_| SmpClientError::Timeout { what, after })??;
        if reply.header.version == Version::V1 {
            self.session.version = Version::V1;
        }
        Response::decode(&reply).map_err(|error| SmpClientError::of(what, error))
    }

    async fn answer(&mut self, request: &Header) -> Result<Message, SmpLinkError> {
        loop {
            let message = self.next_message().await?;
            if message.header.answers(request) {
                return Ok(message);
            }
        }
    }

    /// Sends a whole message in pieces.
    pub(super) async fn send(&mut self, message: &[u8]) -> Result<(), SmpLinkError> {
        if self.half_sent {
            self.resubscribe().await?;
        }
        self.half_sent = true;
        let size = self.link.piece();
        for piece in fragments(message, size) {
            let sent = timeout(CALL_DEADLINE, self.link.send(piece)).await;
            sent.unwrap_or(Err(SmpLinkError::Stalled(CALL_DEADLINE)))?;
        }
        self.half_sent = false;
        Ok(())
    }

    /// The next whole message, whatever it answers. Cancel-safe.
    pub(super) async fn next_message(&mut self) -> Result<Message, SmpLinkError> {
        loop {
            let piece = self.link.next().await?;
            let mut taken = self.reassembler.push(&piece);
            if taken.is_err() && self.reassembler.is_midway() {
                // A piece was lost: what is half here will never be whole, and this begins another.
                self.reassembler.reset();
                taken = self.reassembler.push(&piece);
            }
            match taken {
                Ok(Some(message)) => return Ok(message),
                Ok(None) => {}
                Err(error) => tracing::debug!("dropped {} bytes of SMP: {error}", piece.len()),
            }
        }
    }

    /// Clears half messages at both ends.
    pub(super) async fn resubscribe(&mut self) -> Result<(), SmpLinkError> {
        self.reassembler.reset();
        // Given up midway, it has to be done over.
        self.half_sent = true;
        self.link.resubscribe().await?;
        self.half_sent = false;
        Ok(())
    }
}

const fn unexpected(what: &'static str) -> SmpClientError {
    SmpClientError::Message { what, error: MessageError::NotAMap }
}

/// What a request asks for, after "the watch refuses".
const fn name(request: &Request) -> &'static str {
    match request {
        Request::Echo(_) => "an echo",
        Request::Reset { .. } => "to restart",
        Request::Params => "to tell its parameters",
        Request::Info { .. } => "to tell what its firmware is",
        Request::Bootloader(_) => "to tell of its bootloader",
        Request::ReadState => "to list its images",
        Request::WriteState { confirm: false, .. } => "to test the image",
        Request::WriteState { confirm: true, .. } => "to confirm the image",
        Request::Upload(_) => "the image",
        Request::Erase { .. } => "to erase the slot",
        Request::SlotInfo => "to tell of its slots",
    }
}
