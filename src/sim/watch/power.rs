//! Power cuts, boots, and the factory reset.

use std::time::Duration;

use fastrand::Rng;

use super::SimWatch;
use super::faults::Faults;
use super::flash::{ERASE_UNITS, Flash};
use super::ledger::Counts;
use super::page::FOOTER;
use super::plate::{Plate, SLOT};
use super::recorder::Recorder;
use super::ring::Ring;
use super::sim_watch::new_log_id;
use crate::wire::bridge::{Boot, Seq};

/// The most that a boot writes: a plate, perhaps on a fresh page, and a footer.
const BOOT_UNITS: usize = SLOT + ERASE_UNITS + FOOTER;

/// What a power cut did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PowerCut {
    /// Samples that were not sealed yet.
    pub lost_in_ram: u64,
    /// The block whose writing was cut in the middle; its number is burned.
    pub torn: Option<Seq>,
    /// Numbers that will never be used.
    pub burned: u32,
    /// The boot that followed.
    pub boot: Boot,
}

/// Starts the watch. In this order: find out what may be used, write it down, and only then close a torn page, so that the boot
/// after another cut finds the same.
pub(super) fn boot(flash: &mut Flash, blank: Plate) -> (Plate, Ring) {
    let mut plate = Plate::read(flash).unwrap_or(blank);
    let mut ring = Ring::mount(flash, plate.log_id, plate.next);
    plate.boot = Boot(plate.boot.0.saturating_add(1));
    plate.next = ring.next();
    plate.write(flash);
    ring.settle(flash);
    (plate, ring)
}

impl SimWatch {
    /// Cuts the power and restores it at once. The cut may hit the writing of a block at any byte, and the boots after it.
    pub fn power_cut(&mut self, rng: &mut Rng) -> PowerCut {
        self.catch_up();
        let in_ram = self.recorder.samples();
        let unused = self.ring.next();
        let written = self.start_writing(rng);
        self.flash.restore_power();
        while rng.u8(..4) == 0 {
            self.flash.cut_after(rng.usize(..BOOT_UNITS));
            boot(&mut self.flash, self.plate);
            self.flash.restore_power();
        }
        let ticks_ms = self.clock.ticks_ms();
        (self.plate, self.ring) = boot(&mut self.flash, self.plate);
        let landed = written.filter(|_| self.ring.head() == unused);
        if let Some(diary) = self.diary.as_mut().filter(|_| written.is_some() && landed.is_none()) {
            diary.remove(&(self.plate.log_id, unused));
        }
        let lost_in_ram = in_ram - landed.unwrap_or(0);
        let burned = self.ring.next().0 - unused.0 - u32::from(landed.is_some());
        self.counts.lost_in_ram += lost_in_ram;
        self.counts.burned_numbers += u64::from(burned);
        self.restart(ticks_ms);
        let torn = (written.is_some() && landed.is_none() && burned > 0).then_some(unused);
        PowerCut { lost_in_ram, torn, burned, boot: self.plate.boot }
    }

    /// Wipes the watch: another log begins at block 1. The device id stays.
    pub fn factory_reset(&mut self) {
        self.catch_up();
        let Plate { boot, log_id, .. } = self.plate;
        self.plate.log_id = new_log_id(self.options.seed, boot, log_id);
        (self.plate.next, self.plate.acked) = (Seq(1), Seq(0));
        self.plate.boot = Boot(boot.0.saturating_add(1));
        self.plate.write(&mut self.flash);
        self.ring = Ring::mount(&self.flash, self.plate.log_id, self.plate.next);
        self.counts = Counts::default();
        self.faults = Faults::default();
        let ticks_ms = self.clock.ticks_ms();
        self.restart(ticks_ms);
    }

    /// Seals one of the open blocks, or none, and lets the power fail while it is written. Tells how many samples it holds.
    fn start_writing(&mut self, rng: &mut Rng) -> Option<u64> {
        let stream = rng.choice(self.recorder.filled()).filter(|_| rng.u8(..3) > 0)?;
        let (block, samples) = self.recorder.seal(stream, self.ring.next(), self.plate.boot)?;
        self.flash.cut_after(rng.usize(..=self.ring.units(block.len())));
        self.append(&block);
        Some(samples)
    }

    /// RAM is empty and the ticks start anew.
    fn restart(&mut self, ticks_ms: u64) {
        self.recorder = Recorder::new(self.options.policy);
        self.set = None;
        self.clock.restart(self.plate.boot, Duration::ZERO);
        if let Some(follow) = &mut self.follow {
            follow.rebase(ticks_ms);
        }
    }
}
