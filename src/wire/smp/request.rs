//! What a host asks of a watch.

use bytes::Bytes;

use super::body::{Fields, Item, Map};
use super::{Header, Message, MessageError, Op, RequestError, Version, group};

/// A command's number in its group.
pub(super) mod command {
    /// os: 0.
    pub const ECHO: u8 = 0;
    /// os: 5.
    pub const RESET: u8 = 5;
    /// os: 6.
    pub const PARAMS: u8 = 6;
    /// os: 7.
    pub const INFO: u8 = 7;
    /// os: 8.
    pub const BOOTLOADER: u8 = 8;
    /// image: 0.
    pub const STATE: u8 = 0;
    /// image: 1.
    pub const UPLOAD: u8 = 1;
    /// image: 5.
    pub const ERASE: u8 = 5;
    /// image: 6.
    pub const SLOT_INFO: u8 = 6;
}

/// A request of the os group or the image group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Say this back.
    Echo(String),
    /// Restart. The reply comes first, then the link goes.
    Reset {
        /// Even if an application on the watch would rather not.
        force: bool,
    },
    /// How large a message may be, and how many at once.
    Params,
    /// What the firmware says of itself.
    Info {
        /// Letters of what is wanted; none asks for the name of the system.
        format: Option<String>,
    },
    /// What the bootloader is.
    Bootloader(BootloaderQuery),
    /// What lies in the slots.
    ReadState,
    /// Test an image at the next restart, or keep one for good.
    WriteState {
        /// The image's hash; none is the image that runs. As long as it was sent: a watch refuses a wrong length itself.
        hash: Option<Bytes>,
        /// For good.
        confirm: bool,
    },
    /// A part of an image.
    Upload(UploadRequest),
    /// Empty a slot.
    Erase {
        /// Which; slot 1 if none is given.
        slot: Option<u32>,
    },
    /// How large the slots are.
    SlotInfo,
}

/// What is asked of the bootloader.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BootloaderQuery {
    /// Its name.
    #[default]
    Name,
    /// How it brings a new image to run.
    Mode,
    /// The slot that runs.
    ActiveSlot,
    /// Something that is not known here.
    Other(String),
}

/// A part of an image. The first part has offset 0 and tells the length and the hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UploadRequest {
    /// Which image, on a watch that has several. In the first part only; none is image 0.
    pub image: Option<u32>,
    /// Bytes of the whole file. In the first part.
    pub len: Option<u32>,
    /// Where the data goes. A watch refuses a request without it.
    pub off: Option<u32>,
    /// The file's SHA-256, by which a watch knows an upload that it has begun. In the first part.
    pub sha: Option<Bytes>,
    /// The bytes.
    pub data: Bytes,
    /// Refuse an image that is not newer than the one that runs. In the first part.
    pub upgrade: bool,
}

impl Request {
    /// Operation, group and command.
    const fn address(&self) -> (Op, u16, u8) {
        match self {
            Self::Echo(_) => (Op::Write, group::OS, command::ECHO),
            Self::Reset { .. } => (Op::Write, group::OS, command::RESET),
            Self::Params => (Op::Read, group::OS, command::PARAMS),
            Self::Info { .. } => (Op::Read, group::OS, command::INFO),
            Self::Bootloader(_) => (Op::Read, group::OS, command::BOOTLOADER),
            Self::ReadState => (Op::Read, group::IMAGE, command::STATE),
            Self::WriteState { .. } => (Op::Write, group::IMAGE, command::STATE),
            Self::Upload(_) => (Op::Write, group::IMAGE, command::UPLOAD),
            Self::Erase { .. } => (Op::Write, group::IMAGE, command::ERASE),
            Self::SlotInfo => (Op::Read, group::IMAGE, command::SLOT_INFO),
        }
    }

    fn body(&self) -> Map {
        let map = Map::new();
        match self {
            Self::Echo(text) => map.with("d", Item::Text(text.clone())),
            Self::Reset { force } => map.with_some("force", force.then_some(Item::Int(1))),
            Self::Info { format } => map.with_some("format", format.clone().map(Item::Text)),
            Self::Bootloader(query) => {
                map.with_some("query", query.word().map(|word| Item::Text(word.to_owned())))
            }
            Self::WriteState { hash, confirm } => {
                map.with_some("hash", hash.clone().map(Item::Bytes)).with("confirm", Item::Bool(*confirm))
            }
            Self::Upload(part) => part.body(),
            Self::Erase { slot } => map.with_int("slot", *slot),
            Self::Params | Self::ReadState | Self::SlotInfo => map,
        }
    }

    /// The message.
    pub fn message(&self, version: Version, seq: u8) -> Result<Message, MessageError> {
        let (op, group, command) = self.address();
        Message::new(Header { version, op, len: 0, group, seq, command }, self.body().encode(false))
    }

    /// The message's bytes.
    pub fn encode(&self, version: Version, seq: u8) -> Result<Vec<u8>, MessageError> {
        Ok(self.message(version, seq)?.encode())
    }

    /// Reads a request, as a watch does.
    pub fn decode(message: &Message) -> Result<Self, RequestError> {
        let Header { version, op, group, command, .. } = message.header;
        if let Version::Reserved(version) = version {
            return Err(RequestError::Version(version));
        }
        let unknown = RequestError::Unknown { group, command };
        let fields = || Fields::decode(&message.body);
        let request = match (group, command, op) {
            (group::OS, command::ECHO, Op::Read | Op::Write) => {
                Self::Echo(fields()?.text("d")?.unwrap_or_default())
            }
            (group::OS, command::RESET, Op::Write) => Self::Reset { force: fields()?.flag("force")? },
            (group::OS, command::PARAMS, Op::Read) => fields().map(|_| Self::Params)?,
            (group::OS, command::INFO, Op::Read) => Self::Info { format: fields()?.text("format")? },
            (group::OS, command::BOOTLOADER, Op::Read) => {
                Self::Bootloader(BootloaderQuery::of(fields()?.text("query")?.as_deref()))
            }
            (group::IMAGE, command::STATE, Op::Read) => fields().map(|_| Self::ReadState)?,
            (group::IMAGE, command::STATE, Op::Write) => {
                let mut fields = fields()?;
                Self::WriteState { hash: fields.bytes("hash")?, confirm: fields.flag("confirm")? }
            }
            (group::IMAGE, command::UPLOAD, Op::Write) => Self::Upload(UploadRequest::of(fields()?)?),
            (group::IMAGE, command::ERASE, Op::Write) => Self::Erase { slot: fields()?.int("slot")? },
            (group::IMAGE, command::SLOT_INFO, Op::Read) => fields().map(|_| Self::SlotInfo)?,
            _ => return Err(unknown),
        };
        Ok(request)
    }
}

impl BootloaderQuery {
    fn word(&self) -> Option<&str> {
        match self {
            Self::Name => None,
            Self::Mode => Some("mode"),
            Self::ActiveSlot => Some("active-slot"),
            Self::Other(word) => Some(word),
        }
    }

    fn of(word: Option<&str>) -> Self {
        match word {
            None => Self::Name,
            Some("mode") => Self::Mode,
            Some("active-slot") => Self::ActiveSlot,
            Some(other) => Self::Other(other.to_owned()),
        }
    }
}

impl UploadRequest {
    pub(super) fn body(&self) -> Map {
        Map::new()
            .with_int("image", self.image)
            .with_int("len", self.len)
            .with_int("off", self.off)
            .with_some("sha", self.sha.clone().map(Item::Bytes))
            .with("data", Item::Bytes(self.data.clone()))
            .with_some("upgrade", self.upgrade.then_some(Item::Bool(true)))
    }

    fn of(mut fields: Fields) -> Result<Self, MessageError> {
        Ok(Self {
            image: fields.int("image")?,
            len: fields.int("len")?,
            off: fields.int("off")?,
            sha: fields.bytes("sha")?,
            data: fields.bytes("data")?.unwrap_or_default(),
            upgrade: fields.flag("upgrade")?,
        })
    }
}
