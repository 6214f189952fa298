//! The seam to whatever carries SMP.

use bytes::Bytes;

use super::SmpLinkError;
use crate::wire::smp::MAX_MESSAGE;

/// A way for messages, in pieces where it carries less than a message at once.
pub trait SmpLink: Send {
    /// Sends one piece, at most [`piece`](Self::piece) bytes.
    fn send(&mut self, piece: &[u8]) -> impl Future<Output = Result<(), SmpLinkError>> + Send;

    /// The next piece from the watch. Ends with an error at once when the link is closed. Cancel-safe.
    fn next(&mut self) -> impl Future<Output = Result<Bytes, SmpLinkError>> + Send;

    /// Bytes of the longest piece.
    fn piece(&self) -> usize;

    /// Bytes of the longest message, whatever the watch could hold.
    fn longest(&self) -> usize {
        MAX_MESSAGE
    }

    /// Turns notifications off and on, which makes the watch forget half a message. What has arrived before is dropped.
    fn resubscribe(&mut self) -> impl Future<Output = Result<(), SmpLinkError>> + Send;
}
