//! Watches whose counter went backwards: they use numbers a second time, and what we have under these is not what they mean.

use super::SyncError;
use super::intake::new_block;
use crate::outbox::{GapCause, Log, NewGap, Outbox, OutboxError, SessionKey};
use crate::radio::Link;
use crate::watch::Bridge;
use crate::wire::bridge::{Info, Seq};

/// The log to go on with: another era of it if the watch's counter went backwards.
pub async fn present_era(outbox: &Outbox, key: SessionKey, log: Log, info: &Info) -> Result<Log, SyncError> {
    if info.head >= log.cursor {
        return Ok(log);
    }
    let detail = format!("the watch had sent {}, and now it ends at {}", log.cursor, info.head);
    new_era(outbox, key, &log, info, info.head.next(), detail).await
}

/// Begins another era and leaves a note on the numbers from `from` on, which may be used twice.
async fn new_era(
    outbox: &Outbox,
    key: SessionKey,
    log: &Log,
    info: &Info,
    from: Seq,
    detail: String,
) -> Result<Log, SyncError> {
    tracing::error!(device = %info.device_id, detail, "The watch's counter went backwards; a new era of its log begins.");
    let note = NewGap { from, to: log.cursor, stream: None, cause: GapCause::Conflict, detail, raw: None };
    outbox.append(log.key, key, Vec::new(), vec![note]).await?;
    Ok(outbox.new_era(log.key, info.tail.previous()).await?)
}

/// Makes sure that the watch still has the last block that we took, and not another one under its number. A counter that went
/// backwards and has since passed our cursor shows in nothing else.
pub async fn compare<L: Link>(
    bridge: &mut Bridge<L>,
    outbox: &Outbox,
    key: SessionKey,
    log: &Log,
    window: &Info,
) -> Result<(), SyncError> {
    if log.cursor == Seq(0) || log.cursor < window.tail || log.cursor >= window.head {
        return Ok(());
    }
    let found = bridge.peek(window, log.cursor).await?;
    let Some(block) = found.filter(|block| block.header().seq == log.cursor) else { return Ok(()) };
    match outbox.append(log.key, key, vec![new_block(&block)], Vec::new()).await {
        Ok(_) | Err(OutboxError::GivenUp { .. }) => Ok(()),
        Err(OutboxError::Conflict { seq, .. }) => {
            let detail = format!("the watch sent another block {seq} than before");
            new_era(outbox, key, log, window, seq, detail).await?;
            Err(SyncError::NumberReused(seq))
        }
        Err(error) => Err(error.into()),
    }
}
