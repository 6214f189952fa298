//! The real radio against a BlueZ: the fake on a bus of its own or, in the lab, the real one.
#![cfg(feature = "sim")]

mod btleplug_itself_works_on_it;
