//! Stories about the places that measurements go to besides the cloud.

#[cfg(feature = "mqtt")]
mod a_broker_hears_everything;
#[cfg(all(feature = "mqtt", feature = "sim"))]
mod a_broker_of_ones_own_is_reached_over_tls;
mod a_folder_holds_each_day_once;
mod a_folder_that_cannot_be_written_says_why;
mod a_sink_begins_where_it_is_told_to;
mod a_sink_that_is_gone_is_given_up;
mod influxdb_gets_every_point;
mod the_examples_of_the_docs_are_understood;

#[cfg(feature = "sim")]
mod each_sink_goes_its_own_way;
