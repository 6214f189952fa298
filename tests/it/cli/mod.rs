//! What people type, and what they read.

mod bad_input_is_refused_in_one_line;
