//! What a firmware was built with.

use crate::wire::smp::{BootMode, Params, Style};

/// How the boot loader brings a new image to run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// It swaps the slots with the help of a free page in slot 1; an update lies one page further in. Once the new image is
    /// kept, the old one is no longer found, as was recorded.
    #[default]
    SwapOffset,
    /// It swaps the slots with the help of a page elsewhere.
    SwapScratch,
    /// It copies slot 1 over slot 0. There is no way back, and a test is for good.
    OverwriteOnly,
}

impl Mode {
    /// What the watch calls it.
    pub(super) const fn told(self) -> BootMode {
        match self {
            Self::SwapOffset => BootMode::SwapOffset,
            Self::SwapScratch => BootMode::SwapScratch,
            Self::OverwriteOnly => BootMode::OverwriteOnly,
        }
    }
}

/// Options of the build that are there or not; a bit set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(pub u16);

impl Flags {
    /// Knows version 1 of the protocol only.
    pub const V1_ONLY: Self = Self(1);
    /// Does not tell its parameters.
    pub const NO_PARAMS: Self = Self(1 << 1);
    /// Does not tell about its boot loader.
    pub const NO_BOOTLOADER_INFO: Self = Self(1 << 2);
    /// Does not tell about its slots.
    pub const NO_SLOT_INFO: Self = Self(1 << 3);
    /// Takes a message only in one write.
    pub const NO_REASSEMBLY: Self = Self(1 << 4);
    /// Compares the file's hash when all of it is there.
    pub const IMAGE_CHECK: Self = Self(1 << 5);
    /// Erases page by page as the image arrives, not before.
    pub const PROGRESSIVE_ERASE: Self = Self(1 << 6);
    /// Of two versions that differ in their build only, one is newer.
    pub const BUILDS_COUNT: Self = Self(1 << 7);
    /// The boot loader refuses older versions; an overwrite-only one can.
    pub const NO_DOWNGRADE: Self = Self(1 << 8);
    /// The boot loader refuses lower security counters than it has run for good.
    pub const COUNTER: Self = Self(1 << 9);

    /// Whether all of `other` are set.
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// These, and `other`.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// What a watch with SMP is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Build {
    /// Of the boot loader.
    pub mode: Mode,
    /// What is there or not.
    pub flags: Flags,
    /// How it writes its answers.
    pub style: Style,
    /// Its buffers; without [`Flags::NO_PARAMS`] it tells them.
    pub buffers: Params,
    /// Bytes of a slot, the trailer included.
    pub slot: usize,
}

impl Default for Build {
    /// Zephyr's faster settings: four buffers of five full writes, half a megabyte a slot.
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            flags: Flags::default(),
            style: Style::default(),
            buffers: Params { buf_size: 2475, buf_count: 4 },
            slot: 512 * 1024,
        }
    }
}
