//! A witness on the watch's side of the air: what the watch gave away, and what it was told is safe.
//!
//! A daemon that is killed cannot be asked what it had promised. This file can, and it shares nothing with the daemon: the blocks
//! are read off the air, and an acknowledgement is written down when it reaches the watch.
//!
//! ```text
//! boot 1 1763827200000000     this boot began at that instant, µs since 1970
//! gave 17 0a1b..              block 17 was sent whole, with these bytes
//! acked 17                    the host says that it has everything up to 17
//! ```

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use bytes::Bytes;
use tokio::time::Instant;
use uuid::Uuid;

use super::WatchOnAir;
use crate::radio::air::{Advertisement, AttError, Doorbell, Peripheral, Presence};
use crate::wire::bridge::{Assembler, CONTROL, DATA, Request};

/// A watch with a witness.
pub struct Witnessed {
    watch: WatchOnAir,
    file: File,
    assembler: Assembler,
}

impl Witnessed {
    /// Begins a ledger at `path`; one that is there is replaced.
    pub fn new(watch: WatchOnAir, path: &Path) -> io::Result<Self> {
        let mut file = File::create(path)?;
        let began = watch.with(|watch| watch.true_time(watch.boot(), 0).map(|utc| (watch.boot(), utc)));
        if let Some((boot, utc)) = began {
            writeln!(file, "boot {} {}", boot.0, utc.0)?;
        }
        Ok(Self { watch, file, assembler: Assembler::new() })
    }

    /// A ledger with a hole would accuse the wrong one.
    fn note(&mut self, line: &str) {
        if let Err(error) = writeln!(self.file, "{line}") {
            tracing::error!(%error, "The ledger cannot be written; this process ends.");
            std::process::abort();
        }
    }

    fn heard(&mut self, value: &[u8]) {
        match Request::decode(value) {
            Ok(Request::Pull { .. }) => self.assembler = Assembler::new(),
            Ok(Request::Commit { through, .. }) => self.note(&format!("acked {}", through.0)),
            _ => {}
        }
    }

    fn said(&mut self, value: &[u8]) {
        let mut blocks = Vec::new();
        // What the watch itself has damaged is no block, and was not given away.
        let _ = self.assembler.push(value, &mut blocks);
        for block in blocks {
            self.note(&format!("gave {} {}", block.header().seq.0, hex::encode(block.bytes())));
        }
    }
}

impl Peripheral for Witnessed {
    fn advertisement(&self) -> Option<Advertisement> {
        self.watch.advertisement()
    }

    fn characteristics(&self) -> Vec<Uuid> {
        self.watch.characteristics()
    }

    fn presence(&self) -> Presence {
        self.watch.presence()
    }

    fn take_doorbell(&mut self, doorbell: Doorbell) {
        self.watch.take_doorbell(doorbell);
    }

    fn wake_at(&self) -> Option<Instant> {
        self.watch.wake_at()
    }

    fn connected(&mut self, mtu: u16) {
        self.watch.connected(mtu);
    }

    fn disconnected(&mut self) {
        self.watch.disconnected();
    }

    fn subscribe(&mut self, characteristic: Uuid) -> Result<(), AttError> {
        self.watch.subscribe(characteristic)
    }

    fn read(&mut self, characteristic: Uuid) -> Result<Vec<u8>, AttError> {
        self.watch.read(characteristic)
    }

    fn write(&mut self, characteristic: Uuid, value: &[u8]) -> Result<(), AttError> {
        if characteristic == CONTROL {
            self.heard(value);
        }
        self.watch.write(characteristic, value)
    }

    fn notify(&mut self) -> Option<(Uuid, Bytes)> {
        let (characteristic, value) = self.watch.notify()?;
        if characteristic == DATA {
            self.said(&value);
        }
        Some((characteristic, value))
    }
}
