//! The private cloud answers as the NOWATCH API would.

#![cfg(feature = "sim")]
mod a_token_is_good_for_one_refresh;
mod an_upload_is_kept_once;
mod each_broken_rule_is_named;
mod faults_are_injected_and_counted;
mod the_last_upload_wins;
mod what_is_not_an_upload_is_refused;
mod whoever_is_refused_hears_why;
