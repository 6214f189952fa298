//! History over a real BlueZ, beside a loop with nothing of ours in it; and many sessions in a row, for whoever looks what they keep.
//!
//! ```text
//! bluetooth              how fast: prints "bare: N bytes/s" and "history: N bytes/s"
//! bluetooth cycles N     connects, syncs and disconnects so many times
//! ```
//!
//! It talks to the bluetoothd that is on the system bus and to the simulated watch that the lab shows there, so it is run by
//! `tests/lab/throughput.sh` and `tests/lab/cycles.sh`, with the binary that `cargo bench --bench bluetooth --no-run` names. The disk
//! is what `TMPDIR` is on: in the lab memory, where a flush costs nothing (`benches/sync.rs` says what a slow one costs).

mod bare;
#[path = "../common/mod.rs"]
mod common;
mod history;
mod stream;

use std::env;
use std::process::Command;

use anyhow::{Context, bail, ensure};

/// The simulated watch as the lab shows it.
const WATCH: &str = "E7:12:0A:00:00:01";
/// The plain peer first: what the stack carries when no watch has to think.
const MEASUREMENTS: [&str; 3] = ["stream", "bare", "history"];

fn main() -> anyhow::Result<()> {
    // What cargo adds by itself begins with dashes.
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    if env::var_os(stream::LAB).is_none() {
        println!("skipped: there is no lab here; see tests/lab/throughput.sh");
        return Ok(());
    }
    if words.is_empty() {
        return MEASUREMENTS.into_iter().try_for_each(measure);
    }
    let runtime = common::runtime()?;
    let result = runtime.block_on(async {
        let rate = match words[..] {
            ["cycles", count] => return history::cycles(count.parse().context("how many cycles?")?).await,
            ["stream"] => stream::rate().await?,
            ["bare"] => bare::rate().await?,
            ["history"] => history::rate().await?,
            _ => bail!("it takes no arguments, or one of {MEASUREMENTS:?}, or: cycles N"),
        };
        println!("{}: {rate:.0} bytes/s", words[0]);
        Ok(())
    });
    // btleplug leaves tasks behind that never end.
    runtime.shutdown_background();
    result
}

/// In a process of its own, so that what one leaves behind is not in the way of the next.
fn measure(what: &str) -> anyhow::Result<()> {
    let status = Command::new(env::current_exe()?).arg(what).status()?;
    ensure!(status.success(), "{what}: {status}");
    Ok(())
}
