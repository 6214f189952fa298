//! The host's end of a link, the same whether the air is in this process or behind a socket: requests go into one queue, and
//! whoever holds the other end answers them.

use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::timeout;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use super::model::ATT_HEADER_BYTES;
use super::peripheral::AttError;
use crate::radio::{CALL_DEADLINE, Link, LinkClosed, NotificationSink, Notifications, RadioError, WriteMode};

/// Writes without response that may wait for the air before their caller has to.
const QUEUED_REQUESTS: usize = 16;

/// What a request gets: the value read, or nothing.
pub(super) type Answer = Result<Vec<u8>, RadioError>;

/// What is asked of a characteristic.
#[derive(Debug)]
pub(super) enum Operation {
    Read,
    Write(Vec<u8>),
    Subscribe(NotificationSink),
}

/// One request; nobody waits for an answer where there is no `reply`.
#[derive(Debug)]
pub(super) struct Request {
    pub characteristic: Uuid,
    pub operation: Operation,
    pub reply: Option<oneshot::Sender<Answer>>,
}

/// The end that answers. Dropping it without a word counts as [`LinkClosed::RadioGone`].
#[derive(Debug)]
pub(super) struct LinkEnd {
    pub requests: mpsc::Receiver<Request>,
    /// Cancelled when the host disconnects or drops its end.
    pub hung_up: CancellationToken,
    pub closed: watch::Sender<Option<LinkClosed>>,
}

/// An open connection over the virtual air. Dropping it disconnects.
#[derive(Debug)]
pub struct AirLink {
    characteristics: Vec<Uuid>,
    mtu: u16,
    requests: mpsc::Sender<Request>,
    hang_up: DropGuard,
    closed: watch::Receiver<Option<LinkClosed>>,
}

impl AirLink {
    /// A link and the end that answers it.
    pub(super) fn pair(characteristics: Vec<Uuid>, mtu: u16) -> (Self, LinkEnd) {
        let (request_sender, requests) = mpsc::channel(QUEUED_REQUESTS);
        let (closed_sender, closed) = watch::channel(None);
        let token = CancellationToken::new();
        let end = LinkEnd { requests, hung_up: token.clone(), closed: closed_sender };
        let hang_up = token.drop_guard();
        (Self { characteristics, mtu, requests: request_sender, hang_up, closed }, end)
    }

    /// Where requests go, for whoever answers for others.
    pub(super) fn requests(&self) -> mpsc::Sender<Request> {
        self.requests.clone()
    }

    async fn call(&self, what: &'static str, characteristic: Uuid, operation: Operation) -> Answer {
        let (reply, answer) = oneshot::channel();
        self.submit(what, Request { characteristic, operation, reply: Some(reply) }, answer).await
    }

    async fn submit(
        &self,
        what: &'static str,
        request: Request,
        answer: impl Future<Output = Result<Answer, oneshot::error::RecvError>> + Send,
    ) -> Answer {
        if !self.characteristics.contains(&request.characteristic) {
            return Err(RadioError::NoCharacteristic(request.characteristic));
        }
        let exchange = async {
            if self.requests.send(request).await.is_ok()
                && let Ok(answer) = answer.await
            {
                return answer;
            }
            Err(self.closed().await.into())
        };
        timeout(CALL_DEADLINE, exchange).await.unwrap_or(Err(RadioError::Timeout(what)))
    }
}

impl Link for AirLink {
    fn characteristics(&self) -> Vec<Uuid> {
        self.characteristics.clone()
    }

    fn mtu(&self) -> u16 {
        self.mtu
    }

    async fn read(&self, characteristic: Uuid) -> Result<Vec<u8>, RadioError> {
        self.call("a read", characteristic, Operation::Read).await
    }

    async fn write(&self, characteristic: Uuid, value: Vec<u8>, mode: WriteMode) -> Result<(), RadioError> {
        if value.len() + ATT_HEADER_BYTES > usize::from(self.mtu) {
            return Err(RadioError::Refused { code: AttError::INVALID_LENGTH.0 });
        }
        let operation = Operation::Write(value);
        let answer = match mode {
            WriteMode::WithResponse => self.call("a write", characteristic, operation).await,
            WriteMode::WithoutResponse => {
                let request = Request { characteristic, operation, reply: None };
                self.submit("a write", request, std::future::ready(Ok(Ok(Vec::new())))).await
            }
        };
        answer.map(drop)
    }

    async fn subscribe(&self, characteristic: Uuid) -> Result<Notifications, RadioError> {
        let (sink, notifications) = Notifications::channel();
        self.call("a subscription", characteristic, Operation::Subscribe(sink)).await?;
        Ok(notifications)
    }

    async fn closed(&self) -> LinkClosed {
        let mut closed = self.closed.clone();
        let reason = closed.wait_for(Option::is_some).await.ok().and_then(|reason| *reason);
        reason.unwrap_or(LinkClosed::RadioGone)
    }

    async fn disconnect(&self) {
        self.hang_up.token().cancel();
        // The other end is a task of ours that does nothing but look for this; the deadline is for a runtime under water.
        let _ = timeout(CALL_DEADLINE, self.closed()).await;
    }
}
