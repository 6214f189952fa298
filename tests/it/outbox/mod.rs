//! Stories about the outbox.

#![allow(clippy::unwrap_used, reason = "a helper of a test may fail it")]

mod a_batch_is_written_down_before_it_is_sent;
mod a_commit_takes_no_simulated_time;
mod a_counter_that_goes_backwards_starts_an_era;
mod it_is_small_on_the_disk;
mod nothing_happens_that_a_simple_model_does_not_know;
mod one_process_at_a_time;
mod only_its_own_files_are_opened;
mod receipt_and_cursor_move_together;
mod rows_and_cursor_move_together;
mod what_was_answered_is_there_after_a_crash;
