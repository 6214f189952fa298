//! What can be wrong with a message, and how a watch says no.

use super::body::{Fields, Item, Map};
use super::{ImageCode, MgmtCode, OsCode, Version, group};

/// A message that cannot be read or written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    /// It ends too early.
    #[error("the message is truncated: {have} bytes of {need}")]
    Truncated {
        /// Bytes there should be.
        need: usize,
        /// Bytes there are.
        have: usize,
    },
    /// A header cannot announce so much.
    #[error("a body of {body} bytes is too long for a message")]
    TooLong {
        /// Bytes of it.
        body: usize,
    },
    /// The body is not CBOR, ends too early, or is nested deeper than 8 levels.
    #[error("the body is not readable as CBOR")]
    NotCbor,
    /// Bytes follow the body's map.
    #[error("{0} bytes follow the body")]
    Trailing(usize),
    /// Something stands where a map with text keys belongs.
    #[error("the body is not a map with text keys")]
    NotAMap,
    /// A key stands twice.
    #[error("“{0}” stands twice in the body")]
    Duplicate(&'static str),
    /// A value has another type or a larger size than it may have.
    #[error("“{0}” has a value that it cannot have")]
    WrongType(&'static str),
    /// A key that must be there is not.
    #[error("“{0}” is missing in the body")]
    Missing(&'static str),
    /// It is not a reply, or not of a command that is known here.
    #[error("it is not a reply to a known command (group {group}, command {command})")]
    NotAReply {
        /// The header's.
        group: u16,
        /// The header's.
        command: u8,
    },
}

/// A request that a watch cannot follow, and how it says so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The version is reserved.
    #[error("version {0} of the protocol is not known")]
    Version(u8),
    /// The group, the command, or the way it is used is not known.
    #[error("group {group}, command {command} is not known")]
    Unknown {
        /// The header's.
        group: u16,
        /// The header's.
        command: u8,
    },
    /// The body cannot be read.
    #[error(transparent)]
    Body(#[from] MessageError),
}

impl RequestError {
    /// What Zephyr answers.
    pub const fn code(&self) -> MgmtCode {
        match self {
            Self::Version(_) => MgmtCode::TooNew,
            Self::Unknown { .. } => MgmtCode::NotSupported,
            Self::Body(MessageError::Truncated { .. }) => MgmtCode::Corrupt,
            Self::Body(_) => MgmtCode::Invalid,
        }
    }
}

/// The watch refuses.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SmpError {
    /// With a code for every group: `rc`.
    #[error("{code} (error {}){}", .code.number(), .reason.as_deref().map(|text| format!(": {text}")).unwrap_or_default())]
    Mgmt {
        /// Why.
        code: MgmtCode,
        /// In its own words: `rsn`.
        reason: Option<String>,
    },
    /// With a code of the os group.
    #[error("{} (os error {})", .0, .0.number())]
    Os(OsCode),
    /// With a code of the image group.
    #[error("{} (image error {})", .0, .0.number())]
    Image(ImageCode),
    /// With a code of another group.
    #[error("it does not say why in words (error {code} of group {group})")]
    Group {
        /// The group.
        group: u16,
        /// Its code.
        code: i32,
    },
}

/// No answer to be had from a reply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReplyError {
    /// The watch refuses.
    #[error("the watch refuses: {0}")]
    Refused(#[from] SmpError),
    /// The reply cannot be read.
    #[error("the watch's reply cannot be read: {0}")]
    Unreadable(#[from] MessageError),
}

impl SmpError {
    /// The refusal with a code for every group.
    pub const fn mgmt(code: MgmtCode) -> Self {
        Self::Mgmt { code, reason: None }
    }

    /// The code for every group, where it came with one.
    pub const fn mgmt_code(&self) -> Option<MgmtCode> {
        match self {
            Self::Mgmt { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// The image group's code, where it came with one.
    pub const fn image_code(&self) -> Option<ImageCode> {
        match self {
            Self::Image(code) => Some(*code),
            _ => None,
        }
    }

    /// The command is not there: the firmware was built without it.
    pub fn is_not_supported(&self) -> bool {
        self.mgmt_code() == Some(MgmtCode::NotSupported)
    }

    /// Takes a refusal out of a body, if it is one. `"rc": 0` is how old firmware says yes.
    pub(super) fn take(fields: &mut Fields) -> Result<Option<Self>, MessageError> {
        if let Some(mut err) = fields.map("err")? {
            let group = err.int("group")?.ok_or(MessageError::Missing("group"))?;
            let code: i32 = err.int("rc")?.ok_or(MessageError::Missing("rc"))?;
            return Ok((code != 0).then(|| Self::of_group(group, code)));
        }
        let code: i32 = fields.int("rc")?.unwrap_or(0);
        let reason = fields.text("rsn")?;
        Ok((code != 0).then(|| Self::Mgmt { code: MgmtCode::from_number(code), reason }))
    }

    const fn of_group(group: u16, code: i32) -> Self {
        match group {
            group::OS => Self::Os(OsCode::from_number(code)),
            group::IMAGE => Self::Image(ImageCode::from_number(code)),
            group => Self::Group { group, code },
        }
    }

    /// The body; version 1 has codes for every group only.
    pub(super) fn body(&self, version: Version) -> Map {
        let mgmt = |code: MgmtCode| Map::new().with("rc", Item::Int(code.number().into()));
        let v1 = version == Version::V1;
        let (group, code) = match self {
            Self::Mgmt { code, reason } => {
                return mgmt(*code).with_some("rsn", reason.clone().map(Item::Text));
            }
            Self::Os(code) if v1 => return mgmt(code.v1()),
            Self::Image(code) if v1 => return mgmt(code.v1()),
            Self::Group { .. } if v1 => return mgmt(MgmtCode::Unknown),
            Self::Os(code) => (group::OS, code.number()),
            Self::Image(code) => (group::IMAGE, code.number()),
            Self::Group { group, code } => (*group, *code),
        };
        let err = Map::new().with("group", Item::Int(group.into())).with("rc", Item::Int(code.into()));
        Map::new().with("err", Item::Map(err))
    }
}
