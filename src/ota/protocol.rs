//! What an updater can ask of a watch, whatever it speaks.

use std::future::Future;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{OtaError, Standing, Target};

/// How far an upload is. Only what the watch has acknowledged counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Bytes that the watch has acknowledged.
    pub acked: u64,
    /// Of so many.
    pub total: u64,
    /// Bytes that went out, in this session with the watch.
    pub sent: u64,
    /// Of them, those that had gone out before.
    pub resent: u64,
}

/// Whether the watch keeps the image that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It does.
    Yes,
    /// It is for a person to say so on the watch; until then the next start goes back.
    ByPerson,
}

/// A conversation about firmware. Every call ends within a deadline of its own.
pub trait Protocol: Send {
    /// What the watch holds.
    fn survey(&mut self) -> impl Future<Output = Result<Standing, OtaError>> + Send;

    /// Bytes that an image may have; `None` if the watch does not tell.
    fn room(&self) -> Option<u64>;

    /// Sends the image, from wherever the watch stands. When this returns, the watch has all of it.
    fn upload(
        &mut self,
        image: &Bytes,
        target: &Target,
        progress: &watch::Sender<Sent>,
    ) -> impl Future<Output = Result<(), OtaError>> + Send;

    /// Tells the watch to try the image at its next start.
    fn test(&mut self, target: &Target) -> impl Future<Output = Result<(), OtaError>> + Send;

    /// Tells the watch to start anew. That it falls silent is an answer, too.
    fn reset(&mut self) -> impl Future<Output = Result<(), OtaError>> + Send;

    /// Tells the watch to keep the image that runs.
    fn confirm(&mut self) -> impl Future<Output = Result<Kept, OtaError>> + Send;

    /// Ends the conversation.
    fn close(self) -> impl Future<Output = ()> + Send;
}

/// The way to one watch. It is ours alone while an update runs.
pub trait Station: Send {
    /// What is spoken there.
    type Protocol: Protocol;

    /// Connects, and makes sure that it is the right watch. Ends within a deadline of its own.
    fn reach(&mut self) -> impl Future<Output = Result<Self::Protocol, OtaError>> + Send;

    /// Whether the watch is well: it answers the protocol that it is there for, as who it was before. Connects by itself.
    fn health(&mut self, target: &Target) -> impl Future<Output = Result<(), OtaError>> + Send;
}
