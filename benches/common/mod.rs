//! What the benches share.
#![allow(dead_code, reason = "every bench is a program of its own and uses a part of this")]

pub mod numbers;
pub mod shelf;
pub mod slow;
pub mod tape;
pub mod week;

use tempfile::TempDir;

/// A folder for databases on the disk that holds the build. `/tmp` may be memory, where a flush costs nothing.
pub fn scratch() -> std::io::Result<TempDir> {
    tempfile::Builder::new().prefix("bench-").tempdir_in(env!("CARGO_TARGET_TMPDIR"))
}

/// The runtime that the daemon has.
pub fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).max_blocking_threads(8).enable_all().build()
}
