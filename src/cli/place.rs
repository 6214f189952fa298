//! Where the ledger is read: with the daemon that has the outbox, or, if none runs, in the outbox itself, under its lock.

use anyhow::Context as _;

use super::{daemon, format};
use crate::clock::Clock;
use crate::config::Config;
use crate::control::{Client, ControlError, Known};
use crate::outbox::{Outbox, OutboxError, Still};

/// Where the ledger is read.
pub enum Place {
    /// With the daemon.
    Daemon(Client),
    /// Here.
    Here(Outbox),
}

/// There is nothing to read.
#[derive(Debug, thiserror::Error)]
#[error("there is no outbox in {0}, and no daemon answers; name its configuration with --config")]
pub struct NoOutbox(String);

impl Place {
    /// The daemon if one answers, else the outbox of this configuration; none is made.
    pub async fn find(config: &Config) -> anyhow::Result<Self> {
        match daemon(config).await {
            Ok(client) => Ok(Self::Daemon(client)),
            Err(ControlError::NotRunning { .. }) => {
                if !config.paths.outbox().exists() {
                    return Err(NoOutbox(config.paths.state_dir.display().to_string()).into());
                }
                let opened =
                    Outbox::open_to_look(&config.paths.state_dir, Clock::System, config.outbox).await;
                let outbox = opened.context("no daemon answers, and the outbox cannot be opened here")?;
                if let Some(Still { unread_bytes: unread @ 1.. }) = outbox.still() {
                    let dir = config.paths.state_dir.display();
                    eprintln!(
                        "nowbridge: nothing can be written in {dir}: what was stored last ({} of write-ahead log) is not seen here",
                        format::bytes(unread)
                    );
                }
                Ok(Self::Here(outbox))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Place {
    /// The same for whoever mends: a damaged outbox is moved aside, as at a start of the daemon.
    pub async fn find_to_mend(config: &Config) -> anyhow::Result<Self> {
        match daemon(config).await {
            Ok(client) => Ok(Self::Daemon(client)),
            Err(ControlError::NotRunning { .. }) => {
                let dir = &config.paths.state_dir;
                // Killed between moving one aside and beginning anew, it is begun now.
                if !config.paths.outbox().exists() && !Outbox::was_moved_aside(dir) {
                    return Err(NoOutbox(dir.display().to_string()).into());
                }
                let lock = Outbox::claim(dir).await?;
                Ok(Self::Here(Outbox::open_limited(lock, Clock::System, config.outbox).await?))
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Who is who, where no daemon knows better.
pub async fn known(config: &Config, outbox: &Outbox) -> Result<Known, OutboxError> {
    let called = config.watches.iter().map(|watch| (watch.address.clone(), watch.name.clone()));
    Known::gather(outbox, called).await
}
