//! A host whose clock is wrong, is set, or is nobody's to vouch for. The watch's log, the outbox and the loops are the real ones.

#[cfg(feature = "sim")]
mod a_clock_is_set_in_the_middle;
#[cfg(feature = "sim")]
mod a_clock_is_set_while_somebody_waits;
#[cfg(feature = "sim")]
mod a_computer_without_a_battery_starts_in_the_past;
#[cfg(feature = "sim")]
mod a_day_goes_wrong_in_every_way;
#[cfg(feature = "sim")]
mod a_day_of_the_whole_daemon_goes_wrong;
#[cfg(feature = "sim")]
mod a_watch_has_boots_that_nobody_saw;
#[cfg(feature = "sim")]
mod night;
#[cfg(feature = "sim")]
mod the_bus_says_whether_the_clock_is_right;
