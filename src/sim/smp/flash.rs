//! The flash of a watch with two slots: erasing sets a page to ones, programming only clears bits, and the power may fail in the
//! middle of either.
//!
//! At the end of each slot is a trailer (reference on firmware, 4.1): a magic number, and marks that say whether the image may
//! stay and whether it was brought here by a swap. Where a swap stands is written into an area of its own; a boot loader keeps it
//! in the trailer as well, which changes nothing that could be seen from outside.

/// Bytes of a page, the smallest piece that can be erased.
pub const PAGE: usize = 4096;
/// Erasing a page takes as long as programming this many bytes, to a power cut.
const ERASE_UNITS: usize = 64;
const ERASED: u8 = 0xFF;
const MARK: u8 = 0x01;

const MAGIC: [u8; 16] =
    [0x77, 0xc2, 0x95, 0xf3, 0x60, 0xd2, 0xef, 0x7f, 0x35, 0x52, 0x50, 0x0f, 0x2c, 0xb6, 0x79, 0x80];
/// Distances from the slot's end.
const MAGIC_AT: usize = 16;
const IMAGE_OK_AT: usize = 24;
const COPY_DONE_AT: usize = 32;

/// A part of the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Area {
    /// Slot 0, which runs.
    Primary,
    /// Slot 1, where updates go.
    Secondary,
    /// A page for swapping.
    Scratch,
    /// Where a swap stands.
    Status,
}

/// What a trailer says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trailer {
    pub magic: bool,
    pub image_ok: bool,
    pub copy_done: bool,
}

/// What was done to the flash, for whoever knows how long that takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Bytes programmed.
    pub bytes: usize,
    /// Pages erased.
    pub pages: usize,
}

/// The chip.
#[derive(Clone, Debug)]
pub(super) struct Flash {
    areas: [Vec<u8>; 4],
    /// Units until the power fails; `None` while it is sound.
    power: Option<usize>,
    work: Work,
}

impl Flash {
    /// A blank chip with slots of so many bytes, in whole pages.
    pub(super) fn blank(slot: usize) -> Self {
        let slot = slot.div_ceil(PAGE).max(3) * PAGE;
        let areas = [slot, slot, PAGE, PAGE].map(|size| vec![ERASED; size]);
        Self { areas, power: None, work: Work::default() }
    }

    pub(super) fn bytes(&self, area: Area) -> &[u8] {
        &self.areas[area as usize]
    }

    pub(super) fn slot_size(&self) -> usize {
        self.bytes(Area::Primary).len()
    }

    /// Clears the bits that are zero in `bytes`.
    pub(super) fn program(&mut self, area: Area, at: usize, bytes: &[u8]) {
        let done = self.draw(bytes.len());
        self.work.bytes += done;
        for (cell, byte) in self.areas[area as usize][at..].iter_mut().zip(&bytes[..done]) {
            *cell &= byte;
        }
    }

    /// Erases a page, unless it is blank: finding that out takes no time.
    pub(super) fn erase_page(&mut self, area: Area, page: usize) {
        let range = page * PAGE..(page + 1) * PAGE;
        if self.is_blank(area, range.clone()) {
            return;
        }
        let done = self.draw(ERASE_UNITS);
        self.work.pages += usize::from(done > 0);
        self.areas[area as usize][range][..PAGE * done / ERASE_UNITS].fill(ERASED);
    }

    /// Erases a whole area.
    pub(super) fn erase(&mut self, area: Area) {
        for page in 0..self.bytes(area).len() / PAGE {
            self.erase_page(area, page);
        }
    }

    pub(super) fn is_blank(&self, area: Area, range: std::ops::Range<usize>) -> bool {
        self.bytes(area)[range].iter().all(|byte| *byte == ERASED)
    }

    /// Makes a page like another.
    pub(super) fn copy_page(&mut self, (to, to_page): (Area, usize), (from, from_page): (Area, usize)) {
        let page = self.bytes(from)[from_page * PAGE..][..PAGE].to_vec();
        self.erase_page(to, to_page);
        self.program(to, to_page * PAGE, &page);
    }

    pub(super) fn trailer(&self, area: Area) -> Trailer {
        let slot = self.bytes(area);
        let end = slot.len();
        Trailer {
            magic: slot[end - MAGIC_AT..] == MAGIC,
            image_ok: slot[end - IMAGE_OK_AT] == MARK,
            copy_done: slot[end - COPY_DONE_AT] == MARK,
        }
    }

    /// Writes what is set of a trailer. The magic number comes last: without it the rest means nothing.
    pub(super) fn write_trailer(&mut self, area: Area, trailer: Trailer) {
        let end = self.bytes(area).len();
        if trailer.copy_done {
            self.program(area, end - COPY_DONE_AT, &[MARK]);
        }
        if trailer.image_ok {
            self.program(area, end - IMAGE_OK_AT, &[MARK]);
        }
        if trailer.magic {
            self.program(area, end - MAGIC_AT, &MAGIC);
        }
    }

    pub(super) fn erase_trailer(&mut self, area: Area) {
        self.erase_page(area, self.bytes(area).len() / PAGE - 1);
    }

    /// Flips a bit, as time does.
    pub(super) fn flip(&mut self, area: Area, at: usize) {
        self.areas[area as usize][at] ^= 1;
    }

    /// Lets the power fail after this many more bytes were programmed; an erase counts as 64.
    pub(super) const fn cut_after(&mut self, units: usize) {
        self.power = Some(units);
    }

    pub(super) const fn restore_power(&mut self) {
        self.power = None;
    }

    pub(super) fn take_work(&mut self) -> Work {
        std::mem::take(&mut self.work)
    }

    /// How many of these units still get power.
    fn draw(&mut self, units: usize) -> usize {
        let Some(left) = &mut self.power else { return units };
        let drawn = units.min(*left);
        *left -= drawn;
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailer_is_where_mcuboot_looks_for_it() {
        let mut flash = Flash::blank(3 * PAGE);
        let blank = Trailer { magic: false, image_ok: false, copy_done: false };
        assert_eq!(flash.trailer(Area::Secondary), blank);
        flash.write_trailer(Area::Secondary, Trailer { magic: true, image_ok: true, copy_done: false });
        let end = hex::encode(&flash.bytes(Area::Secondary)[3 * PAGE - 32..]);
        assert_eq!(end, "ffffffffffffffff01ffffffffffffff77c295f360d2ef7f3552500f2cb67980");
        assert_eq!(flash.trailer(Area::Secondary), Trailer { magic: true, image_ok: true, copy_done: false });
        assert_eq!(flash.trailer(Area::Primary), blank);
    }

    #[test]
    fn programming_only_clears_bits_and_stops_where_the_power_does() {
        let mut flash = Flash::blank(3 * PAGE);
        flash.program(Area::Primary, 0, &[0x0F, 0x0F]);
        flash.program(Area::Primary, 0, &[0xF1]);
        assert_eq!(flash.bytes(Area::Primary)[..3], [0x01, 0x0F, 0xFF]);
        flash.cut_after(ERASE_UNITS / 2);
        flash.program(Area::Primary, PAGE - 1, &[0]);
        flash.erase_page(Area::Primary, 0);
        assert!(flash.is_blank(Area::Primary, 0..PAGE / 4));
        assert_eq!(flash.bytes(Area::Primary)[PAGE - 1], 0);
        assert_eq!(flash.take_work(), Work { bytes: 4, pages: 1 });
    }
}
