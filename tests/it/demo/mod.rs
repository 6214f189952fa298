//! What a new user does first: the demo, and the commands of the README.
#![cfg(feature = "sim")]

mod a_signal_ends_it_in_order;
mod everything_arrives_and_the_exit_code_says_so;
mod the_commands_of_the_readme_work;
