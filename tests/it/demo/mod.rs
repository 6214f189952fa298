//! The demo, as a new user runs it.
#![cfg(feature = "sim")]

mod everything_arrives_and_the_exit_code_says_so;
