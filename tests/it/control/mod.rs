//! What people ask of the daemon over its socket.

#[cfg(feature = "sim")]
mod a_hold_outlives_the_daemon;
#[cfg(feature = "sim")]
mod a_script_can_pair;
#[cfg(feature = "sim")]
mod a_watch_is_repaired_and_unpaired;
#[cfg(feature = "sim")]
mod pairing_is_a_conversation;
#[cfg(feature = "sim")]
mod the_commands_reach_the_bluetooth_service;
