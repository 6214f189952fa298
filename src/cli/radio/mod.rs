//! What people do with Bluetooth: look around, pair, lend a watch to a phone.
//!
//! A running daemon does it, since it has the radio. Only looking needs none.

pub mod hold;
pub mod pair;
pub mod probe;
pub mod scan;
pub mod unpair;

mod direct;
pub mod terminal;

use std::io::Write as _;

use futures_util::{Stream, StreamExt};

use super::daemon;
use crate::config::Config;
use crate::control::{ControlError, Job, News};

pub use pair::NeedsFlag;

/// Has the daemon do it, or does it here if none runs. Only for what merely looks.
async fn look(config: &Config, job: &Job) -> anyhow::Result<News> {
    match daemon(config).await {
        Ok(client) => {
            let mut news = std::pin::pin!(client.begin(job).await?);
            last(&mut news).await
        }
        Err(ControlError::NotRunning { .. }) => direct::look(config, job).await,
        Err(error) => Err(error.into()),
    }
}

/// The last of the news; what failed is an error.
async fn last(news: &mut (impl Stream<Item = Result<News, ControlError>> + Unpin)) -> anyhow::Result<News> {
    while let Some(told) = news.next().await {
        match told? {
            News::Failed(complaint) => return Err(complaint.into()),
            told if told.is_last() => return Ok(told),
            _ => {}
        }
    }
    Err(ended_early().into())
}

fn ended_early() -> ControlError {
    ControlError::Answer("it ended before it was done".to_owned())
}

/// Prints to standard output; whoever reads it may have left.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{text}")?;
    Ok(out.flush()?)
}
