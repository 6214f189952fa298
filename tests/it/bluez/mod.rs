//! The real radio against a BlueZ: the fake on a bus of its own or, in the lab, the real one.
#![cfg(feature = "sim")]

mod bare;

mod a_bluez_has_its_habits;
mod btleplug_itself_works_on_it;
