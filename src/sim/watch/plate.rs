//! The nameplate: who the watch is, which log it keeps, and which boot this is.
//!
//! Every change appends a whole new plate to one of two pages; when that page is full, the other is erased and goes on. The
//! newest sound plate counts, so a cut at any moment leaves either the old plate or the new one.

use serde::{Deserialize, Serialize};

use super::flash::{Flash, PAGE, PLATE_PAGES, is_erased};
use super::slot;
use crate::wire::bridge::{Boot, DeviceId, LogId, Seq};

/// Device id 16, log id 5, boot 3, next, acked and serial 5 each, frame 5: 44 at most.
pub const SLOT: usize = 64;

/// What a watch must know of itself after a power cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plate {
    /// Orders the plates.
    serial: u32,
    pub device_id: DeviceId,
    pub log_id: LogId,
    pub boot: Boot,
    /// No block of this log that is sealed from this boot on has a number below; what makes burned numbers stay burned.
    pub next: Seq,
    /// What the host said is safe.
    pub acked: Seq,
}

impl Plate {
    /// The plate of a watch that has never booted.
    pub const fn new(device_id: DeviceId, log_id: LogId) -> Self {
        Self { serial: 0, device_id, log_id, boot: Boot(0), next: Seq(1), acked: Seq(0) }
    }

    /// The newest plate on the chip. `None` on a blank one.
    pub fn read(flash: &Flash) -> Option<Self> {
        newest(flash).map(|(_, plate)| plate)
    }

    /// Appends this plate.
    pub fn write(&mut self, flash: &mut Flash) {
        let newest = newest(flash);
        let page = newest.as_ref().map_or(0, |(page, _)| *page);
        self.serial = newest.map_or(1, |(_, plate)| plate.serial + 1);
        if let Some(at) = free_slot(flash, page) {
            flash.program(page, at, &slot::encode(self));
        } else {
            let other = (page + 1) % PLATE_PAGES;
            flash.erase(other);
            flash.program(other, 0, &slot::encode(self));
        }
    }
}

fn newest(flash: &Flash) -> Option<(usize, Plate)> {
    let plates = |page| flash.page(page).chunks_exact(SLOT).filter_map(slot::decode::<Plate>);
    (0..PLATE_PAGES)
        .flat_map(|page| plates(page).map(move |plate| (page, plate)))
        .max_by_key(|(_, plate)| plate.serial)
}

/// The place behind everything that was ever programmed, torn plates too.
fn free_slot(flash: &Flash, page: usize) -> Option<usize> {
    let used = flash.page(page).chunks_exact(SLOT).rposition(|slot| !is_erased(slot));
    let at = used.map_or(0, |last| (last + 1) * SLOT);
    (at < PAGE).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_leaves_the_old_plate_or_the_new_one() {
        let mut rng = fastrand::Rng::with_seed(11);
        let mut flash = Flash::blank(2);
        let mut plate = Plate::new(DeviceId([7; 16]), LogId(9));
        plate.write(&mut flash);
        let mut old = plate;
        for boot in 1..2_000 {
            plate.boot = Boot(boot);
            if rng.u8(..4) == 0 {
                flash.cut_after(rng.usize(..2 * SLOT));
            }
            plate.write(&mut flash);
            flash.restore_power();
            let found = Plate::read(&flash).unwrap();
            assert!(found == old || found == plate, "{found:?} is neither {old:?} nor {plate:?}");
            (old, plate) = (found, found);
        }
        assert!(old.boot > Boot(1_000));
    }
}
