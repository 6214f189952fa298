//! What a watch says of its slots, and what it lets a host change (reference on firmware, 3.3).

use super::boot::{Loader, Swap};
use super::flags::Mode;
use super::flash::{Area, Flash, Trailer};
use super::image::Image;
use crate::wire::Sha256;
use crate::wire::smp::{ImageCode, ImageSlots, ImageState, Slot, SlotState, wire_version};

/// The list of images.
pub(super) fn list(flash: &Flash, loader: Loader) -> ImageState {
    let swap = loader.swap(flash);
    let primary = Image::read(flash.bytes(Area::Primary)).map(|image| SlotState {
        active: true,
        confirmed: swap != Swap::Revert,
        ..entry(0, &image)
    });
    let secondary = loader.secondary(flash, swap).map(|image| SlotState {
        pending: matches!(swap, Swap::Test | Swap::Permanent),
        // From memory of the source: what is for good is not told as confirmed before it runs.
        permanent: swap == Swap::Permanent,
        confirmed: swap == Swap::Revert,
        ..entry(1, &image)
    });
    ImageState { images: primary.into_iter().chain(secondary).collect() }
}

fn entry(slot: u32, image: &Image) -> SlotState {
    SlotState {
        slot,
        version: wire_version(image.head.version),
        hash: Some(image.hash.0.to_vec().into()),
        bootable: image.head.bootable,
        ..SlotState::default()
    }
}

/// Has an image run at the next start, or stay. `hash`: which; the one that runs if none is given.
pub(super) fn write(
    flash: &mut Flash,
    loader: Loader,
    hash: Option<&[u8]>,
    confirm: bool,
) -> Result<(), ImageCode> {
    let slot = match hash {
        None if confirm => 0,
        None => return Err(ImageCode::InvalidHash),
        Some(hash) => {
            let hash = Sha256::try_from(hash).map_err(|_| ImageCode::InvalidHash)?;
            let state = list(flash, loader);
            state.with_hash(hash).ok_or(ImageCode::HashNotFound)?.slot
        }
    };
    let swap = loader.swap(flash);
    match (slot, confirm, swap) {
        (0, false, _) => Err(ImageCode::TestActiveDenied),
        (0, true, Swap::None) => Ok(()),
        (0, true, Swap::Revert) => {
            let kept = Trailer { magic: false, image_ok: true, copy_done: false };
            flash.write_trailer(Area::Primary, kept);
            Ok(())
        }
        (_, false, Swap::Test) | (_, true, Swap::Permanent) if slot != 0 => Ok(()),
        (_, _, Swap::None) | (_, false, Swap::Permanent) if slot != 0 && allowed(loader, swap) => {
            flash
                .write_trailer(Area::Secondary, Trailer { magic: true, image_ok: confirm, copy_done: false });
            Ok(())
        }
        _ => Err(ImageCode::AlreadyPending),
    }
}

/// In overwrite-only mode a test is for good, and asking for it again changes nothing.
fn allowed(loader: Loader, swap: Swap) -> bool {
    swap == Swap::None || loader.mode == Mode::OverwriteOnly
}

/// Empties slot 1.
pub(super) fn erase(flash: &mut Flash, loader: Loader, slot: u32) -> Result<(), ImageCode> {
    match slot {
        1 if loader.swap(flash) != Swap::Revert => {
            flash.erase(Area::Secondary);
            Ok(())
        }
        0 | 1 => Err(ImageCode::NoFreeSlot),
        _ => Err(ImageCode::InvalidSlot),
    }
}

/// The slots and their sizes.
pub(super) fn slots(flash: &Flash) -> Vec<ImageSlots> {
    let size = u32::try_from(flash.slot_size()).ok();
    let slot = |slot, upload_image_id| Slot { slot, size, upload_image_id };
    vec![ImageSlots { image: 0, slots: vec![slot(0, None), slot(1, Some(0))], max_image_size: None }]
}
