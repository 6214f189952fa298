//! What lies in the slots of a watch.

use bytes::Bytes;

use super::MessageError;
use super::body::{Fields, Item, Map};
use crate::wire::Sha256;
use crate::wire::mcuboot::ImageVersion;

/// The list of images. A slot without a valid image is left out of it; an image that is listed need not be intact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageState {
    /// One entry a slot.
    pub images: Vec<SlotState>,
}

/// An image in a slot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "the list of images has these five flags")]
pub struct SlotState {
    /// Which image, on a watch that has several; none is image 0.
    pub image: Option<u32>,
    /// Slot 0 runs, in the modes that swap.
    pub slot: u32,
    /// As the watch writes it.
    pub version: String,
    /// The hash in the image's TLVs, which is not that of the file.
    pub hash: Option<Bytes>,
    /// It can be started.
    pub bootable: bool,
    /// It will be started next.
    pub pending: bool,
    /// It stays.
    pub confirmed: bool,
    /// It runs.
    pub active: bool,
    /// It will be started next, and stay.
    pub permanent: bool,
}

impl ImageState {
    /// The image that runs, of image 0.
    pub fn active(&self) -> Option<&SlotState> {
        self.images.iter().find(|slot| slot.active && slot.image.unwrap_or(0) == 0)
    }

    /// The image with this hash, of image 0. The one that runs comes first: both slots may hold the same image.
    pub fn with_hash(&self, hash: Sha256) -> Option<&SlotState> {
        let same = |slot: &&SlotState| slot.image.unwrap_or(0) == 0 && slot.sha256() == Some(hash);
        let found = self.images.iter().filter(same);
        found.min_by_key(|slot| (!slot.active, slot.slot))
    }

    pub(super) fn body(&self, frugal: bool) -> Map {
        let images = self.images.iter().map(|slot| slot.body(frugal)).collect();
        let list = Map::new().with("images", Item::List(images));
        if frugal { list } else { list.with("splitStatus", Item::Int(0)) }
    }

    pub(super) fn of(mut fields: Fields) -> Result<Self, MessageError> {
        let images = fields.maps("images")?.ok_or(MessageError::Missing("images"))?;
        Ok(Self { images: images.into_iter().map(SlotState::of).collect::<Result<_, _>>()? })
    }
}

impl SlotState {
    /// The hash, if it is a SHA-256.
    pub fn sha256(&self) -> Option<Sha256> {
        self.hash.as_ref().and_then(|hash| Sha256::try_from(&hash[..]).ok())
    }

    /// The version, if it is one.
    pub fn image_version(&self) -> Option<ImageVersion> {
        self.version.parse().ok()
    }

    fn body(&self, frugal: bool) -> Map {
        let flag = |yes: bool| (yes || !frugal).then_some(Item::Bool(yes));
        Map::new()
            .with_int("image", self.image)
            .with("slot", Item::Int(self.slot.into()))
            .with("version", Item::Text(self.version.clone()))
            .with_some("hash", self.hash.clone().map(Item::Bytes))
            .with_some("bootable", flag(self.bootable))
            .with_some("pending", flag(self.pending))
            .with_some("confirmed", flag(self.confirmed))
            .with_some("active", flag(self.active))
            .with_some("permanent", flag(self.permanent))
    }

    fn of(mut fields: Fields) -> Result<Self, MessageError> {
        Ok(Self {
            image: fields.int("image")?,
            slot: fields.int("slot")?.ok_or(MessageError::Missing("slot"))?,
            version: fields.text("version")?.unwrap_or_default(),
            hash: fields.bytes("hash")?,
            bootable: fields.flag("bootable")?,
            pending: fields.flag("pending")?,
            confirmed: fields.flag("confirmed")?,
            active: fields.flag("active")?,
            permanent: fields.flag("permanent")?,
        })
    }
}

/// A version as a watch writes it: `1.2.3`, or `1.2.3.45` with a build.
pub fn wire_version(version: ImageVersion) -> String {
    version.to_string().replace('+', ".")
}

/// The slots of one image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageSlots {
    /// Which image.
    pub image: u32,
    /// Its slots.
    pub slots: Vec<Slot>,
    /// The largest file that can be taken in, where the watch says so.
    pub max_image_size: Option<u32>,
}

/// A slot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// Its number.
    pub slot: u32,
    /// Bytes of flash, the trailer included. A watch that cannot tell leaves it out.
    pub size: Option<u32>,
    /// `image` of an upload into it, where there can be one.
    pub upload_image_id: Option<u32>,
}

impl ImageSlots {
    pub(super) fn body(&self) -> Map {
        let slots = self.slots.iter().map(|slot| {
            Map::new()
                .with("slot", Item::Int(slot.slot.into()))
                .with_int("size", slot.size)
                .with_int("upload_image_id", slot.upload_image_id)
        });
        Map::new()
            .with("image", Item::Int(self.image.into()))
            .with("slots", Item::List(slots.collect()))
            .with_int("max_image_size", self.max_image_size)
    }

    pub(super) fn of(mut fields: Fields) -> Result<Self, MessageError> {
        let slot = |mut fields: Fields| {
            Ok(Slot {
                slot: fields.int("slot")?.ok_or(MessageError::Missing("slot"))?,
                size: fields.int("size")?,
                upload_image_id: fields.int("upload_image_id")?,
            })
        };
        Ok(Self {
            image: fields.int("image")?.unwrap_or(0),
            slots: fields
                .maps("slots")?
                .unwrap_or_default()
                .into_iter()
                .map(slot)
                .collect::<Result<_, _>>()?,
            max_image_size: fields.int("max_image_size")?,
        })
    }
}
