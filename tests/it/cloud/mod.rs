//! Stories of the API client, over real HTTP.
mod a_login_is_made_once;
mod a_login_is_renewed_once;
mod a_login_outlasts_trouble;
pub mod a_wrong_clock_is_told_apart;
mod measurements_go_both_ways;
mod only_the_api_counts;
