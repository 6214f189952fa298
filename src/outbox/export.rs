//! Every stored sample, page by page: for exports, and for whoever looks for something in them.
//!
//! A page is read in a transaction of its own, so that nobody who reads for an hour keeps the write-ahead log from being folded in, and
//! holds a bounded number of samples, so that a year takes no more memory than a day.

use std::collections::VecDeque;

use bytes::Bytes;
use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::{Log, LogKey, Outbox, OutboxError, logs};
use crate::measurement::{AnchorPoint, Quality, Timeline, UtcMicros};
use crate::wire::bridge::{Boot, DeviceId, LogId, RawBlock, Seq, Stream};

/// The most samples of a page, unless a single block holds more.
pub const PAGE_SAMPLES: u64 = 8_192;
/// The most blocks of a page.
const PAGE_BLOCKS: u32 = 16;

/// Which samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExportQuery {
    /// Of one watch only.
    pub device: Option<DeviceId>,
    /// Of one stream only.
    pub stream: Option<Stream>,
    /// From then on.
    pub from: Option<UtcMicros>,
    /// Before then. What has no date is in no range and yet in every export.
    pub to: Option<UtcMicros>,
    /// Of blocks that were stored then or later: what came before cannot have been measured since, if the host's clock was right.
    pub received_since: Option<UtcMicros>,
}

/// A stored sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportRow {
    /// The watch.
    pub watch: DeviceId,
    /// Whether it is simulated or replayed.
    pub synthetic: bool,
    /// What was measured.
    pub stream: Stream,
    /// When, UTC; `None` while the watch's clock has not been compared with UTC.
    pub at: Option<UtcMicros>,
    /// The value in the stream's stored units.
    pub value: i32,
    /// How far it can be trusted.
    pub quality: Quality,
    /// The log.
    pub log: LogKey,
    /// The block.
    pub seq: Seq,
    /// The boot that the ticks count from.
    pub boot: Boot,
    /// Milliseconds on the watch's clock.
    pub ticks_ms: u64,
}

/// Some of the samples.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExportPage {
    /// By watch, log, stream and number.
    pub rows: Vec<ExportRow>,
    /// Blocks that hold no samples that could be read: of a private stream, or damaged.
    pub unreadable: u64,
}

/// A walk through the store.
pub struct Exporter {
    outbox: Outbox,
    query: ExportQuery,
    logs: VecDeque<(Log, bool)>,
    stream: Stream,
    next: Seq,
}

/// A page, and where the next one begins; `None` if the stream is at its end.
type Walked = (ExportPage, Option<Seq>);

impl Outbox {
    /// Begins a walk.
    pub async fn export(&self, query: ExportQuery) -> Result<Exporter, OutboxError> {
        let logs = self.logs().await?;
        let ended = |log: &Log| logs.iter().any(|other| side(other) == side(log) && other.key > log.key);
        let of_it = |log: &&Log| query.device.is_none_or(|device| log.device == device);
        let mut walked: Vec<_> = logs.iter().filter(of_it).map(|log| (*log, ended(log))).collect();
        walked.sort_by_key(|(log, _)| (log.device, log.key));
        let stream = query.stream.unwrap_or(Stream(0));
        Ok(Exporter { outbox: self.clone(), query, logs: walked.into(), stream, next: Seq(0) })
    }
}

/// What the host keeps of a watch and what the watch keeps itself go on side by side.
fn side(log: &Log) -> (DeviceId, bool) {
    (log.device, log.log_id == LogId::HOST)
}

impl Exporter {
    /// The next samples; `None` at the end. A page may be empty.
    pub async fn next_page(&mut self) -> Result<Option<ExportPage>, OutboxError> {
        let Some((log, ended)) = self.logs.front().copied() else { return Ok(None) };
        let (query, from, next) = (self.query, self.stream, self.next);
        let read = move |tx: &Transaction<'_>| {
            let Some(stream) = next_stream(tx, log.key, from)?
                .filter(|found| query.stream.is_none_or(|only| only == *found))
            else {
                return Ok(None);
            };
            // The place is that of the stream it was asked for.
            let next = match query.received_since {
                _ if stream == from && next > Seq(0) => next,
                Some(since) => first_received(tx, log.key, since)?,
                None => Seq(0),
            };
            Ok(Some((stream, page(tx, &log, ended, stream, next, query)?)))
        };
        match self.outbox.read(read).await? {
            None => {
                self.logs.pop_front();
                (self.stream, self.next) = (self.query.stream.unwrap_or(Stream(0)), Seq(0));
                Ok(Some(ExportPage::default()))
            }
            Some((stream, (page, Some(next)))) => {
                (self.stream, self.next) = (stream, next);
                Ok(Some(page))
            }
            Some((stream, (page, None))) => {
                (self.stream, self.next) = (Stream(stream.0.saturating_add(1)), Seq(0));
                if stream.0 == u8::MAX || self.query.stream.is_some() {
                    self.logs.pop_front();
                    self.stream = self.query.stream.unwrap_or(Stream(0));
                }
                Ok(Some(page))
            }
        }
    }
}

/// By bisection, as no index orders blocks by when they came: they did so in the order of their numbers.
pub(super) fn first_received(
    tx: &Transaction<'_>,
    log: LogKey,
    since: UtcMicros,
) -> Result<Seq, OutboxError> {
    let mut at_or_after = tx.prepare_cached(sql!("block_from"))?;
    let (mut low, mut high) = (0_u32, logs::cursor(tx, log)?.0.saturating_add(1));
    while low < high {
        let middle = low + (high - low) / 2;
        let found: Option<(Seq, i64)> = at_or_after
            .query_row(params![log, Seq(middle)], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        match found {
            Some((seq, received_s)) if received_s < since.seconds().0 => low = seq.0.saturating_add(1),
            _ => high = middle,
        }
    }
    Ok(Seq(low))
}

/// The first stream of a log from this one on that has blocks.
fn next_stream(tx: &Transaction<'_>, log: LogKey, from: Stream) -> rusqlite::Result<Option<Stream>> {
    tx.prepare_cached(sql!("block_next_stream"))?.query_row(params![log, from], |row| row.get(0))
}

fn page(
    tx: &Transaction<'_>,
    log: &Log,
    ended: bool,
    stream: Stream,
    next: Seq,
    query: ExportQuery,
) -> Result<Walked, OutboxError> {
    let mut read = tx.prepare_cached(sql!("block_range"))?;
    let mut rows = read.query(params![log.key, stream, next, Seq(u32::MAX), PAGE_BLOCKS])?;
    let (mut blocks, mut samples, mut page, mut after) = (Vec::new(), 0, ExportPage::default(), None);
    while let Some(row) = rows.next()? {
        samples += u64::from(row.get::<_, u16>("n")?);
        if samples > PAGE_SAMPLES && after.is_some() {
            break;
        }
        after = Some(row.get::<_, Seq>("seq")?.next());
        let body: Vec<u8> = row.get("body")?;
        match RawBlock::parse(Bytes::from(body)).and_then(|block| Ok((*block.header(), block.samples()?))) {
            // Blocks of bytes that are no measurements: their own time is told elsewhere.
            _ if stream == Stream::ANCHORS || stream == Stream::DEVICE_LOG => {}
            Ok(block) => blocks.push(block),
            Err(_) => page.unreadable += 1,
        }
    }
    let ticks = |at_ms: u64| at_ms.saturating_mul(1_000);
    let moments = blocks.iter().flat_map(|(header, samples)| {
        let ends = samples.first().into_iter().chain(samples.last());
        ends.map(|sample| (header.boot, ticks(sample.at_ms)))
    });
    let (first, last) = (moments.clone().min(), moments.max());
    let timeline = timeline(tx, log.key, ended, first.unwrap_or_default(), last.unwrap_or_default())?;
    let is_asked_for = |at: Option<UtcMicros>| {
        at.is_none_or(|at| query.from.is_none_or(|from| at >= from) && query.to.is_none_or(|to| at < to))
    };
    for (header, samples) in blocks {
        let row = samples.into_iter().map(|sample| ExportRow {
            watch: log.device,
            synthetic: log.synthetic,
            stream,
            at: timeline.utc(header.boot.0, ticks(sample.at_ms)),
            value: sample.value,
            quality: sample.quality,
            log: log.key,
            seq: header.seq,
            boot: header.boot,
            ticks_ms: sample.at_ms,
        });
        page.rows.extend(row.filter(|row| is_asked_for(row.at)));
    }
    Ok((page, after))
}

/// What dates everything between two moments of a log.
pub(super) fn timeline(
    tx: &Transaction<'_>,
    log: LogKey,
    ended: bool,
    first: (Boot, u64),
    last: (Boot, u64),
) -> Result<Timeline, OutboxError> {
    let mut anchors = tx.prepare_cached(sql!("anchor_span"))?;
    let ticks = |(_, ticks): (Boot, u64)| i64::try_from(ticks).unwrap_or(i64::MAX);
    let points = anchors.query_map(params![log, first.0, ticks(first), last.0, ticks(last)], |row| {
        let ticks_us = row.get::<_, i64>("ticks_us")?.cast_unsigned();
        Ok(AnchorPoint { boot: row.get("boot")?, ticks_us, utc: row.get("utc_us")? })
    })?;
    let timeline = Timeline::new(points.collect::<Result<_, _>>()?);
    Ok(if ended { timeline.ended() } else { timeline })
}
