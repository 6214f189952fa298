//! The 8 bytes before each body, and the message that they make with it. Big-endian.

use bytes::Bytes;

use super::MessageError;

/// The longest message that a header can announce, itself included.
pub const MAX_MESSAGE: usize = Header::SIZE + u16::MAX as usize;

/// Numbers of the groups that are spoken here.
pub mod group {
    /// Echo, reset, parameters, information.
    pub const OS: u16 = 0;
    /// Image state, upload, erase, slots.
    pub const IMAGE: u16 = 1;
}

/// Which version of the protocol a message is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Errors are one number for all groups.
    V1,
    /// Errors are a number of the group. Since Zephyr 3.4.
    V2,
    /// Two reserved numbers, 2 and 3; a watch refuses them with [`super::MgmtCode::TooNew`].
    Reserved(u8),
}

/// What a message does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Asks for something.
    Read,
    /// Answers it.
    ReadReply,
    /// Changes something.
    Write,
    /// Answers it.
    WriteReply,
    /// No meaning yet: 4 to 7.
    Other(u8),
}

/// The header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Of the protocol; echoed.
    pub version: Version,
    /// What the message does.
    pub op: Op,
    /// Bytes of body that follow.
    pub len: u16,
    /// The command's group; echoed.
    pub group: u16,
    /// Echoed.
    pub seq: u8,
    /// The command within its group; echoed.
    pub command: u8,
}

/// A whole message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its `len` is the body's.
    pub header: Header,
    /// A CBOR map; none at all stands for an empty one.
    pub body: Bytes,
}

impl Version {
    const fn bits(self) -> u8 {
        match self {
            Self::V1 => 0,
            Self::V2 => 1,
            Self::Reserved(bits) => bits & 3,
        }
    }
}

impl Op {
    const fn bits(self) -> u8 {
        match self {
            Self::Read => 0,
            Self::ReadReply => 1,
            Self::Write => 2,
            Self::WriteReply => 3,
            Self::Other(bits) => bits & 7,
        }
    }

    /// What answers this; `None` for an answer.
    pub const fn reply(self) -> Option<Self> {
        match self {
            Self::Read => Some(Self::ReadReply),
            Self::Write => Some(Self::WriteReply),
            _ => None,
        }
    }
}

impl Header {
    /// Its size on the wire.
    pub const SIZE: usize = 8;

    /// Reads the header at the start of `bytes`. Reserved bits and flags mean nothing yet and are ignored.
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let Some(&[first, _flags, len_high, len_low, group_high, group_low, seq, command]) =
            bytes.first_chunk::<{ Self::SIZE }>()
        else {
            return Err(MessageError::Truncated { need: Self::SIZE, have: bytes.len() });
        };
        let version = match first >> 3 & 3 {
            0 => Version::V1,
            1 => Version::V2,
            reserved => Version::Reserved(reserved),
        };
        let op = match first & 7 {
            0 => Op::Read,
            1 => Op::ReadReply,
            2 => Op::Write,
            3 => Op::WriteReply,
            other => Op::Other(other),
        };
        let len = u16::from_be_bytes([len_high, len_low]);
        let group = u16::from_be_bytes([group_high, group_low]);
        Ok(Self { version, op, len, group, seq, command })
    }

    /// Its bytes.
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let [len_high, len_low] = self.len.to_be_bytes();
        let [group_high, group_low] = self.group.to_be_bytes();
        let first = self.version.bits() << 3 | self.op.bits();
        [first, 0, len_high, len_low, group_high, group_low, self.seq, self.command]
    }

    /// The header of a reply; its length is not known yet. A reserved version is answered in version 2, as Zephyr does.
    #[must_use]
    pub fn reply(&self) -> Self {
        let version = if self.version == Version::V1 { Version::V1 } else { Version::V2 };
        Self { version, op: self.op.reply().unwrap_or(Op::WriteReply), len: 0, ..*self }
    }

    /// The whole message's bytes that this header announces.
    pub const fn message_len(&self) -> usize {
        Self::SIZE + self.len as usize
    }

    /// Whether a reply with this header answers the request with that one. The version is left out: a watch that knows only
    /// version 1 answers in it.
    pub fn answers(&self, request: &Self) -> bool {
        request.op.reply() == Some(self.op)
            && (self.group, self.command, self.seq) == (request.group, request.command, request.seq)
    }
}

impl Message {
    /// A message of this body; `header.len` is set.
    pub fn new(mut header: Header, body: impl Into<Bytes>) -> Result<Self, MessageError> {
        let body = body.into();
        header.len = body.len().try_into().map_err(|_| MessageError::TooLong { body: body.len() })?;
        Ok(Self { header, body })
    }

    /// Reads the message at the start of `bytes`; what follows it is ignored, see [`messages`].
    pub fn decode(bytes: &[u8]) -> Result<Self, MessageError> {
        let header = Header::decode(bytes)?;
        let (need, have) = (header.message_len(), bytes.len());
        let body = bytes.get(Header::SIZE..need).ok_or(MessageError::Truncated { need, have })?;
        Ok(Self { header, body: Bytes::copy_from_slice(body) })
    }

    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Header::SIZE + self.body.len());
        bytes.extend_from_slice(&self.header.encode());
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// The messages of a datagram, which may be several. What does not fill a header at the end is ignored, as Zephyr does; a
/// header that announces more than there is is an error, and the last.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = Result<Message, MessageError>> + '_ {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.len() < Header::SIZE {
            return None;
        }
        let message = Message::decode(rest);
        rest = message.as_ref().map_or(&[], |message| &rest[message.header.message_len()..]);
        Some(message)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn messages_of_a_datagram_are_told_apart() {
        let two = hex::decode("0a00000500007900a1616461610a00000500007a00a1616461620001").unwrap();
        let read: Vec<_> = messages(&two).map(|message| message.unwrap().header.seq).collect();
        assert_eq!(read, [0x79, 0x7a]);
        let longer = hex::decode("0a00002000004200a161646178").unwrap();
        let read: Vec<_> = messages(&longer).collect();
        assert_eq!(read, [Err(MessageError::Truncated { need: 40, have: 13 })]);
    }

    proptest! {
        #[test]
        fn a_header_is_read_as_it_is_written(bytes: [u8; 8]) {
            let header = Header::decode(&bytes).unwrap();
            prop_assert_eq!(Header::decode(&header.encode()).unwrap(), header);
            let (mut plain, first) = (bytes, bytes[0] & 0x1f);
            (plain[0], plain[1]) = (first, 0);
            prop_assert_eq!(header.encode(), plain);
        }
    }
}
