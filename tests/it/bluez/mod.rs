//! The real radio against a BlueZ: the fake on a bus of its own or, in the lab, the real one.
#![cfg(feature = "sim")]

mod bare;
mod holdings;
mod ours;

mod a_bluez_has_its_habits;
mod a_connect_survives_what_is_usual;
mod a_day_comes_over_the_bus;
mod a_former_life_is_continued;
mod a_heart_is_heard_and_kept;
mod a_link_that_ended_says_why;
mod a_thousand_syncs_leave_nothing_behind;
mod a_watch_comes_back_soon;
mod a_watch_is_found_and_talked_to;
mod a_watch_is_paired;
mod a_watch_that_is_away_costs_little;
mod an_adapter_comes_and_goes;
mod bluetoothd_comes_and_goes;
mod btleplug_itself_works_on_it;
mod nothing_is_left_behind;
mod the_computer_has_its_own_life;
mod whoever_does_not_answer_is_given_up_in_time;
