//! The real daemon, from start to end.

mod one_daemon_keeps_an_outbox;
mod the_control_socket_answers;
mod the_service_manager_is_told;

#[cfg(feature = "sim")]
mod a_killed_daemon_loses_nothing;
#[cfg(feature = "sim")]
mod a_login_needs_no_restart;
#[cfg(feature = "sim")]
mod a_stop_waits_for_nobody;
#[cfg(feature = "sim")]
mod a_watch_is_lent_to_a_phone;
#[cfg(feature = "sim")]
mod a_watch_is_updated;
#[cfg(feature = "sim")]
mod everything_arrives;
#[cfg(feature = "sim")]
mod secrets_stay_secret;
#[cfg(feature = "sim")]
mod somebody_looks_around;
