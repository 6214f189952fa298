//! Messages over a link that carries less than a message at once.

use bytes::Bytes;

use super::{Header, Message};

/// The pieces of a message in which it is written, each at most `write` bytes.
pub fn fragments(message: &[u8], write: usize) -> impl Iterator<Item = &[u8]> {
    message.chunks(write.max(1))
}

/// How many bytes to write at once over an ATT of this MTU. A link-layer packet carries 251 bytes of which the first of a write
/// loses 7, so a write of 244 fills one and 495 fill two; a little more would waste a packet.
pub fn write_size(mtu: u16) -> usize {
    let most = usize::from(mtu).saturating_sub(3);
    [495, 244].into_iter().find(|size| *size <= most).unwrap_or(most)
}

/// Puts messages together. What is left over when a fragment is lost is not noticed until the next message does not fit, so
/// whoever waits in vain calls [`Reassembler::reset`] before asking again.
#[derive(Debug)]
pub struct Reassembler {
    limit: usize,
    buffer: Vec<u8>,
}

/// A fragment that does not fit. As in Zephyr, what was there before stays as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReassemblyError {
    /// A message must begin with its whole header.
    #[error("a message begins with {0} bytes, fewer than its header has")]
    NoHeader(usize),
    /// The message is longer than can be held.
    #[error("a message of {len} bytes is announced, more than the {limit} that are held")]
    TooLong {
        /// Announced, the header included.
        len: usize,
        /// Held.
        limit: usize,
    },
    /// The fragment goes on after the message's end.
    #[error("a fragment goes on {0} bytes after its message")]
    Overflow(usize),
}

impl Reassembler {
    /// Holds messages of at most `limit` bytes, the header included.
    pub const fn new(limit: usize) -> Self {
        Self { limit, buffer: Vec::new() }
    }

    /// Takes a fragment, and gives a message if that was its last.
    pub fn push(&mut self, fragment: &[u8]) -> Result<Option<Message>, ReassemblyError> {
        let start = if self.buffer.is_empty() { fragment } else { &self.buffer };
        let header = Header::decode(start).map_err(|_| ReassemblyError::NoHeader(start.len()))?;
        let (len, limit) = (header.message_len(), self.limit);
        if len > limit {
            return Err(ReassemblyError::TooLong { len, limit });
        }
        let have = self.buffer.len() + fragment.len();
        if have > len {
            return Err(ReassemblyError::Overflow(have - len));
        }
        self.buffer.extend_from_slice(fragment);
        if have < len {
            return Ok(None);
        }
        let body = Bytes::copy_from_slice(&self.buffer[Header::SIZE..]);
        self.reset();
        Ok(Some(Message { header, body }))
    }

    /// Forgets the half message.
    pub fn reset(&mut self) {
        self.buffer.clear();
    }

    /// Whether a message has begun and not ended.
    pub const fn is_midway(&self) -> bool {
        !self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::{Request, Version};
    use super::*;

    #[test]
    fn writes_fill_whole_packets() {
        let sizes = [(517, 495), (498, 495), (497, 244), (247, 244), (246, 243), (23, 20), (2, 0)];
        for (mtu, size) in sizes {
            assert_eq!(write_size(mtu), size, "{mtu}");
        }
    }

    #[test]
    fn a_lost_fragment_is_noticed_and_what_was_there_stays() {
        let message = Request::Echo("x".repeat(90)).encode(Version::V2, 1).unwrap();
        let mut pieces = fragments(&message, 50);
        let mut reassembler = Reassembler::new(256);
        assert_eq!(reassembler.push(pieces.next().unwrap()), Ok(None));
        assert!(reassembler.is_midway());
        let whole = Request::Params.encode(Version::V2, 2).unwrap();
        assert_eq!(reassembler.push(&message), Err(ReassemblyError::Overflow(50)));
        assert_eq!(reassembler.push(&whole), Ok(None), "swallowed: it might be what is missing");
        reassembler.reset();
        assert_eq!(reassembler.push(&whole).unwrap().unwrap().encode(), whole);
        assert_eq!(reassembler.push(&[0; 7]), Err(ReassemblyError::NoHeader(7)));
        let long = ReassemblyError::TooLong { len: 300, limit: 256 };
        assert_eq!(reassembler.push(&[8, 0, 1, 36, 0, 0, 0, 0]), Err(long));
        assert!(!reassembler.is_midway());
    }

    proptest! {
        #[test]
        fn pieces_make_the_message_again(text in ".{0,300}", write in 8_usize..600) {
            let message = Request::Echo(text).encode(Version::V1, 9).unwrap();
            let mut reassembler = Reassembler::new(message.len());
            let mut whole = None;
            for piece in fragments(&message, write) {
                prop_assert!(whole.is_none());
                whole = reassembler.push(piece).unwrap();
            }
            prop_assert_eq!(whole.unwrap().encode(), message);
        }

        #[test]
        fn any_fragments_are_taken(pieces: Vec<Vec<u8>>) {
            let mut reassembler = Reassembler::new(512);
            for piece in pieces {
                let _ = reassembler.push(&piece);
                prop_assert!(reassembler.buffer.len() <= 512);
            }
        }
    }
}
