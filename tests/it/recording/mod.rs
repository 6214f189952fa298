//! Recordings: where they come from, and that nothing of them is lost on the way.
#![cfg(feature = "sim")]

mod a_fit_file_becomes_a_recording;
mod a_recording_is_repeated;
mod an_export_survives_the_trip;
mod fixture;
mod made_up_days_are_plausible;
mod the_ride_is_the_fixture;

use nowbridge::measurement::Quality;
use nowbridge::sim::recording::Sample;

fn sample(at_ms: u64, value: i32) -> Sample {
    Sample { at_ms, value, quality: Quality::BEST }
}
