//! From the cloud to a verified file.

mod a_broken_download_goes_on;
mod a_download_can_be_dropped_at_any_time;
mod a_download_goes_only_where_it_may;
#[cfg(feature = "sim")]
mod a_private_cloud_offers_firmware;
mod what_is_not_the_file_is_refused;
