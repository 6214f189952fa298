//! What is out there: watches within reach, whatever bluetoothd knows of them.

use std::collections::BTreeSet;

use nowbridge::radio::air::{Advertisement, Doorbell, Peripheral, Presence};

/// What a watch has to show a person or to take from one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Io {
    /// Nothing.
    #[default]
    None,
    /// It shows digits.
    Display,
    /// Digits can be typed into it.
    Keyboard,
    /// It shows digits and asks whether they are right.
    YesNo,
}

impl Io {
    /// The word for it in the lab's vocabulary.
    pub const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Display => "display",
            Self::Keyboard => "keyboard",
            Self::YesNo => "yesno",
        }
    }
}

/// A watch, as far as the radio sees it.
pub struct Watch {
    pub peripheral: Box<dyn Peripheral>,
    pub doorbell: Doorbell,
    pub mtu: u16,
    pub advertising: bool,
    /// Nothing goes through the air, in neither direction.
    pub silent: bool,
    /// How many connections break off while they are made.
    pub aborts: u32,
    /// It has a link, and neither advertises nor answers others.
    pub linked: bool,
    /// Addresses of adapters whose keys it keeps.
    pub bonds: BTreeSet<String>,
    pub wearer: Wearer,
}

/// Whoever wears the watch, and what of it is in the way.
#[derive(Clone, Copy, Debug)]
pub struct Wearer {
    pub io: Io,
    /// What the watch shows, or expects to be typed.
    pub passkey: u32,
    /// What was typed into it.
    pub typed: Option<u32>,
    /// The answer when asked whether numbers are the same.
    pub accepts: bool,
}

impl Watch {
    pub fn new(mut peripheral: Box<dyn Peripheral>) -> Self {
        let doorbell = Doorbell::default();
        peripheral.take_doorbell(doorbell.clone());
        Self {
            peripheral,
            doorbell,
            mtu: 517,
            advertising: true,
            silent: false,
            aborts: 0,
            linked: false,
            bonds: BTreeSet::new(),
            wearer: Wearer { io: Io::None, passkey: 271_828, typed: None, accepts: true },
        }
    }

    /// What can be heard of it now.
    pub fn heard(&self) -> Option<Advertisement> {
        let audible = self.advertising && !self.silent && !self.linked;
        let audible = audible && self.peripheral.presence() != Presence::Silent;
        if audible { self.peripheral.advertisement() } else { None }
    }

    /// Whether requests reach it.
    pub fn answers(&self) -> bool {
        !self.silent && self.peripheral.presence() == Presence::Here
    }

    /// A link is up.
    pub fn link_up(&mut self) {
        self.linked = true;
        self.peripheral.connected(self.mtu);
    }

    /// The link is gone.
    pub fn link_down(&mut self) {
        if std::mem::take(&mut self.linked) {
            self.peripheral.disconnected();
        }
    }
}
