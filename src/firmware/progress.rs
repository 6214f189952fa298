//! How far a download is, for whoever watches.

use serde::Serialize;
use tokio::sync::watch;
use tokio::time::Instant;

/// How far a download is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Progress {
    /// Bytes that are here, those of earlier attempts included.
    pub bytes: u64,
    /// Bytes of the whole, if that is known.
    pub total: Option<u64>,
    /// Bytes a second since this attempt began; 0 until a second has passed.
    pub rate: u64,
}

/// Publishes it.
pub(super) struct Meter {
    to: watch::Sender<Progress>,
    since: Instant,
    came: u64,
}

impl Meter {
    pub fn new(to: watch::Sender<Progress>) -> Self {
        Self { to, since: Instant::now(), came: 0 }
    }

    /// So many bytes are here of so many.
    pub fn stands(&self, bytes: u64, total: Option<u64>) {
        let ms = self.since.elapsed().as_millis() as u64;
        let rate = if ms < 1_000 { 0 } else { self.came.saturating_mul(1_000) / ms };
        self.to.send_replace(Progress { bytes, total, rate });
    }

    /// Bytes came from the network.
    pub const fn came(&mut self, bytes: u64) {
        self.came += bytes;
    }
}
