//! The real daemon, from start to end.

#[cfg(feature = "sim")]
mod a_killed_daemon_loses_nothing;
#[cfg(feature = "sim")]
mod everything_arrives;
