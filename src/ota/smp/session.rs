//! What is learnt of a watch before it is asked for anything else.

use super::SmpLink;
use crate::wire::smp::upload::Path;
use crate::wire::smp::{BootMode, BootloaderInfo, ImageSlots, ImageState, MAX_MESSAGE, Params, Version};

/// The longest message to a watch that does not say what it can take, if it fits one piece.
const WITHOUT_PARAMS: usize = 252;
/// More messages at once bring nothing more: four of them fill any link.
const WIDEST: u32 = 4;

/// What a watch said of itself when the session was opened. What it was built without is `None`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// The version of the protocol.
    pub version: Version,
    /// What it can take.
    pub params: Option<Params>,
    /// Its bootloader's name.
    pub bootloader: Option<BootloaderInfo>,
    /// How that brings a new image to run.
    pub mode: Option<BootMode>,
    /// Its slots.
    pub slots: Option<Vec<ImageSlots>>,
    /// What lies in them. A watch without this cannot be updated over SMP.
    pub state: Option<ImageState>,
}

impl Session {
    /// What this link and the watch can take.
    pub fn path(&self, link: &impl SmpLink) -> Path {
        let piece = link.piece();
        let Some(params) = self.params else {
            // Nothing is known of putting pieces together, so a message has to be one.
            let message = piece.min(WITHOUT_PARAMS);
            return Path { message, window: 1, piece: message };
        };
        let message = usize::try_from(params.buf_size).unwrap_or(MAX_MESSAGE).min(link.longest());
        // A buffer is left for the replies.
        let window = params.buf_count.saturating_sub(1).clamp(1, WIDEST) as usize;
        Path { message, window, piece }
    }

    /// Bytes of the smallest slot that an upload of image 0 can go into, where the watch says so. The bootloader's trailer is in it.
    pub fn upload_slot_size(&self) -> Option<u32> {
        let image = self.slots.as_ref()?.iter().find(|image| image.image == 0)?;
        let target = |slot: &&crate::wire::smp::Slot| slot.upload_image_id.is_some() || slot.slot == 1;
        let slot = image.slots.iter().filter(target).filter_map(|slot| slot.size).min();
        image.max_image_size.into_iter().chain(slot).min()
    }
}
