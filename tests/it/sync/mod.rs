//! Stories about collecting from a watch.
#![cfg(feature = "sim")]

mod a_counter_that_goes_backwards_costs_nothing;
mod a_session_collects_everything_once;
mod a_session_that_breaks_says_what_it_takes;
mod a_stranger_is_not_filed;
mod a_watcher_leaves_its_watch_alone;
mod a_watcher_looks_after_its_watch;
mod a_watcher_never_storms;
mod a_watcher_tells_the_radio_from_the_watch;
mod a_week_comes_as_fast_as_the_link_allows;
mod damage_is_mended_or_named;
mod lost_notifications_leave_no_hole;
mod more_watches_than_links_take_turns;
mod nothing_is_lost_and_nothing_comes_twice;
mod the_host_has_troubles_of_its_own;
mod whatever_stands_in_the_way_it_comes_back;
mod whoever_cannot_be_used_is_told_why;
