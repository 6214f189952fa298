//! Watching an update until it is over.

use std::io::{IsTerminal, Write as _};
use std::time::Duration;

use crate::cli::radio::print;
use crate::cli::{exit, format};
use crate::clock::Clock;
use crate::control::{Client, ControlError};
use crate::outbox::{UpdateKey, UpdateRow, UpdateStep};

use super::text;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// A daemon that is restarted is back after a while.
const PATIENCE: u32 = 60;

/// Shows how far it is until it has ended; Ctrl-C ends the showing only.
pub async fn follow(client: &Client, watch: &str, key: UpdateKey, json: bool) -> anyhow::Result<u8> {
    tokio::select! {
        ended = until_over(client, watch, key, json) => {
            let row = ended?;
            if !json {
                print(&text::ended(watch, &row))?;
            }
            Ok(code(&row))
        }
        _ = tokio::signal::ctrl_c() => {
            if !json {
                print(&format!(
                    "\nThe daemon goes on with it; `nowbridge update status` tells how far it is, and `nowbridge update cancel {}` calls it off.",
                    format::argument(watch)
                ))?;
            }
            Ok(exit::OK)
        }
    }
}

async fn until_over(client: &Client, watch: &str, key: UpdateKey, json: bool) -> anyhow::Result<UpdateRow> {
    let (mut looks, mut last, mut failures) = (tokio::time::interval(LOOK), String::new(), 0);
    loop {
        looks.tick().await;
        let updates = match client.updates(Some(watch)).await {
            Ok(updates) => updates,
            // It may be restarted; the update goes on then.
            Err(ControlError::Http(_) | ControlError::NotRunning { .. }) if failures < PATIENCE => {
                failures += 1;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        failures = 0;
        if let Some(row) = updates.latest.into_iter().find(|row| row.key == key) {
            if json {
                print(&serde_json::to_string(&row)?)?;
            }
            return Ok(row);
        }
        let Some(now) = updates.open.into_iter().find(|update| update.key == key) else { continue };
        let line = if json { serde_json::to_string(&now)? } else { text::line(&now, Clock::System.now()) };
        let is_upload = now.step == UpdateStep::Uploading;
        if line == last {
            continue;
        }
        if json {
            print(&line)?;
        } else if std::io::stderr().is_terminal() {
            // Whoever does not look misses nothing.
            let _ = write!(std::io::stderr(), "\r\u{1b}[K{line}");
        } else if !is_upload || !last.starts_with(text::UPLOADING) {
            print(&line)?;
        }
        last = line;
    }
}

fn code(row: &UpdateRow) -> u8 {
    match row.step {
        UpdateStep::Done | UpdateStep::Unconfirmed => exit::OK,
        UpdateStep::Reverted | UpdateStep::Rejected => exit::DIFFERENT,
        UpdateStep::Cancelled => exit::TRY_LATER,
        _ => exit::UNAVAILABLE,
    }
}
