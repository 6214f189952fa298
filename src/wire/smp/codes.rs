//! The numbers by which a watch refuses.

/// Makes an enum of numbered codes; a number without a name is kept.
macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($number:literal $variant:ident $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
        pub enum $name {
            $(#[doc = concat!($number, ": ", $text, ".")] #[error($text)] $variant,)+
            /// A number that has no name here.
            #[error("a reason without a name, {0}")]
            Other(i32),
        }

        impl $name {
            /// The number on the wire.
            pub const fn number(self) -> i32 {
                match self {
                    $(Self::$variant => $number,)+
                    Self::Other(number) => number,
                }
            }

            /// The code of a number.
            pub const fn from_number(number: i32) -> Self {
                match number {
                    $($number => Self::$variant,)+
                    other => Self::Other(other),
                }
            }
        }
    };
}

codes! {
    /// `mcumgr_err_t`: codes for every group. From 256 on they are the firmware's own.
    MgmtCode {
        1 Unknown "it does not say why",
        2 NoMemory "it has no memory left",
        3 Invalid "it cannot make sense of the request",
        4 Timeout "it timed out",
        5 NoEntry "there is no such thing",
        6 BadState "its state does not allow it",
        7 MessageSize "the message is too large",
        8 NotSupported "it does not know the command",
        9 Corrupt "the message is damaged",
        10 Busy "it is busy",
        11 AccessDenied "it denies access",
        12 TooOld "this version of the protocol is too old for it",
        13 TooNew "this version of the protocol is too new for it",
    }
}

codes! {
    /// Codes of the os group.
    OsCode {
        1 Unknown "it does not say why",
        2 InvalidFormat "it does not know the format",
        3 NoAnswer "it has no answer to the query",
        4 ClockNotSet "its clock is not set",
        5 ClockFailed "its clock does not work",
        6 NotValid "the answer to the query is not valid",
    }
}

codes! {
    /// Codes of the image group.
    ImageCode {
        1 Unknown "it does not say why",
        2 FlashConfig "it cannot ask for the layout of its flash",
        3 NoImage "there is no image",
        4 NoTlvs "the image has no TLVs",
        5 InvalidTlv "the image has an invalid TLV",
        6 MultipleHashes "the image has several hashes",
        7 TlvSize "a TLV of the image has an invalid size",
        8 HashNotFound "no slot holds an image of this hash",
        9 NoFreeSlot "no slot is free",
        10 FlashOpen "its flash cannot be opened",
        11 FlashRead "its flash cannot be read",
        12 FlashWrite "its flash cannot be written",
        13 FlashErase "its flash cannot be erased",
        14 InvalidSlot "there is no such slot",
        15 NoMemory "it has no memory left",
        16 ContextSet "its flash is in use already",
        17 ContextNotSet "its flash was not opened",
        18 NoFlashDevice "its flash has no device",
        19 PageOffset "there is no such page of flash",
        20 InvalidOffset "the offset is missing or invalid",
        21 InvalidLength "the length is missing or invalid",
        22 ImageHeader "the image has an invalid header",
        23 ImageMagic "the file is not a firmware image",
        24 InvalidHash "the hash is missing or invalid",
        25 FlashAddress "the image is built for another address",
        26 VersionGet "it cannot tell the version of its firmware",
        27 CurrentIsNewer "its firmware is not older than this image",
        28 AlreadyPending "an image is waiting to be tested or confirmed",
        29 VectorTable "the image has an invalid vector table",
        30 TooLarge "the image is too large for the slot",
        31 Overrun "more data came than the image has",
        32 ConfirmDenied "it denies to confirm the image",
        33 TestActiveDenied "it denies to test the image that runs",
        34 ActiveUnknown "it does not know which slot runs",
    }
}

impl OsCode {
    /// What version 1 says instead.
    pub const fn v1(self) -> MgmtCode {
        match self {
            Self::InvalidFormat => MgmtCode::Invalid,
            Self::NoAnswer | Self::ClockNotSet => MgmtCode::NoEntry,
            _ => MgmtCode::Unknown,
        }
    }
}

impl ImageCode {
    /// What version 1 says instead.
    pub const fn v1(self) -> MgmtCode {
        match self {
            Self::NoImage | Self::NoTlvs => MgmtCode::NoEntry,
            Self::NoFreeSlot | Self::CurrentIsNewer | Self::AlreadyPending => MgmtCode::BadState,
            Self::NoMemory => MgmtCode::NoMemory,
            Self::InvalidSlot
            | Self::PageOffset
            | Self::InvalidOffset
            | Self::InvalidLength
            | Self::ImageHeader
            | Self::InvalidHash
            | Self::FlashAddress => MgmtCode::Invalid,
            _ => MgmtCode::Unknown,
        }
    }
}
