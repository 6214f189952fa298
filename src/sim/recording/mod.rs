//! Recordings that a simulated watch replays.
