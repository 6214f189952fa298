//! Stories about sensors that keep no history.

#![cfg(feature = "sim")]
mod a_clock_that_is_stepped_moves_nothing_that_has_a_date;
mod a_heart_arrives_in_the_cloud;
mod a_restart_never_uses_a_number_twice;
mod a_sensor_is_known_by_what_it_tells;
mod a_sensor_that_falls_silent_is_asked;
mod a_watcher_listens;
mod garbage_is_counted_and_harmless;
mod whatever_was_heard_before_the_link_broke_is_kept;
