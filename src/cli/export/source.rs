//! Where the samples come from: through the daemon, or out of the outbox itself.

use std::pin::Pin;

use futures_util::{Stream as Streaming, StreamExt};

use super::CannotExport;
use crate::cli::place::{self, Place};
use crate::config::Config;
use crate::control::{ControlError, ExportEnd, ExportLine};
use crate::measurement::UtcMicros;
use crate::outbox::{ExportPage, ExportQuery, Exporter};
use crate::wire::bridge::Stream;

type Lines = Pin<Box<dyn Streaming<Item = Result<ExportLine, ControlError>>>>;

/// Lines that are taken together.
const PAGE_LINES: usize = 1_024;

/// The samples, page by page.
pub enum Source {
    /// Through the daemon. What it has told so far, and whether it has come to its end.
    Daemon(Lines, ExportEnd, bool),
    /// Out of the outbox.
    Here(Box<Exporter>),
}

impl Source {
    /// Asks for them.
    pub async fn open(
        config: &Config,
        watch: Option<&str>,
        stream: Option<Stream>,
        from: Option<UtcMicros>,
        to: Option<UtcMicros>,
    ) -> anyhow::Result<Self> {
        match Place::find(config).await? {
            Place::Daemon(client) => {
                let lines = client.export(watch, stream, from, to).await?;
                Ok(Self::Daemon(Box::pin(lines), ExportEnd::default(), false))
            }
            Place::Here(outbox) => {
                let known = place::known(config, &outbox).await?;
                let device = watch.map(|watch| known.device(watch)).transpose();
                let device = device.map_err(|error| error.complaint())?;
                let query = ExportQuery { device, stream, from, to, received_since: None };
                Ok(Self::Here(Box::new(outbox.export(query).await?)))
            }
        }
    }

    /// Some more of them; `None` when there are no more.
    pub async fn next_page(&mut self) -> anyhow::Result<Option<ExportPage>> {
        match self {
            Self::Here(exporter) => Ok(exporter.next_page().await?),
            Self::Daemon(.., true) => Ok(None),
            Self::Daemon(lines, told, is_over) => {
                let mut page = ExportPage::default();
                while page.rows.len() < PAGE_LINES {
                    match lines.next().await {
                        Some(Ok(ExportLine::Row(row))) => {
                            told.rows += 1;
                            page.rows.push(row);
                        }
                        Some(Ok(ExportLine::End { end })) if end.rows == told.rows => {
                            (page.unreadable, *is_over) = (end.unreadable, true);
                            break;
                        }
                        Some(Ok(ExportLine::End { .. }) | Err(ControlError::BrokenOff(_))) | None => {
                            return Err(CannotExport::NotWhole.into());
                        }
                        Some(Err(error)) => return Err(error.into()),
                    }
                }
                Ok(Some(page))
            }
        }
    }
}
