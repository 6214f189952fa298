//! What the boot loader does before the firmware runs (reference on firmware, 4.1).
//!
//! A swap is a row of copies of pages, each of which leaves its source whole, so that it can be done again; how many are done is
//! written down after each. A power cut anywhere is made good by the next start.

use super::flags::{Flags, Mode};
use super::flash::{Area, Flash, PAGE, Trailer};
use super::image::Image;

/// What the trailers call for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swap {
    /// Nothing.
    None,
    /// Run the image of slot 1 once.
    Test,
    /// Run it from now on.
    Permanent,
    /// Take back an image that was not confirmed.
    Revert,
}

/// What a start did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Booted {
    /// The same image runs as before.
    AsBefore,
    /// A new image runs.
    Updated,
    /// The image before runs again.
    Reverted,
    /// The image in slot 1 was not intact or not allowed; it was erased, and the old one runs on.
    Rejected,
}

/// The rules of a boot loader.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loader {
    pub mode: Mode,
    pub flags: Flags,
    /// The highest security counter that ran for good.
    pub counter: u32,
}

type Page = (Area, usize);

/// The status area: kind, pages (two bytes), a mark that these are whole; then one mark for each copy that is done.
const STATUS: usize = 4;
const DONE: u8 = 0x01;

impl Loader {
    /// What the trailers call for.
    pub(super) fn swap(self, flash: &Flash) -> Swap {
        let (primary, secondary) = (flash.trailer(Area::Primary), flash.trailer(Area::Secondary));
        let for_good = secondary.image_ok || self.mode == Mode::OverwriteOnly;
        match (secondary.magic, primary) {
            (true, _) if for_good => Swap::Permanent,
            (true, _) => Swap::Test,
            (false, Trailer { magic: true, image_ok: false, copy_done: true }) => Swap::Revert,
            _ => Swap::None,
        }
    }

    /// Where in slot 1 an image begins: an update lies one page further in than an image that was swapped out.
    pub(super) fn base(self, swap: Swap) -> usize {
        if self.mode == Mode::SwapOffset && swap != Swap::Revert { PAGE } else { 0 }
    }

    /// The most that an image may have.
    pub(super) fn room(self, flash: &Flash) -> usize {
        flash.slot_size() - PAGE - self.base(Swap::None)
    }

    /// The image in slot 1.
    pub(super) fn secondary(self, flash: &Flash, swap: Swap) -> Option<Image> {
        Image::read(&flash.bytes(Area::Secondary)[self.base(swap)..])
    }

    /// Starts: goes on with a swap that was cut off, or does what the trailers call for.
    pub(super) fn boot(self, flash: &mut Flash) -> Booted {
        let begun = match read_status(flash) {
            Some(begun) => begun,
            None => match self.decide(flash) {
                Ok(begun) => begun,
                Err(booted) => return booted,
            },
        };
        let (swap, pages) = begun;
        for (step, (to, from)) in self.copies(swap, pages).into_iter().enumerate() {
            if flash.bytes(Area::Status)[STATUS + step] != DONE {
                flash.copy_page(to, from);
                flash.program(Area::Status, STATUS + step, &[DONE]);
            }
        }
        self.finish(flash, swap);
        if swap == Swap::Revert { Booted::Reverted } else { Booted::Updated }
    }

    fn decide(self, flash: &mut Flash) -> Result<(Swap, usize), Booted> {
        let swap = self.swap(flash);
        if swap == Swap::None {
            return Err(Booted::AsBefore);
        }
        let running = Image::read(flash.bytes(Area::Primary));
        let slot = &flash.bytes(Area::Secondary)[self.base(swap)..];
        let fit = |image: &Image| image.len <= self.room(flash) || swap == Swap::Revert;
        let new = Image::read(slot).filter(|image| image.is_intact(slot) && fit(image));
        let Some(new) = new.filter(|new| swap == Swap::Revert || self.allows(new, running.as_ref())) else {
            flash.erase(Area::Secondary);
            return Err(Booted::Rejected);
        };
        let old = if self.mode == Mode::OverwriteOnly { 0 } else { running.map_or(0, |image| image.len) };
        let pages = new.len.max(old).div_ceil(PAGE);
        begin_status(flash, swap, pages);
        Ok((swap, pages))
    }

    fn allows(self, new: &Image, running: Option<&Image>) -> bool {
        let older = running.is_some_and(|running| new.head.version < running.head.version);
        let counted = new.counter.unwrap_or(0) >= self.counter;
        new.head.bootable
            && !(older && self.flags.has(Flags::NO_DOWNGRADE))
            && (counted || !self.flags.has(Flags::COUNTER))
    }

    fn copies(self, swap: Swap, pages: usize) -> Vec<(Page, Page)> {
        use Area::{Primary, Scratch, Secondary};
        let all = 0..pages;
        match (self.mode, swap) {
            (Mode::OverwriteOnly, _) => all.map(|page| ((Primary, page), (Secondary, page))).collect(),
            (Mode::SwapScratch, _) => all
                .flat_map(|page| {
                    let (old, new) = ((Primary, page), (Secondary, page));
                    [((Scratch, 0), new), (new, old), (old, (Scratch, 0))]
                })
                .collect(),
            // The free page wanders through slot 1, and back again.
            (Mode::SwapOffset, Swap::Revert) => all
                .rev()
                .flat_map(|page| {
                    let running = (Primary, page);
                    [((Secondary, page + 1), running), (running, (Secondary, page))]
                })
                .collect(),
            (Mode::SwapOffset, _) => all
                .flat_map(|page| {
                    let running = (Primary, page);
                    [((Secondary, page), running), (running, (Secondary, page + 1))]
                })
                .collect(),
        }
    }

    fn finish(self, flash: &mut Flash, swap: Swap) {
        flash.erase_trailer(Area::Primary);
        if self.mode == Mode::OverwriteOnly {
            flash.erase(Area::Secondary);
        } else {
            let image_ok = swap != Swap::Test;
            flash.write_trailer(Area::Primary, Trailer { magic: true, image_ok, copy_done: true });
            flash.erase_trailer(Area::Secondary);
        }
        flash.erase(Area::Status);
    }
}

fn begin_status(flash: &mut Flash, swap: Swap, pages: usize) {
    let kind = match swap {
        Swap::Test | Swap::None => 1,
        Swap::Permanent => 2,
        Swap::Revert => 3,
    };
    let [low, high] = (pages as u16).to_le_bytes();
    flash.erase(Area::Status);
    flash.program(Area::Status, 0, &[kind, low, high, DONE]);
}

/// The swap that was begun and not finished.
fn read_status(flash: &Flash) -> Option<(Swap, usize)> {
    let &[kind, low, high, DONE] = flash.bytes(Area::Status).first_chunk::<STATUS>()? else { return None };
    let swap = match kind {
        1 => Swap::Test,
        2 => Swap::Permanent,
        3 => Swap::Revert,
        _ => return None,
    };
    Some((swap, usize::from(u16::from_le_bytes([low, high]))))
}

#[cfg(test)]
mod tests {
    use super::super::image::image;
    use super::*;

    const MODES: [Mode; 3] = [Mode::SwapOffset, Mode::SwapScratch, Mode::OverwriteOnly];

    fn loader(mode: Mode) -> Loader {
        Loader { mode, flags: Flags::default(), counter: 0 }
    }

    fn version(flash: &Flash) -> String {
        Image::read(flash.bytes(Area::Primary)).unwrap().head.version.to_string()
    }

    /// 1.0.0 runs, 2.0.0 is in slot 1; they differ in length.
    fn chip(loader: Loader) -> Flash {
        let mut flash = Flash::blank(6 * PAGE);
        flash.program(Area::Primary, 0, &image("1.0.0".parse().unwrap(), &[1; 9_000], None));
        let new = image("2.0.0".parse().unwrap(), &[2; 13_000], Some(5));
        flash.program(Area::Secondary, loader.base(Swap::None), &new);
        flash
    }

    const PENDING: Trailer = Trailer { magic: true, image_ok: false, copy_done: false };

    #[test]
    fn a_test_is_taken_back_unless_it_is_confirmed() {
        for mode in [Mode::SwapOffset, Mode::SwapScratch] {
            let loader = loader(mode);
            let mut flash = chip(loader);
            assert_eq!(loader.boot(&mut flash), Booted::AsBefore);
            flash.write_trailer(Area::Secondary, PENDING);
            assert_eq!(loader.boot(&mut flash), Booted::Updated);
            assert_eq!((version(&flash), loader.swap(&flash)), ("2.0.0".to_owned(), Swap::Revert));
            let old = loader.secondary(&flash, Swap::Revert).unwrap();
            assert!(old.is_intact(flash.bytes(Area::Secondary)));

            let mut confirmed = flash.clone();
            confirmed.write_trailer(Area::Primary, Trailer { image_ok: true, ..PENDING });
            assert_eq!(loader.boot(&mut confirmed), Booted::AsBefore);
            assert_eq!(version(&confirmed), "2.0.0");

            assert_eq!(loader.boot(&mut flash), Booted::Reverted);
            assert_eq!((version(&flash), loader.swap(&flash)), ("1.0.0".to_owned(), Swap::None));
            let new = loader.secondary(&flash, Swap::None).unwrap();
            assert!(new.is_intact(&flash.bytes(Area::Secondary)[loader.base(Swap::None)..]), "{mode:?}");
            assert_eq!(loader.boot(&mut flash), Booted::AsBefore);
        }
    }

    #[test]
    fn what_is_for_good_stays() {
        for mode in MODES {
            let loader = loader(mode);
            let mut flash = chip(loader);
            let image_ok = mode != Mode::OverwriteOnly;
            flash.write_trailer(Area::Secondary, Trailer { image_ok, ..PENDING });
            assert_eq!(loader.swap(&flash), Swap::Permanent);
            assert_eq!(loader.boot(&mut flash), Booted::Updated);
            for _ in 0..2 {
                assert_eq!(
                    (loader.boot(&mut flash), version(&flash)),
                    (Booted::AsBefore, "2.0.0".to_owned())
                );
            }
        }
    }

    #[test]
    fn what_is_damaged_or_not_allowed_is_erased_and_the_old_one_runs_on() {
        for mode in MODES {
            let open = loader(mode);
            let mut damaged = chip(open);
            damaged.flip(Area::Secondary, open.base(Swap::None) + 500);
            let rules = [
                (open, damaged),
                (Loader { flags: Flags::COUNTER, counter: 6, ..open }, chip(open)),
                (Loader { flags: Flags::NO_DOWNGRADE, ..open }, {
                    let mut chip = chip(open);
                    chip.erase_page(Area::Primary, 0);
                    chip.erase_page(Area::Primary, 1);
                    chip.erase_page(Area::Primary, 2);
                    chip.program(Area::Primary, 0, &image("3.0.0".parse().unwrap(), &[3; 100], None));
                    chip
                }),
            ];
            for (loader, mut flash) in rules {
                let runs = version(&flash);
                flash.write_trailer(Area::Secondary, PENDING);
                assert_eq!(loader.boot(&mut flash), Booted::Rejected, "{loader:?}");
                assert_eq!(version(&flash), runs);
                assert!(flash.is_blank(Area::Secondary, 0..flash.slot_size()));
            }
        }
    }

    #[test]
    fn a_power_cut_at_any_moment_is_made_good_by_the_next_start() {
        for mode in MODES {
            let loader = loader(mode);
            for (revert, units) in (0..80_000).step_by(977).flat_map(|units| [(false, units), (true, units)])
            {
                let mut flash = chip(loader);
                flash.write_trailer(Area::Secondary, PENDING);
                if revert {
                    loader.boot(&mut flash);
                }
                flash.cut_after(units);
                loader.boot(&mut flash);
                flash.cut_after(units / 3);
                loader.boot(&mut flash);
                flash.restore_power();
                loader.boot(&mut flash);
                let primary = flash.bytes(Area::Primary);
                assert!(
                    Image::read(primary).is_some_and(|image| image.is_intact(primary)),
                    "{mode:?} {units}"
                );
            }
        }
    }
}
