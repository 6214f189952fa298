//! The end of a slot, by which the bootloader decides what to start.

use thiserror::Error;

/// Good for a write alignment of 8 bytes.
const MAGIC_8: [u8; 16] =
    [0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6, 0x79, 0x80];
/// Good for a larger one, which stands before it as a number of two bytes.
const MAGIC_LARGER: [u8; 14] =
    [0x2d, 0xe1, 0x5d, 0x29, 0x41, 0x0b, 0x8d, 0x77, 0x67, 0x9c, 0x11, 0x0f, 0x1f, 0x8a];
/// What erased flash reads as.
const ERASED: u8 = 0xff;
const SET: u8 = 0x01;

/// What the end of a slot says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// Whether somebody asked for the image to be started.
    pub magic: Magic,
    /// Whether it may stay.
    pub image_ok: Mark,
    /// Whether the swap that brought it is done.
    pub copy_done: Mark,
}

/// The last 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Magic {
    /// As they should be.
    Good,
    /// Erased.
    Unset,
    /// Something else.
    Bad,
}

/// One of the marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// 1.
    Set,
    /// Erased.
    Unset,
    /// Something else.
    Bad,
}

/// What the bootloader does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// Starts what is in the primary slot.
    None,
    /// Swaps, and swaps back at the next start unless the new image is confirmed.
    Test,
    /// Swaps for good.
    Permanent,
    /// Swaps back: the image on trial was not confirmed.
    Revert,
}

/// There is no room for a trailer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("{0} bytes are too few for a slot: its trailer alone has {needed}", needed = Trailer::SIZE)]
pub struct TrailerError(pub usize);

impl Trailer {
    /// Bytes that it takes of a slot, with the swap information before the marks; for a write alignment of 8.
    pub const SIZE: usize = 40;

    /// Nobody asked for anything.
    pub const ERASED: Self = Self { magic: Magic::Unset, image_ok: Mark::Unset, copy_done: Mark::Unset };
    /// The image is to be tried at the next start.
    pub const PENDING: Self = Self { magic: Magic::Good, ..Self::ERASED };
    /// The image is to be started from now on.
    pub const PERMANENT: Self = Self { image_ok: Mark::Set, ..Self::PENDING };

    /// Reads the end of a slot.
    pub fn read(slot: &[u8]) -> Result<Self, TrailerError> {
        let too_small = TrailerError(slot.len());
        let magic_at = slot.len().checked_sub(MAGIC_8.len()).ok_or(too_small)?;
        let end: &[u8; 16] = slot[magic_at..].try_into().map_err(|_| too_small)?;
        let align = alignment(end);
        let mark = |nth: usize| Some(Mark::of(*slot.get(mark_at(slot.len(), align.unwrap_or(8), nth)?)?));
        let magic = match align {
            Some(_) => Magic::Good,
            None if end.iter().all(|byte| *byte == ERASED) => Magic::Unset,
            None => Magic::Bad,
        };
        let image_ok = mark(1).ok_or(too_small)?;
        Ok(Self { magic, image_ok, copy_done: mark(2).ok_or(too_small)? })
    }

    /// Writes the end of a slot, aligned to 8 bytes. What is bad stays bad, though not with the same bytes.
    pub fn write(self, slot: &mut [u8]) -> Result<(), TrailerError> {
        let length = slot.len();
        let start = length.checked_sub(Self::SIZE).ok_or(TrailerError(length))?;
        slot[start..].fill(ERASED);
        match self.magic {
            Magic::Good => slot[length - 16..].copy_from_slice(&MAGIC_8),
            Magic::Unset => {}
            Magic::Bad => slot[length - 16..].fill(0),
        }
        slot[length - 24] = self.image_ok.byte();
        slot[length - 32] = self.copy_done.byte();
        Ok(())
    }

    /// What stands at the end of the primary slot after a swap. At the end of the secondary one stands nothing then.
    pub const fn after(swap: Swap) -> Option<Self> {
        let tried = Self { copy_done: Mark::Set, ..Self::PENDING };
        match swap {
            Swap::None => None,
            Swap::Test => Some(tried),
            Swap::Permanent | Swap::Revert => Some(Self { image_ok: Mark::Set, ..tried }),
        }
    }

    /// Reads what follows an image in a padded file; `None` if it does not end as a slot does.
    pub(super) fn of_padding(padding: &[u8]) -> Option<Self> {
        let trailer = Self::read(padding).ok()?;
        (trailer.magic == Magic::Good).then_some(trailer)
    }
}

/// What the bootloader does by what the two slots end with. The secondary slot goes first, and an image there is looked at before it
/// is started, which is not decided here.
pub fn decide(primary: Trailer, secondary: Trailer) -> Swap {
    match (secondary.magic, secondary.image_ok) {
        (Magic::Good, Mark::Unset) => return Swap::Test,
        (Magic::Good, Mark::Set) => return Swap::Permanent,
        _ => {}
    }
    let on_trial =
        primary.magic == Magic::Good && primary.image_ok == Mark::Unset && primary.copy_done == Mark::Set;
    // The bootloader's own table wants the other one to be erased, too.
    if on_trial && secondary.magic == Magic::Unset { Swap::Revert } else { Swap::None }
}

impl Mark {
    const fn of(byte: u8) -> Self {
        match byte {
            SET => Self::Set,
            ERASED => Self::Unset,
            _ => Self::Bad,
        }
    }

    const fn byte(self) -> u8 {
        match self {
            Self::Set => SET,
            Self::Unset => ERASED,
            Self::Bad => 0,
        }
    }
}

/// The write alignment that a good magic says; `None` if it is not good.
fn alignment(magic: &[u8; 16]) -> Option<usize> {
    if *magic == MAGIC_8 {
        return Some(8);
    }
    let align = usize::from(u16::from_le_bytes([magic[0], magic[1]]));
    (magic[2..] == MAGIC_LARGER && align > 8 && align.is_power_of_two()).then_some(align)
}

/// Where the nth mark before the magic is. Counted from the end, as the slot's end is aligned.
fn mark_at(length: usize, align: usize, nth: usize) -> Option<usize> {
    let first = (MAGIC_8.len() + align).next_multiple_of(align);
    length.checked_sub(first + (nth - 1) * align)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn trailers() -> impl Strategy<Value = Trailer> {
        let mark = prop::sample::select(vec![Mark::Set, Mark::Unset, Mark::Bad]);
        let magic = prop::sample::select(vec![Magic::Good, Magic::Unset, Magic::Bad]);
        (magic, mark.clone(), mark).prop_map(|(magic, image_ok, copy_done)| Trailer {
            magic,
            image_ok,
            copy_done,
        })
    }

    #[test]
    fn an_update_is_tried_then_kept_or_taken_back() {
        let factory = Trailer::ERASED;
        assert_eq!(decide(factory, Trailer::ERASED), Swap::None);
        assert_eq!(decide(factory, Trailer::PENDING), Swap::Test);
        assert_eq!(decide(factory, Trailer::PERMANENT), Swap::Permanent);
        let tried = Trailer::after(Swap::Test).unwrap();
        assert_eq!(decide(tried, Trailer::ERASED), Swap::Revert);
        let confirmed = Trailer { image_ok: Mark::Set, ..tried };
        assert_eq!(decide(confirmed, Trailer::ERASED), Swap::None);
        for swap in [Swap::Permanent, Swap::Revert] {
            assert_eq!(decide(Trailer::after(swap).unwrap(), Trailer::ERASED), Swap::None);
        }
        let damaged = Trailer { magic: Magic::Bad, ..Trailer::ERASED };
        assert_eq!(decide(tried, damaged), Swap::None);
    }

    #[test]
    fn a_larger_alignment_has_its_own_magic_and_places() {
        let mut slot = vec![ERASED; 4_096];
        slot[4_080..4_082].copy_from_slice(&[32, 0]);
        slot[4_082..].copy_from_slice(&MAGIC_LARGER);
        assert_eq!(Trailer::read(&slot), Ok(Trailer::PENDING));
        slot[4_096 - 64] = SET;
        assert_eq!(Trailer::read(&slot), Ok(Trailer::PERMANENT));
        slot[4_080] = 31;
        assert_eq!(Trailer::read(&slot).unwrap().magic, Magic::Bad);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_and_nothing_else_is_touched(trailer in trailers(), length in 0_usize..200) {
            let mut slot = vec![0x55; length];
            match trailer.write(&mut slot) {
                Ok(()) => {
                    prop_assert_eq!(Trailer::read(&slot), Ok(trailer));
                    prop_assert!(slot[..length - Trailer::SIZE].iter().all(|byte| *byte == 0x55));
                }
                Err(error) => prop_assert!(error == TrailerError(length) && length < Trailer::SIZE),
            }
        }

        #[test]
        fn any_bytes_are_a_trailer_or_too_few(slot in prop::collection::vec(any::<u8>(), 0..100)) {
            prop_assert_eq!(Trailer::read(&slot).is_err(), slot.len() < 32);
        }
    }
}
