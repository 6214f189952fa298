//! NOR flash: the only part of a watch that survives a power cut.
//!
//! Erasing sets a whole page to ones; programming can only clear bits. Power may fail in the middle of either: the tests cut it
//! after any number of [units](Flash::cut_after), and what was under way stays half done.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

/// Bytes of a page, the smallest piece that can be erased.
pub const PAGE: usize = 4096;
/// The first pages keep the watch's [nameplate](super::plate), the others the ring of blocks.
pub(super) const PLATE_PAGES: usize = 2;
/// A ring of one page would lose everything each time it turns.
pub const FEWEST_RING_PAGES: usize = 2;
/// Erasing a page takes as long as programming this many bytes.
pub(super) const ERASE_UNITS: usize = 64;
const ERASED: u8 = 0xFF;

/// The flash chip of a watch.
#[derive(Clone, PartialEq, Eq)]
pub struct Flash {
    pages: Vec<Box<[u8; PAGE]>>,
    /// Units until the power fails; `None` while it is sound.
    power: Option<usize>,
}

/// A flash file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum FlashError {
    /// It cannot be read or written.
    #[error("the flash file {} cannot be used", path.display())]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is not a whole number of pages, or too few.
    #[error(
        "the flash file {} has {bytes} bytes, not a multiple of {PAGE} from {} on; remove it to start with a blank watch",
        path.display(), PAGE * (PLATE_PAGES + FEWEST_RING_PAGES)
    )]
    Size {
        /// Which file.
        path: PathBuf,
        /// Its size.
        bytes: usize,
    },
}

impl Flash {
    /// A blank chip with `ring_pages` pages for blocks (at least [`FEWEST_RING_PAGES`]).
    pub fn blank(ring_pages: usize) -> Self {
        let pages = PLATE_PAGES + ring_pages.max(FEWEST_RING_PAGES);
        Self { pages: vec![Box::new([ERASED; PAGE]); pages], power: None }
    }

    /// Reads a chip's image from a file.
    pub fn load(path: &Path) -> Result<Self, FlashError> {
        let image = fs::read(path).map_err(|source| FlashError::Io { path: path.to_owned(), source })?;
        let (pages, rest) = image.as_chunks::<PAGE>();
        if !rest.is_empty() || pages.len() < PLATE_PAGES + FEWEST_RING_PAGES {
            return Err(FlashError::Size { path: path.to_owned(), bytes: image.len() });
        }
        Ok(Self { pages: pages.iter().map(|page| Box::new(*page)).collect(), power: None })
    }

    /// Writes the chip's image to a file: the old file stays until the new one is whole.
    pub fn save(&self, path: &Path) -> Result<(), FlashError> {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".new");
        let image: Vec<u8> = self.pages.iter().flat_map(|page| page.iter().copied()).collect();
        fs::write(&draft, image)
            .and_then(|()| fs::rename(&draft, path))
            .map_err(|source| FlashError::Io { path: path.to_owned(), source })
    }

    /// Pages for blocks.
    pub fn ring_pages(&self) -> usize {
        self.pages.len() - PLATE_PAGES
    }

    pub(super) fn page(&self, page: usize) -> &[u8; PAGE] {
        &self.pages[page]
    }

    /// Clears the bits that are zero in `bytes`.
    pub(super) fn program(&mut self, page: usize, at: usize, bytes: &[u8]) {
        let done = self.draw(bytes.len());
        for (cell, byte) in self.pages[page][at..].iter_mut().zip(&bytes[..done]) {
            *cell &= byte;
        }
    }

    pub(super) fn erase(&mut self, page: usize) {
        let done = self.draw(ERASE_UNITS);
        self.pages[page][..PAGE * done / ERASE_UNITS].fill(ERASED);
    }

    /// Lets the power fail after this many more bytes were programmed; an erase counts as 64.
    pub(super) fn cut_after(&mut self, units: usize) {
        self.power = Some(units);
    }

    pub(super) fn restore_power(&mut self) {
        self.power = None;
    }

    /// How many of these units still get power.
    fn draw(&mut self, units: usize) -> usize {
        let Some(left) = &mut self.power else { return units };
        let drawn = units.min(*left);
        *left -= drawn;
        drawn
    }
}

pub(super) fn is_erased(bytes: &[u8]) -> bool {
    bytes.iter().all(|&byte| byte == ERASED)
}

impl fmt::Debug for Flash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flash")
            .field("pages", &self.pages.len())
            .field("power", &self.power)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programming_only_clears_bits_and_stops_where_the_power_does() {
        let mut flash = Flash::blank(2);
        flash.program(0, 10, &[0x0F, 0x0F]);
        flash.program(0, 10, &[0xF1]);
        assert_eq!(flash.page(0)[9..13], [0xFF, 0x01, 0x0F, 0xFF]);
        flash.cut_after(1);
        flash.program(0, 20, &[0; 3]);
        flash.erase(0);
        assert_eq!(flash.page(0)[20..23], [0, 0xFF, 0xFF]);
        assert_eq!(flash.page(0)[10], 0x01);
    }

    #[test]
    fn an_erase_can_be_cut_half_way() {
        let mut flash = Flash::blank(2);
        flash.program(1, 0, &[0; PAGE]);
        flash.cut_after(ERASE_UNITS / 2);
        flash.erase(1);
        assert!(is_erased(&flash.page(1)[..PAGE / 2]));
        assert_eq!(flash.page(1)[PAGE / 2], 0);
    }

    #[test]
    fn a_file_of_another_size_is_refused_by_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), vec![0; 5 * PAGE + 1]).unwrap();
        let error = Flash::load(file.path()).unwrap_err();
        assert!(matches!(error, FlashError::Size { bytes: 20_481, .. }), "{error}");
    }
}
