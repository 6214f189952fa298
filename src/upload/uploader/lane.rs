//! What is sent in one row: a kind of a log, or an errand.

use crate::measurement::Kind;
use crate::outbox::{Backlog, Errand, ErrandKey, LogKey, Span};
use crate::wire::bridge::{DeviceId, Seq};

/// Something that waits.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub log: LogKey,
    pub device: DeviceId,
    pub synthetic: bool,
    pub kind: Kind,
    /// Everything that waits in it.
    pub span: Span,
    pub errand: Option<Errand>,
    /// Samples that wait; 0 for an errand, which is counted elsewhere.
    pub samples: u64,
}

/// What a lane is told by.
pub(super) type LaneKey = (LogKey, Kind, Option<ErrandKey>);

impl Lane {
    pub fn key(&self) -> LaneKey {
        (self.log, self.kind, self.errand_key())
    }

    pub fn errand_key(&self) -> Option<ErrandKey> {
        self.errand.as_ref().map(|errand| errand.key)
    }
}

impl From<Backlog> for Lane {
    fn from(backlog: Backlog) -> Self {
        let Backlog { log, device, synthetic, kind, samples, unsent_from, skip, .. } = backlog;
        let span = Span { first: unsent_from, skip, last: Seq(u32::MAX), upto: None };
        Self { log, device, synthetic, kind, span, errand: None, samples }
    }
}

impl From<Errand> for Lane {
    fn from(errand: Errand) -> Self {
        let Errand { log, device, synthetic, kind, span, .. } = errand;
        Self { log, device, synthetic, kind, span, errand: Some(errand), samples: 0 }
    }
}
