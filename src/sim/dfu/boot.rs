//! What the watch runs, and what its boot loader makes of what it was given.

use crate::wire::dfu::ROOM;
use crate::wire::mcuboot::Image;

/// The firmware that runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// Its version, as Device Information tells it.
    pub version: String,
    /// Whether a person has kept it on the watch.
    pub kept: bool,
}

/// The two slots.
#[derive(Clone, Debug)]
pub struct Slots {
    /// What runs.
    pub running: Firmware,
    /// What ran before, if it can be gone back to.
    former: Option<Firmware>,
    /// The other slot, as far as it was written.
    flash: Vec<u8>,
    /// Whether the boot loader shall start it.
    marked: bool,
    /// The image falls over before it has shown itself.
    pub loops: bool,
}

impl Slots {
    /// A watch that keeps this version.
    pub fn new(version: &str) -> Self {
        let running = Firmware { version: version.to_owned(), kept: true };
        Self { running, former: None, flash: Vec::new(), marked: false, loops: false }
    }

    /// Empties the other slot, and with it the way back.
    pub fn erase(&mut self) {
        self.flash.clear();
        (self.former, self.marked) = (None, false);
    }

    /// Adds to it.
    pub fn append(&mut self, bytes: &[u8]) {
        self.flash.extend_from_slice(bytes);
    }

    /// All of it is there: it starts next time. An image that reaches into the boot loader's own corner spoils the mark.
    pub const fn mark(&mut self) {
        self.marked = self.flash.len() as u64 <= ROOM;
    }

    /// What was written.
    pub fn flash(&self) -> &[u8] {
        &self.flash
    }

    /// A bit of it is not what was sent.
    pub fn flip_a_bit(&mut self) {
        if let Some(byte) = self.flash.last_mut() {
            *byte ^= 1;
        }
    }

    /// The watch starts: the boot loader tries a marked image that is whole, and goes back from one that nobody has kept.
    pub fn boot(&mut self) {
        if std::mem::take(&mut self.marked) {
            let image = Image::parse(&self.flash).ok().filter(|_| !self.loops);
            if let Some(image) = image {
                let tried = Firmware { version: image.version().to_string(), kept: false };
                self.former = Some(std::mem::replace(&mut self.running, tried));
            }
        } else if !self.running.kept
            && let Some(former) = self.former.take()
        {
            self.running = former;
        }
    }

    /// A person keeps on the watch what runs.
    pub const fn keep(&mut self) {
        self.running.kept = true;
    }
}
