//! Stories about the virtual air.
#![cfg(feature = "sim")]
#![expect(clippy::unwrap_used, reason = "what fails here fails a test")]

mod a_flood_reaches_the_ceiling;
mod a_request_is_answered_one_event_later;
mod a_request_that_hangs_ends_at_the_deadline;
mod a_seed_repeats_its_faults;
mod a_watch_has_one_central_at_a_time;
mod an_improper_request_is_refused;
mod links_end_with_a_reason;
mod two_processes_share_an_air;
