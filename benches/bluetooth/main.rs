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
mod history;
mod stream;

use std::env;

use anyhow::{Context, bail};

/// The simulated watch as the lab shows it.
const WATCH: &str = "E7:12:0A:00:00:01";

fn main() -> anyhow::Result<()> {
    // What cargo adds by itself begins with dashes.
    let words: Vec<String> = env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(8)
        .enable_all()
        .build()?;
    let result = match words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] if env::var_os(stream::LAB).is_none() => {
            println!("skipped: there is no lab here; see tests/lab/throughput.sh");
            Ok(())
        }
        [] => runtime.block_on(throughput()),
        ["cycles", count] => runtime.block_on(history::cycles(count.parse().context("how many cycles?")?)),
        _ => bail!("it takes no arguments, or: cycles N"),
    };
    // btleplug leaves tasks behind that never end.
    runtime.shutdown_background();
    result
}

async fn throughput() -> anyhow::Result<()> {
    // The plain peer first: how much the stack carries when no watch has to think.
    println!("stream: {:.0} bytes/s", stream::rate().await?);
    println!("bare: {:.0} bytes/s", bare::rate().await?);
    println!("history: {:.0} bytes/s", history::rate().await?);
    Ok(())
}
