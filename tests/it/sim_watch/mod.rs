//! Stories of the simulated watch.
#![cfg(feature = "sim")]

mod a_faulty_watch_is_told_from_a_sound_one;
mod a_pull_returns_exactly_the_ledger;
mod a_torn_page_burns_its_numbers;
mod a_watch_goes_on_from_its_flash_file;
mod a_watch_on_the_air_speaks_the_bridge_service;
mod a_watch_records_by_its_own_clock;
mod power_cuts_lose_no_offered_block;
