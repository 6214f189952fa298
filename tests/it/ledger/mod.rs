//! Whoever asks what is missing, late or refused is told why, and can have everything that is stored.

mod a_dead_letter_is_retried_or_dropped;
mod a_forgotten_watch_leaves_nothing_behind;
mod a_store_in_trouble_says_so;
mod a_trouble_that_lasts_fills_no_log;
mod a_trouble_that_lasts_is_remembered;
#[cfg(feature = "sim")]
mod everything_stored_can_be_had;
#[cfg(feature = "sim")]
mod the_cloud_is_compared_with_what_it_was_sent;
#[cfg(feature = "sim")]
mod the_daemon_compares_with_the_cloud;
mod why_answers_in_every_state;
