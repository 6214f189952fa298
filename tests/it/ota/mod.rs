//! Firmware on its way to a watch.

mod a_board_is_spoken_to_over_udp;
mod a_session_is_opened;
mod a_watch_answers_as_zephyr_does;
mod a_watch_answers_the_tools_of_others;
mod a_watch_offers_updates_beside_its_measurements;
mod a_watch_takes_an_image_by_offsets;
mod a_watch_tries_an_image_before_it_keeps_it;
mod an_image_is_brought_over;
mod bench;
mod host;
mod model;
mod no_power_cut_leaves_a_watch_without_firmware;
mod no_update_ends_with_a_lie;
mod the_real_client_meets_every_fault;
mod way;
