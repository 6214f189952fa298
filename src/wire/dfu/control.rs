//! What is written to the control point, and what it says.

use thiserror::Error;

/// The image that is brought over is the application.
const APPLICATION: u8 = 0x04;
/// A notification that answers a command.
const RESPONSE: u8 = 0x10;
/// A notification that counts.
const RECEIPT: u8 = 0x11;

/// What a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Begins; answered when the slot is empty.
    Start,
    /// The init packet.
    Init,
    /// The image; answered when all of it is there.
    Receive,
    /// Has the watch compute the CRC.
    Validate,
}

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Begin with an application; its size follows as a packet.
    Start,
    /// The init packet follows as a packet.
    InitBegins,
    /// That was the init packet.
    InitEnds,
    /// A receipt after so many packets. One byte, other than in Nordic's own.
    ReceiptEvery(u8),
    /// The image follows as packets.
    Receive,
    /// Compute the CRC.
    Validate,
    /// Start anew, with the image.
    Activate,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Status {
    /// Well.
    #[error("done")]
    Done,
    /// Not now.
    #[error("it is in the middle of something else")]
    InvalidState,
    /// Never.
    #[error("it does not support that")]
    NotSupported,
    /// The size.
    #[error("the image is larger than its slot")]
    Size,
    /// The CRC.
    #[error("the image did not arrive whole (wrong CRC)")]
    Crc,
    /// It did not work.
    #[error("it could not do it")]
    Failed,
    /// A number that has no name.
    #[error("status {0}")]
    Other(u8),
}

/// What the control point says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Notice {
    /// A command has ended.
    Ended(Op, Status),
    /// So many bytes have arrived.
    Receipt(u32),
}

/// A notification that is none of these.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{} is no notification of a firmware update", hex::encode(.0))]
pub struct NoticeError(pub Vec<u8>);

/// As much of a notification as is worth telling.
const TOLD: usize = 20;

impl Op {
    const fn code(self) -> u8 {
        match self {
            Self::Start => 0x01,
            Self::Init => 0x02,
            Self::Receive => 0x03,
            Self::Validate => 0x04,
        }
    }

    fn of(code: u8) -> Option<Self> {
        [Self::Start, Self::Init, Self::Receive, Self::Validate].into_iter().find(|op| op.code() == code)
    }

    /// What is asked for, after "the watch refused".
    pub const fn name(self) -> &'static str {
        match self {
            Self::Start => "to begin an update",
            Self::Init => "what it is told of the image",
            Self::Receive => "the image",
            Self::Validate => "to validate the image",
        }
    }
}

impl Command {
    /// The bytes.
    pub fn encode(self) -> Vec<u8> {
        match self {
            Self::Start => vec![Op::Start.code(), APPLICATION],
            Self::InitBegins => vec![Op::Init.code(), 0x00],
            Self::InitEnds => vec![Op::Init.code(), 0x01],
            Self::ReceiptEvery(packets) => vec![0x08, packets],
            Self::Receive => vec![Op::Receive.code()],
            Self::Validate => vec![Op::Validate.code()],
            Self::Activate => vec![0x05],
        }
    }

    /// Reads one, for whoever plays the watch. `None` for what InfiniTime passes over in silence.
    pub fn decode(value: &[u8]) -> Option<Self> {
        match *value {
            [0x01, APPLICATION, ..] => Some(Self::Start),
            [0x02, 0, ..] => Some(Self::InitBegins),
            [0x02, _, ..] => Some(Self::InitEnds),
            [0x08, packets, ..] => Some(Self::ReceiptEvery(packets)),
            [0x03, ..] => Some(Self::Receive),
            [0x04, ..] => Some(Self::Validate),
            [0x05, ..] => Some(Self::Activate),
            _ => None,
        }
    }
}

impl Status {
    const fn of(code: u8) -> Self {
        match code {
            1 => Self::Done,
            2 => Self::InvalidState,
            3 => Self::NotSupported,
            4 => Self::Size,
            5 => Self::Crc,
            6 => Self::Failed,
            other => Self::Other(other),
        }
    }

    const fn code(self) -> u8 {
        match self {
            Self::Done => 1,
            Self::InvalidState => 2,
            Self::NotSupported => 3,
            Self::Size => 4,
            Self::Crc => 5,
            Self::Failed => 6,
            Self::Other(code) => code,
        }
    }
}

impl Notice {
    /// Reads a notification.
    pub fn decode(value: &[u8]) -> Result<Self, NoticeError> {
        let notice = match *value {
            [RESPONSE, op, status] => Op::of(op).map(|op| Self::Ended(op, Status::of(status))),
            [RECEIPT, a, b, c, d] => Some(Self::Receipt(u32::from_le_bytes([a, b, c, d]))),
            _ => None,
        };
        notice.ok_or_else(|| NoticeError(value[..value.len().min(TOLD)].to_vec()))
    }

    /// The bytes, for whoever plays the watch.
    pub fn encode(self) -> Vec<u8> {
        match self {
            Self::Ended(op, status) => vec![RESPONSE, op.code(), status.code()],
            Self::Receipt(bytes) => [&[RECEIPT][..], &bytes.to_le_bytes()].concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The exchange of section 9.1 of the reference on firmware.
    #[test]
    fn the_exchange_byte_for_byte() {
        let commands = [
            (Command::Start, "0104"),
            (Command::InitBegins, "0200"),
            (Command::InitEnds, "0201"),
            (Command::ReceiptEvery(10), "080a"),
            (Command::Receive, "03"),
            (Command::Validate, "04"),
            (Command::Activate, "05"),
        ];
        for (command, bytes) in commands {
            assert_eq!(hex::encode(command.encode()), bytes);
            assert_eq!(Command::decode(&command.encode()), Some(command));
        }
        let notices = [
            (Notice::Ended(Op::Start, Status::Done), "100101"),
            (Notice::Ended(Op::Init, Status::Done), "100201"),
            (Notice::Receipt(200), "11c8000000"),
            (Notice::Ended(Op::Receive, Status::Done), "100301"),
            (Notice::Ended(Op::Validate, Status::Done), "100401"),
            (Notice::Ended(Op::Validate, Status::Crc), "100405"),
        ];
        for (notice, bytes) in notices {
            assert_eq!(hex::encode(notice.encode()), bytes);
            assert_eq!(Notice::decode(&notice.encode()), Ok(notice));
        }
    }

    proptest! {
        #[test]
        fn any_notification_is_read_or_refused(value in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(notice) = Notice::decode(&value) {
                prop_assert_eq!(notice.encode(), value);
            }
        }
    }
}
