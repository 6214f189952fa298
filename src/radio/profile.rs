//! What a connected device offers.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// What may be done with a characteristic: the bits of its declaration (Core, Vol 3, Part G, 3.3.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Properties(pub u8);

impl Properties {
    /// It can be read.
    pub const READ: Self = Self(0x02);
    /// It can be written without an answer.
    pub const WRITE_WITHOUT_RESPONSE: Self = Self(0x04);
    /// It can be written.
    pub const WRITE: Self = Self(0x08);
    /// It notifies.
    pub const NOTIFY: Self = Self(0x10);
    /// It indicates.
    pub const INDICATE: Self = Self(0x20);

    /// Whether any bit of `other` is set.
    pub const fn any(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// The bits of both.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A characteristic that discovery found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attribute {
    /// The service it belongs to, where the radio tells.
    pub service: Option<Uuid>,
    /// The characteristic.
    pub characteristic: Uuid,
    /// What may be done with it; 0 where the radio does not tell.
    pub properties: Properties,
}
