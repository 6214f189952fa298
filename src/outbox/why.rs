//! Everything that explains what is missing or late: the material of `nowbridge why`.

use rusqlite::{OptionalExtension, Transaction, params};
use serde::{Deserialize, Serialize};

use super::export::{first_received, timeline};
use super::{
    Backlog, DeadRow, ExportQuery, GapRow, Log, Outbox, OutboxError, QuarantineRow, Room, SessionRow,
    SinkEnd, SinkHold, SinkName, SpellRow, Which, columns,
};
use crate::measurement::{Quality, UtcMicros};
use crate::wire::bridge::{Boot, DeviceId, LogId, Seq, Stream};

/// The most entries of a sort that are looked at.
const MOST: u32 = 1_000;
/// A heart that is not felt for less is nothing to tell.
const OFF_WRIST_US: i64 = 10 * 60 * 1_000_000;

/// What is known of a time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Why {
    /// From then on.
    pub since: UtcMicros,
    /// Until then.
    pub now: UtcMicros,
    /// What is missing.
    pub holes: Vec<Hole>,
    /// What was refused. Without the blocks themselves.
    pub dead: Vec<DeadRow>,
    /// What has no time that can be believed.
    pub quarantine: Vec<QuarantineRow>,
    /// What has no time yet.
    pub undated: Vec<Undated>,
    /// When no heart was felt.
    pub off_wrist: Vec<OffWrist>,
    /// What could not go on.
    pub spells: Vec<SpellRow>,
    /// When watches were heard.
    pub sessions: Vec<SessionRow>,
    /// What is still to be sent.
    pub waiting: Vec<Waiting>,
    /// When each sink last confirmed something.
    pub receipts: Vec<(SinkName, UtcMicros)>,
    /// How much room there is now.
    #[serde(default)]
    pub room: Room,
    /// Who keeps it, the one that keeps most first; empty while there is enough.
    #[serde(default)]
    pub holders: Vec<SinkHold>,
    /// The sinks that were given up.
    #[serde(default)]
    pub sink_ends: Vec<SinkEnd>,
    /// Whether there is more of a sort than was looked at; the newest were.
    pub is_cut: bool,
}

/// A gap and the time it falls in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hole {
    /// The gap.
    #[serde(flatten)]
    pub gap: GapRow,
    /// When the last block before it began, as far as that is known.
    pub after: Option<UtcMicros>,
    /// When the first block after it began.
    pub before: Option<UtcMicros>,
}

/// Samples of a boot whose clock was not compared with UTC yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Undated {
    /// The watch.
    pub device: DeviceId,
    /// The boot.
    pub boot: Boot,
    /// How many samples.
    pub samples: u64,
    /// When the first of them came.
    pub received: UtcMicros,
}

/// A time in which a watch measured, and felt no heart it was sure of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OffWrist {
    /// The watch.
    pub device: DeviceId,
    /// From.
    pub began: UtcMicros,
    /// To.
    pub ended: UtcMicros,
}

/// What waits for a sink, of one watch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    /// For whom.
    pub sink: SinkName,
    /// The backlog.
    #[serde(flatten)]
    pub backlog: Backlog,
}

impl Outbox {
    /// What explains what is missing or late since then, of one watch or of all. `sinks` are those that are sent to now.
    pub async fn why(
        &self,
        since: UtcMicros,
        device: Option<DeviceId>,
        sinks: Vec<SinkName>,
    ) -> Result<Why, OutboxError> {
        let of_it = |one: DeviceId| device.is_none_or(|device| device == one);
        let which = Which::since(since, MOST);
        let mut gaps = self.gaps_of(which).await?;
        let mut dead = self.dead_letters_of(which).await?;
        let mut quarantine = self.quarantine_of(which).await?;
        let sessions = self.sessions_since(since, device, MOST).await?;
        let spells = self.spells(since, MOST).await?;
        let is_full = |len: usize| len >= MOST as usize;
        let is_cut = [gaps.len(), dead.len(), quarantine.len(), sessions.len(), spells.len()];
        gaps.retain(|gap| of_it(gap.device));
        quarantine.retain(|held| of_it(held.device));
        dead.retain(|letter| of_it(letter.device));
        for letter in &mut dead {
            letter.body.clear();
        }
        let mut logs = self.logs().await?;
        let holes = self.holes(logs.clone(), gaps).await?;
        logs.retain(|log| of_it(log.device));
        let mut waiting = Vec::new();
        for sink in &sinks {
            let backlog = self.backlog(sink).await?.into_iter().filter(|backlog| of_it(backlog.device));
            waiting.extend(backlog.map(|backlog| Waiting { sink: sink.clone(), backlog }));
        }
        let mut receipts = Vec::new();
        for sink in sinks {
            if let Some(at) = self.summary(&sink).await?.last_receipt {
                receipts.push((sink, at));
            }
        }
        let room = *self.room().borrow();
        let holders = if room.is_ample() { Vec::new() } else { self.sink_holds().await? };
        Ok(Why {
            room,
            holders,
            sink_ends: self.sink_ends(since).await?,
            since,
            now: self.house.clock.now(),
            holes: oldest_first(holes),
            dead: oldest_first(dead),
            quarantine: oldest_first(quarantine),
            undated: self.undated(logs.clone(), since).await?,
            off_wrist: self.off_wrist(&logs, since).await?,
            spells,
            sessions: oldest_first(sessions),
            waiting,
            receipts,
            is_cut: is_cut.into_iter().any(is_full),
        })
    }

    async fn holes(&self, logs: Vec<Log>, gaps: Vec<GapRow>) -> Result<Vec<Hole>, OutboxError> {
        self.read(move |tx| {
            let hole = |gap: GapRow| {
                let ended = has_ended(&logs, &gap);
                let after = neighbour(tx, sql!("block_neighbour_before"), &gap, gap.from, ended)?;
                let before = neighbour(tx, sql!("block_neighbour_after"), &gap, gap.to, ended)?;
                Ok(Hole { gap, after, before })
            };
            gaps.into_iter().map(hole).collect()
        })
        .await
    }

    async fn undated(&self, logs: Vec<Log>, since: UtcMicros) -> Result<Vec<Undated>, OutboxError> {
        self.read(move |tx| {
            let mut find = tx.prepare_cached(sql!("block_undated"))?;
            let mut all = Vec::new();
            for log in logs {
                let from = first_received(tx, log.key, since)?;
                let found = find.query_map(params![log.key, from], |row| {
                    let received = UtcMicros(row.get::<_, i64>("received_s")? * 1_000_000);
                    let samples = columns::count(row, "samples")?;
                    Ok(Undated { device: log.device, boot: row.get("boot")?, samples, received })
                })?;
                for undated in found {
                    all.push(undated?);
                }
            }
            Ok(all)
        })
        .await
    }

    /// When the heart rate was measured for a while and never once with a quality above 0.
    async fn off_wrist(&self, logs: &[Log], since: UtcMicros) -> Result<Vec<OffWrist>, OutboxError> {
        let mut all = Vec::new();
        let mut devices: Vec<DeviceId> = logs.iter().map(|log| log.device).collect();
        devices.sort_unstable();
        devices.dedup();
        for device in devices {
            let query = ExportQuery {
                device: Some(device),
                stream: Some(Stream::HEART_RATE),
                from: Some(since),
                received_since: Some(since),
                ..ExportQuery::default()
            };
            let mut walk = self.export(query).await?;
            let mut run: Option<OffWrist> = None;
            while let Some(page) = walk.next_page().await? {
                for (at, quality) in page.rows.iter().filter_map(|row| Some((row.at?, row.quality))) {
                    if quality == Quality::UNRELIABLE {
                        let run = run.get_or_insert(OffWrist { device, began: at, ended: at });
                        run.ended = at;
                    } else {
                        all.extend(run.take());
                    }
                }
            }
            all.extend(run);
        }
        all.retain(|run| run.ended.since(run.began) >= OFF_WRIST_US);
        Ok(all)
    }
}

fn oldest_first<T>(mut rows: Vec<T>) -> Vec<T> {
    rows.reverse();
    rows
}

fn has_ended(logs: &[Log], gap: &GapRow) -> bool {
    let is_host = |log: &Log| log.log_id == LogId::HOST;
    let own = logs.iter().find(|log| log.key == gap.log);
    own.is_some_and(|own| {
        logs.iter().any(|log| log.device == own.device && is_host(log) == is_host(own) && log.key > own.key)
    })
}

/// When the block next to a gap began.
fn neighbour(
    tx: &Transaction<'_>,
    find: &str,
    gap: &GapRow,
    at: Seq,
    ended: bool,
) -> Result<Option<UtcMicros>, OutboxError> {
    let found = tx.prepare_cached(find)?.query_row(params![gap.log, at], |row| {
        Ok((row.get::<_, Boot>(0)?, row.get::<_, i64>(1)?.cast_unsigned().saturating_mul(1_000)))
    });
    let Some(moment) = found.optional()? else { return Ok(None) };
    Ok(timeline(tx, gap.log, ended, moment, moment)?.utc(moment.0.0, moment.1))
}
