//! What is known of bluetoothd and its adapters, and what follows from it. No I/O: facts in, a state out.

use std::collections::BTreeMap;

use crate::config::AdapterChoice;
use crate::radio::{RadioState, RadioTrouble};

const START_IT: &str = "start it with `systemctl start bluetooth`";

/// An adapter as BlueZ shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct AdapterFacts {
    pub address: String,
    pub powered: bool,
    /// Held off by rfkill.
    pub blocked: bool,
}

/// Whether bluetoothd can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// Not known yet.
    Unasked,
    /// It cannot, and why.
    Gone(String),
    /// It is on the bus.
    There,
}

/// All that is known.
#[derive(Clone, Debug)]
pub(super) struct Picture {
    choice: AdapterChoice,
    pub service: Service,
    /// By path. Paths change when a dongle is replugged: nothing outside of this remembers one.
    pub adapters: BTreeMap<String, AdapterFacts>,
    pub asleep: bool,
}

impl Picture {
    pub fn new(choice: AdapterChoice) -> Self {
        Self { choice, service: Service::Unasked, adapters: BTreeMap::new(), asleep: false }
    }

    /// bluetoothd, or the way to it, is gone with all that it had.
    pub fn service_gone(&mut self, detail: String) {
        self.service = Service::Gone(detail);
        self.adapters.clear();
    }

    /// bluetoothd has left the bus.
    pub fn bluetoothd_gone(&mut self) {
        self.service_gone(format!("the Bluetooth service is not running; {START_IT}"));
    }

    /// The adapter to use, whether it can be or not.
    fn chosen(&self) -> Option<(&String, &AdapterFacts)> {
        // One that was only now seen has no address yet.
        let known = |facts: &AdapterFacts| !facts.address.is_empty();
        self.adapters.iter().find(|(_, facts)| known(facts) && self.choice.takes(&facts.address))
    }

    /// The adapter that can be used, by path. Sleep does not count: links are to be closed properly before it.
    pub fn usable(&self) -> Option<(&String, &AdapterFacts)> {
        self.chosen().filter(|(_, facts)| self.service == Service::There && facts.powered)
    }

    /// What keeps the radio from being used.
    pub fn trouble(&self) -> Option<RadioTrouble> {
        if self.asleep {
            return Some(RadioTrouble::Asleep);
        }
        match &self.service {
            Service::Unasked => {
                let detail = "the Bluetooth service was not asked yet".to_owned();
                return Some(RadioTrouble::NoService { detail });
            }
            Service::Gone(detail) => return Some(RadioTrouble::NoService { detail: detail.clone() }),
            Service::There => {}
        }
        match self.chosen() {
            None => Some(RadioTrouble::NoAdapter { detail: self.what_there_is() }),
            Some((_, facts)) if facts.powered => None,
            Some((_, facts)) if facts.blocked => Some(RadioTrouble::Blocked),
            Some(_) => Some(RadioTrouble::AdapterOff),
        }
    }

    /// The state that this amounts to.
    pub fn state(&self) -> RadioState {
        self.trouble().map_or(RadioState::Ready, RadioState::NotReady)
    }

    fn what_there_is(&self) -> String {
        let there: Vec<&str> = self.adapters.values().map(|facts| facts.address.as_str()).collect();
        match (&self.choice, there.as_slice()) {
            (AdapterChoice::Controller(wanted), []) => {
                format!("there is no Bluetooth adapter {wanted}, nor any other; plug it in")
            }
            (AdapterChoice::Controller(wanted), there) => {
                let there = there.join(", ");
                format!("there is no Bluetooth adapter {wanted}; set `adapter` to one that is there: {there}")
            }
            (AdapterChoice::Any, _) => "there is no Bluetooth adapter; plug one in".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "00:AA:01:00:00:42";
    const OTHER: &str = "00:AA:01:00:00:43";

    fn picture(choice: AdapterChoice, adapters: &[(&str, &str, bool)]) -> Picture {
        let mut picture = Picture::new(choice);
        picture.service = Service::There;
        for &(path, address, powered) in adapters {
            let facts = AdapterFacts { address: address.to_owned(), powered, blocked: false };
            picture.adapters.insert(path.to_owned(), facts);
        }
        picture
    }

    fn controller(address: &str) -> AdapterChoice {
        AdapterChoice::Controller(address.parse().unwrap())
    }

    #[test]
    fn an_adapter_is_followed_to_another_path() {
        let mut picture = picture(controller(OTHER), &[("hci0", ONE, true), ("hci1", OTHER, true)]);
        assert_eq!(picture.usable().unwrap().0, "hci1");
        let facts = picture.adapters.remove("hci1").unwrap();
        assert!(picture.usable().is_none());
        picture.adapters.insert("hci2".to_owned(), facts);
        assert_eq!(picture.usable().unwrap().0, "hci2");
        assert!(picture.state().is_ready());
    }

    #[test]
    fn a_missing_adapter_is_named_with_those_that_are_there() {
        let picture = picture(controller(OTHER), &[("hci0", ONE, true)]);
        let trouble = picture.trouble().unwrap().to_string();
        assert!(trouble.contains(OTHER) && trouble.contains(ONE), "{trouble}");
    }

    #[test]
    fn of_several_troubles_the_one_to_be_mended_first_is_told() {
        let mut picture = picture(AdapterChoice::Any, &[("hci0", ONE, false)]);
        assert_eq!(picture.trouble(), Some(RadioTrouble::AdapterOff));
        picture.adapters.get_mut("hci0").unwrap().blocked = true;
        assert_eq!(picture.trouble(), Some(RadioTrouble::Blocked));
        picture.adapters.clear();
        assert!(matches!(picture.trouble(), Some(RadioTrouble::NoAdapter { .. })));
        picture.bluetoothd_gone();
        let trouble = picture.trouble().unwrap();
        assert!(trouble.to_string().contains("systemctl start bluetooth"), "{trouble}");
        picture.asleep = true;
        assert_eq!(picture.trouble(), Some(RadioTrouble::Asleep));
    }

    #[test]
    fn links_are_usable_until_the_computer_sleeps_indeed() {
        let mut picture = picture(AdapterChoice::Any, &[("hci0", ONE, true)]);
        picture.asleep = true;
        assert!(picture.usable().is_some() && !picture.state().is_ready());
        picture.bluetoothd_gone();
        assert!(picture.usable().is_none());
    }
}
