//! Parts of an image that are under way.

use std::collections::VecDeque;
use std::time::Duration;

use super::{FIRST_PATIENCE, LAST_PATIENCE, PATIENCE};
use crate::wire::smp::Header;

/// A part that was sent and not answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    /// Of its request.
    pub header: Header,
    /// Its first byte.
    pub off: u32,
    /// The byte after its last.
    pub end: u32,
    /// It told length and hash.
    pub first: bool,
    /// It was the end of the image.
    pub last: bool,
    /// It was too long for one piece.
    pub in_pieces: bool,
    /// When.
    pub sent_at: Duration,
}

/// Parts under way, in the order in which they were sent.
#[derive(Debug, Default)]
pub(super) struct Parts(VecDeque<Part>);

impl Part {
    const fn patience(&self) -> Duration {
        if self.first {
            FIRST_PATIENCE
        } else if self.last {
            LAST_PATIENCE
        } else {
            PATIENCE
        }
    }
}

impl Parts {
    pub(super) fn push(&mut self, part: Part) {
        self.0.push_back(part);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes out the part that a reply with this header answers.
    pub(super) fn answered(&mut self, reply: &Header) -> Option<Part> {
        let at = self.0.iter().position(|part| reply.answers(&part.header))?;
        self.0.remove(at)
    }

    /// Forgets what ends at or before `off`: its reply was lost, and a later one covers it.
    pub(super) fn covered(&mut self, off: u32) {
        self.0.retain(|part| part.end > off);
    }

    pub(super) fn uses(&self, seq: u8) -> bool {
        self.0.iter().any(|part| part.header.seq == seq)
    }

    /// When patience with the oldest ends. It begins anew whenever something is heard, because what is sent together is answered
    /// one after the other.
    pub(super) fn deadline(&self, heard: Duration) -> Option<Duration> {
        self.0.front().map(|part| part.sent_at.max(heard) + part.patience())
    }
}
