//! Firmware on its way to a watch.

mod a_board_is_spoken_to_over_udp;
mod a_session_is_opened;
mod a_wrong_package_goes_nowhere;
mod an_image_is_brought_over;
mod an_infinitime_watch_is_updated;
mod bench;
mod infinitime;
mod model;
mod no_update_ends_with_a_lie;
