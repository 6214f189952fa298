//! `nowbridge sync`: a session with every watch, now.

use super::{daemon, exit, small_runtime};
use crate::config::Config;

/// Asks the daemon; does not wait for the sessions.
pub fn sync_now(config: &Config) -> anyhow::Result<u8> {
    let watches = small_runtime()?.block_on(async {
        let client = daemon(config).await?;
        client.sync_now().await
    })?;
    match watches {
        0 => println!("No watch is configured; add a [[watch]] to the configuration."),
        1 => println!("Asked for a session with the watch; `nowbridge status --watch` follows it."),
        n => println!("Asked for a session with {n} watches; `nowbridge status --watch` follows them."),
    }
    Ok(exit::OK)
}
