//! Stories about collecting from a watch.
#![cfg(feature = "sim")]

mod a_session_collects_everything_once;
mod a_week_comes_as_fast_as_the_link_allows;
mod nothing_is_lost_and_nothing_comes_twice;
